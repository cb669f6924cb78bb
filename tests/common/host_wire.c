/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* After bpf/tcp.bpf.h and bpf/accept.bpf.h: the same fields at the same times. */
#include "common/host_wire.h"

#include <string.h>

#include "model/process.h"

#define AF_INET	 2
#define AF_INET6 10

static uint64_t cookie_of(struct host *h, struct host_sock *s)
{
	if (!s->cookie)
		s->cookie = ++h->last_cookie;
	return s->cookie;
}

static void fill_address(uint8_t *to, const struct host_sock *s, const uint8_t *from)
{
	static const uint8_t zero[16];

	memset(to, 0, 16);
	if (!s->mapped) {
		memcpy(to, from, 16);
	} else if (memcmp(from, zero, 4) != 0) {
		to[10] = to[11] = 0xff;
		memcpy(to + 12, from, 4);
	}
}

static union wire fill(struct host *h, const struct host_sock *s, uint8_t kind, uint8_t old_state)
{
	union wire w;
	struct sw_record *r = &w.base;

	memset(&w, 0, sizeof(w));
	r->version = SW_RECORD_VERSION;
	r->kind = kind;
	r->family = s->ends.family == 6 || s->mapped ? AF_INET6 : AF_INET;
	r->old_state = old_state;
	r->new_state = s->state;
	r->netns = s->netns;
	r->time_ns = ++h->now_ns;
	r->cookie = s->cookie;
	r->inode = s->inode;
	r->local_port = s->ends.local_port;
	r->remote_port = s->ends.remote_port;
	fill_address(r->local, s, s->ends.local);
	fill_address(r->remote, s, s->ends.remote);
	return w;
}

static void emit_record(struct host *h, struct host_sock *s, union wire *w)
{
	w->base.seq = w->base.kind == SW_REC_OWNER ? 0 : s->seq;
	w->base.direction = s->direction;
	w->base.attribution = s->owner.attribution;
	w->base.owner = s->owner.process;
	h->emit(h->ctx, w, s);
}

static void take_claim(struct host_sock *s)
{
	if (s->owner.attribution != SW_ATTR_NONE && s->owner.attribution != SW_ATTR_LISTENER)
		return;
	if (s->claim.attribution)
		s->owner = s->claim;
	s->claim.attribution = SW_ATTR_NONE;
}

static void send_open(struct host *h, struct host_sock *s, uint8_t old_state, int life)
{
	bool listens = s->state == STATE_LISTEN;
	union wire w = fill(h, s, listens ? SW_REC_LISTEN : SW_REC_CONNECT, old_state);

	s->owner.process = host__process(h, life);
	s->owner.attribution = listens ? SW_ATTR_LISTEN : SW_ATTR_CONNECT;
	s->direction = listens ? SW_DIR_LISTEN : SW_DIR_OUT;
	s->user = life + 1;
	s->seq++;
	s->opened_ns = w.base.time_ns;
	if (host__roll(h, 2)) /* not bound before: the port is chosen later, of connect the address too */
		w.base.local_port = 0;
	if (!listens && !w.base.local_port)
		memset(w.base.local, 0, sizeof(w.base.local));
	emit_record(h, s, &w);
}

/* What was cloned from the listener is made the child's own. */
static void become_child(struct host_sock *s)
{
	s->seq = 0;
	s->direction = SW_DIR_IN;
	if (s->owner.attribution && s->owner.attribution != SW_ATTR_ACCEPT && s->owner.attribution != SW_ATTR_IO)
		s->owner.attribution = SW_ATTR_LISTENER;
}

static void send_established(struct host *h, struct host_sock *s, uint8_t old_state)
{
	union wire w;

	cookie_of(h, s);
	w = fill(h, s, SW_REC_ESTABLISHED, old_state);
	if (old_state == STATE_SYN_RECV) {
		s->opened_ns = w.base.time_ns;
		become_child(s);
	} else {
		s->direction = SW_DIR_OUT;
	}
	s->seq++;
	emit_record(h, s, &w);
}

static void send_state(struct host *h, struct host_sock *s, uint8_t old_state)
{
	union wire w;

	cookie_of(h, s);
	w = fill(h, s, SW_REC_STATE, old_state);
	take_claim(s);
	s->seq++;
	emit_record(h, s, &w);
}

void host_wire__state(struct host *h, struct host_sock *s, uint8_t state, int life)
{
	uint8_t old_state = s->state;

	if (state == STATE_CLOSE) {
		host_wire__close(h, s, NULL);
		return;
	}
	s->state = state;
	if (!h->attached)
		return;
	if (state == STATE_SYN_SENT || state == STATE_LISTEN)
		send_open(h, s, old_state, life);
	else if (state == STATE_ESTABLISHED)
		send_established(h, s, old_state);
	else if (h->all_states)
		send_state(h, s, old_state);
}

