/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Without records: dumps are the only eyes. After the first one each dump is a poll, and what differs from the last is
 * told as the change that must have been, at the time of the poll. The kernel may tell of the end of sockets besides
 * (sock_diag's destroy groups): that gives a close its time, and connections that were over before a poll came at least
 * their close.
 *
 * Of what happened between two polls only that is said which follows: who closed first is known from a time-wait entry or
 * from the last state; otherwise the reason is "unseen". A connection in a port that a listener has, or had at the last
 * poll, came in; any other went out, unless a socket of that port that may have been its listener came and went.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/internal.h"

static uint64_t hash_ended(const void *item)
{
	return hash__mix(((const struct ended *)item)->row.cookie);
}

static bool equal_ended(const void *a, const void *b)
{
	return ((const struct ended *)a)->row.cookie == ((const struct ended *)b)->row.cookie;
}

static uint64_t hash_ends(const void *item)
{
	const struct row *row = &((const struct ended *)item)->row;

	return hash__mix(((uint64_t)row->netns << 32) | row->ends.local_port | (uint32_t)row->ends.remote_port << 16);
}

static bool equal_ends(const void *a, const void *b)
{
	const struct row *r = &((const struct ended *)a)->row, *q = &((const struct ended *)b)->row;

	if (r->netns != q->netns || r->ends.local_port != q->ends.local_port ||
	    r->ends.remote_port != q->ends.remote_port)
		return false;
	return !r->ends.remote_port || !memcmp(&r->ends, &q->ends, sizeof(r->ends));
}

void poll__init(struct model *m)
{
	table__init(&m->ended, hash_ended, equal_ended);
	table__init(&m->ended_ends, hash_ends, equal_ends);
}

void poll__destroy(struct model *m)
{
	struct ended *e;
	size_t pos = 0;

	while ((e = table__next(&m->ended, &pos)))
		free(e);
	table__free(&m->ended);
	table__free(&m->ended_ends);
}

const struct ended *poll__ended(const struct model *m, uint64_t cookie)
{
	const struct ended key = { .row.cookie = cookie };

	return m->ended.count ? table__find(&m->ended, &key) : NULL;
}

bool poll__is_ending(const struct model *m, uint64_t cookie)
{
	const struct ended *e = poll__ended(m, cookie);

	return e && e->time_ns >= m->dump_ns;
}

void model__use_polls(struct model *m)
{
	m->polls = true;
}

void model__ended(struct model *m, const struct ended *e)
{
	struct ended *kept;

	/* A socket that never had a port was no connection and no listener. */
	if (!e->row.cookie || !e->row.ends.local_port || poll__ended(m, e->row.cookie))
		return;
	kept = m->ended.count < MODEL_ENDED_MAX ? malloc(sizeof(*kept)) : NULL;
	if (kept) {
		*kept = *e;
		if (!table__add(&m->ended, kept)) {
			/* Without memory for that the message does half its work, which is as good as a lost one. */
			if (!table__find(&m->ended_ends, kept))
				table__add(&m->ended_ends, kept);
			return;
		}
		free(kept);
	}
	model__lost(m, LOSS_MAP, 1, e->time_ns);
}

void model__scanning(struct model *m, bool all)
{
	m->scanned = true;
	m->scanned_all = all;
}

bool poll__wants_holders(const struct model *m, const struct staged *st)
{
	const struct sock *s = sockets__find(m, st->row.cookie);

	if (!s || m->scanned_all)
		return true;
	/* A listener's child that nobody accepted has the listener's owner, and no file. */
	return !s->searched && (!s->owner || !s->inode);
}

static void tell_event(struct model *m, enum event event, const struct sock *s, uint64_t now_ns)
{
	struct update u = { .event = event, .time_ns = now_ns, .sock = s };

	tell(m, &u);
}

/* ---- ends */

static enum close_reason reason_of(const struct sock *s)
{
	switch (s->state) {
	case STATE_CLOSE_WAIT:
	case STATE_LAST_ACK:
		return REASON_REMOTE;
	case STATE_FIN_WAIT1:
	case STATE_FIN_WAIT2:
	case STATE_CLOSING:
	case STATE_TIME_WAIT:
	case STATE_LISTEN:
		return REASON_LOCAL;
	default:
		return REASON_UNSEEN;
	}
}

/* state: what is left of it in the kernel. */
static void tell_close(struct model *m, struct sock *s, uint8_t state, uint64_t time_ns)
{
	struct update u = { .event = EV_CLOSE, .time_ns = time_ns, .sock = s };

	if (u.time_ns < s->opened_ns)
		u.time_ns = s->opened_ns;
	if (s->opened_ns)
		u.close.duration_us = (u.time_ns - s->opened_ns) / 1000;
	if (state != STATE_CLOSE)
		s->state = state;
	u.close.reason = reason_of(s);
	s->state = state;
	tell(m, &u);
}

void poll__end_gone(struct model *m, struct sock *s, uint64_t now_ns)
{
	const struct ended *e = poll__ended(m, s->cookie);

	tell_close(m, s, STATE_CLOSE, e ? e->time_ns : now_ns);
	/* The kernel may tell of its end later: a connection that was reset ends before its descriptor is closed. */
	graves__bury(m, s, now_ns);
	sockets__remove(m, s);
}

/*
 * What the kernel told of the end of the socket that left this time-wait entry. A socket has no cookie before somebody asks
 * for it: when that was not before the end, the message and the entry have two, and are joined by their endpoints.
 */
static const struct ended *end_of(const struct model *m, const struct row *row)
{
	const struct ended key = { .row = { .netns = row->netns, .ends = row->ends } };
	const struct ended *e = poll__ended(m, row->cookie);
	struct ended *other;

	if (e || !m->ended_ends.count)
		return e;
	other = table__find(&m->ended_ends, &key);
	if (other && !sockets__find(m, other->row.cookie))
		other->told = true;
	return other;
}

/* A time-wait entry is all that is left. */
static int close_into(struct model *m, struct sock *s, const struct row *row, uint64_t now_ns)
{
	const struct ended *e = end_of(m, row);

	s->ends = row->ends;
	s->inode = 0;
	sockets__set_holders(m, s, NULL, 0);
	tell_close(m, s, row->state, e ? e->time_ns : now_ns);
	s->closed = true;
	if (s->owner)
		s->attribution = SW_ATTR_LAST;
	return sockets__make_minisock(m, s, merge__deadline(row, now_ns));
}

/* ---- holders */

/* True when the owner has changed: an owner that still holds the socket stays. */
static bool learn_holders(struct model *m, struct sock *s, struct staged *st)
{
	if (!st->holder_count) {
		s->searched |= m->scanned;
		return false;
	}
	s->searched = false;
	return merge__give_holders(m, s, st);
}

static void update_holders(struct model *m, struct sock *s, struct staged *st, uint64_t now_ns)
{
	struct process *prev = process__ref(s->owner);
	struct update u = { .event = EV_OWNER, .time_ns = now_ns, .sock = s, .prev_owner = prev };

	if (learn_holders(m, s, st))
		tell(m, &u);
	process_table__put(m->processes, prev);
}

/* It came in and has a file now: somebody accepted it, and who that is we must look for before it can be told. */
static void accept_one(struct model *m, struct sock *s, struct staged *st, uint64_t now_ns)
{
	if (!m->scanned)
		return;
	s->inode = st->row.inode;
	s->accepted = true;
	sockets__set_owner(m, s, NULL, SW_ATTR_NONE);
	learn_holders(m, s, st);
	tell_event(m, EV_ACCEPT, s, now_ns);
}

static void take_file(struct model *m, struct sock *s, struct staged *st, uint64_t now_ns)
{
	const struct row *row = &st->row;

	if (row->inode && !s->inode && s->direction == SW_DIR_IN && !s->accepted) {
		accept_one(m, s, st, now_ns);
	} else if (row->inode) {
		s->inode = row->inode;
		update_holders(m, s, st, now_ns);
	} else if (s->inode) {
		/* Everybody let go of it; the kernel still has to send the rest. */
		s->inode = 0;
		sockets__set_holders(m, s, NULL, 0);
		if (s->owner)
			s->attribution = SW_ATTR_LAST;
	}
}

/* ---- rows */

/* A socket of this port without peer came and went since the last poll: it may have been a listener. */
static bool had_listener(const struct model *m, const struct sock *s)
{
	const struct ended key = { .row = { .netns = s->netns, .ends.local_port = s->ends.local_port } };

	return m->ended_ends.count && table__find(&m->ended_ends, &key);
}

static void open_connection(struct model *m, struct sock *s, struct staged *st, uint64_t now_ns)
{
	merge__match_listener(m, s);
	if (s->direction == SW_DIR_IN) {
		tell_event(m, EV_ESTABLISHED, s, now_ns);
		take_file(m, s, st, now_ns);
		return;
	}
	if (st->row.state == STATE_SYN_SENT || !had_listener(m, s))
		s->direction = SW_DIR_OUT;
	s->inode = st->row.inode;
	learn_holders(m, s, st);
	tell_event(m, st->row.state == STATE_SYN_SENT ? EV_CONNECT : EV_ESTABLISHED, s, now_ns);
}

int poll__list(struct model *m, struct staged *st, uint64_t now_ns)
{
	const struct row *row = &st->row;
	struct sock *s;

	/* A request is told when it is established; an entry may outlive what was told of its end. */
	if (row->minisock && (row->state == STATE_SYN_RECV || graves__find(m, row->cookie)))
		return 0;
	s = sockets__add(m, row->cookie, now_ns);
	if (!s)
		return 0;
	s->ends = row->ends;
	s->netns = row->netns;
	s->state = row->state;
	s->mptcp = row->mptcp;
	s->seen_ns = m->dump_ns;
	if (row->minisock) {
		merge__match_listener(m, s);
		return close_into(m, s, row, now_ns);
	}
	s->opened_ns = now_ns;
	if (row->state != STATE_LISTEN) {
		open_connection(m, s, st, now_ns);
		return 0;
	}
	s->direction = SW_DIR_LISTEN;
	s->inode = row->inode;
	learn_holders(m, s, st);
	tell_event(m, EV_LISTEN, s, now_ns);
	return sockets__make_listener(m, s);
}

static bool is_opening(uint8_t state)
{
	return state == STATE_SYN_SENT || state == STATE_SYN_RECV;
}

int poll__merge(struct model *m, struct sock *s, struct staged *st, uint64_t now_ns)
{
	const struct row *row = &st->row;
	bool opened = is_opening(s->state) && !is_opening(row->state);
	bool was_minisock = s->minisock;

	if (row->minisock && row->state == STATE_SYN_RECV)
		return sockets__make_minisock(m, s, merge__deadline(row, now_ns));
	if (row->minisock && !was_minisock)
		return close_into(m, s, row, now_ns);
	sockets__not_minisock(m, s); /* it is found by the endpoints, which may change */
	if (row->state != s->state || memcmp(&row->ends, &s->ends, sizeof(s->ends))) {
		s->state = row->state;
		s->ends = row->ends;
		tell_event(m, opened ? EV_ESTABLISHED : EV_STATE, s, now_ns);
	}
	if (row->minisock)
		return sockets__make_minisock(m, s, merge__deadline(row, now_ns));
	take_file(m, s, st, now_ns);
	return 0;
}

/* ---- sockets of which nothing but the end was seen */

static void tell_ended(struct model *m, const struct ended *e)
{
	struct sock s = { .cookie = e->row.cookie, .netns = e->row.netns, .ends = e->row.ends, .state = STATE_CLOSE };
	struct process *owner;
	bool his;

	/* Without a peer it is not known what it was: a listener, a refused connect, a socket that was only bound. */
	if (e->told || !s.ends.remote_port || sockets__find(m, s.cookie) || graves__find(m, s.cookie))
		return;
	if (sockets__came_in(m, &s, NULL, &his, &owner))
		s.direction = SW_DIR_IN;
	tell_close(m, &s, STATE_CLOSE, e->time_ns);
	graves__bury(m, &s, e->time_ns);
}

static int compare_ended(const void *a, const void *b)
{
	const struct ended *x = *(struct ended *const *)a, *y = *(struct ended *const *)b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return (x->row.cookie > y->row.cookie) - (x->row.cookie < y->row.cookie);
}

int poll__tell_ended(struct model *m)
{
	struct ended **all = calloc(m->ended.count + 1, sizeof(*all));
	struct ended *e;
	size_t pos = 0, n = 0;

	if (!all)
		return -ENOMEM;
	while ((e = table__next(&m->ended, &pos))) {
		if (e->time_ns < m->dump_ns)
			all[n++] = e;
	}
	qsort(all, n, sizeof(*all), compare_ended);
	for (size_t i = 0; i < n; i++) {
		/* What was over before the first dump was not there first either. */
		if (m->polling)
			tell_ended(m, all[i]);
		table__remove(&m->ended, all[i]);
		table__remove(&m->ended_ends, all[i]);
		free(all[i]);
	}
	free(all);
	return 0;
}
