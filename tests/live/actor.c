/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The side of the test; actor_child.c is the other one. */
#include "live/actor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "live/actor_child.h"
#include "live/scale.h"

#define REPLY_TIMEOUT_MS scale__timeout(10000)

static const char *const op_names[] = {
	[ACTOR_LISTEN] = "listen",     [ACTOR_CONNECT] = "connect", [ACTOR_CONNECTED] = "connected",
	[ACTOR_ACCEPT] = "accept",     [ACTOR_SEND] = "send",	    [ACTOR_RECV] = "recv",
	[ACTOR_SHUTDOWN] = "shutdown", [ACTOR_LINGER0] = "linger",  [ACTOR_CLOSE] = "close",
	[ACTOR_DESCRIBE] = "describe", [ACTOR_THREAD] = "thread",   [ACTOR_FORK] = "fork",
	[ACTOR_EXIT] = "exit",	       [ACTOR_DUP] = "dup",	    [ACTOR_PASS] = "pass",
	[ACTOR_TAKE] = "take",	       [ACTOR_GETFD] = "getfd",	    [ACTOR_EXEC] = "exec",
	[ACTOR_POLL] = "poll",	       [ACTOR_SURVIVE] = "survive",
};

/* Runs between fork and exec: async-signal-safe calls only, but for setenv in a single-threaded child. */
static void become(const struct actor_config *config, const int theirs[ACTOR_LANES])
{
	const char *const alone[] = { config->comm, NULL };
	const char *const *argv = config->argv ? config->argv : alone;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (config->ns_fd >= 0 && setns(config->ns_fd, CLONE_NEWNET) < 0)
		_exit(126);
	for (int i = 0; i < ACTOR_LANES; i++)
		if (dup2(theirs[i], ACTOR_LANE_FD + i) < 0)
			_exit(126);
	setenv(ACTOR_ENVIRONMENT, config->comm, 1);
	execv("/proc/self/exe", (char *const *)argv);
	_exit(127);
}

/* As fork, with that pid (clone3, from 5.5). */
static pid_t fork_as(uint32_t pid)
{
	pid_t wanted = (pid_t)pid;
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&wanted,
		.set_tid_size = 1,
	};

	return pid ? (pid_t)syscall(SYS_clone3, &args, sizeof(args)) : fork();
}

struct actor *actor__spawn(const struct actor_config *config)
{
	struct actor *actor = calloc(1, sizeof(*actor));
	int theirs[ACTOR_LANES];

	assert_non_null(actor);
	for (int i = 0; i < ACTOR_LANES; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		actor->lanes[i] = pair[0];
		/* Out of the way of the numbers that dup2 will take. */
		theirs[i] = fcntl(pair[1], F_DUPFD_CLOEXEC, ACTOR_LANE_FD + ACTOR_LANES);
		close(pair[1]);
		assert_true(theirs[i] >= 0);
	}
	pid_t pid = fork_as(config->pid);
	assert_true(pid >= 0);
	if (pid == 0)
		become(config, theirs);
	for (int i = 0; i < ACTOR_LANES; i++)
		close(theirs[i]);
	actor->pid = actor->tid = (uint32_t)pid;
	actor->child = true;
	actor->lane_fd = actor->lanes[0];
	actor->lanes[0] = -1;
	snprintf(actor->comm, sizeof(actor->comm), "%s", config->comm);
	return actor;
}

static struct actor *branch(struct actor *actor, enum actor_op op)
{
	struct actor *made = calloc(1, sizeof(*made));
	int lane = 0;

	assert_non_null(made);
	while (lane < ACTOR_LANES && actor->lanes[lane] < 0)
		lane++;
	assert_true(lane < ACTOR_LANES);
	actor_must(actor, .op = op, .lane = lane);
	for (int i = 0; i < ACTOR_LANES; i++)
		made->lanes[i] = -1;
	made->lane_fd = actor->lanes[lane];
	actor->lanes[lane] = -1;
	memcpy(made->comm, actor->comm, sizeof(made->comm));
	struct actor_reply hello = actor__reply(made);
	made->pid = hello.pid;
	made->tid = hello.tid;
	return made;
}

struct actor *actor__thread(struct actor *actor)
{
	return branch(actor, ACTOR_THREAD);
}

struct actor *actor__fork(struct actor *actor)
{
	return branch(actor, ACTOR_FORK);
}

void actor__exec(struct actor *actor, const char *comm, int fd)
{
	struct actor_command c = { .op = ACTOR_EXEC, .fd = fd };

	snprintf(c.comm, sizeof(c.comm), "%s", comm);
	actor__must(actor, &c);
	memcpy(actor->comm, c.comm, sizeof(actor->comm));
}

void actor__free(struct actor *actor)
{
	if (!actor)
		return;
	/* Whoever serves the lane ends at the end of file; one that sleeps in accept does not see it. */
	close(actor->lane_fd);
	for (int i = 0; i < ACTOR_LANES; i++)
		if (actor->lanes[i] >= 0)
			close(actor->lanes[i]);
	if (actor->child) {
		kill((pid_t)actor->pid, SIGKILL);
		waitpid((pid_t)actor->pid, NULL, 0);
	}
	free(actor);
}

void actor__send(struct actor *actor, const struct actor_command *command)
{
	if (send(actor->lane_fd, command, sizeof(*command), MSG_NOSIGNAL) != sizeof(*command))
		fail_msg("%s[%u] takes no command: %s", actor->comm, actor->pid, strerror(errno));
}

struct actor_reply actor__reply(struct actor *actor)
{
	struct pollfd poll_fd = { .fd = actor->lane_fd, .events = POLLIN };
	struct actor_reply reply;

	if (poll(&poll_fd, 1, REPLY_TIMEOUT_MS) != 1)
		fail_msg("%s[%u] does not answer", actor->comm, actor->pid);
	if (recv(actor->lane_fd, &reply, sizeof(reply), 0) != sizeof(reply))
		fail_msg("%s[%u] is gone", actor->comm, actor->pid);
	return reply;
}

struct actor_reply actor__try(struct actor *actor, const struct actor_command *command)
{
	actor__send(actor, command);
	return actor__reply(actor);
}

struct actor_reply actor__must(struct actor *actor, const struct actor_command *command)
{
	struct actor_reply reply = actor__try(actor, command);

	if (reply.result < 0)
		fail_msg("%s of %s[%u]: %s", op_names[command->op], actor->comm, actor->pid, strerror(reply.error));
	return reply;
}

/* The file says "running", or the number and arguments of the call in which the thread sleeps. */
static bool is_blocked_in(const char *path, long syscall_number)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	long number;

	return f && fscanf(f, "%ld", &number) == 1 && number == syscall_number;
}

void actor__wait_blocked(const struct actor *actor, long syscall_number)
{
	const struct timespec pause = { .tv_nsec = 200000 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/task/%u/syscall", actor->pid, actor->tid);
	for (int tries = 0; tries < 50000; tries++) {
		if (is_blocked_in(path, syscall_number))
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("%s[%u] never slept in system call %ld", actor->comm, actor->tid, syscall_number);
}
