/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: how a stream ends (signals, a closed pipe, a full disk, SIGKILL), and readers that are slow. */
#include "live/live.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "live/program.h"

#define PORT	7500
#define OBJECTS 64
#define BURST	2000 /* connections: twice what pipe, ring and lines under way have room for */
/* Records of the burst take some 20 MB as text; this and what a pipe holds are far less. */
#define SMALL_RING "256"

#ifdef SYS_poll
#define SYS_POLL SYS_poll
#else
#define SYS_POLL SYS_ppoll
#endif

static void pause_ms(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* ---- signals */

static void assert_signal_ends(int signal)
{
	struct program *p = program_start(.args = PROGRAM_ARGS("--json", "-l", "--no-existing"));
	size_t last;

	program__wait_text(p, &p->out, "\"event\":\"sync\"");
	kill(p->pid, signal);
	assert_int_equal(program__join(p), 0);
	program__assert_error(p, "updates in");
	program__assert_error(p, "records lost");
	for (last = p->out.len - 1; last && p->out.text[last - 1] != '\n'; last--)
		;
	assert_non_null(strstr(p->out.text + last, "\"event\":\"summary\""));
	program__free(p);
}

static void sigint_and_sigterm_end_with_a_summary(void **state)
{
	(void)state;
	assert_signal_ends(SIGINT);
	assert_signal_ends(SIGTERM);
}

/* ---- a closed pipe, no stdout, a full disk */

static void close_out(struct program *p)
{
	close(p->out.fd);
	p->out.fd = -1;
}

static void pipe_closed_while_printing_is_an_end_like_any_other(void **state)
{
	static const char *const formats[] = { "--json", "--verbose" };
	struct live *l = *state;

	/* More lines than a pipe takes. */
	for (uint16_t i = 0; i < 400; i++)
		actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT + i);
	for (size_t i = 0; i < 2; i++) {
		struct program *p = program_start(.args = PROGRAM_ARGS(formats[i]));

		program__wait_text(p, &p->out, "\n"); /* head -1 */
		close_out(p);
		assert_int_equal(program__join(p), 0);
		program__assert_error(p, "updates in");
		program__assert_error_lacks(p, "cannot write");
		program__free(p);
	}
}

static void pipe_closed_while_idle_is_noticed(void **state)
{
	struct program *p = program_start(.args = PROGRAM_ARGS("--json", "--no-existing", "-l"));

	(void)state;
	program__wait_text(p, &p->out, "\"event\":\"sync\"");
	close_out(p);
	assert_int_equal(program__join(p), 0);
	program__assert_error(p, "updates in");
	program__free(p);
}

static int write_to_full_disk(void *ctx)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)ctx;
	return fd < 0 || dup2(fd, STDOUT_FILENO) < 0;
}

static void assert_full_disk_is_told(const char *const *args)
{
	struct program *p = program_start(.args = args, .prepare = write_to_full_disk);
	int status = program__join(p);

	if (status != 1) {
		program__print(p);
		fail_msg("%s to a full disk: exit status %d", args[0], status);
	}
	program__assert_error(p, strerror(ENOSPC));
	program__free(p);
}

static void a_full_disk_ends_the_stream_with_status_1(void **state)
{
	(void)state;
	assert_full_disk_is_told(PROGRAM_ARGS("--json"));
	assert_full_disk_is_told(PROGRAM_ARGS("stream"));
}

static void a_full_disk_is_told_by_doctor(void **state)
{
	(void)state;
	assert_full_disk_is_told(PROGRAM_ARGS("doctor"));
	assert_full_disk_is_told(PROGRAM_ARGS("doctor", "--json"));
}

static void a_full_disk_is_told_by_help_and_version(void **state)
{
	(void)state;
	assert_full_disk_is_told(PROGRAM_ARGS("--help"));
	assert_full_disk_is_told(PROGRAM_ARGS("--version"));
}

static int close_one(void *ctx)
{
	return close(*(const int *)ctx);
}

/* The number must not go to a descriptor of our own, which would then be written to. */
static void a_missing_standard_stream_is_no_mess(void **state)
{
	static const int which[] = { STDIN_FILENO, STDERR_FILENO };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int fd = which[i];
		struct program *p =
			program_run(0, .args = PROGRAM_ARGS("--no-existing", "--json", "-l", "--duration", "0.1"),
				    .prepare = close_one, .ctx = &fd);

		program__assert_out(p, "\"event\":\"summary\"");
		program__free(p);
	}
}

