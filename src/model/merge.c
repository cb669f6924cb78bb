/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The end of a dump: what the rows add, what they take away, then the records that were kept back. What is told before
 * "sync" is, in this order: sockets that were there first, corrections, and everything that happened meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/internal.h"

/*
 * A socket may still stand in the kernel's hash for a moment after its close was recorded (the state event comes before
 * the unhashing): a row of a socket buried this shortly before the dump is not news.
 */
#define GRAVE_FRESH_NS 1000000000ULL

/*
 * A row that has a listener's port came in. One that nobody accepted yet (established, but without a file) belongs to
 * the listener's owner.
 */
void merge__match_listener(struct model *m, struct sock *s)
{
	struct process *owner;
	bool his;

	if (!sockets__came_in(m, s, NULL, &his, &owner))
		return;
	s->direction = SW_DIR_IN;
	if (owner && !s->inode && !s->owner && (s->state == STATE_ESTABLISHED || s->state == STATE_CLOSE_WAIT))
		sockets__set_owner(m, s, process__ref(owner), SW_ATTR_LISTENER);
}

/*
 * The owner that the kernel remembers. Of a socket that has a file by now, but whose accept it has forgotten, it only
 * knows the listener's: then who holds it knows better. One who let go of it while others hold it owns it no more. True
 * when there is such an owner.
 */
static bool take_known(struct model *m, struct sock *s, const struct staged *st)
{
	uint8_t attribution = st->known.owner.attribution;
	bool waits = attribution == SW_ATTR_LISTENER;
	struct process *p;

	if (attribution == SW_ATTR_NONE || (waits && st->row.inode))
		return false;
	p = record__process(m, &st->known.owner.process, NULL);
	if (!p || (s->holder_count && !holders__has(s->holders, s->holder_count, p))) {
		process_table__put(m->processes, p);
		return false;
	}
	if (st->row.minisock || (!st->row.inode && !waits))
		attribution = SW_ATTR_LAST;
	sockets__set_owner(m, s, p, attribution);
	return true;
}

bool merge__give_holders(struct model *m, struct sock *s, struct staged *st)
{
	const struct process *prev = s->owner;
	bool had_owner = prev && s->attribution != SW_ATTR_LISTENER;

	sockets__set_holders(m, s, st->holders, st->holder_count);
	st->holders = NULL;
	st->holder_count = 0;
	if (take_known(m, s, st))
		return !had_owner || s->owner != prev;
	if (had_owner && holders__has(s->holders, s->holder_count, prev))
		return false;
	sockets__set_owner(m, s, process__ref(holders__oldest(s->holders, s->holder_count)), SW_ATTR_HOLDER);
	return true;
}

uint64_t merge__deadline(const struct row *row, uint64_t now_ns)
{
	return now_ns + (uint64_t)row->expires_ms * 1000000;
}

/* Only a time-wait entry is left of a socket whose close record never came. */
static int merge_unseen_close(struct model *m, struct sock *s, const struct row *row, uint64_t now_ns)
{
	struct update u = { .event = EV_CLOSE, .time_ns = now_ns, .sock = s };

	s->ends = row->ends;
	s->state = row->state;
	s->inode = 0;
	sockets__set_holders(m, s, NULL, 0);
	u.close.reason = REASON_UNSEEN;
	tell(m, &u);
	s->closed = true;
	if (s->owner)
		s->attribution = SW_ATTR_LAST;
	return sockets__make_minisock(m, s, merge__deadline(row, now_ns));
}

static void learn_holders(struct model *m, struct sock *s, struct staged *st, uint64_t now_ns)
{
	struct process *prev = process__ref(s->owner);
	struct update u = { .event = EV_OWNER, .time_ns = now_ns, .sock = s, .prev_owner = prev };

	if (st->holder_count && !st->closed && merge__give_holders(m, s, st)) {
		tell(m, &u);
		holders__handed_over(m, s, prev, now_ns);
	}
	process_table__put(m->processes, prev);
}

