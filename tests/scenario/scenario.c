/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "scenario/scenario.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "common/schema.h"

#define CHILDREN_MAX 64
#define LINE_SIZE    65536
#define PRINTED_MAX  4000

struct scenario {
	uint32_t netns;
	json_t *schema;
	pid_t stream;
	/* A file: the stream never waits for us. The program and we share its position, so we read with pread. */
	int out_fd;
	off_t read;
	char line[LINE_SIZE];
	bool in_sync, summary;
	unsigned int lost;
	struct connection *connections;
	size_t count, size;
	pid_t children[CHILDREN_MAX]; /* each leads a process group; 0: reaped */
	size_t child_count;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- files */

void scenario__need(const char *path)
{
	if (!access(path, X_OK))
		return;
	print_message("%s is not there\n", path);
	skip();
}

static FILE *open_file(const char *name, const char *mode)
{
	char path[512];

	snprintf(path, sizeof(path), SCENARIO_DIR "/%s", name);
	return fopen(path, mode);
}

void scenario__write(const char *name, const char *text)
{
	FILE *f = open_file(name, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

char *scenario__read(const char *name)
{
	_cleanup_fclose_ FILE *f = open_file(name, "re");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		return NULL;
	/* To the NUL that is not there: all of it. */
	if (getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = strdup("");
	}
	assert_non_null(text);
	return text;
}

static void print_log(const char *name)
{
	char *text = scenario__read(name);
	size_t len = text ? strlen(text) : 0;

	if (len)
		print_error("--- %s:\n%s\n", name, text + (len > PRINTED_MAX ? len - PRINTED_MAX : 0));
	free(text);
}

static void print_logs(void)
{
	_cleanup_closedir_ DIR *dir = opendir(SCENARIO_DIR);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len < 4 || strcmp(entry->d_name + len - 4, ".log") != 0)
			continue;
		print_log(entry->d_name);
	}
}

#define fail_with_logs(...)            \
	do {                           \
		print_logs();          \
		fail_msg(__VA_ARGS__); \
	} while (0)

/* ---- the stream */

static struct connection *get_connection(struct scenario *s, uint64_t cookie)
{
	for (size_t i = s->count; i-- > 0;) {
		if (s->connections[i].cookie == cookie)
			return &s->connections[i];
	}
	if (s->count == s->size) {
		s->size = s->size ? 2 * s->size : 1024;
		s->connections = realloc(s->connections, s->size * sizeof(*s->connections));
		assert_non_null(s->connections);
	}
	memset(&s->connections[s->count], 0, sizeof(*s->connections));
	s->connections[s->count].cookie = cookie;
	return &s->connections[s->count++];
}

static const char *text_of(const json_t *update, const char *key)
{
	const char *text = json_string_value(json_object_get(update, key));

	return text ? text : "";
}

static uint64_t number_of(const json_t *update, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(update, key));
}

static struct taken *taken_by(struct connection *c, const char *event)
{
	const struct {
		const char *event;
		struct taken *taken;
	} kinds[] = {
		{ "listen", &c->listen }, { "connect", &c->connect }, { "established", &c->established },
		{ "accept", &c->accept }, { "close", &c->close },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(kinds[i].event, event))
			return kinds[i].taken;
	}
	if (strcmp(event, "owner") != 0)
		return NULL;
	if (c->owner_count == SCENARIO_OWNERS)
		fail_with_logs("cookie %" PRIu64 " changes its owner again and again", c->cookie);
	return &c->owners[c->owner_count++];
}

static void take_socket(struct scenario *s, const json_t *update)
{
	struct connection *c = get_connection(s, number_of(update, "cookie"));
	struct taken *t = taken_by(c, text_of(update, "event"));

	snprintf(c->direction, sizeof(c->direction), "%s", text_of(update, "direction"));
	if (number_of(update, "local_port"))
		c->local_port = (uint16_t)number_of(update, "local_port");
	if (number_of(update, "remote_port"))
		c->remote_port = (uint16_t)number_of(update, "remote_port");
	if (!t)
		return;
	t->count++;
	t->pid = (uint32_t)number_of(update, "pid");
	t->prev_pid = (uint32_t)number_of(update, "prev_pid");
	snprintf(t->comm, sizeof(t->comm), "%s", text_of(update, "comm"));
	snprintf(t->attribution, sizeof(t->attribution), "%s", text_of(update, "attribution"));
	if (t == &c->close) {
		c->bytes_sent = number_of(update, "bytes_sent");
		c->bytes_received = number_of(update, "bytes_received");
	}
}

