/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/schema.h"

#define LINE_MAX_BYTES 65536
#define ARGS_MAX       16
#define PRINTED	       40

struct stream {
	struct stream_config config;
	pid_t pid;  /* 0: reaped */
	int out_fd; /* our end of the pipe, or the spool; -1: end of file seen */
	int err_fd; /* memfd that is the program's stderr */
	const json_t *schema;
	json_t **updates;
	size_t count, size;
	char line[LINE_MAX_BYTES];
	size_t line_len;
	char netns[32]; /* how a line of config.netns has it; "": all are read */
};

static const char *from_environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

static void become(const struct stream_config *config, int out_fd, int err_fd)
{
	const char *program = from_environment("SOCKWATCH", "build/sockwatch");
	const char *plan = from_environment("SOCKWATCH_PLAN", NULL);
	const char *argv[ARGS_MAX + 6] = { program, "stream", "--json" };
	int argc = 3;

	if (plan) {
		argv[argc++] = "--plan";
		argv[argc++] = plan;
	}
	for (int i = 0; config->args && config->args[i] && i < ARGS_MAX; i++)
		argv[argc++] = config->args[i];
	/* A shell has it ignored in what it runs in the background. */
	signal(SIGINT, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out_fd, STDOUT_FILENO);
	dup2(err_fd, STDERR_FILENO);
	execv(program, (char *const *)argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", program, strerror(errno));
	_exit(127);
}

static void make_pipe(int pair[2])
{
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	/* The reader validates each line: give it room, so that it does not make the program's buffer overflow. */
	fcntl(pair[1], F_SETPIPE_SZ, 1 << 20);
}

static void make_spool(int pair[2])
{
	char path[64];

	pair[1] = memfd_create("spool", MFD_CLOEXEC);
	assert_true(pair[1] >= 0);
	/* Opened again for an offset of its own. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pair[1]);
	pair[0] = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(pair[0] >= 0);
}

/* Once: a schema that was loaded is kept to the end of the program. */
static const json_t *load_schema(void)
{
	static json_t *schema;

	if (!schema)
		assert_int_equal(schema__load(from_environment("SOCKWATCH_SCHEMA", "src/data/sockwatch.schema.json"),
					      &schema),
				 0);
	return schema;
}

struct stream *stream__start(const struct stream_config *config)
{
	struct stream *s = calloc(1, sizeof(*s));
	int pair[2];

	assert_non_null(s);
	if (config)
		s->config = *config;
	if (s->config.netns)
		snprintf(s->netns, sizeof(s->netns), ",\"netns\":%u,", s->config.netns);
	s->schema = load_schema();
	s->err_fd = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(s->err_fd >= 0);
	if (s->config.spool)
		make_spool(pair);
	else
		make_pipe(pair);
	s->out_fd = pair[0];
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0)
		become(&s->config, pair[1], s->err_fd);
	close(pair[1]);
	return s;
}

static void forget(struct stream *s)
{
	for (size_t i = 0; i < s->count; i++)
		json_decref(s->updates[i]);
	s->count = 0;
}

void stream__free(struct stream *s)
{
	if (!s)
		return;
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	if (s->out_fd >= 0)
		close(s->out_fd);
	close(s->err_fd);
	forget(s);
	free(s->updates);
	free(s);
}

pid_t stream__pid(const struct stream *s)
{
	return s->pid;
}

static void print_stderr(const struct stream *s)
{
	char text[4096];
	off_t end = lseek(s->err_fd, 0, SEEK_END);
	off_t at = end > (off_t)sizeof(text) ? end - (off_t)sizeof(text) : 0;
	ssize_t n = pread(s->err_fd, text, sizeof(text), at);

	print_error("--- stderr of the program:\n%.*s", n > 0 ? (int)n : 0, text);
}

void stream__print(const struct stream *s)
{
	size_t first = s->count > PRINTED ? s->count - PRINTED : 0;

	print_error("--- the last %zu of %zu updates:\n", s->count - first, s->count);
	for (size_t i = first; i < s->count; i++) {
		char *text = json_dumps(s->updates[i], JSON_COMPACT | JSON_PRESERVE_ORDER);

		print_error("%s\n", text ? text : "(?)");
		free(text);
	}
	print_stderr(s);
}

static void keep(struct stream *s, json_t *update)
{
	if (s->config.discard && s->count >= 2 * PRINTED) {
		for (size_t i = 0; i < PRINTED; i++)
			json_decref(s->updates[i]);
		memmove(s->updates, s->updates + PRINTED, (s->count - PRINTED) * sizeof(*s->updates));
		s->count -= PRINTED;
	}
	if (s->count == s->size) {
		s->size = s->size ? 2 * s->size : 256;
		s->updates = realloc(s->updates, s->size * sizeof(*s->updates));
		assert_non_null(s->updates);
	}
	s->updates[s->count++] = update;
}

static void take_line(struct stream *s, const char *line, size_t len)
{
	json_error_t error;
	char why[256] = "";
	json_t *update = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);

	if (!update) {
		stream__print(s);
		fail_msg("a line is not JSON (%s): %.*s", error.text, (int)len, line);
	}
	keep(s, update);
	if (!schema__valid(s->schema, update, why, sizeof(why))) {
		stream__print(s);
		fail_msg("a line is against the schema (%s): %.*s", why, (int)len, line);
	}
	if (s->config.on_update)
		s->config.on_update(s->config.ctx, update);
}

