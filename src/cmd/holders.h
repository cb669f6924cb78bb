/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Looks at the processes whose descriptors may have changed. Wiring only: source/proc.h reads, the model decides. */
#ifndef SOCKWATCH_CMD_HOLDERS_H
#define SOCKWATCH_CMD_HOLDERS_H

#include "cmd/sync.h"

/* When the next look is due, CLOCK_BOOTTIME ns; zeroed at start. */
struct holders_clock {
	uint64_t due_ns;  /* 0: nothing is to be looked at */
	uint64_t rest_ns; /* not before: what looks cost is bounded */
};

/* Records were applied: set the clock. */
void holders__arm(struct holders_clock *c, const struct model *m, uint64_t now_ns);
/* Look. 0 or -errno. */
int holders__look(struct holders_clock *c, struct sync *s);

#endif
