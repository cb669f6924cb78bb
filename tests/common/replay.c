/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/replay.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void object(struct replay *r, const char *format, ...)
{
	va_list args;

	if (r->problem[0])
		return;
	va_start(args, format);
	vsnprintf(r->problem, sizeof(r->problem), format, args);
	va_end(args);
}

const struct replay_entry *replay__find(const struct replay *r, uint64_t cookie)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->entries[i].cookie == cookie)
			return &r->entries[i];
	}
	return NULL;
}

static void forget(struct replay *r, const struct replay_entry *e)
{
	if (e)
		r->entries[e - r->entries] = r->entries[--r->count];
}

static void take(struct replay_entry *e, const struct sock *s)
{
	e->cookie = s->cookie;
	e->ends = s->ends;
	e->netns = s->netns;
	e->state = s->state;
	e->attribution = s->attribution;
	e->pid = s->owner ? s->owner->pid : 0;
	e->start_ticks = s->owner ? s->owner->start_ticks : 0;
}

static void keep(struct replay *r, const struct sock *s, bool lingering)
{
	const struct replay_entry *e = replay__find(r, s->cookie);
	struct replay_entry *to;

	if (!e && r->count == REPLAY_MAX) {
		object(r, "more than %d sockets", REPLAY_MAX);
		return;
	}
	to = &r->entries[e ? (size_t)(e - r->entries) : r->count++];
	take(to, s);
	to->lingering = lingering;
}

static void close_one(struct replay *r, const struct sock *s)
{
	const struct replay_entry *e = replay__find(r, s->cookie);

	if (s->state == STATE_CLOSE)
		forget(r, e);
	else if (s->state == STATE_TIME_WAIT || s->state == STATE_FIN_WAIT2)
		keep(r, s, true);
	else
		object(r, "cookie %llu closed into state %d", (unsigned long long)s->cookie, s->state);
}

void replay__apply(struct replay *r, const struct update *u)
{
	const struct sock *s = u->sock;
	const struct replay_entry *e = s ? replay__find(r, s->cookie) : NULL;

	r->told[u->event]++;
	if (!s) /* sync, lost, summary: nothing of a socket */
		return;
	switch (u->event) {
	case EV_EXISTING:
	case EV_LISTEN:
	case EV_CONNECT:
		if (e)
			object(r, "cookie %llu opened twice", (unsigned long long)s->cookie);
		keep(r, s, false);
		break;
	case EV_ESTABLISHED:
		keep(r, s, false);
		break;
	case EV_ACCEPT:
		/* A late one, of a socket that is gone, leaves nothing. */
		if (s->state != STATE_CLOSE)
			keep(r, s, e && e->lingering);
		break;
	case EV_OWNER:
		if (!e)
			object(r, "owner of cookie %llu, which is not open", (unsigned long long)s->cookie);
		keep(r, s, e && e->lingering);
		break;
	case EV_STATE:
		if (s->state == STATE_CLOSE)
			forget(r, e);
		else
			keep(r, s, e && e->lingering);
		break;
	case EV_CLOSE:
		close_one(r, s);
		break;
	default:
		break;
	}
}

void replay__compare(struct replay *r, const struct model *m)
{
	const struct sock *s;
	size_t pos = 0;

	while ((s = model__next(m, &pos))) {
		const struct replay_entry *e = replay__find(r, s->cookie);
		struct replay_entry want = { .lingering = s->minisock && s->closed };

		take(&want, s);
		if (!e)
			object(r, "cookie %llu is in the table and was never told", (unsigned long long)s->cookie);
		else if (e->state != want.state || e->netns != want.netns || e->pid != want.pid ||
			 e->start_ticks != want.start_ticks || memcmp(&e->ends, &want.ends, sizeof(want.ends)))
			object(r, "cookie %llu was told otherwise: state %d not %d, pid %u not %u",
			       (unsigned long long)s->cookie, e->state, want.state, e->pid, want.pid);
		else if (e->lingering != want.lingering)
			object(r, "cookie %llu: told %s, is not", (unsigned long long)s->cookie,
			       e->lingering ? "closed" : "open");
	}
	if (r->count != model__count(m))
		object(r, "told %zu sockets, the table has %zu", r->count, model__count(m));
}