/* A row of a socket that the table has, and of which no record is waiting: what the row knows better is told. */
static int merge_known(struct model *m, struct sock *s, struct staged *st, uint64_t now_ns)
{
	const struct row *row = &st->row;
	struct update u = { .event = EV_STATE, .time_ns = now_ns, .sock = s };

	if (row->minisock && !s->minisock)
		return merge_unseen_close(m, s, row, now_ns);
	sockets__not_minisock(m, s); /* it is found by the endpoints, which may change */
	if (row->state != s->state || memcmp(&row->ends, &s->ends, sizeof(s->ends))) {
		s->state = row->state;
		s->ends = row->ends;
		tell(m, &u);
	}
	if (row->inode)
		s->inode = row->inode;
	learn_holders(m, s, st, now_ns);
	return row->minisock ? sockets__make_minisock(m, s, merge__deadline(row, now_ns)) : 0;
}

static bool is_told_otherwise(const struct model *m, const struct staged *st)
{
	const struct grave *g;

	/* Its opening is among the records and will be told as such; or it closed during the dump and is not listed. */
	if (st->opened || st->closed)
		return true;
	g = graves__find(m, st->row.cookie);
	return g && !st->row.minisock && g->time_ns + GRAVE_FRESH_NS > m->dump_ns;
}

static int list_row(struct model *m, struct staged *st, uint64_t now_ns)
{
	struct update u = { .event = EV_EXISTING, .time_ns = now_ns, .have_queues = true };
	const struct row *row = &st->row;
	struct sock *s = sockets__add(m, row->cookie, now_ns);
	int err = 0;

	if (!s)
		return 0;
	s->ends = row->ends;
	s->netns = row->netns;
	s->inode = row->inode;
	s->state = row->state;
	s->mptcp = row->mptcp;
	s->seen_ns = m->dump_ns;
	s->doubtful = m->lost_total;
	s->opened_ns = st->known.opened_ns;
	s->direction = st->known.direction;
	if (st->holder_count)
		merge__give_holders(m, s, st);
	else
		take_known(m, s, st);
	if (row->state == STATE_LISTEN) {
		s->direction = SW_DIR_LISTEN;
		err = sockets__make_listener(m, s);
	} else if (row->state == STATE_SYN_SENT) {
		s->direction = SW_DIR_OUT;
	} else if (s->direction != SW_DIR_OUT) {
		merge__match_listener(m, s);
	}
	if (row->minisock)
		err = sockets__make_minisock(m, s, merge__deadline(row, now_ns));
	u.sock = s;
	u.recv_queue = row->recv_queue;
	u.send_queue = row->send_queue;
	tell(m, &u);
	return err;
}

static void end_gone(struct model *m, struct sock *s, uint64_t now_ns)
{
	struct update u = { .event = EV_CLOSE, .time_ns = now_ns, .sock = s };

	if (s->minisock) {
		record__end_minisock(m, s, now_ns);
		return;
	}
	if (m->polling) {
		poll__end_gone(m, s, now_ns);
		return;
	}
	record__tell_listener(m, s, 0);
	s->state = STATE_CLOSE;
	u.close.reason = REASON_UNSEEN;
	tell(m, &u);
	sockets__remove(m, s);
}

static int merge_row(struct model *m, struct staged *st, uint64_t now_ns)
{
	struct sock *s = sockets__find(m, st->row.cookie);

	/* A request becomes its child without our seeing it. */
	if (m->polling && s && s->state == STATE_SYN_RECV)
		sockets__not_minisock(m, s);
	if (s && s->minisock && !st->row.minisock && !st->opened) {
		/* It connected again, and the record of that was lost. */
		record__end_minisock(m, s, now_ns);
		graves__forget(m, st->row.cookie);
		s = NULL;
	} else if (s && !st->touched && dump__is_another_life(s, &st->row)) {
		end_gone(m, s, now_ns);
		s = NULL;
	}
	if (s) {
		if (s->seen_ns < m->dump_ns)
			s->seen_ns = m->dump_ns;
		if (s->untold && st->row.state == STATE_LISTEN && !st->closed) {
			s->ends = st->row.ends;
			return record__tell_listener(m, s, 0);
		}
		if (m->polling)
			return poll__merge(m, s, st, now_ns);
		if (!st->touched)
			return merge_known(m, s, st, now_ns);
		learn_holders(m, s, st, now_ns);
		return 0;
	}
	if (m->polling)
		return poll__list(m, st, now_ns);
	return is_told_otherwise(m, st) ? 0 : list_row(m, st, now_ns);
}

