/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A model under test, with everything it has told. */
#ifndef SOCKWATCH_TESTS_WATCH_H
#define SOCKWATCH_TESTS_WATCH_H

#include "common/replay.h"
#include "common/wire.h"
#include "model/model.h"

#define WATCH_TOLD 64

/* An update with copies of what it points to. */
struct watch_told {
	struct update u;
	struct sock sock;
	struct process owner, prev_owner; /* pid 0: none */
};

struct watch {
	struct model *model;
	struct replay replay;
	struct watch_told told[WATCH_TOLD]; /* the first ones */
	size_t count;
	unsigned int described;
};

/* For cmocka's setup and teardown: *state is a struct watch. The teardown compares the table with what was told. */
int watch__setup(void **state);
int watch__teardown(void **state);

void watch__forget(struct watch *w); /* what was told so far */
void watch__record(struct watch *w, const union wire *r);
/* The only update told since watch__forget; fails when there is none or more than one. */
const struct watch_told *watch__only(const struct watch *w, enum event event);

/* A row between 10.0.0.1:local_port and 10.0.0.2:remote_port, in namespace 1. */
struct row watch__row(uint64_t cookie, uint8_t state, uint64_t inode, uint16_t local_port, uint16_t remote_port);
/* A whole dump of namespace 1. */
void watch__dump(struct watch *w, const struct row *rows, size_t count, uint64_t now_ns);
void watch__hold(struct watch *w, uint64_t cookie, uint32_t pid, uint64_t start_ticks);

#endif
