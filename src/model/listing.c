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
	l->looked_up = &l->unheld_index;
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
	free(l->rows_index.slots);
	free(l->unheld_index.slots);
	free(l->unheld);
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

/* ---- indexes */

/* The kernel counts up cookies and inodes, and they come nearly in that order: eight of them share a line of the cache. */
static uint32_t spread(uint64_t key)
{
	return ((uint32_t)hash__mix(key >> 3) & ~7U) | (key & 7);
}

/*
 * By identity. An accepted MPTCP socket can have the cookie of its listener (the kernel copies it), so there the inode
 * is part of it. An SCTP socket has a row for each of its associations. A row of /proc has no cookie, and is known by its
 * inode.
 */
static uint32_t hash_identity(const struct listed *s)
{
	uint64_t key = s->cookie;

	if (!key || s->class == CLASS_MPTCP)
		key ^= s->inode << 8;
	if (s->class == CLASS_SCTP)
		key ^= (uint64_t)s->ends.remote_port << 32;
	return spread(key ^ (uint64_t)s->class << 56);
}

static uint32_t hash_inode(uint64_t inode)
{
	return spread(inode);
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

static void put_slot(struct listing_index *x, struct listing_slot slot)
{
	size_t at = slot.hash & (x->size - 1);

	while (x->slots[at].place)
		at = (at + 1) & (x->size - 1);
	x->slots[at] = slot;
	x->used++;
}

/* Empty, with room for so many while at least half of the slots stay free. 0 or -ENOMEM; then it is as it was. */
static int empty_index(struct listing_index *x, size_t expected)
{
	size_t size = FIRST_SLOTS;
	struct listing_slot *slots;

	while (size < expected * 2)
		size *= 2;
	/* Not calloc: a page that is read before it is written costs two faults, and the other threads a pause. */
	slots = reallocarray(NULL, size, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots, 0, size * sizeof(*slots));
	free(x->slots);
	*x = (struct listing_index){ .slots = slots, .size = size };
	return 0;
}

static int grow_index(struct listing_index *x)
{
	struct listing_index old = *x;
	int err;

	x->slots = NULL;
	err = empty_index(x, old.size);
	if (err) {
		*x = old;
		return err;
	}
	for (size_t i = 0; i < old.size; i++) {
		if (old.slots[i].place)
			put_slot(x, old.slots[i]);
	}
	free(old.slots);
	return 0;
}

/* The first slot from *at on with the hash; NULL: no more. For the next one add 1 to *at. */
static const struct listing_slot *next_slot(const struct listing_index *x, uint32_t hash, size_t *at)
{
	for (*at &= x->size - 1; x->slots[*at].place; *at = (*at + 1) & (x->size - 1)) {
		if (x->slots[*at].hash == hash)
			return &x->slots[*at];
	}
	return NULL;
}

static struct listed *find_identity(const struct listing *l, const struct listing_index *x, const struct listed *key)
{
	uint32_t hash = hash_identity(key);
	const struct listing_slot *slot;
	size_t at = hash;

	if (!x->size || !has_identity(key))
		return NULL;
	for (; (slot = next_slot(x, hash, &at)); at++) {
		struct listed *s = listing__row(l, slot->place);

		if (same_identity(s, key))
			return s;
	}
	return NULL;
}

/* Rows with one inode: there can be several (MPTCP). */
struct inode_walk {
	const struct listing_index *index;
	uint64_t inode;
	uint32_t hash;
	size_t at;
};

static struct inode_walk walk_inode(const struct listing_index *x, uint64_t inode)
{
	uint32_t hash = hash_inode(inode);

	return (struct inode_walk){ .index = x, .inode = inode, .hash = hash, .at = hash };
}

static struct listed *next_with_inode(const struct listing *l, struct inode_walk *w)
{
	const struct listing_slot *slot;

	if (!w->index->size || !w->inode)
		return NULL;
	while ((slot = next_slot(w->index, w->hash, &w->at))) {
		struct listed *s = listing__row(l, slot->place);

		w->at++;
		if (s->inode == w->inode)
			return s;
	}
	return NULL;
}

/* ---- rows */

static bool is_unheld(const struct listed *s)
{
	return s->inode && !s->holder_count && !(s->flags & (LISTED_GONE | LISTED_KERNEL));
}

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
	if (!err && l->rows_index.used * 2 >= l->rows_index.size)
		err = grow_index(&l->rows_index);
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
		put_slot(&l->rows_index, (struct listing_slot){ (uint32_t)l->rows.count, hash_identity(s) });
	return 0;
}