static void no_stdout_is_told_as_such(void **state)
{
	int fd = STDOUT_FILENO;
	struct program *p = program_run(1, .args = PROGRAM_ARGS("--duration", "0.1"), .prepare = close_one, .ctx = &fd);

	(void)state;
	program__assert_error(p, "stdout");
	program__free(p);
}

/* ---- SIGKILL */

struct object {
	const char *kind; /* of a line of fdinfo */
	unsigned int id;
};

/* The programs, maps and links that the process has descriptors of. */
static size_t find_objects(pid_t pid, struct object *ret)
{
	static const char *const kinds[] = { "prog_id", "map_id", "link_id" };
	char path[64], line[256];
	const struct dirent *entry;
	size_t count = 0;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	_cleanup_closedir_ DIR *dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
		FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

		while (f && fgets(line, sizeof(line), f)) {
			for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && count < OBJECTS; i++) {
				if (!strncmp(line, kinds[i], strlen(kinds[i])) &&
				    sscanf(line + strlen(kinds[i]), ": %u", &ret[count].id) == 1)
					ret[count++].kind = kinds[i];
			}
		}
		if (f)
			fclose(f);
	}
	return count;
}

static bool is_there(const struct object *o)
{
	int fd;

	if (!strcmp(o->kind, "prog_id"))
		fd = bpf_prog_get_fd_by_id(o->id);
	else if (!strcmp(o->kind, "map_id"))
		fd = bpf_map_get_fd_by_id(o->id);
	else
		fd = bpf_link_get_fd_by_id(o->id);
	if (fd < 0) {
		assert_int_equal(fd, -ENOENT);
		return false;
	}
	close(fd);
	return true;
}

static size_t count_kind(const struct object *objects, size_t count, const char *kind)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += !strcmp(objects[i].kind, kind);
	return n;
}

static void sigkill_leaves_nothing_in_the_kernel(void **state)
{
	struct program *p = program_start(.args = PROGRAM_ARGS("--json", "-l", "--no-existing"));
	struct object objects[OBJECTS];
	size_t count;

	(void)state;
	program__wait_text(p, &p->out, "\"event\":\"sync\"");
	count = find_objects(p->pid, objects);
	assert_true(count_kind(objects, count, "prog_id") >= 4);
	assert_true(count_kind(objects, count, "map_id") >= 2);
	assert_true(count_kind(objects, count, "link_id") >= 1);
	for (size_t i = 0; i < count; i++)
		assert_true(is_there(&objects[i]));
	kill(p->pid, SIGKILL);
	assert_int_equal(waitpid(p->pid, NULL, 0), p->pid);
	p->pid = 0;
	for (size_t i = 0; i < count; i++) {
		for (int waited = 0; is_there(&objects[i]); waited++) {
			if (waited == PROGRAM_TIMEOUT_MS)
				fail_msg("%s %u is still there", objects[i].kind, objects[i].id);
			pause_ms();
		}
	}
	program__free(p);
}

/* ---- slow readers */

static void must(bool ok)
{
	if (!ok)
		_exit(1);
}

/* Connections one after the other, both ends in this process. */
static void burst(int ns, unsigned int connections)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int listener, one = 1;

	must(setns(ns, CLONE_NEWNET) == 0);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Several addresses: each has the ephemeral ports anew. */
	must(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listener, 64) == 0);
	for (unsigned int i = 0; i < connections; i++) {
		int client = socket(AF_INET, SOCK_STREAM, 0);

		at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i % 8);
		must(connect(client, (struct sockaddr *)&at, sizeof(at)) == 0);
		close(accept(listener, NULL, NULL));
		close(client);
	}
}

static pid_t start_burst(const struct live *l, unsigned int connections)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		alarm((unsigned int)scale__timeout(30)); /* blocked for ever is a failure, not a hang */
		burst(l->ns, connections);
		_exit(0);
	}
	return pid;
}

