/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What one record of a hook does to the table, and what is told about it. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "model/internal.h"

int record__check(const void *data, size_t size)
{
	const struct sw_record *r = data;
	size_t want = sizeof(*r);

	if (size < sizeof(struct sw_record_task) || r->version != SW_RECORD_VERSION)
		return -EBADMSG;
	if (record__is_task(r->kind))
		return size <= sizeof(*r) && ((const struct sw_record_task *)data)->pid ? 0 : -EBADMSG;
	if (size < sizeof(*r))
		return -EBADMSG;
	switch (r->kind) {
	case SW_REC_CONNECT:
	case SW_REC_LISTEN:
	case SW_REC_ACCEPT:
	case SW_REC_OWNER:
		if (r->flags & SW_F_CMDLINE)
			want = sizeof(struct sw_record_process);
		break;
	case SW_REC_CLOSE:
		want = sizeof(struct sw_record_close);
		break;
	case SW_REC_ESTABLISHED:
	case SW_REC_STATE:
		break;
	default:
		return -EBADMSG;
	}
	/* The ring rounds sizes up, never down. */
	if (size < want || size > sizeof(struct sw_record_process) || r->attribution >= SW_ATTR_MAX ||
	    r->direction > SW_DIR_LISTEN)
		return -EBADMSG;
	if (r->new_state == 0 || r->new_state >= STATE_MAX || (r->family != 2 && r->family != 10))
		return -EBADMSG;
	return r->cookie || r->kind == SW_REC_ACCEPT ? 0 : -EBADMSG;
}

static bool take_cmdline(struct process *p, const struct sw_record *r)
{
	const struct sw_record_process *more = (const struct sw_record_process *)r;

	if (!(r->flags & SW_F_CMDLINE) || more->cmdline_len > SW_CMDLINE_LEN)
		return false;
	process__set_parent_comm(p, more->parent_comm, sizeof(more->parent_comm));
	if (more->exe_len <= sizeof(more->exe))
		process__set_exe(p, more->exe, more->exe_len);
	return process__set_cmdline(p, more->cmdline, more->cmdline_len);
}

struct process *record__process(struct model *m, const struct sw_process *p, const struct sw_record *by)
{
	struct process *process;
	bool fresh, changed;

	if (!p->pid)
		return NULL;
	process = process_table__get(m->processes, p->pid, p->start_ns / m->config.ns_per_tick, &fresh);
	if (!process || (!fresh && !by))
		return process;
	changed = process__set_comm(process, p->comm, SW_COMM_LEN);
	if (process->ppid != p->ppid) { /* its parent has ended */
		changed = true;
		process__set_parent_comm(process, "", 0);
	}
	if (by)
		changed |= take_cmdline(process, by);
	process->ppid = p->ppid;
	process->uid = p->uid;
	process->cgroup_id = p->cgroup_id;
	process->have_ids = true;
	if ((fresh || changed) && m->config.describe)
		m->config.describe(m->config.ctx, process);
	return process;
}

static void tell_sock(struct model *m, enum event event, const struct sock *s, uint64_t time_ns, uint32_t tid)
{
	struct update u = { .event = event, .time_ns = time_ns, .sock = s, .tid = tid };

	tell(m, &u);
}

int record__tell_listener(struct model *m, struct sock *s, uint32_t tid)
{
	if (!s->untold)
		return 0;
	s->untold = false;
	m->untold_count--;
	tell_sock(m, EV_LISTEN, s, s->opened_ns, tid);
	return sockets__make_listener(m, s);
}

void record__end_minisock(struct model *m, struct sock *s, uint64_t time_ns)
{
	struct update u = { .event = s->closed ? EV_STATE : EV_CLOSE, .time_ns = time_ns, .sock = s };

	s->state = STATE_CLOSE;
	if (!s->closed)
		u.close.reason = REASON_EXPIRED;
	tell(m, &u);
	graves__bury(m, s, time_ns);
	sockets__remove(m, s);
}

/*
 * The kernel gave these endpoints to another socket: the time-wait entry that had them is gone. A request entry is not
 * replaced that way.
 */