int listing__add(struct listing *l, const struct listed *row, const struct facts *facts)
{
	struct listed *s = find_identity(l, l->rechecking ? &l->unheld_index : &l->rows_index, row);

	if (!l->rechecking)
		return s ? replace(l, s, row, facts) : append(l, row, facts);
	if (!s || !is_unheld(s))
		return 0;
	s->flags |= LISTED_SEEN;
	return replace(l, s, row, facts);
}

int listing__add_facts(struct listing *l, const struct listed *row, const struct facts *facts)
{
	struct listed *s = find_identity(l, &l->rows_index, row);

	return s ? set_facts(l, s, facts) : 0;
}

int listing__rows_end(struct listing *l)
{
	int err = empty_index(&l->rows_index, l->rows.count);

	if (err)
		return err;
	for (size_t place = 1; place <= l->rows.count; place++) {
		const struct listed *s = listing__row(l, place);

		if (s->inode)
			put_slot(&l->rows_index, (struct listing_slot){ (uint32_t)place, hash_inode(s->inode) });
		l->unheld_count += is_unheld(s);
	}
	l->looked_up = &l->rows_index;
	return 0;
}

/* ---- holders */

void listing__expect(const struct listing *l, uint64_t inode)
{
	uint32_t hash = hash_inode(inode);
	const struct listing_slot *slot;
	size_t at = hash;

	slot = l->looked_up->size ? next_slot(l->looked_up, hash, &at) : NULL;
	if (!slot)
		return;
	__builtin_prefetch(&listing__row(l, slot->place)->inode);
	__builtin_prefetch(&listing__row(l, slot->place)->owner, 1);
}

bool listing__wants(const struct listing *l, uint64_t inode)
{
	struct inode_walk w = walk_inode(l->looked_up, inode);

	return next_with_inode(l, &w);
}

/* Of several the one that started first; between equals the lower pid, so that the answer is stable. */
static bool owns_before(const struct process *p, const struct process *q)
{
	return !q || p->start_ticks < q->start_ticks || (p->start_ticks == q->start_ticks && p->pid < q->pid);
}

static int chain(struct listing *l, struct listed *s, struct process *p, int fd)
{
	if (l->held.count == UINT32_MAX || reserve_piece(&l->held, sizeof(struct held)))
		return -ENOMEM;
	*listing__held(l, ++l->held.count) = (struct held){ .process = p, .fd = fd, .next = s->holders };
	s->holders = (uint32_t)l->held.count;
	return 0;
}

static int hold_one(struct listing *l, struct listed *s, struct process *p, int fd)
{
	int err = 0;

	if (s->holder_count == 1) {
		int first_fd = (int)s->holders;

		s->holders = 0;
		err = chain(l, s, s->owner, first_fd);
	}
	if (!err && s->holder_count)
		err = chain(l, s, p, fd);
	if (err)
		return err;
	l->unheld_count -= is_unheld(s);
	if (!s->holder_count++)
		s->holders = (uint32_t)fd;
	if (owns_before(p, s->owner))
		s->owner = p;
	s->attribution = SW_ATTR_HOLDER;
	return 0;
}

int listing__hold(struct listing *l, uint64_t inode, struct process *p, int fd)
{
	struct inode_walk w = walk_inode(l->looked_up, inode);
	struct listed *s;
	int err = 0;

	while (!err && (s = next_with_inode(l, &w)))
		err = hold_one(l, s, p, fd);
	return err;
}