static void take_line(struct scenario *s, const char *line, size_t len)
{
	json_t *update = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	char why[256] = "";
	const char *event;

	if (!update || !schema__valid(s->schema, update, why, sizeof(why)))
		fail_with_logs("a line is no JSON, or against the schema (%s): %.*s", why, (int)len, line);
	event = text_of(update, "event");
	s->in_sync |= !strcmp(event, "sync");
	s->summary |= !strcmp(event, "summary");
	if (!strcmp(event, "lost"))
		s->lost += (unsigned int)number_of(update, "count");
	if (json_object_get(update, "cookie") && number_of(update, "netns") == s->netns)
		take_socket(s, update);
	json_decref(update);
}

/* All whole lines that are there. */
static void take_lines(struct scenario *s)
{
	ssize_t n;

	while ((n = pread(s->out_fd, s->line, sizeof(s->line), s->read)) > 0) {
		const char *at = s->line, *newline;

		while ((newline = memchr(at, '\n', (size_t)(s->line + n - at)))) {
			take_line(s, at, (size_t)(newline - at));
			at = newline + 1;
		}
		if (at == s->line)
			return;
		s->read += at - s->line;
	}
}

const struct connection *scenario__connections(struct scenario *s, size_t *ret_count)
{
	take_lines(s);
	*ret_count = s->count;
	return s->connections;
}

const struct connection *scenario__find(struct scenario *s, const char *direction, uint16_t local, uint16_t remote)
{
	const struct connection *found = NULL;

	for (size_t i = 0; i < s->count; i++) {
		const struct connection *c = &s->connections[i];

		if (c->local_port != local || c->remote_port != remote || strcmp(c->direction, direction) != 0)
			continue;
		if (found)
			return NULL;
		found = c;
	}
	return found;
}