static void end_replaced(struct model *m, const struct sock *by, uint64_t time_ns)
{
	struct sock *s = sockets__replaced_minisock(m, by);

	if (s && s->state != STATE_SYN_RECV)
		record__end_minisock(m, s, time_ns);
}

/* Take from the record what it knows better than the table. Ports and addresses are filled in as they become known. */
static void refresh(struct sock *s, const struct sw_record *r)
{
	struct endpoints ends;

	endpoints__set(&ends, r->family, r->local, r->local_port, r->remote, r->remote_port);
	if (!s->ends.family || (ends.local_port && ends.remote_port) || r->kind == SW_REC_CONNECT ||
	    r->kind == SW_REC_LISTEN) {
		s->ends = ends;
	} else {
		if (!s->ends.local_port)
			s->ends.local_port = ends.local_port;
		if (!s->ends.remote_port)
			s->ends.remote_port = ends.remote_port;
	}
	s->netns = r->netns;
	/* An accept runs outside the socket's lock: a transition on another CPU may have been told already. */
	if (r->kind != SW_REC_ACCEPT || !s->state)
		s->state = r->new_state;
	if (r->inode)
		s->inode = r->inode;
	if (r->direction)
		s->direction = r->direction;
	if (r->flags & SW_F_MPTCP)
		s->mptcp = true;
	if (r->seq)
		s->seq = r->seq;
	if (r->time_ns > s->seen_ns)
		s->seen_ns = r->time_ns;
}

/* A record of something its owner did just now; the others repeat whom the kernel side knew as owner. */
static bool is_act(const struct sw_record *r)
{
	return r->kind == SW_REC_CONNECT || r->kind == SW_REC_LISTEN || r->kind == SW_REC_ACCEPT ||
	       r->kind == SW_REC_OWNER;
}

static bool has_known_owner(const struct sock *s)
{
	return s->owner && s->attribution != SW_ATTR_LISTENER;
}

/*
 * The record's owner, unless the table knows it as well: every change was told here, and the kernel side does not hear
 * of those that holders made. After a loss the kernel knows better.
 */
static void refresh_owner(struct model *m, struct sock *s, const struct sw_record *r)
{
	struct process *p;

	if (r->attribution == SW_ATTR_NONE)
		return;
	if (!is_act(r) && has_known_owner(s) && (!s->doubtful || r->attribution == SW_ATTR_LISTENER))
		return;
	/* The same for one that waits: its listener may have been handed over. */
	if (r->attribution == SW_ATTR_LISTENER && s->owner && !s->doubtful)
		return;
	p = record__process(m, &r->owner, is_act(r) ? r : NULL);
	if (p && r->attribution == SW_ATTR_LISTENER)
		p = holders__of_listener(m, s, p);
	/* An accept that waited for its cookie is older than a use. */
	if (!p || (r->kind == SW_REC_ACCEPT && s->attribution == SW_ATTR_IO && s->owner != p)) {
		process_table__put(m->processes, p);
		return;
	}
	sockets__set_owner(m, s, p, r->attribution);
	if (is_act(r))
		s->owned_ns = r->time_ns;
	s->doubtful = false;
}

/* A live socket stands where a record opens one: its close was lost. */
static void tell_unseen_close(struct model *m, struct sock *s, uint64_t time_ns)
{
	struct update u = { .event = EV_CLOSE, .time_ns = time_ns, .sock = s };

	record__tell_listener(m, s, 0);
	u.close.reason = REASON_UNSEEN;
	s->state = STATE_CLOSE;
	tell(m, &u);
	sockets__remove(m, s);
}

static bool is_about_listener(const struct sw_record *r)
{
	return r->old_state == STATE_LISTEN || r->new_state == STATE_LISTEN;
}

/*
 * The socket a record is about. A cookie that listened and now speaks of a connection, or the other way round, has begun
 * another life, and the records in between were lost.
 */
static struct sock *find_or_add(struct model *m, const struct sw_record *r)
{
	struct sock *s = sockets__find(m, r->cookie);

