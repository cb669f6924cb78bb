/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: the outputs of sockwatch list: a reader that leaves, a full disk, a narrow terminal, hostile names. */
#include "live/live.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/tcp.h>

#include "live/program.h"

#define NARROW	 40
#define TEXT_MAX (1024 * 1024)

static const char hostile[] = "/evil\n\033]0;x\007\"'\\,name";

static char pid[16];
static int sockets[2];

/* Hostile names of the test itself: its own, and of a unix socket. */
static int set_up(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET };

	(void)state;
	memcpy(un.sun_path + 1, hostile, sizeof(hostile) - 1);
	sockets[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sockets[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	prctl(PR_SET_NAME, "\033[31mevil\n");
	if (bind(sockets[0], (struct sockaddr *)&un,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(hostile))))
		return -1;
	if (bind(sockets[1], (struct sockaddr *)&in, sizeof(in)) || listen(sockets[1], 1))
		return -1;
	return listen(sockets[0], 1);
}

static int tear_down(void **state)
{
	(void)state;
	close(sockets[0]);
	close(sockets[1]);
	return 0;
}

static void hostile_names_are_escaped_in_a_table(void **state)
{
	struct program *p = program_run(0, .args = PROGRAM_ARGS("list", "-xlap", "pid", "=", pid));

	(void)state;
	program__assert_out(p, "@/evil\\x0a\\x1b]0;x\\x07\"'\\\\,name");
	program__assert_out(p, "\\x1b[31mevil\\x0a");
	assert_null(strchr(p->out.text, '\033'));
	assert_null(strchr(p->out.text, '\007'));
	program__free(p);
}

/* The header and one line: a newline in a name makes no line of its own. */
static void a_socket_is_one_line(void **state)
{
	struct program *p = program_run(0, .args = PROGRAM_ARGS("list", "-xla", "pid", "=", pid));
	unsigned int lines = 0;

	(void)state;
	for (const char *at = p->out.text; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 2);
	program__free(p);
}

static void csv_quotes_them(void **state)
{
	struct program *p =
		program_run(0, .args = PROGRAM_ARGS("list", "-xla", "--csv", "-O", "path,pid", "pid", "=", pid));
	char expected[128];

	(void)state;
	snprintf(expected, sizeof(expected), "path,pid\r\n\"@/evil\n\\x1b]0;x\\x07\"\"'\\\\,name\",%s\r\n", pid);
	assert_string_equal(p->out.text, expected);
	program__free(p);
}

static int full_disk(void *ctx)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)ctx;
	return fd < 0 || dup2(fd, STDOUT_FILENO) < 0 ? -1 : 0;
}

static void a_full_disk_is_a_failure(void **state)
{
	static const char *const outputs[][3] = { { "list", "-a" },
						  { "list", "-a", "--json" },
						  { "list", "-a", "--csv" } };

	(void)state;
	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
		const char *args[4] = { outputs[i][0], outputs[i][1], outputs[i][2] };
		struct program *p = program_run(1, .args = args, .prepare = full_disk);

		program__assert_error(p, "cannot write: No space left on device");
		program__free(p);
	}
}

static int no_reader(void *ctx)
{
	int fds[2];

	(void)ctx;
	if (pipe(fds) || dup2(fds[1], STDOUT_FILENO) < 0)
		return -1;
	close(fds[0]);
	close(fds[1]);
	return 0;
}

static void a_reader_that_left_is_no_failure(void **state)
{
	struct program *p = program_run(0, .args = PROGRAM_ARGS("list", "-anp"), .prepare = no_reader);

	(void)state;
	program__assert_error_lacks(p, "cannot write");
	program__free(p);
}

static int mkdir_if_missing(const char *path)
{
	return mkdir(path, 0755) && errno != EEXIST;
}

static int no_colour(void *ctx)
{
	(void)ctx;
	return setenv("NO_COLOR", "1", 1);
}

static void no_colours_and_no_cuts_in_a_pipe(void **state)
{
	struct program *p = program_run(0, .args = PROGRAM_ARGS("list", "-lnp"));

	(void)state;
	assert_null(strchr(p->out.text, '\033'));
	program__assert_out(p, "SEND-Q");
	program__free(p);
}

/* What the program prints on a terminal of NARROW columns. */
static char *run_on_terminal(int (*prepare)(void *ctx), const char *const *args)
{
	const struct winsize size = { .ws_row = 24, .ws_col = NARROW };
	const char *program = getenv("SOCKWATCH");
	char *text = calloc(1, TEXT_MAX);
	size_t len = 0;
	int master, status;
	ssize_t n;
	pid_t child = forkpty(&master, NULL, NULL, &size);

	assert_non_null(text);
	assert_true(child >= 0);
	if (!child) {
		unsetenv("COLUMNS");
		/* What is said beside the table is not asked about. */
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		if (prepare && prepare(NULL))
			_exit(125);
		execv(program ? program : "build/sockwatch", (char *const *)args);
		_exit(125);
	}
	/* EIO is the end of a terminal. */
	while (len < TEXT_MAX - 1 && (n = read(master, text + len, TEXT_MAX - 1 - len)) > 0)
		len += (size_t)n;
	close(master);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return text;
}

static size_t cells(const char *line, size_t len)
{
	size_t n = 0;
	bool sequence = false;

	for (size_t i = 0; i < len; i++) {
		if (line[i] == '\033')
			sequence = true;
		else if (sequence)
			sequence = line[i] != 'm';
		else if (line[i] != '\r')
			n++;
	}
	return n;
}

