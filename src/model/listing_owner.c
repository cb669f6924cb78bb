/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose a listed socket is: the rules of the stream for what it did not see begin. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/listing_internal.h"

struct listeners {
	const struct listed **items; /* by namespace and port */
	size_t count;
};

static int compare_places(const struct listed *a, const struct listed *b)
{
	if (a->netns != b->netns)
		return a->netns < b->netns ? -1 : 1;
	return (a->ends.local_port > b->ends.local_port) - (a->ends.local_port < b->ends.local_port);
}

static int compare_listeners(const void *a, const void *b)
{
	return compare_places(*(const struct listed *const *)a, *(const struct listed *const *)b);
}

static bool is_listener(const struct listed *s)
{
	return s->class == CLASS_TCP && s->state == STATE_LISTEN;
}

static int collect_listeners(const struct listing *l, struct listeners *ret)
{
	const struct listed *s;
	size_t pos = 0, count = 0;

	while ((s = listing__next(l, &pos)))
		count += is_listener(s);
	ret->items = reallocarray(NULL, count + 1, sizeof(struct listed *));
	if (!ret->items)
		return -ENOMEM;
	ret->count = 0;
	for (pos = 0; (s = listing__next(l, &pos));) {
		if (is_listener(s))
			ret->items[ret->count++] = s;
	}
	if (count)
		qsort(ret->items, count, sizeof(struct listed *), compare_listeners);
	return 0;
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

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare_places(listeners->items[mid], s) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < listeners->count && !compare_places(listeners->items[low], s); low++) {
		const struct listed *l = listeners->items[low];

		if (!listens_for(l, s))
			continue;
		agreed = agreed && l->owner && (!found || owner == l->owner);
		owner = l->owner;
		found = true;
	}
	*ret_owner = agreed ? owner : NULL;
	return found;
}

/* Of several holders the one that started first; between equals the lower pid, so that the answer is stable. */
static void give_holder(const struct listing *l, struct listed *s)
{
	struct process *best = NULL;

	for (uint32_t at = s->holders; at; at = listing__held(l, at)->next) {
		struct process *p = listing__held(l, at)->process;

		if (!best || p->start_ticks < best->start_ticks ||
		    (p->start_ticks == best->start_ticks && p->pid < best->pid))
			best = p;
	}
	s->owner = best;
	s->attribution = best ? SW_ATTR_HOLDER : SW_ATTR_NONE;
}

static void give_listener(const struct listeners *listeners, struct listed *s)
{
	struct process *owner;

	if (!came_in(listeners, s, &owner))
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
	struct listeners listeners;
	struct listed *s;
	size_t pos = 0;
	int err = listing__looks_end(l);

	if (err)
		return err;
	while ((s = listing__next(l, &pos)))
		give_holder(l, s);
	err = collect_listeners(l, &listeners);
	if (err)
		return err;
	for (pos = 0; (s = listing__next(l, &pos));) {
		if (is_listener(s))
			s->direction = SW_DIR_LISTEN;
		else if (s->class == CLASS_TCP)
			give_listener(&listeners, s);
		if (!s->owner && !s->inode)
			give_last(l, s);
	}
	free(listeners.items);
	return 0;
}