	if (s && (s->direction == SW_DIR_LISTEN) != is_about_listener(r)) {
		tell_unseen_close(m, s, r->time_ns);
		s = NULL;
	}
	return s ? s : sockets__add(m, r->cookie, r->time_ns);
}

/* The row is newer than the record: only who opened the socket, and when, is news. */
static int apply_listed_open(struct model *m, struct sock *s, const struct sw_record *r)
{
	struct process *prev = process__ref(s->owner);
	struct update u = { .event = EV_OWNER, .time_ns = r->time_ns, .sock = s, .tid = r->tid };

	if ((r->kind == SW_REC_LISTEN) == (s->state == STATE_LISTEN)) {
		s->seq = r->seq;
		s->opened_ns = r->time_ns;
		refresh_owner(m, s, r);
		u.prev_owner = prev;
		tell(m, &u);
	}
	process_table__put(m->processes, prev);
	return 0;
}

/* CONNECT, LISTEN: a socket begins, in its caller. */
static int apply_open(struct model *m, const struct sw_record *base)
{
	struct sock *s = sockets__find(m, base->cookie);

	/* A record that was still being written when the dump ended: its socket has been listed already. */
	if (s && !s->minisock && !s->seq && base->time_ns <= m->dumped_ns)
		return apply_listed_open(m, s, base);
	/* One socket can connect again: its time-wait entry keeps the cookie, but the live one is what a cookie names. */
	if (s && s->minisock)
		record__end_minisock(m, s, base->time_ns);
	else if (s)
		tell_unseen_close(m, s, base->time_ns);
	graves__forget(m, base->cookie);
	s = sockets__add(m, base->cookie, base->time_ns);
	if (!s)
		return 0;
	refresh(s, base);
	refresh_owner(m, s, base);
	s->opened_ns = base->time_ns;
	if (base->kind == SW_REC_CONNECT) {
		tell_sock(m, EV_CONNECT, s, base->time_ns, base->tid);
		return 0;
	}
	s->untold = true;
	m->untold_count++;
	if (s->ends.local_port)
		return record__tell_listener(m, s, base->tid);
	/* Listen without bind: the kernel chooses the port after it tells the state. */
	m->look_due = true;
	return 0;
}

static int apply_accept(struct model *m, const struct sw_record *r);

/* Accepts that had no cookie when they were seen (fast open): now the inode says whose they are. */
static int apply_waiting_accept(struct model *m, const struct sock *s)
{
	for (size_t i = 0; s->inode && s->direction != SW_DIR_OUT && i < m->accept_next; i++) {
		struct sw_record_process r = m->accepts[i];

		if (r.base.inode != s->inode || r.base.netns != s->netns)
			continue;
		m->accepts[i] = m->accepts[--m->accept_next];
		r.base.cookie = s->cookie;
		return apply_accept(m, &r.base);
	}
	return 0;
}

static int apply_established(struct model *m, const struct sw_record *r)
{
	struct sock *s = find_or_add(m, r);

	/*
	 * A time-wait entry that a dump has listed is newer: the record was still being written when the dump ended. A
	 * socket that is used again says so by a connect first.
	 */
	if (!s || (s->minisock && s->state != STATE_SYN_RECV))
		return 0;
	sockets__not_minisock(m, s);
	graves__forget(m, r->cookie);
	refresh(s, r);
	refresh_owner(m, s, r);
	if (r->direction == SW_DIR_IN)
		s->opened_ns = r->time_ns;
	end_replaced(m, s, r->time_ns);
	tell_sock(m, EV_ESTABLISHED, s, r->time_ns, 0);
	return apply_waiting_accept(m, s);
}

/* An accept of a socket that is closed already says who it was for, and leaves nothing behind (trap T11). */
static void tell_late_accept(struct model *m, const struct sw_record *r, struct sock *minisock)
{
	struct grave *g = graves__find(m, r->cookie);
	struct sock s = { .cookie = r->cookie, .accepted = true, .seq = g ? g->seq : 0 };

	refresh(&s, r);
	refresh_owner(m, &s, r);
	s.state = STATE_CLOSE;
	tell_sock(m, EV_ACCEPT, &s, r->time_ns, r->tid);
	if (minisock)
		minisock->accepted = true;
	else
		graves__bury(m, &s, g ? g->time_ns : r->time_ns);
	sockets__release(m, &s);
}

