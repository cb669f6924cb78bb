/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of sockets, the index of time-wait and request entries, and the memory of closed cookies. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/internal.h"

static uint64_t hash_cookie(const void *item)
{
	return hash__mix(((const struct sock *)item)->cookie);
}

static bool equal_cookie(const void *a, const void *b)
{
	return ((const struct sock *)a)->cookie == ((const struct sock *)b)->cookie;
}

static uint64_t hash_ends(const void *item)
{
	const struct sock *s = item;
	uint64_t words[4];

	memcpy(words, s->ends.local, 16);
	memcpy(words + 2, s->ends.remote, 16);
	return hash__mix(words[0] ^ hash__mix(words[1] ^ hash__mix(words[2] ^ hash__mix(words[3] ^ s->netns)))) ^
	       hash__mix(((uint64_t)s->ends.local_port << 16) | s->ends.remote_port);
}

static bool equal_ends(const void *a, const void *b)
{
	const struct sock *s = a, *t = b;

	return s->netns == t->netns && s->ends.local_port == t->ends.local_port &&
	       s->ends.remote_port == t->ends.remote_port && s->ends.family == t->ends.family &&
	       !memcmp(s->ends.local, t->ends.local, 16) && !memcmp(s->ends.remote, t->ends.remote, 16);
}

static uint64_t hash_port(const void *item)
{
	const struct sock *s = item;

	return hash__mix(((uint64_t)s->netns << 16) | s->ends.local_port);
}

static bool equal_port(const void *a, const void *b)
{
	const struct sock *s = a, *t = b;

	return s->netns == t->netns && s->ends.local_port == t->ends.local_port;
}

static uint64_t hash_grave(const void *item)
{
	return hash__mix(((const struct grave *)item)->cookie);
}

static bool equal_grave(const void *a, const void *b)
{
	return ((const struct grave *)a)->cookie == ((const struct grave *)b)->cookie;
}

int sockets__init(struct model *m)
{
	table__init(&m->socks, hash_cookie, equal_cookie);
	table__init(&m->minisocks, hash_ends, equal_ends);
	table__init(&m->listeners, hash_port, equal_port);
	table__init(&m->graves, hash_grave, equal_grave);
	/* Untouched pages cost nothing: the rings grow with use. */
	m->grave_ring = calloc(MODEL_GRAVES_MAX, sizeof(*m->grave_ring));
	m->accepts = calloc(MODEL_ACCEPTS_MAX, sizeof(*m->accepts));
	return m->grave_ring && m->accepts ? 0 : -ENOMEM;
}

void sockets__destroy(struct model *m)
{
	size_t pos = 0;
	struct sock *s;

	while ((s = table__next(&m->socks, &pos))) {
		sockets__release(m, s);
		free(s);
	}
	table__free(&m->socks);
	table__free(&m->minisocks);
	table__free(&m->listeners);
	table__free(&m->graves);
	free(m->grave_ring);
	free(m->accepts);
}

struct sock *sockets__find(const struct model *m, uint64_t cookie)
{
	struct sock key = { .cookie = cookie };

	return table__find(&m->socks, &key);
}

struct sock *sockets__add(struct model *m, uint64_t cookie, uint64_t now_ns)
{
	struct sock *s = NULL;

	if (m->socks.count < MODEL_SOCKETS_MAX)
		s = calloc(1, sizeof(*s));
	if (s) {
		s->cookie = cookie;
		if (!table__add(&m->socks, s))
			return s;
		free(s);
	}
	model__lost(m, LOSS_MAP, 1, now_ns);
	return NULL;
}

void sockets__release(struct model *m, struct sock *s)
{
	sockets__set_holders(m, s, NULL, 0);
	process_table__put(m->processes, s->owner);
	s->owner = NULL;
}

int sockets__make_listener(struct model *m, struct sock *s)
{
	struct sock *first = table__find(&m->listeners, s);

	if (!first)
		return table__add(&m->listeners, s);
	s->next_listener = first->next_listener;
	first->next_listener = s;
	return 0;
}

static void not_listener(struct model *m, struct sock *s)
{
	struct sock *at = table__find(&m->listeners, s);

	if (at == s) {
		table__remove(&m->listeners, s);
		/* The slot that was freed is room enough: this cannot fail. */
		if (s->next_listener)
			table__add(&m->listeners, s->next_listener);
		return;
	}
	while (at && at->next_listener != s)
		at = at->next_listener;
	if (at)
		at->next_listener = s->next_listener;
}

