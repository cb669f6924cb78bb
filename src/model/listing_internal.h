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

/* Open addressing. The hash is kept: a row is likely to be in no cache, and most need not be looked at. */
struct listing_slot {
	uint32_t place; /* from 1; 0: free */
	uint32_t hash;
};

struct listing_index {
	struct listing_slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t used;
};

struct listing {
	struct listing_config config;
	struct process_table *processes;
	struct arena arena; /* names and facts */
	struct pieces rows; /* struct listed */
	struct pieces held; /* struct held */
	size_t gone;
	struct listing_index rows_index;   /* of all rows: by identity while they are added, by inode afterwards */
	struct listing_index unheld_index; /* of those in unheld, which are few: by identity while they are rechecked */
	const struct listing_index *looked_up; /* by who looks for holders: first the one, then the other */
	uint32_t *unheld;		       /* places, ascending, as of the last look; NULL: there was none */
	size_t unheld_size;
	size_t unheld_count; /* now; while they are rechecked, at most */
	bool rechecking;
	struct holder *scratch; /* of listing__holders */
	size_t scratch_size;
};

static inline struct listed *listing__row(const struct listing *l, size_t place)
{
	return (struct listed *)l->rows.chunks[(place - 1) / LISTING_CHUNK] + (place - 1) % LISTING_CHUNK;
}

static inline struct held *listing__held(const struct listing *l, size_t place)
{
	return (struct held *)l->held.chunks[(place - 1) / LISTING_CHUNK] + (place - 1) % LISTING_CHUNK;
}

#endif