void scenario__wait(struct scenario *s, bool (*is_so)(struct scenario *s, void *ctx), void *ctx, const char *what)
{
	int64_t deadline = now_ms() + SCENARIO_TIMEOUT_MS;

	for (;;) {
		take_lines(s);
		if (is_so(s, ctx))
			return;
		if (now_ms() > deadline)
			fail_with_logs("%s: not so within %d ms", what, SCENARIO_TIMEOUT_MS);
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

/* ---- processes */

static int open_or_null(const char *name, int flags)
{
	char path[512];

	snprintf(path, sizeof(path), SCENARIO_DIR "/%s", name ? name : "");
	return open(name ? path : "/dev/null", flags | O_CLOEXEC, 0644);
}

static void become(const char *const *argv, const char *in, const char *out)
{
	const char *slash = strrchr(argv[0], '/');
	char log[128];

	snprintf(log, sizeof(log), "%s.log", slash ? slash + 1 : argv[0]);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(open_or_null(in, O_RDONLY), STDIN_FILENO);
	dup2(open_or_null(out, O_WRONLY | O_CREAT | O_TRUNC), STDOUT_FILENO);
	dup2(open_or_null(log, O_WRONLY | O_CREAT | O_APPEND), STDERR_FILENO);
	execvp(argv[0], (char *const *)argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

pid_t scenario__spawn(struct scenario *s, const char *const *argv, const char *in, const char *out)
{
	pid_t pid;

	assert_true(s->child_count < CHILDREN_MAX);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		become(argv, in, out);
	setpgid(pid, pid); /* here too: whoever is first */
	s->children[s->child_count++] = pid;
	return pid;
}

static bool try_join(struct scenario *s, size_t i, int *ret_status)
{
	if (waitpid(s->children[i], ret_status, WNOHANG) != s->children[i])
		return false;
	s->children[i] = 0;
	return true;
}

void scenario__adopt(struct scenario *s, pid_t pid)
{
	assert_true(s->child_count < CHILDREN_MAX);
	s->children[s->child_count++] = pid;
}

struct joining {
	size_t child;
	int status;
};

static bool has_ended(struct scenario *s, void *ctx)
{
	struct joining *j = ctx;

	return try_join(s, j->child, &j->status);
}

void scenario__join(struct scenario *s, pid_t pid)
{
	struct joining j = { 0 };

	while (j.child < s->child_count && s->children[j.child] != pid)
		j.child++;
	assert_true(j.child < s->child_count);
	scenario__wait(s, has_ended, &j, "a program ends");
	if (j.status)
		fail_with_logs("process %d ended with wait status %#x", pid, (unsigned int)j.status);
}

void scenario__end(struct scenario *s, pid_t pid)
{
	kill(pid, SIGTERM);
	scenario__join(s, pid);
}

/* Ours, and what they left in their groups. */
static void end_children(struct scenario *s)
{
	int64_t deadline = now_ms() + 5000;
	int status;

	for (size_t i = 0; i < s->child_count; i++) {
		if (!s->children[i])
			continue;
		kill(-s->children[i], SIGTERM);
		kill(s->children[i], SIGTERM); /* one that leads no group */
		while (!try_join(s, i, &status)) {
			if (now_ms() > deadline)
				kill(-s->children[i], SIGKILL);
			nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
		}
	}
}

int scenario__connect(uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(port) }, own;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(own);

	peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
	*ret_port = ntohs(own.sin_port);
	return fd;
}

/* ---- start and end */

static void enter_namespaces(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("none", "/run", "tmpfs", 0, "mode=755"), 0);
	assert_int_equal(mkdir(SCENARIO_DIR, 0755), 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static void become_stream(int out_fd)
{
	const char *program = getenv("SOCKWATCH");

	program = program && *program ? program : "build/sockwatch";
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out_fd, STDOUT_FILENO);
	dup2(open_or_null("sockwatch.log", O_WRONLY | O_CREAT), STDERR_FILENO);
	execl(program, program, "--json", "--no-existing", (char *)NULL);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", program, strerror(errno));
	_exit(127);
}

static bool is_in_sync(struct scenario *s, void *ctx)
{
	(void)ctx;
	return s->in_sync;
}

int scenario__setup(void **state)
{
	const char *schema = getenv("SOCKWATCH_SCHEMA");
	struct scenario *s = calloc(1, sizeof(*s));
	struct stat st;

	assert_non_null(s);
	*state = s;
	assert_int_equal(schema__load(schema && *schema ? schema : "src/data/sockwatch.schema.json", &s->schema), 0);
	enter_namespaces();
	assert_int_equal(stat("/proc/self/ns/net", &st), 0);
	s->netns = (uint32_t)st.st_ino;
	s->out_fd = memfd_create("stream", MFD_CLOEXEC);
	assert_true(s->out_fd >= 0);
	s->stream = fork();
	assert_true(s->stream >= 0);
	if (!s->stream)
		become_stream(s->out_fd);
	scenario__wait(s, is_in_sync, NULL, "the stream is in sync");
	return 0;
}

void scenario__stop_stream(struct scenario *s)
{
	int status;

	kill(s->stream, SIGINT);
	assert_int_equal(waitpid(s->stream, &status, 0), s->stream);
	s->stream = 0;
	take_lines(s);
	if (status || !s->summary || s->lost)
		fail_with_logs("the stream ended with wait status %#x, %s summary, %u records lost",
			       (unsigned int)status, s->summary ? "a" : "no", s->lost);
}

int scenario__teardown(void **state)
{
	struct scenario *s = *state;

	end_children(s);
	if (s->stream > 0) {
		kill(s->stream, SIGKILL);
		waitpid(s->stream, NULL, 0);
	}
	close(s->out_fd);
	json_decref(s->schema);
	free(s->connections);
	free(s);
	umount2("/run", MNT_DETACH);
	return 0;
}
