/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The capabilities sockwatch needs, for what, and how long. */
#ifndef SOCKWATCH_CMD_PRIVILEGES_H
#define SOCKWATCH_CMD_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>

struct privilege {
	const char *name;    /* "CAP_BPF" */
	const char *purpose; /* what cannot be done without it */
	unsigned int capability;
	bool kept; /* still needed after attach */
	bool have;
};

/* The table with `have` filled in for this process; *ret_count entries. Valid for ever. */
const struct privilege *privileges__look(size_t *ret_count);
/* Names of the missing ones, joined by ", "; "" when none is missing. */
const char *privileges__missing(char *text, size_t size);
/* Give up every capability but the kept ones, for good. 0 or -errno; on failure nothing may be assumed. */
int privileges__drop(void);

#endif