/* Listeners first (the others are matched with them), then by namespace, local and remote port: an order that people read and tests can rely on. */
static int compare_staged(const void *a, const void *b)
{
	const struct row *r = &(*(struct staged *const *)a)->row, *q = &(*(struct staged *const *)b)->row;

	if ((r->state == STATE_LISTEN) != (q->state == STATE_LISTEN))
		return r->state == STATE_LISTEN ? -1 : 1;
	if (r->netns != q->netns)
		return r->netns < q->netns ? -1 : 1;
	if (r->ends.local_port != q->ends.local_port)
		return r->ends.local_port < q->ends.local_port ? -1 : 1;
	if (r->ends.remote_port != q->ends.remote_port)
		return r->ends.remote_port < q->ends.remote_port ? -1 : 1;
	return (r->cookie > q->cookie) - (r->cookie < q->cookie);
}

static int merge_staged(struct model *m, uint64_t now_ns)
{
	struct staged **rows = calloc(m->staged.count + 1, sizeof(*rows));
	struct staged *st;
	size_t pos = 0, n = 0;
	int err = 0;

	if (!rows)
		return -ENOMEM;
	while ((st = table__next(&m->staged, &pos))) {
		if (st->have_row)
			rows[n++] = st;
	}
	qsort(rows, n, sizeof(*rows), compare_staged);
	for (size_t i = 0; !err && i < n; i++)
		err = merge_row(m, rows[i], now_ns);
	free(rows);
	return err;
}

/* Collected first: removing moves the slots. */
static int sweep_gone(struct model *m, uint64_t now_ns, bool listeners)
{
	struct sock **gone = calloc(m->socks.count + 1, sizeof(struct sock *));
	struct sock *s;
	size_t pos = 0, n = 0;

	if (!gone)
		return -ENOMEM;
	while ((s = table__next(&m->socks, &pos))) {
		if ((listeners || s->direction != SW_DIR_LISTEN) && dump__is_gone(m, s))
			gone[n++] = s;
	}
	for (size_t i = 0; i < n; i++)
		end_gone(m, gone[i], now_ns);
	free(gone);
	return 0;
}

static int apply_pending(struct model *m)
{
	struct pending p = m->pending;
	size_t at = 0;
	int err = 0;

	m->pending = (struct pending){ 0 };
	dump__reset(m);
	while (!err && at < p.len) {
		uint64_t size;

		memcpy(&size, p.data + at, sizeof(size));
		err = record__apply(m, (const struct sw_record *)(p.data + at + sizeof(size)));
		at += sizeof(size) + ((size + 7) & ~(uint64_t)7);
	}
	free(p.data);
	return err;
}

int model__dump_end(struct model *m, uint64_t now_ns)
{
	int err, later;

	if (!m->dumping)
		return -EINVAL;
	m->dumped_ns = now_ns;
	/* What came in since the last poll may have come through a listener that is gone. */
	err = sweep_gone(m, now_ns, !m->polling);
	if (!err)
		err = merge_staged(m, now_ns);
	if (!err && m->polling)
		err = sweep_gone(m, now_ns, true);
	if (!err && m->polls)
		err = poll__tell_ended(m);
	later = apply_pending(m);
	m->look_due |= m->untold_count != 0;
	return err ? err : later;
}

int model__dump_abort(struct model *m)
{
	return m->dumping ? apply_pending(m) : 0;
}
