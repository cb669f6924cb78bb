/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A process that holds sockets of every family which the kernel has, in every state that lasts, in a namespace. */
#ifndef SOCKWATCH_TESTS_MEDLEY_H
#define SOCKWATCH_TESTS_MEDLEY_H

#include <stdint.h>
#include <sys/types.h>

#define MEDLEY_COMM  "medley"
#define MEDLEY_CHILD "medley-child"

struct medley {
	pid_t pid;	    /* ours to reap */
	pid_t child;	    /* a fork of it: every socket has two holders, but the last ones */
	unsigned int count; /* sockets that were opened */
	uint32_t uid;	    /* of some of them */
	int lane;
};

/* Opens everything and returns when it stands. dir: for the paths of unix sockets. A failure fails the test. */
void medley__start(struct medley *m, int ns_fd, const char *dir);
void medley__stop(struct medley *m);

#endif
