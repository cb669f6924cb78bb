/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A reader of the stream: keeps the table that the told updates add up to, and objects to what no reader could follow. */
#ifndef SOCKWATCH_TESTS_REPLAY_H
#define SOCKWATCH_TESTS_REPLAY_H

#include "model/model.h"

#define REPLAY_MAX 256

struct replay_entry {
	uint64_t cookie;
	struct endpoints ends;
	uint32_t netns;
	uint8_t state;
	uint8_t attribution;
	bool lingering; /* closed, with a time-wait entry left */
	uint32_t pid;	/* of the owner; 0: none */
	uint64_t start_ticks;
};

struct replay {
	struct replay_entry entries[REPLAY_MAX];
	size_t count;
	unsigned int told[EV_MAX];
	char problem[160]; /* the first one; empty: none */
};

void replay__apply(struct replay *r, const struct update *u);
const struct replay_entry *replay__find(const struct replay *r, uint64_t cookie);
/* Compare with the model's table. What differs goes into r->problem. */
void replay__compare(struct replay *r, const struct model *m);

#endif
