/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Processes that open something and then wait for the end of the test. */
#ifndef SOCKWATCH_TESTS_CROWD_H
#define SOCKWATCH_TESTS_CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CROWD_MAX 1024

struct crowd {
	pid_t pids[CROWD_MAX]; /* ours to reap */
	unsigned int count;
};

/*
 * fn(ctx, number) in a new process, which then waits. Returns when fn has; a process that ends in fn fails the test. It is
 * killed with the thread that made it.
 */
pid_t crowd__add(struct crowd *c, void (*fn)(void *ctx, unsigned int number), void *ctx);
void crowd__end(struct crowd *c);
bool crowd__has(const struct crowd *c, uint32_t pid);

#endif