static int apply_accept(struct model *m, const struct sw_record *r)
{
	struct grave *g;
	struct sock *s;

	if (!r->cookie) {
		if (m->accept_next == MODEL_ACCEPTS_MAX) {
			/* Nobody ever asked for these: their sockets are gone. */
			m->accept_next = 0;
			model__lost(m, LOSS_MAP, MODEL_ACCEPTS_MAX, r->time_ns);
		}
		memcpy(&m->accepts[m->accept_next++], r,
		       r->flags & SW_F_CMDLINE ? sizeof(struct sw_record_process) : sizeof(*r));
		return 0;
	}
	s = sockets__find(m, r->cookie);
	g = s ? NULL : graves__find(m, r->cookie);
	if ((s && s->accepted) || (g && g->accepted))
		return 0; /* a repeat */
	if (s && s->minisock && s->state == STATE_SYN_RECV) {
		/* The child of a listed request; the record of its establishment is behind this one. */
		sockets__not_minisock(m, s);
		if (r->new_state != STATE_CLOSE) /* its close is on the way */
			s->state = r->new_state;
	} else if (s ? s->minisock : g || r->new_state == STATE_CLOSE) {
		tell_late_accept(m, r, s);
		return 0;
	}
	s = find_or_add(m, r);
	if (!s)
		return 0;
	s->accepted = true;
	refresh(s, r);
	refresh_owner(m, s, r);
	tell_sock(m, EV_ACCEPT, s, r->time_ns, r->tid);
	return 0;
}

/* A process took the socket into use: news when it is not the owner, or was only thought to be. */
static int apply_owner(struct model *m, const struct sw_record *r)
{
	struct sock *s = sockets__find(m, r->cookie);
	struct process *user, *prev;
	int err;
	struct update u = { .event = EV_OWNER, .time_ns = r->time_ns, .sock = s, .tid = r->tid };

	/* A socket that nothing has told of yet: a look will tell, and find who holds it. */
	if (!s || s->minisock || s->direction == SW_DIR_LISTEN || r->time_ns < s->owned_ns)
		return 0;
	user = record__process(m, &r->owner, r);
	if (!user || (user == s->owner && has_known_owner(s))) {
		process_table__put(m->processes, user);
		return user ? 0 : -ENOMEM;
	}
	prev = process__ref(s->owner);
	err = holders__used(m, s, user);
	sockets__set_owner(m, s, user, SW_ATTR_IO);
	s->owned_ns = r->time_ns;
	s->doubtful = false;
	if (r->inode)
		s->inode = r->inode;
	u.prev_owner = prev;
	tell(m, &u);
	process_table__put(m->processes, prev);
	return err;
}

static int apply_state(struct model *m, const struct sw_record *r)
{
	struct sock *s = sockets__find(m, r->cookie);

	/* A socket that nothing has told of yet, in a dump that is under way or after a loss: a look will tell. */
	if (!s || s->minisock || (s->direction == SW_DIR_LISTEN) != is_about_listener(r))
		return 0;
	refresh(s, r);
	refresh_owner(m, s, r);
	tell_sock(m, EV_STATE, s, r->time_ns, r->tid);
	return 0;
}

/*
 * From the last state and the socket's error (T13: a closed listener and a close with unread data are no failures).
 * Errors: tcp_reset() and tcp_write_err() in net/ipv4/tcp_input.c and tcp_timer.c.
 */
static enum close_reason close_reason(const struct sw_record_close *r)
{
	switch (r->error) {
	case ECONNREFUSED:
		return REASON_REFUSED;
	case ECONNRESET:
	case EPIPE:
		return REASON_RESET;
	case ETIMEDOUT:
		return REASON_TIMEOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
		return REASON_UNREACHABLE;
	default:
		break;
	}
	switch (r->base.old_state) {
	case STATE_LAST_ACK:
		return REASON_REMOTE;
	case STATE_FIN_WAIT1:
	case STATE_FIN_WAIT2:
	case STATE_CLOSING:
	case STATE_LISTEN:
	case STATE_SYN_SENT:
		return REASON_LOCAL;
	default:
		return REASON_ABORTED;
	}
}

