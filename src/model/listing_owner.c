/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose a listed socket is: the rules of the stream for what it did not see begin. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/listing_internal.h"

/* Where connections come in. The keys stand side by side: each connection is looked up. */
struct listener {
	uint64_t place; /* namespace and port */
	const struct listed *row;
};

struct listeners {
	struct listener *items; /* by place */
	size_t count, size;
};

static uint64_t place_of(const struct listed *s)
{
	return (uint64_t)s->netns << 16 | s->ends.local_port;
}

static int compare_listeners(const void *a, const void *b)
{
	const struct listener *x = a, *y = b;

	return (x->place > y->place) - (x->place < y->place);
}

static bool is_listener(const struct listed *s)
{
	return s->class == CLASS_TCP && s->state == STATE_LISTEN;
}

static int add_listener(struct listeners *to, const struct listed *s)
{
	if (to->count == to->size) {
		size_t size = to->size ? to->size * 2 : 64;
		struct listener *items = reallocarray(to->items, size, sizeof(*items));

		if (!items)
			return -ENOMEM;
		to->items = items;
		to->size = size;
	}
	to->items[to->count++] = (struct listener){ place_of(s), s };
	return 0;
}

/* 0 or -ENOMEM; what is in it is to be freed either way. */
static int collect_listeners(const struct listing *l, struct listeners *to)
{
	const struct listed *s;
	size_t pos = 0;
	int err = 0;

	while (!err && (s = listing__next(l, &pos))) {
		if (is_listener(s))
			err = add_listener(to, s);
	}
	if (to->count)
		qsort(to->items, to->count, sizeof(*to->items), compare_listeners);
	return err;
}

static bool listens_for(const struct listed *l, const struct listed *s)
{
	static const uint8_t any[16];

	if (!memcmp(l->ends.local, any, sizeof(any)))
		return l->ends.family == s->ends.family || l->ends.family == 6;
	return l->ends.family == s->ends.family && !memcmp(l->ends.local, s->ends.local, sizeof(any));
}

/*
 * Whether s can have come in through a listener, and *ret_owner: that listener's owner, when all listeners it can have
 * come through agree on it (else NULL).
 */
static bool came_in(const struct listeners *listeners, const struct listed *s, struct process **ret_owner)
{
	struct process *owner = NULL;
	bool found = false, agreed = true;
	size_t low = 0, high = listeners->count;
	uint64_t place = place_of(s);

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (listeners->items[mid].place < place)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < listeners->count && listeners->items[low].place == place; low++) {
		const struct listed *l = listeners->items[low].row;

		if (!listens_for(l, s))
			continue;
		agreed = agreed && l->owner && (!found || owner == l->owner);
		owner = l->owner;
		found = true;
	}
	*ret_owner = agreed ? owner : NULL;
	return found;
}

static void give_listener(const struct listeners *listeners, struct listed *s)
{
	struct process *owner;

	/* What is only bound can share its port with a listener. */
	if (s->state == STATE_CLOSE || !came_in(listeners, s, &owner))
		return;
	s->direction = SW_DIR_IN;
	if (!owner || s->owner || s->inode || (s->state != STATE_ESTABLISHED && s->state != STATE_CLOSE_WAIT))
		return;
	s->owner = owner;
	s->attribution = SW_ATTR_LISTENER;
}

static void give_last(const struct listing *l, struct listed *s)
{
	struct process *owner;

	if (!l->config.last_owner || !s->cookie || l->config.last_owner(l->config.ctx, s->cookie, &owner))
		return;
	s->owner = owner;
	s->attribution = SW_ATTR_LAST;
}

int listing__finish(struct listing *l)
{
	struct listeners listeners = { 0 };
	struct listed *s;
	size_t pos = 0;
	int err = collect_listeners(l, &listeners);

	while (!err && (s = listing__next(l, &pos))) {
		if (is_listener(s))
			s->direction = SW_DIR_LISTEN;
		else if (s->class == CLASS_TCP)
			give_listener(&listeners, s);
		if (!s->owner && !s->inode)
			give_last(l, s);
	}
	free(listeners.items);
	return err;
}
