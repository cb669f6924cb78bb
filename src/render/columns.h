/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The columns of a listing: one table that makes the output for people, CSV, JSON of chosen columns, --help and the
 * completion. Each says what it needs, so that only that is looked up.
 */
#ifndef SOCKWATCH_RENDER_COLUMNS_H
#define SOCKWATCH_RENDER_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "model/listing.h"

/* struct column.needs */
#define COLUMN_HOLDERS 0x01 /* who holds the sockets */
#define COLUMN_PROCESS 0x02 /* of the owner also what costs more than pid and comm: exe, command line, uid, cgroup */
#define COLUMN_MEMORY  0x04 /* facts.memory */
#define COLUMN_TCP     0x08 /* facts.tcp */
#define COLUMN_REFS    0x10 /* references of unix sockets */
#define COLUMN_CONTEXT 0x20 /* the security context of the owner */

/* struct column.flags */
#define COLUMN_RIGHT  0x01 /* on the right side of its cell */
#define COLUMN_NUMBER 0x02 /* an integer, in JSON without quotes; sorted as one */
#define COLUMN_CUT    0x04 /* a long text, which a narrow terminal may cut */
#define COLUMN_WRAP   0x08 /* the same, but it goes on in the next line: its end matters */

struct column_view;

struct column {
	const char *name; /* what -O and --sort take */
	const char *title;
	const char *help;
	uint8_t flags;
	uint8_t drop; /* a terminal that is too narrow loses the highest first; 0: never */
	uint8_t needs;
	/* Append the value as it is: control bytes are the writer's business. Nothing: there is none. */
	void (*text)(const struct column_view *v, struct buffer *out);
};

/* Names of things, where somebody knows them. Each may be NULL and may return NULL: then it is the number. */
struct column_names {
	const char *(*netns)(void *ctx, uint32_t inode);
	const char *(*device)(void *ctx, uint32_t netns, uint32_t ifindex);
	const char *(*user)(void *ctx, uint32_t uid);
	const char *(*cgroup)(void *ctx, uint64_t id);
	const char *(*context)(void *ctx, const struct process *p);
	/* family 4 or 6 */
	const char *(*host)(void *ctx, uint8_t family, const uint8_t *address);
	const char *(*service)(void *ctx, const struct listed *s, uint16_t port);
	void *ctx;
};

struct column_view {
	struct listing *listing;
	const struct listed *socket;
	const struct holder *holder; /* a line for each holder: this one; NULL: the owner stands for all */
	const struct column_names *names;
	long ticks_per_second;
	int64_t boot_to_realtime_ns;
};

#define COLUMNS_MAX 64 /* chosen ones */

struct columns {
	const struct column *items[COLUMNS_MAX];
	unsigned int count;
	bool by_holder; /* a line for each holder, as osquery has it */
};

/* All columns: start with i = 0; NULL at the end. */
const struct column *columns__all(unsigned int i);
const struct column *columns__find(const char *name, size_t len);
/*
 * Add names joined by commas, or a set ("osquery"). 0, -EINVAL with *ret_bad and *ret_len the one that is not known, or
 * -E2BIG. A name that is there already is not added again.
 */
int columns__parse(struct columns *c, const char *list, const char **ret_bad, size_t *ret_len);
void columns__add(struct columns *c, const char *name);
void columns__remove(struct columns *c, unsigned int i);
uint32_t columns__needs(const struct columns *c);

#endif