static void a_narrow_terminal_is_not_overrun(void **state)
{
	char *text = run_on_terminal(NULL, PROGRAM_ARGS("sockwatch", "list", "-tlnp", "pid", "=", pid));
	bool table = false;

	(void)state;
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");

		if (cells(line, len) > NARROW)
			fail_msg("%zu cells: %.*s", cells(line, len), (int)len, line);
		table |= !strncmp(line, "PROTO", 5);
		if (!line[len])
			break;
	}
	assert_true(table);
	assert_non_null(strstr(text, "127.0.0.1:"));
	assert_non_null(strstr(text, pid));
	assert_non_null(strstr(text, "\033[")); /* in colour */
	free(text);
	text = run_on_terminal(no_colour, PROGRAM_ARGS("sockwatch", "list", "-tlnp", "pid", "=", pid));
	assert_null(strchr(text, '\033'));
	free(text);
	text = run_on_terminal(NULL, PROGRAM_ARGS("sockwatch", "list", "-tlnp", "--wide", "pid", "=", pid));
	assert_non_null(strstr(text, "SEND-Q"));
	free(text);
}

static void wrong_usage_has_status_2(void **state)
{
	static const struct {
		const char *args[5];
		const char *named;
	} wrong[] = {
		{ { "list", "-q" }, "-q" },
		{ { "list", "-O", "frob" }, "frob" },
		{ { "list", "dprt", "=", "5" }, "dprt" },
		{ { "-v", "list" }, "list" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *args[6] = { 0 };
		struct program *p;

		memcpy(args, wrong[i].args, sizeof(wrong[i].args));
		p = program_run(2, .args = args);
		program__assert_error(p, wrong[i].named);
		program__assert_error(p, "--help");
		assert_int_equal(p->out.len, 0);
		program__free(p);
	}
}

static void a_namespace_that_is_not_there(void **state)
{
	struct program *p = program_run(1, .args = PROGRAM_ARGS("list", "-N", "no-such-namespace"));

	(void)state;
	program__assert_error(p, "no-such-namespace");
	program__free(p);
}

/* As ip-netns(8) makes it, where nobody else sees it. */
static int name_own_namespace(void *ctx)
{
	int fd;

	(void)ctx;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mkdir_if_missing("/run/netns") || mount("tmpfs", "/run/netns", "tmpfs", 0, NULL))
		return -1;
	fd = open("/run/netns/blue", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	close(fd);
	return mount("/proc/self/ns/net", "/run/netns/blue", NULL, MS_BIND, NULL);
}

static void a_namespace_by_its_name(void **state)
{
	struct program *p = program_run(
		0, .args = PROGRAM_ARGS("list", "-N", "blue", "-tla", "-H", "-O", "netns,pid", "pid", "=", pid),
		.prepare = name_own_namespace);
	char expected[64];

	(void)state;
	snprintf(expected, sizeof(expected), "blue %s", pid);
	program__assert_out(p, expected);
	program__free(p);
}

static void help_names_options_and_columns(void **state)
{
	static const char *const texts[] = { "-t, --tcp", "-N, --net NS", "-O, --columns", "--sort",
					     "holders",	  "Exit status",  "sport" };
	struct program *p = program_run(0, .args = PROGRAM_ARGS("list", "--help"));

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		program__assert_out(p, texts[i]);
	assert_int_equal(p->error.len, 0);
	program__free(p);
}

/* Many MD5 keys of one socket end a dump that asks for tcp_info as if it were done. */
static void a_socket_with_many_md5_keys_hides_no_other(void **state)
{
	struct tcp_md5sig key = { .tcpm_keylen = 4, .tcpm_key = "key" };
	struct sockaddr_in *peer = (struct sockaddr_in *)&key.tcpm_addr;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), keys = 0;
	struct program *with, *without;

	(void)state;
	peer->sin_family = AF_INET;
	for (uint32_t i = 1; i <= 500; i++) {
		peer->sin_addr.s_addr = htonl(0x0a000000 + i);
		keys += !setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key));
	}
	if (!keys) {
		print_message("this kernel has no TCP_MD5SIG\n");
		close(fd);
		skip();
	}
	assert_int_equal(listen(fd, 1), 0);
	without = program_run(0, .args = PROGRAM_ARGS("list", "-tla", "-H", "-O", "inode", "pid", "=", pid));
	with = program_run(0, .args = PROGRAM_ARGS("list", "-tlai", "-H", "-O", "inode", "pid", "=", pid));
	assert_string_equal(with->out.text, without->out.text);
	program__free(with);
	program__free(without);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_names_are_escaped_in_a_table),
		cmocka_unit_test(a_socket_is_one_line),
		cmocka_unit_test(csv_quotes_them),
		cmocka_unit_test(a_full_disk_is_a_failure),
		cmocka_unit_test(a_reader_that_left_is_no_failure),
		cmocka_unit_test(no_colours_and_no_cuts_in_a_pipe),
		cmocka_unit_test(a_narrow_terminal_is_not_overrun),
		cmocka_unit_test(wrong_usage_has_status_2),
		cmocka_unit_test(a_namespace_that_is_not_there),
		cmocka_unit_test(a_namespace_by_its_name),
		cmocka_unit_test(help_names_options_and_columns),
		cmocka_unit_test(a_socket_with_many_md5_keys_hides_no_other),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