/* Names in a line are quoted and escaped: what looks like the key is the key. */
static bool is_foreign(const struct stream *s, const char *line, size_t len)
{
	static const char key[] = ",\"netns\":";

	return *s->netns && memmem(line, len, key, sizeof(key) - 1) && !memmem(line, len, s->netns, strlen(s->netns));
}

static void take_lines(struct stream *s)
{
	char *start = s->line, *end = s->line + s->line_len, *newline;

	while ((newline = memchr(start, '\n', (size_t)(end - start)))) {
		if (!is_foreign(s, start, (size_t)(newline - start)))
			take_line(s, start, (size_t)(newline - start));
		start = newline + 1;
	}
	s->line_len = (size_t)(end - start);
	memmove(s->line, start, s->line_len);
	if (s->line_len == sizeof(s->line))
		fail_msg("a line is longer than %d bytes", LINE_MAX_BYTES);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool has_ended(const struct stream *s)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == s->pid;
}

/* As read of the pipe, but for a spool: 0 only when nothing more can come, -1 at the deadline. */
static ssize_t read_spool(struct stream *s, char *buffer, size_t size, int64_t deadline_ms)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	for (;;) {
		/* Asked before the read: what was written before the end is then in it. */
		bool ended = has_ended(s);
		ssize_t n = read(s->out_fd, buffer, size);

		if (n || ended)
			return n;
		if (now_ms() >= deadline_ms)
			return -1;
		nanosleep(&pause, NULL);
	}
}

static ssize_t read_pipe(struct stream *s, char *buffer, size_t size, int64_t deadline_ms)
{
	struct pollfd poll_fd = { .fd = s->out_fd, .events = POLLIN };
	int64_t left = deadline_ms - now_ms();

	if (poll(&poll_fd, 1, left > 0 ? (int)left : 0) != 1)
		return -1;
	return read(s->out_fd, buffer, size);
}

/* One read before the deadline. False: end of file, or nothing came. */
static bool read_some(struct stream *s, int64_t deadline_ms)
{
	char *rest = s->line + s->line_len;
	size_t size = sizeof(s->line) - s->line_len;

	if (s->out_fd < 0)
		return false;
	ssize_t n = s->config.spool ? read_spool(s, rest, size, deadline_ms) : read_pipe(s, rest, size, deadline_ms);
	if (n < 0)
		return false;
	if (n == 0) {
		close(s->out_fd);
		s->out_fd = -1;
		if (s->line_len)
			fail_msg("the last line has no end: %.*s", (int)s->line_len, s->line);
		return false;
	}
	s->line_len += (size_t)n;
	take_lines(s);
	return true;
}

bool stream__read(struct stream *s, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;

	/* Lines may come faster than they are read. */
	while (read_some(s, deadline) && now_ms() < deadline)
		;
	return s->out_fd >= 0;
}