static bool listens_for(const struct sock *l, const struct sock *s)
{
	static const uint8_t any[16];

	if (!memcmp(l->ends.local, any, 16))
		return l->ends.family == s->ends.family || l->ends.family == 6;
	return l->ends.family == s->ends.family && !memcmp(l->ends.local, s->ends.local, 16);
}

bool sockets__came_in(const struct model *m, const struct sock *s, const struct process *said, bool *ret_his,
		      struct process **ret_owner)
{
	struct process *owner = NULL;
	bool came_in = false, agreed = true;

	*ret_his = false;
	for (const struct sock *l = table__find(&m->listeners, s); l; l = l->next_listener) {
		if (!listens_for(l, s))
			continue;
		agreed = agreed && l->owner && (!came_in || owner == l->owner);
		owner = l->owner;
		*ret_his |= owner == said || !l->holder_count;
		came_in = true;
	}
	*ret_owner = agreed ? owner : NULL;
	return came_in;
}

void sockets__remove(struct model *m, struct sock *s)
{
	if (s->direction == SW_DIR_LISTEN)
		not_listener(m, s);
	sockets__not_minisock(m, s);
	table__remove(&m->socks, s);
	sockets__release(m, s);
	free(s);
}

void sockets__set_owner(struct model *m, struct sock *s, struct process *p, uint8_t attribution)
{
	process_table__put(m->processes, s->owner);
	s->owner = p;
	s->attribution = p ? attribution : SW_ATTR_NONE;
}

void sockets__set_holders(struct model *m, struct sock *s, struct holder *holders, unsigned int count)
{
	for (unsigned int i = 0; i < s->holder_count; i++)
		process_table__put(m->processes, s->holders[i].process);
	free(s->holders);
	s->holders = holders;
	s->holder_count = count;
	holders__listed(m, s);
}

int sockets__make_minisock(struct model *m, struct sock *s, uint64_t deadline_ns)
{
	if (!s->minisock) {
		int err = table__add(&m->minisocks, s);

		if (err)
			return err;
		s->minisock = true;
	}
	s->deadline_ns = deadline_ns;
	if (deadline_ns < m->next_deadline_ns)
		m->next_deadline_ns = deadline_ns;
	return 0;
}

void sockets__not_minisock(struct model *m, struct sock *s)
{
	if (!s->minisock)
		return;
	table__remove(&m->minisocks, s);
	s->minisock = false;
}

struct sock *sockets__replaced_minisock(const struct model *m, const struct sock *by)
{
	struct sock *s = table__find(&m->minisocks, by);

	return s && s->cookie != by->cookie ? s : NULL;
}

void graves__bury(struct model *m, const struct sock *s, uint64_t time_ns)
{
	struct grave *g = graves__find(m, s->cookie);

	if (!g) {
		g = &m->grave_ring[m->grave_next];
		m->grave_next = (m->grave_next + 1) % MODEL_GRAVES_MAX;
		if (g->cookie)
			table__remove(&m->graves, g);
		*g = (struct grave){ .cookie = s->cookie };
		if (table__add(&m->graves, g)) {
			g->cookie = 0;
			return;
		}
	}
	g->time_ns = time_ns;
	g->seq = s->seq;
	g->accepted = s->accepted;
}

struct grave *graves__find(const struct model *m, uint64_t cookie)
{
	struct grave key = { .cookie = cookie };

	return table__find(&m->graves, &key);
}

void graves__forget(struct model *m, uint64_t cookie)
{
	struct grave *g = graves__find(m, cookie);

	if (!g)
		return;
	table__remove(&m->graves, g);
	g->cookie = 0;
}

void endpoints__set(struct endpoints *e, uint8_t af, const uint8_t *local, uint16_t local_port, const uint8_t *remote,
		    uint16_t remote_port)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t zero[16];

	memset(e, 0, sizeof(*e));
	e->local_port = local_port;
	e->remote_port = remote_port;
	if (af == 2 /* AF_INET */) {
		e->family = 4;
		memcpy(e->local, local, 4);
		memcpy(e->remote, remote, 4);
	} else if (!memcmp(remote, mapped, 12) || (!memcmp(local, mapped, 12) && !memcmp(remote, zero, 16))) {
		/* The local side of a mapped pair is mapped too, or not chosen yet. */
		e->family = 4;
		memcpy(e->local, local + 12, 4);
		memcpy(e->remote, remote + 12, 4);
	} else {
		e->family = 6;
		memcpy(e->local, local, 16);
		memcpy(e->remote, remote, 16);
	}
}
