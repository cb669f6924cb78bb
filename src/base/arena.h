/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memory that is only ever given back as a whole. */
#ifndef SOCKWATCH_BASE_ARENA_H
#define SOCKWATCH_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* the newest first */
	size_t left;		    /* bytes of it */
};

/* size bytes, aligned for any type, not cleared; NULL: no memory. An arena of zeros is an empty one. */
void *arena__alloc(struct arena *a, size_t size);
/* A copy of len bytes with a NUL behind it. */
char *arena__copy(struct arena *a, const void *data, size_t len);
void arena__free(struct arena *a);

#endif
