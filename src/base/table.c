/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_SIZE 64

void table__init(struct table *t, uint64_t (*hash)(const void *), bool (*equal)(const void *, const void *))
{
	*t = (struct table){ .hash = hash, .equal = equal };
}

void table__free(struct table *t)
{
	free(t->slots);
	t->slots = NULL;
	t->size = 0;
	t->count = 0;
}

void *table__find(const struct table *t, const void *key)
{
	size_t i;

	if (!t->count)
		return NULL;
	for (i = t->hash(key) & (t->size - 1); t->slots[i]; i = (i + 1) & (t->size - 1)) {
		if (t->equal(t->slots[i], key))
			return t->slots[i];
	}
	return NULL;
}

static void place(const struct table *t, void **slots, size_t size, void *item)
{
	size_t i = t->hash(item) & (size - 1);

	while (slots[i])
		i = (i + 1) & (size - 1);
	slots[i] = item;
}

static int resize(struct table *t, size_t size)
{
	void **slots = calloc(size, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->size; i++) {
		if (t->slots[i])
			place(t, slots, size, t->slots[i]);
	}
	free(t->slots);
	t->slots = slots;
	t->size = size;
	return 0;
}

int table__add(struct table *t, void *item)
{
	/* At most three quarters full, so that probing stays short. */
	if ((t->count + 1) * 4 > t->size * 3) {
		int err = resize(t, t->size ? t->size * 2 : FIRST_SIZE);

		if (err)
			return err;
	}
	place(t, t->slots, t->size, item);
	t->count++;
	return 0;
}

/* Close the hole at i: move back every later item of the run that may not stand behind a gap. */
static void close_hole(struct table *t, size_t i)
{
	size_t mask = t->size - 1;

	for (size_t j = (i + 1) & mask; t->slots[j]; j = (j + 1) & mask) {
		size_t home = t->hash(t->slots[j]) & mask;

		if (((j - home) & mask) >= ((j - i) & mask)) {
			t->slots[i] = t->slots[j];
			i = j;
		}
	}
	t->slots[i] = NULL;
}

void table__remove(struct table *t, const void *item)
{
	size_t i;

	if (!t->count)
		return;
	for (i = t->hash(item) & (t->size - 1); t->slots[i]; i = (i + 1) & (t->size - 1)) {
		if (t->slots[i] != item)
			continue;
		close_hole(t, i);
		t->count--;
		/* Give a storm's memory back. A failure to shrink is no failure. */
		if (t->size > FIRST_SIZE * 16 && t->count * 16 < t->size)
			resize(t, t->size / 4);
		return;
	}
}

void *table__next(const struct table *t, size_t *pos)
{
	while (*pos < t->size) {
		void *item = t->slots[(*pos)++];

		if (item)
			return item;
	}
	return NULL;
}