static void tell_close(struct model *m, const struct sock *s, const struct sw_record_close *r)
{
	struct update u = { .event = EV_CLOSE, .time_ns = r->base.time_ns, .sock = s };
	uint64_t opened = r->opened_ns ? r->opened_ns : s->opened_ns;

	if (opened && opened < r->base.time_ns)
		u.close.duration_us = (r->base.time_ns - opened) / 1000;
	if (r->base.old_state != STATE_LISTEN) {
		u.close.have_stats = true;
		u.close.bytes_sent = r->bytes_sent;
		u.close.bytes_received = r->bytes_received;
		u.close.retransmits = r->retransmits;
		u.close.rtt_us = r->rtt_us;
	}
	u.close.reason = close_reason(r);
	tell(m, &u);
}

static int apply_close(struct model *m, const struct sw_record_close *r)
{
	const struct sw_record *base = &r->base;
	bool lingers = base->flags & SW_F_TIMEWAIT;
	struct sock *s = find_or_add(m, base);
	uint8_t state;

	if (!s)
		return 0;
	sockets__not_minisock(m, s);
	state = s->state;
	refresh(s, base);
	s->state = state;
	refresh_owner(m, s, base);
	record__tell_listener(m, s, 0);
	apply_waiting_accept(m, s);
	s->state = STATE_CLOSE;
	if (lingers)
		s->state = base->flags & SW_F_GOT_FIN ? STATE_TIME_WAIT : STATE_FIN_WAIT2;
	end_replaced(m, s, base->time_ns);
	tell_close(m, s, r);
	if (!lingers) {
		graves__bury(m, s, base->time_ns);
		sockets__remove(m, s);
		return 0;
	}
	s->closed = true;
	s->inode = 0;
	sockets__set_holders(m, s, NULL, 0);
	if (s->owner)
		s->attribution = SW_ATTR_LAST;
	/* An entry in FIN_WAIT2 lasts as long as its socket was told to wait (tcp_fin_timeout, TCP_LINGER2): look soon. */
	return sockets__make_minisock(m, s,
				      base->time_ns + (s->state == STATE_TIME_WAIT ? MINISOCK_NS : FIRST_LOOK_NS));
}

/* A record that was applied before, or is older than one that was (the sequence is per socket, from 1). */
static bool is_repeat(const struct model *m, const struct sw_record *r)
{
	const struct sock *s;
	const struct grave *g;

	if (!r->seq)
		return false;
	s = sockets__find(m, r->cookie);
	if (s)
		return r->seq <= s->seq;
	g = graves__find(m, r->cookie);
	return g && r->seq <= g->seq;
}

int record__apply(struct model *m, const struct sw_record *r)
{
	if (record__is_task(r->kind))
		return holders__record(m, (const struct sw_record_task *)r);
	if (is_repeat(m, r))
		return 0;
	switch (r->kind) {
	case SW_REC_CONNECT:
	case SW_REC_LISTEN:
		return apply_open(m, r);
	case SW_REC_ACCEPT:
		return apply_accept(m, r);
	case SW_REC_OWNER:
		return apply_owner(m, r);
	case SW_REC_ESTABLISHED:
		return apply_established(m, r);
	case SW_REC_STATE:
		return apply_state(m, r);
	default:
		return apply_close(m, (const struct sw_record_close *)r);
	}
}

int model__record(struct model *m, const void *data, size_t size)
{
	int err = record__check(data, size);

	if (err)
		return err;
	m->last_record_ns = ((const struct sw_record *)data)->time_ns;
	/*
	 * What is older than the dump, behind a slow reader, is not what the dump must be corrected by; but who uses a socket
	 * no dump shows.
	 */
	if (m->dumping && (m->last_record_ns >= m->dump_ns || ((const struct sw_record *)data)->kind == SW_REC_OWNER))
		return dump__keep(m, data, size);
	return record__apply(m, data);
}