void host_wire__close(struct host *h, struct host_sock *s, struct host_sock *timewait)
{
	uint8_t old_state = s->state;
	union wire w;

	s->state = STATE_CLOSE;
	cookie_of(h, s);
	if (timewait)
		timewait->cookie = s->cookie;
	if (!h->attached)
		return;
	w = fill(h, s, SW_REC_CLOSE, old_state);
	if (old_state == STATE_SYN_RECV)
		become_child(s);
	take_claim(s);
	s->claim.attribution = SW_ATTR_NONE;
	s->seq++;
	if (s->got_fin)
		w.base.flags |= SW_F_GOT_FIN;
	if (timewait) {
		w.base.flags |= SW_F_TIMEWAIT;
		timewait->owner = s->owner;
	}
	w.close.opened_ns = s->opened_ns;
	emit_record(h, s, &w);
}

void host_wire__clone(struct host_sock *s, const struct host_sock *l)
{
	s->kind = HOST_FULL;
	s->state = STATE_SYN_RECV;
	s->queued = true;
	s->came_through = l->cookie;
	s->seq = l->seq;
	s->direction = l->direction;
	s->owner = l->owner;
}

void host_wire__accept(struct host *h, struct host_sock *s, int life)
{
	struct sw_owner owner = { .attribution = SW_ATTR_ACCEPT, .process = host__process(h, life) };
	union wire w;

	if (!h->attached)
		return;
	if (s->cookie && s->state != STATE_CLOSE)
		s->claim = owner;
	w = fill(h, s, SW_REC_ACCEPT, s->state);
	w.base.attribution = owner.attribution;
	w.base.direction = SW_DIR_IN;
	w.base.owner = owner.process;
	if (s->cookie) /* else a look may come first, and find the holders alone */
		s->user = life + 1;
	h->emit(h->ctx, &w, s);
}

void host_wire__use(struct host *h, struct host_sock *s, int life)
{
	struct sw_owner owner = { .attribution = SW_ATTR_IO, .process = host__process(h, life) };
	union wire w;

	if (!h->attached)
		return;
	cookie_of(h, s);
	take_claim(s);
	s->user = life + 1;
	if (s->owner.process.pid == owner.process.pid && s->owner.process.start_ns == owner.process.start_ns &&
	    s->owner.attribution != SW_ATTR_LISTENER)
		return;
	s->owner = owner;
	w = fill(h, s, SW_REC_OWNER, s->state);
	emit_record(h, s, &w);
}

bool host__row(struct host *h, int slot, struct row *ret)
{
	struct host_sock *s = &h->socks[slot];

	if (s->kind == HOST_FREE || (s->kind == HOST_FULL && s->state == STATE_CLOSE))
		return false;
	*ret = (struct row){
		.cookie = cookie_of(h, s),
		.inode = s->inode,
		.netns = s->netns,
		.state = s->state,
		.minisock = s->kind != HOST_FULL,
		.expires_ms = s->kind == HOST_FULL ? 0 : (s->expires_ns - h->now_ns) / 1000000,
		.ends = s->ends,
	};
	return true;
}

const struct host_sock *host__find(const struct host *h, uint64_t cookie)
{
	const struct host_sock *found = NULL;

	for (int i = 0; i < HOST_SOCKETS; i++) {
		const struct host_sock *s = &h->socks[i];

		if (s->kind == HOST_FREE || s->cookie != cookie || (s->kind == HOST_FULL && s->state == STATE_CLOSE))
			continue;
		if (!found || s->kind == HOST_FULL)
			found = s;
	}
	return found;
}

bool host__has_minisock(const struct host *h, const struct sock *s)
{
	for (int i = 0; i < HOST_SOCKETS; i++) {
		const struct host_sock *t = &h->socks[i];

		if ((t->kind == HOST_TIMEWAIT || t->kind == HOST_REQUEST) && t->cookie == s->cookie &&
		    t->netns == s->netns && t->state == s->state && !memcmp(&t->ends, &s->ends, sizeof(s->ends)))
			return true;
	}
	return false;
}

void host__claim(struct host *h, uint64_t cookie, const struct process *p)
{
	for (int i = 0; i < HOST_SOCKETS; i++) {
		struct host_sock *s = &h->socks[i];

		if (s->kind != HOST_FULL || s->cookie != cookie || s->state == STATE_CLOSE)
			continue;
		s->claim = (struct sw_owner){ .attribution = SW_ATTR_HOLDER };
		s->claim.process = host__process(h, host__life(h, p));
	}
}
