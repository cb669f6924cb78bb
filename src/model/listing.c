/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "model/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "model/listing_internal.h"

#define FIRST_SLOTS 256

int listing__new(const struct listing_config *config, struct listing **ret)
{
	struct listing *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	if (config)
		l->config = *config;
	if (process_table__new(&l->processes)) {
		free(l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}

static void free_pieces(struct pieces *p)
{
	for (size_t i = 0; i < p->chunk_count; i++)
		free(p->chunks[i]);
	free(p->chunks);
}

void listing__free(struct listing *l)
{
	if (!l)
		return;
	process_table__free(l->processes);
	arena__free(&l->arena);
	free_pieces(&l->rows);
	free_pieces(&l->held);
	free(l->slots);
	free(l->scratch);
	free(l);
}

/* Room for one more of size bytes. 0 or -ENOMEM. */
static int reserve_piece(struct pieces *p, size_t size)
{
	void **chunks;

	if (p->count < p->chunk_count * LISTING_CHUNK)
		return 0;
	chunks = reallocarray(p->chunks, p->chunk_count + 1, sizeof(*chunks));
	if (!chunks)
		return -ENOMEM;
	p->chunks = chunks;
	chunks[p->chunk_count] = reallocarray(NULL, LISTING_CHUNK, size);
	if (!chunks[p->chunk_count])
		return -ENOMEM;
	p->chunk_count++;
	return 0;
}

/* ---- the index */

/*
 * By identity. An accepted MPTCP socket can have the cookie of its listener (the kernel copies it), so there the inode
 * is part of it. An SCTP socket has a row for each of its associations. A row of /proc has no cookie, and is known by its
 * inode.
 */
static uint64_t hash_identity(const struct listed *s)
{
	uint64_t key = s->cookie;

	if (!key || s->class == CLASS_MPTCP)
		key ^= s->inode << 8;
	if (s->class == CLASS_SCTP)
		key ^= (uint64_t)s->ends.remote_port << 32;
	return hash__mix(key ^ (uint64_t)s->class << 56);
}

static bool same_identity(const struct listed *a, const struct listed *b)
{
	if (a->class != b->class || a->cookie != b->cookie)
		return false;
	if (a->class == CLASS_SCTP && memcmp(&a->ends, &b->ends, sizeof(a->ends)))
		return false;
	return (a->cookie && a->class != CLASS_MPTCP) || a->inode == b->inode;
}

/* A row of /proc without a file could be any other. */
static bool has_identity(const struct listed *s)
{
	return s->cookie || s->inode;
}

static uint64_t hash_row(const struct listing *l, const struct listed *s)
{
	return l->by_inode ? hash__mix(s->inode) : hash_identity(s);
}

static void put_slot(struct listing *l, size_t place)
{
	size_t at = hash_row(l, listing__row(l, place)) & (l->slot_count - 1);

	while (l->slots[at])
		at = (at + 1) & (l->slot_count - 1);
	l->slots[at] = (uint32_t)place;
	l->slots_used++;
}

static bool is_unheld(const struct listed *s)
{
	return s->inode && !s->holder_count && !(s->flags & (LISTED_GONE | LISTED_KERNEL));
}

static bool belongs_in_index(const struct listing *l, const struct listed *s)
{
	if (s->flags & LISTED_GONE || (l->only_unheld && !is_unheld(s)))
		return false;
	return l->by_inode ? s->inode != 0 : has_identity(s);
}

/* Of all rows that belong in it; at least half of the slots stay free. 0 or -ENOMEM. */
static int build_index(struct listing *l, size_t expected)
{
	size_t size = FIRST_SLOTS;
	uint32_t *slots;

	while (size < expected * 2)
		size *= 2;
	slots = calloc(size, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(l->slots);
	l->slots = slots;
	l->slot_count = size;
	l->slots_used = 0;
	for (size_t place = 1; place <= l->rows.count; place++) {
		if (belongs_in_index(l, listing__row(l, place)))
			put_slot(l, place);
	}
	return 0;
}

static struct listed *find_identity(const struct listing *l, const struct listed *key)
{
	size_t at;

	if (!l->slot_count || !has_identity(key))
		return NULL;
	at = hash_identity(key) & (l->slot_count - 1);
	for (; l->slots[at]; at = (at + 1) & (l->slot_count - 1)) {
		struct listed *s = listing__row(l, l->slots[at]);

		if (same_identity(s, key))
			return s;
	}
	return NULL;
}

/* The next row with the inode; start with *at = SIZE_MAX. NULL: no more. */
static struct listed *next_with_inode(const struct listing *l, uint64_t inode, size_t *at)
{
	struct listed *s;

	if (!l->slot_count || !l->by_inode || !inode)
		return NULL;
	*at = *at == SIZE_MAX ? hash__mix(inode) & (l->slot_count - 1) : (*at + 1) & (l->slot_count - 1);
	for (; l->slots[*at]; *at = (*at + 1) & (l->slot_count - 1)) {
		s = listing__row(l, l->slots[*at]);
		if (s->inode == inode)
			return s;
	}
	return NULL;
}

/* ---- rows */

static int set_facts(struct listing *l, struct listed *s, const struct facts *facts)
{
	if (!facts)
		return 0;
	if (!s->facts) {
		s->facts = arena__alloc(&l->arena, sizeof(*facts));
		if (!s->facts)
			return -ENOMEM;
		memset(s->facts, 0, sizeof(*s->facts));
	}
	if (facts->have_memory) {
		s->facts->have_memory = true;
		memcpy(s->facts->memory, facts->memory, sizeof(facts->memory));
	}
	if (facts->have_tcp) {
		s->facts->have_tcp = true;
		s->facts->tcp = facts->tcp;
	}
	if (facts->congestion[0])
		memcpy(s->facts->congestion, facts->congestion, sizeof(facts->congestion));
	return 0;
}

/* The row's name in memory of ours; old is what the socket had before. */
static int own_name(struct listing *l, struct listed *s, const struct name *old)
{
	struct name *name = &s->un.path;

	if (s->class != CLASS_UNIX || !name->data)
		return 0;
	if (old && old->data && old->len == name->len && !memcmp(old->data, name->data, name->len)) {
		*name = *old;
		return 0;
	}
	name->data = arena__copy(&l->arena, name->data, name->len);
	return name->data ? 0 : -ENOMEM;
}

/* s is the socket as it was, row as it is: what is ours stays. */
static int replace(struct listing *l, struct listed *s, const struct listed *row, const struct facts *facts)
{
	struct listed fresh = *row;
	int err = own_name(l, &fresh, s->class == CLASS_UNIX ? &s->un.path : NULL);

	if (err)
		return err;
	fresh.flags = (row->flags & ~LISTED_OWN) | (s->flags & LISTED_OWN);
	fresh.facts = s->facts;
	fresh.owner = s->owner;
	fresh.holders = s->holders;
	fresh.holder_count = s->holder_count;
	fresh.attribution = s->attribution;
	fresh.direction = s->direction;
	*s = fresh;
	return set_facts(l, s, facts);
}

static int append(struct listing *l, const struct listed *row, const struct facts *facts)
{
	struct listed *s;
	int err;

	if (l->rows.count == LISTING_ROWS_MAX)
		return -E2BIG;
	err = reserve_piece(&l->rows, sizeof(*row));
	if (!err && l->slots_used * 2 >= l->slot_count)
		err = build_index(l, (l->slots_used + 1) * 2);
	if (err)
		return err;
	s = listing__row(l, l->rows.count + 1);
	*s = *row;
	s->flags &= ~LISTED_OWN;
	s->facts = NULL;
	s->owner = NULL;
	s->holders = s->holder_count = 0;
	s->attribution = SW_ATTR_NONE;
	s->direction = SW_DIR_UNKNOWN;
	err = own_name(l, s, NULL);
	if (!err)
		err = set_facts(l, s, facts);
	if (err)
		return err;
	l->rows.count++;
	if (has_identity(s))
		put_slot(l, l->rows.count);
	return 0;
}

int listing__add(struct listing *l, const struct listed *row, const struct facts *facts)
{
	struct listed *s = find_identity(l, row);

	if (!l->rechecking)
		return s ? replace(l, s, row, facts) : append(l, row, facts);
	if (!s || !is_unheld(s))
		return 0;
	s->flags |= LISTED_SEEN;
	return replace(l, s, row, facts);
}

int listing__add_facts(struct listing *l, const struct listed *row, const struct facts *facts)
{
	struct listed *s = find_identity(l, row);

	return s ? set_facts(l, s, facts) : 0;
}

int listing__rows_end(struct listing *l)
{
	l->by_inode = true;
	return build_index(l, l->rows.count);
}

/* ---- holders */

bool listing__wants(const struct listing *l, uint64_t inode)
{
	size_t at = SIZE_MAX;
	const struct listed *s;

	while ((s = next_with_inode(l, inode, &at))) {
		if (!(s->flags & LISTED_SETTLED))
			return true;
	}
	return false;
}

int listing__hold(struct listing *l, uint64_t inode, struct process *p, int fd)
{
	size_t at = SIZE_MAX;
	struct listed *s;

	while ((s = next_with_inode(l, inode, &at))) {
		if (s->flags & LISTED_SETTLED)
			continue;
		if (l->held.count == UINT32_MAX || reserve_piece(&l->held, sizeof(struct held)))
			return -ENOMEM;
		*listing__held(l, ++l->held.count) = (struct held){ .process = p, .fd = fd, .next = s->holders };
		s->holders = (uint32_t)l->held.count;
		s->holder_count++;
	}
	return 0;
}

void listing__holders_end(struct listing *l)
{
	for (size_t place = 1; place <= l->rows.count; place++) {
		struct listed *s = listing__row(l, place);

		if (s->holder_count)
			s->flags |= LISTED_SETTLED;
	}
}

const struct holder *listing__holders(struct listing *l, const struct listed *s, size_t *ret_count)
{
	size_t i = s->holder_count;

	*ret_count = 0;
	if (!i)
		return NULL;
	if (i > l->scratch_size) {
		struct holder *scratch = reallocarray(l->scratch, i, sizeof(*scratch));

		if (!scratch)
			return NULL;
		l->scratch = scratch;
		l->scratch_size = i;
	}
	for (uint32_t at = s->holders; at && i; at = listing__held(l, at)->next) {
		const struct held *h = listing__held(l, at);

		l->scratch[--i] = (struct holder){ .process = h->process, .fd = h->fd };
	}
	*ret_count = s->holder_count;
	return l->scratch;
}

/* ---- the second look */

size_t listing__unheld(const struct listing *l)
{
	size_t count = 0;

	for (size_t place = 1; place <= l->rows.count; place++)
		count += is_unheld(listing__row(l, place));
	return count;
}

uint32_t listing__unheld_classes(const struct listing *l, uint32_t netns)
{
	uint32_t classes = 0;

	for (size_t place = 1; place <= l->rows.count; place++) {
		const struct listed *s = listing__row(l, place);

		if (s->netns == netns && is_unheld(s))
			classes |= CLASS_BIT(s->class);
	}
	return classes;
}

int listing__recheck_begin(struct listing *l)
{
	for (size_t place = 1; place <= l->rows.count; place++)
		listing__row(l, place)->flags &= ~LISTED_SEEN;
	l->rechecking = true;
	l->only_unheld = true;
	l->by_inode = false;
	return build_index(l, listing__unheld(l));
}

void listing__recheck_failed(struct listing *l, uint32_t netns, uint32_t classes)
{
	for (size_t place = 1; place <= l->rows.count; place++) {
		struct listed *s = listing__row(l, place);

		if (s->netns == netns && CLASS_BIT(s->class) & classes)
			s->flags |= LISTED_SEEN;
	}
}

int listing__recheck_end(struct listing *l)
{
	for (size_t place = 1; place <= l->rows.count; place++) {
		struct listed *s = listing__row(l, place);

		if (!is_unheld(s) || s->flags & LISTED_SEEN)
			continue;
		s->flags |= LISTED_GONE;
		l->gone++;
	}
	l->rechecking = false;
	l->by_inode = true;
	return build_index(l, listing__unheld(l));
}

int listing__looks_end(struct listing *l)
{
	if (!l->only_unheld)
		return 0;
	l->only_unheld = false;
	return build_index(l, l->rows.count);
}

/* ---- read access */

struct process_table *listing__processes(struct listing *l)
{
	return l->processes;
}

struct listed *listing__next(const struct listing *l, size_t *pos)
{
	while (*pos < l->rows.count) {
		struct listed *s = listing__row(l, ++*pos);

		if (!(s->flags & LISTED_GONE))
			return s;
	}
	return NULL;
}

size_t listing__count(const struct listing *l)
{
	return l->rows.count - l->gone;
}

const struct listed *listing__by_inode(const struct listing *l, uint64_t inode)
{
	size_t at = SIZE_MAX;

	return next_with_inode(l, inode, &at);
}
