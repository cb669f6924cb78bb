/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A set of pointers by key: open addressing, 8 bytes a slot. Does not own what it points to. */
#ifndef SOCKWATCH_BASE_TABLE_H
#define SOCKWATCH_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	void **slots;
	size_t size; /* power of two, or 0 */
	size_t count;
	uint64_t (*hash)(const void *item);
	bool (*equal)(const void *a, const void *b);
};

void table__init(struct table *t, uint64_t (*hash)(const void *), bool (*equal)(const void *, const void *));
void table__free(struct table *t);
/* The item equal to key (an item filled as far as hash and equal look), or NULL. */
void *table__find(const struct table *t, const void *key);
/* Insert an item that is not in the table yet. 0 or -ENOMEM. */
int table__add(struct table *t, void *item);
/* Take out exactly this item, when it is in. */
void table__remove(struct table *t, const void *item);
/* Items in slot order: start with *pos = 0; NULL at the end. Removing while walking may skip or repeat. */
void *table__next(const struct table *t, size_t *pos);

/* Spread 64 bits over 64 bits (the finaliser of MurmurHash3, public domain, A. Appleby). */
static inline uint64_t hash__mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x ^ (x >> 33);
}

#endif