static void join_burst(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static bool is_named(const json_t *update, const void *ctx)
{
	return !strcmp(update__text(update, "event"), ctx);
}

/* The program sleeps because its reader does not read; when idle it sleeps in epoll_wait. */
static void wait_stuck(pid_t pid)
{
	const struct actor program = { .pid = (uint32_t)pid, .tid = (uint32_t)pid, .comm = "sockwatch" };

	actor__wait_blocked(&program, SYS_POLL);
}

static void a_slow_reader_blocks_nobody_and_is_told_what_it_missed_T12(void **state)
{
	struct live *l = *state;

	live__start(l, PROGRAM_ARGS("--no-existing", "--ring", SMALL_RING));
	size_t sync = stream__wait_sync(l->stream, 0);
	join_burst(start_burst(l, BURST));
	wait_stuck(stream__pid(l->stream));
	size_t lost = stream__wait(l->stream, sync + 1, is_named, "lost", STREAM_TIMEOUT_MS);
	assert_true(update__number(stream__at(l->stream, lost), "count") > 0);
	assert_string_equal(update__text(stream__at(l->stream, lost), "where"), "ring");
	stream__wait_sync(l->stream, lost + 1);
	live__finish(l);
}

static void a_signal_gets_through_to_a_stream_nobody_reads(void **state)
{
	struct live *l = *state;
	int out_fd;
	struct program *p = program_start(.args = PROGRAM_ARGS("--json", "--no-existing", "--ring", SMALL_RING));

	program__wait_text(p, &p->out, "\"event\":\"sync\"");
	join_burst(start_burst(l, BURST));
	wait_stuck(p->pid);
	out_fd = p->out.fd;
	p->out.fd = -1;
	kill(p->pid, SIGINT);
	program__wait_text(p, &p->error, "updates in");
	p->out.fd = out_fd;
	assert_int_equal(program__join(p), 0);
	/* What a reader finds later are whole lines. */
	assert_int_equal(p->out.text[p->out.len - 1], '\n');
	program__free(p);
}

#define SLOW_CHUNK 65536 /* the slow reader takes one each 20 ms: a tenth of what is printed */
#define IN_TIME_S  scale__timeout(10)

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* While records come faster than they can be printed, the time to stop must be seen all the same. */
static void the_end_comes_in_time_however_slow_the_reader(void **state)
{
	static char chunk[SLOW_CHUNK];
	struct live *l = *state;
	double start = seconds();
	struct program *p;
	pid_t burst_pid;

	ns__sysctl(l->ns, "net/ipv4/ip_local_port_range", "1024 65000");
	burst_pid = start_burst(l, UINT32_MAX);
	p = program_start(.args = PROGRAM_ARGS("--json", "--no-existing", "--duration", "1"));
	while (read(p->out.fd, chunk, sizeof(chunk)) > 0 && seconds() - start < IN_TIME_S)
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	assert_int_equal(waitpid(burst_pid, NULL, WNOHANG), 0); /* it was there all the time */
	kill(burst_pid, SIGKILL);
	waitpid(burst_pid, NULL, 0);
	assert_true(seconds() - start < IN_TIME_S);
	assert_int_equal(program__join(p), 0);
	program__free(p);
}

static int fill_nothing(void *ctx)
{
	(void)ctx;
	return fcntl(STDOUT_FILENO, F_SETPIPE_SZ, 4096) < 0;
}

/* Every line arrives whole, however little the pipe takes at a time. */
static void a_small_pipe_gets_everything(void **state)
{
	struct live *l = *state;
	struct program *p =
		program_start(.args = PROGRAM_ARGS("--json", "--no-existing", "-l"), .prepare = fill_nothing);

	program__wait_text(p, &p->out, "\"event\":\"sync\"");
	for (uint16_t i = 0; i < 100; i++)
		actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT + i);
	program__wait_text(p, &p->out, "\"local_port\":7599,");
	kill(p->pid, SIGTERM);
	assert_int_equal(program__join(p), 0);
	for (unsigned int i = 0; i < 100; i++) {
		char text[64];

		snprintf(text, sizeof(text), "\"local_address\":\"127.0.0.1\",\"local_port\":%u,", PORT + i);
		program__assert_out(p, text);
	}
	assert_int_equal(p->out.text[p->out.len - 1], '\n');
	program__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sigint_and_sigterm_end_with_a_summary),
		live_test_quiet(pipe_closed_while_printing_is_an_end_like_any_other),
		cmocka_unit_test(pipe_closed_while_idle_is_noticed),
		cmocka_unit_test(a_full_disk_ends_the_stream_with_status_1),
		cmocka_unit_test(a_full_disk_is_told_by_doctor),
		cmocka_unit_test(a_full_disk_is_told_by_help_and_version),
		cmocka_unit_test(a_missing_standard_stream_is_no_mess),
		cmocka_unit_test(no_stdout_is_told_as_such),
		cmocka_unit_test(sigkill_leaves_nothing_in_the_kernel),
		live_test_quiet(a_slow_reader_blocks_nobody_and_is_told_what_it_missed_T12),
		live_test_quiet(a_signal_gets_through_to_a_stream_nobody_reads),
		live_test_quiet(the_end_comes_in_time_however_slow_the_reader),
		live_test_quiet(a_small_pipe_gets_everything),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
