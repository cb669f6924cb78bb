/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One run of `$SOCKWATCH list` in the namespace of the scenario, and the same from /proc. A failure fails the test. */
#ifndef SOCKWATCH_TESTS_SHOWN_H
#define SOCKWATCH_TESTS_SHOWN_H

#include "scenario/scenario.h"

#define SHOWN_HOLDERS 64

/* Processes, each once, in ascending order. */
struct holders {
	uint32_t pid[SHOWN_HOLDERS];
	unsigned int count;
};

struct shown {
	uint64_t inode;
	uint32_t pid;
	char comm[64];
	char attribution[16];
	struct holders holders;
};

/* The one socket of these ports (of a listener: remote 0). */
void shown__find(struct scenario *s, uint16_t local, uint16_t remote, struct shown *ret);
/* Who has it open, by the descriptors of all processes of /proc. */
void shown__holders(uint64_t inode, struct holders *ret);
/* Both tell the same holders. */
void shown__assert_holders(const struct shown *shown);

#endif
