/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A network namespace with some 60 sockets that differ in all that a filter can ask the kernel for: TCP, UDP, IPv4,
 * IPv6 and dual-stack, ports, addresses, states with TIME_WAIT and SYN_SENT, marks, devices, cgroups.
 */
#ifndef SOCKWATCH_TESTS_MIXED_H
#define SOCKWATCH_TESTS_MIXED_H

#include "live/subjects.h"

#define MIXED_MAX 128

struct mixed {
	int ns;
	struct subjects everything; /* as it stays: nothing changes any more */
	char cgroup[64];	    /* of the connections, below the root of cgroup v2 */
	int fds[MIXED_MAX];	    /* -1: closed */
	size_t count;
	const char *step; /* that failed */
};

/* A failure fails the test. */
struct mixed *mixed__new(void);
void mixed__free(struct mixed *w);

#endif
