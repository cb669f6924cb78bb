/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "live/stream.h"

#define ARGS_MAX      32
#define TEXT_MAX      (64 * 1024 * 1024)
#define PRINTED_MAX   4000
#define STATUS_BROKEN 125 /* the child never became the program */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void become(const struct program_config *config, int out_fd, int error_fd)
{
	const char *program = getenv("SOCKWATCH");
	const char *argv[ARGS_MAX + 2];
	int i = 0;

	argv[0] = program && *program ? program : "build/sockwatch";
	for (; config->args && config->args[i] && i < ARGS_MAX; i++)
		argv[1 + i] = config->args[i];
	argv[1 + i] = NULL;
	dup2(out_fd, STDOUT_FILENO);
	dup2(error_fd, STDERR_FILENO);
	if (config->prepare && config->prepare(config->ctx)) {
		dprintf(error_fd, "cannot prepare the run: %s\n", strerror(errno));
		_exit(STATUS_BROKEN);
	}
	/* After prepare: a change of credentials clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv(argv[0], (char *const *)argv);
	dprintf(error_fd, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(STATUS_BROKEN);
}

static void open_text(struct program_text *t, int fd)
{
	t->fd = fd;
	t->text = calloc(1, 1);
	assert_non_null(t->text);
}

struct program *program__start(const struct program_config *config)
{
	struct program *p = calloc(1, sizeof(*p));
	int out[2], error[2];

	assert_non_null(p);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(error, O_CLOEXEC), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (!p->pid)
		become(config, out[1], error[1]);
	close(out[1]);
	close(error[1]);
	open_text(&p->out, out[0]);
	open_text(&p->error, error[0]);
	return p;
}

static void close_text(struct program_text *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	free(t->text);
}

void program__free(struct program *p)
{
	if (!p)
		return;
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	close_text(&p->out);
	close_text(&p->error);
	free(p);
}

static void print_text(const char *name, const struct program_text *t)
{
	const char *end = t->len > PRINTED_MAX ? t->text + t->len - PRINTED_MAX : t->text;

	print_error("--- %s, the last of %zu bytes:\n%s\n", name, t->len, end);
}

void program__print(const struct program *p)
{
	print_text("stdout", &p->out);
	print_text("stderr", &p->error);
}

static void take(struct program *p, struct program_text *t)
{
	char chunk[65536], *grown;
	ssize_t n = read(t->fd, chunk, sizeof(chunk));

	if (n <= 0) {
		close(t->fd);
		t->fd = -1;
		return;
	}
	if (t->len + (size_t)n > TEXT_MAX) {
		program__print(p);
		fail_msg("more than %d bytes of output", TEXT_MAX);
	}
	grown = realloc(t->text, t->len + (size_t)n + 1);
	assert_non_null(grown);
	memcpy(grown + t->len, chunk, (size_t)n);
	t->text = grown;
	t->len += (size_t)n;
	t->text[t->len] = '\0';
}

/* False: both outputs have ended, or the deadline has passed. */
static bool read_some(struct program *p, int64_t deadline)
{
	struct pollfd fds[2] = { { .fd = p->out.fd, .events = POLLIN }, { .fd = p->error.fd, .events = POLLIN } };
	int64_t left = deadline - now_ms();

	if ((p->out.fd < 0 && p->error.fd < 0) || left <= 0)
		return false;
	if (poll(fds, 2, (int)left) <= 0)
		return true;
	if (fds[0].revents)
		take(p, &p->out);
	if (fds[1].revents)
		take(p, &p->error);
	return true;
}

void program__wait_text(struct program *p, const struct program_text *where, const char *text)
{
	int64_t deadline = now_ms() + PROGRAM_TIMEOUT_MS;

	while (!strstr(where->text, text)) {
		if (!read_some(p, deadline)) {
			program__print(p);
			fail_msg("\"%s\" was not printed within %d ms, or the program ended before", text,
				 PROGRAM_TIMEOUT_MS);
		}
	}
}

int program__join(struct program *p)
{
	int64_t deadline = now_ms() + PROGRAM_TIMEOUT_MS;
	int status;

	while (read_some(p, deadline))
		;
	if (p->out.fd >= 0 || p->error.fd >= 0) {
		program__print(p);
		fail_msg("the program did not end within %d ms", PROGRAM_TIMEOUT_MS);
	}
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	p->pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) == STATUS_BROKEN) {
		program__print(p);
		fail_msg("the program ended with wait status %#x", (unsigned int)status);
	}
	return WEXITSTATUS(status);
}

struct program *program__run(const struct program_config *config, int status)
{
	struct program *p = program__start(config);
	int got = program__join(p);

	if (got != status) {
		program__print(p);
		fail_msg("exit status %d instead of %d", got, status);
	}
	return p;
}

static void assert_text(const struct program *p, const struct program_text *t, const char *text, bool wanted)
{
	if (!!strstr(t->text, text) == wanted)
		return;
	program__print(p);
	fail_msg("\"%s\" is %s on %s", text, wanted ? "not" : "there", t == &p->out ? "stdout" : "stderr");
}

void program__assert_out(const struct program *p, const char *text)
{
	assert_text(p, &p->out, text, true);
}

void program__assert_error(const struct program *p, const char *text)
{
	assert_text(p, &p->error, text, true);
}

void program__assert_error_lacks(const struct program *p, const char *text)
{
	assert_text(p, &p->error, text, false);
}

json_t *program__find(const struct program *p, const char *event, uint16_t port)
{
	for (const char *at = p->out.text, *end; (end = strchr(at, '\n')); at = end + 1) {
		json_t *line = json_loadb(at, (size_t)(end - at), 0, NULL);

		if (!strcmp(update__text(line, "event"), event) && update__number(line, "local_port") == port)
			return line;
		json_decref(line);
	}
	return NULL;
}

void program__wait_line(struct program *p, const char *event, uint16_t port)
{
	int64_t deadline = now_ms() + PROGRAM_TIMEOUT_MS;
	json_t *line;

	while (!(line = program__find(p, event, port))) {
		if (!read_some(p, deadline)) {
			program__print(p);
			fail_msg("no %s of port %u within %d ms, or the program ended before", event, port,
				 PROGRAM_TIMEOUT_MS);
		}
	}
	json_decref(line);
}

void program__assert_owner(const struct program *p, const char *event, uint16_t port, pid_t pid)
{
	json_t *line = program__find(p, event, port);

	if (!line) {
		program__print(p);
		fail_msg("no %s of port %u", event, port);
	}
	assert_string_equal(update__text(line, "attribution"), pid ? "holder" : "none");
	assert_int_equal(update__number(line, "pid"), pid);
	json_decref(line);
}
