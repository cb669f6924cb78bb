/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What listing.c (rows and holders) and listing_owner.c (whose they are) share. */
#ifndef SOCKWATCH_MODEL_LISTING_INTERNAL_H
#define SOCKWATCH_MODEL_LISTING_INTERNAL_H

#include "base/arena.h"
#include "model/listing.h"

#define LISTING_CHUNK 1024 /* rows, or holders, that are allocated at a time */

/* A descriptor, in a chain through all of one socket, the last found first. 16 bytes: there may be millions. */
struct held {
	struct process *process;
	int fd;
	uint32_t next; /* place from 1; 0: the end */
};

/* Pieces of equal size that never move. */
struct pieces {
	void **chunks;
	size_t chunk_count;
	size_t count;
};

struct listing {
	struct listing_config config;
	struct process_table *processes;
	struct arena arena; /* names and facts */
	struct pieces rows; /* struct listed */
	struct pieces held; /* struct held */
	size_t gone;
	/* Rows by identity while rows are added, by inode afterwards: places from 1 in open addressing. */
	uint32_t *slots;
	size_t slot_count; /* a power of two, or 0 */
	size_t slots_used;
	bool by_inode;
	bool only_unheld; /* only those, which are few, are in it */
	bool rechecking;
	struct holder *scratch; /* of listing__holders */
	size_t scratch_size;
};

/* All rows are in the index again. 0 or -ENOMEM. */
int listing__looks_end(struct listing *l);

static inline struct listed *listing__row(const struct listing *l, size_t place)
{
	return (struct listed *)l->rows.chunks[(place - 1) / LISTING_CHUNK] + (place - 1) % LISTING_CHUNK;
}

static inline struct held *listing__held(const struct listing *l, size_t place)
{
	return (struct held *)l->held.chunks[(place - 1) / LISTING_CHUNK] + (place - 1) % LISTING_CHUNK;
}

#endif
