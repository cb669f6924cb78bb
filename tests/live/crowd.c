/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/crowd.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

pid_t crowd__add(struct crowd *c, void (*fn)(void *ctx, unsigned int number), void *ctx)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_true(c->count < CROWD_MAX);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		fn(ctx, c->count);
		_exit(write(ready[1], "", 1) == 1 ? pause() : 1);
	}
	close(ready[1]);
	c->pids[c->count++] = pid;
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

void crowd__end(struct crowd *c)
{
	for (unsigned int i = 0; i < c->count; i++)
		kill(c->pids[i], SIGKILL);
	for (unsigned int i = 0; i < c->count; i++)
		waitpid(c->pids[i], NULL, 0);
	c->count = 0;
}

bool crowd__has(const struct crowd *c, uint32_t pid)
{
	for (unsigned int i = 0; i < c->count; i++) {
		if ((uint32_t)c->pids[i] == pid)
			return true;
	}
	return false;
}
