/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Processes that connect, send a byte and are gone within a millisecond: who they were is read in the kernel (trap T17).
 *
 *   SHORT_PROCESSES=N   so many, up to 10000 (2000)
 */
#include "live/live.h"

#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/parse.h"

#define PORT	      7500
#define PROCESSES     scale__load(2000)
#define PROCESSES_MAX 10000
#define QUEUE	      "16384" /* nobody accepts: the listener's must hold them */
#define SHORT	      "SOCKWATCH_TEST_SHORT"

/* The whole life of one, after its exec. */
static int live_shortly(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) || send(fd, "", 1, MSG_NOSIGNAL) != 1;
}

static pid_t start_one(const struct live *l, const char *program, int number)
{
	char text[12];
	pid_t pid;

	snprintf(text, sizeof(text), "%d", number);
	pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	setenv(SHORT, "1", 1);
	if (setns(l->ns, CLONE_NEWNET) == 0)
		execl(program, "short-lived", text, (char *)NULL);
	_exit(127);
}

static size_t number_of_processes(void)
{
	const char *text = getenv("SHORT_PROCESSES");
	uint64_t n = PROCESSES;

	if (text && parse__u64(text, 1, PROCESSES_MAX, &n))
		fail_msg("SHORT_PROCESSES must be a number up to %d", PROCESSES_MAX);
	return n;
}

static bool is_connect(const json_t *u, const void *ctx)
{
	return !strcmp(update__text(u, "event"), "connect") && update__number(u, "netns") == *(const uint32_t *)ctx;
}

static void every_short_lived_process_is_known_T17(void **state)
{
	struct live *l = *state;
	size_t count = number_of_processes(), at = 0;
	pid_t *pids = calloc(count, sizeof(*pids));
	char program[PATH_MAX] = "", want[32];

	assert_non_null(pids);
	assert_true(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
	/* Read afterwards: a process that is small forks faster. */
	l->stream = stream__start(&(struct stream_config){ .spool = true, .netns = l->netns });
	stream__wait_sync(l->stream, 0);
	ns__sysctl(l->ns, "net/core/somaxconn", QUEUE);
	actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT, .backlog = PROCESSES_MAX + 1);
	for (size_t i = 0; i < count; i++) {
		int status;

		pids[i] = start_one(l, program, (int)i);
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	for (size_t i = 0; i < count; i++) {
		at = stream__wait(l->stream, at, is_connect, &l->netns, STREAM_TIMEOUT_MS);
		const json_t *u = stream__at(l->stream, at++);

		snprintf(want, sizeof(want), "short-lived %zu", i);
		assert_int_equal(update__number(u, "pid"), pids[i]);
		assert_int_equal(update__number(u, "ppid"), getpid());
		assert_string_equal(update__text(u, "parent_comm"), "test_short");
		assert_string_equal(update__text(u, "comm"), "test_short");
		assert_string_equal(update__text(u, "cmdline"), want);
		assert_string_equal(update__text(u, "exe"), program);
	}
	free(pids);
	stream__stop(l->stream);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		live_test_quiet(every_short_lived_process_is_known_T17),
	};

	if (getenv(SHORT))
		return live_shortly();
	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