/* The places of what is unheld: the first time of all rows, later of those that were. 0 or -ENOMEM. */
static int gather_unheld(struct listing *l)
{
	bool first = !l->unheld;
	size_t of = first ? l->rows.count : l->unheld_size, count = 0;

	if (first)
		l->unheld = reallocarray(NULL, l->unheld_count + 1, sizeof(*l->unheld));
	if (!l->unheld)
		return -ENOMEM;
	for (size_t i = 0; i < of && count < l->unheld_count; i++) {
		uint32_t place = first ? (uint32_t)i + 1 : l->unheld[i];

		if (is_unheld(listing__row(l, place)))
			l->unheld[count++] = place;
	}
	l->unheld_size = l->unheld_count = count;
	return 0;
}

static int index_unheld(struct listing *l, bool by_inode)
{
	int err = empty_index(&l->unheld_index, l->unheld_size);

	for (size_t i = 0; !err && i < l->unheld_size; i++) {
		const struct listed *s = listing__row(l, l->unheld[i]);
		uint32_t hash = by_inode ? hash_inode(s->inode) : hash_identity(s);

		put_slot(&l->unheld_index, (struct listing_slot){ l->unheld[i], hash });
	}
	return err;
}

/* From now on only these are wanted. */
static int narrow(struct listing *l)
{
	int err = gather_unheld(l);

	if (!err)
		err = index_unheld(l, true);
	if (!err)
		l->looked_up = &l->unheld_index;
	return err;
}

int listing__holders_end(struct listing *l)
{
	return narrow(l);
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
	if (i == 1)
		l->scratch[0] = (struct holder){ .process = s->owner, .fd = (int)s->holders };
	for (uint32_t at = i > 1 ? s->holders : 0; at && i; at = listing__held(l, at)->next) {
		const struct held *h = listing__held(l, at);

		l->scratch[--i] = (struct holder){ .process = h->process, .fd = h->fd };
	}
	*ret_count = s->holder_count;
	return l->scratch;
}

/* ---- the second look */

size_t listing__unheld(const struct listing *l)
{
	return l->unheld_count;
}

const struct listed *listing__next_unheld(const struct listing *l, size_t *pos)
{
	return *pos < l->unheld_size ? listing__row(l, l->unheld[(*pos)++]) : NULL;
}

uint32_t listing__unheld_classes(const struct listing *l, uint32_t netns)
{
	const struct listed *s;
	uint32_t classes = 0;
	size_t pos = 0;

	while ((s = listing__next_unheld(l, &pos))) {
		if (s->netns == netns)
			classes |= CLASS_BIT(s->class);
	}
	return classes;
}

int listing__recheck_begin(struct listing *l)
{
	for (size_t i = 0; i < l->unheld_size; i++)
		listing__row(l, l->unheld[i])->flags &= ~LISTED_SEEN;
	l->rechecking = true;
	return index_unheld(l, false);
}

void listing__recheck_failed(struct listing *l, uint32_t netns, uint32_t classes)
{
	for (size_t i = 0; i < l->unheld_size; i++) {
		struct listed *s = listing__row(l, l->unheld[i]);

		if (s->netns == netns && CLASS_BIT(s->class) & classes)
			s->flags |= LISTED_SEEN;
	}
}

int listing__recheck_end(struct listing *l)
{
	for (size_t i = 0; i < l->unheld_size; i++) {
		struct listed *s = listing__row(l, l->unheld[i]);

		if (!is_unheld(s) || s->flags & LISTED_SEEN)
			continue;
		s->flags |= LISTED_GONE;
		l->gone++;
	}
	l->rechecking = false;
	return narrow(l);
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
	struct inode_walk w = walk_inode(&l->rows_index, inode);
	struct listed *s;

	while ((s = next_with_inode(l, &w)) && s->flags & LISTED_GONE)
		;
	return s;
}