int stream__join(struct stream *s, int timeout_ms)
{
	int status;

	if (stream__read(s, timeout_ms)) {
		stream__print(s);
		fail_msg("the stream did not end within %d ms", timeout_ms);
	}
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	s->pid = 0;
	return status;
}

void stream__stop(struct stream *s)
{
	kill(s->pid, SIGINT);
	int status = stream__join(s, STREAM_TIMEOUT_MS);

	if (status) {
		stream__print(s);
		fail_msg("the program ended with wait status %#x", (unsigned int)status);
	}
}

size_t stream__count(const struct stream *s)
{
	return s->count;
}

const json_t *stream__at(const struct stream *s, size_t index)
{
	assert_true(index < s->count);
	return s->updates[index];
}

static bool search(struct stream *s, size_t from, stream_match match, const void *ctx, int timeout_ms, size_t *ret)
{
	int64_t deadline = now_ms() + timeout_ms;

	do {
		/* A discarding stream moves its updates: look at all that are left. */
		for (size_t i = s->config.discard ? 0 : from; i < s->count; i++) {
			if (match(s->updates[i], ctx)) {
				*ret = i;
				return true;
			}
		}
		from = s->count;
	} while (read_some(s, deadline));
	return false;
}

size_t stream__wait(struct stream *s, size_t from, stream_match match, const void *ctx, int timeout_ms)
{
	size_t index;

	if (search(s, from, match, ctx, timeout_ms, &index))
		return index;
	stream__print(s);
	fail_msg("no such update from #%zu on within %d ms", from, timeout_ms);
	return 0;
}

struct wanted {
	const char *event;
	uint64_t cookie;
	uint32_t netns;
	uint16_t local_port, remote_port;
};

static bool has_event(const json_t *update, const void *ctx)
{
	const struct wanted *w = ctx;

	return !strcmp(update__text(update, "event"), w->event) && update__number(update, "cookie") == w->cookie;
}

static bool has_ports(const json_t *update, const void *ctx)
{
	const struct wanted *w = ctx;

	return !strcmp(update__text(update, "event"), w->event) && update__number(update, "netns") == w->netns &&
	       update__number(update, "local_port") == w->local_port &&
	       update__number(update, "remote_port") == w->remote_port;
}

size_t stream__wait_event(struct stream *s, size_t from, const char *event, uint64_t cookie)
{
	struct wanted w = { .event = event, .cookie = cookie };
	char history[256];
	size_t index;

	if (search(s, from, has_event, &w, STREAM_TIMEOUT_MS, &index))
		return index;
	stream__print(s);
	fail_msg("no %s of cookie %llu from #%zu on; all there is: \"%s\"", event, (unsigned long long)cookie, from,
		 stream__history(s, cookie, history, sizeof(history)));
	return 0;
}

size_t stream__wait_ports(struct stream *s, size_t from, const char *event, uint32_t netns, uint16_t local_port,
			  uint16_t remote_port)
{
	struct wanted w = { .event = event, .netns = netns, .local_port = local_port, .remote_port = remote_port };
	size_t index;

	if (search(s, from, has_ports, &w, STREAM_TIMEOUT_MS, &index))
		return index;
	stream__print(s);
	fail_msg("no %s of ports %u > %u in namespace %u from #%zu on", event, local_port, remote_port, netns, from);
	return 0;
}

size_t stream__wait_sync(struct stream *s, size_t from)
{
	struct wanted w = { .event = "sync" };
	size_t index;

	if (search(s, from, has_event, &w, STREAM_TIMEOUT_MS, &index))
		return index;
	stream__print(s);
	fail_msg("no sync from #%zu on", from);
	return 0;
}

size_t stream__matches(const struct stream *s, stream_match match, const void *ctx)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += match(s->updates[i], ctx);
	return n;
}

const char *stream__history(const struct stream *s, uint64_t cookie, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < s->count && len < size; i++)
		if (update__number(s->updates[i], "cookie") == cookie)
			len += (size_t)snprintf(text + len, size - len, "%s%s", len ? " " : "",
						update__text(s->updates[i], "event"));
	return text;
}

const char *update__text(const json_t *update, const char *key)
{
	const char *text = json_string_value(json_object_get(update, key));

	return text ? text : "";
}

uint64_t update__number(const json_t *update, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(update, key));
}
