/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/host.h"

#include <stdio.h>
#include <string.h>

#include "common/host_wire.h"

#define SECOND_NS 1000000000ULL
#define LIFE_NS	  (2 * WIRE_TICK_NS) /* from one start to the next */

uint64_t host__roll(struct host *h, uint64_t below)
{
	h->random += 0x9e3779b97f4a7c15ULL;
	return hash__mix(h->random) % below;
}

static bool chance(struct host *h, unsigned int percent)
{
	return host__roll(h, 100) < percent;
}

static int start_process(struct host *h, int which)
{
	h->processes[which] = h->lives;
	h->pids[h->lives] = 100 + which;
	return h->lives++;
}

void host__init(struct host *h, uint64_t seed)
{
	memset(h, 0, sizeof(*h));
	h->random = seed;
	h->now_ns = 1000 * SECOND_NS;
	for (int i = 0; i < HOST_PROCESSES; i++)
		start_process(h, i);
}

struct sw_process host__process(const struct host *h, int life)
{
	char comm[SW_COMM_LEN];

	snprintf(comm, sizeof(comm), "life%d", life);
	return wire__process(h->pids[life], life * LIFE_NS + WIRE_TICK_NS / 3, comm);
}

int host__life(const struct host *h, const struct process *p)
{
	uint64_t life = p->start_ticks / (LIFE_NS / WIRE_TICK_NS);

	if (p->start_ticks % (LIFE_NS / WIRE_TICK_NS) || life >= (uint64_t)h->lives || h->pids[life] != p->pid)
		return -1;
	return (int)life;
}

static struct host_sock *free_slot(struct host *h)
{
	for (int i = 0; i < HOST_SOCKETS; i++) {
		if (h->socks[i].kind == HOST_FREE)
			return &h->socks[i];
	}
	return NULL;
}

/* A random socket that fn likes. */
static struct host_sock *pick(struct host *h, bool (*fn)(const struct host_sock *s))
{
	unsigned int at = host__roll(h, HOST_SOCKETS);

	for (int i = 0; i < HOST_SOCKETS; i++) {
		struct host_sock *s = &h->socks[(at + i) % HOST_SOCKETS];

		if (s->kind != HOST_FREE && fn(s))
			return s;
	}
	return NULL;
}

static bool is_hashed(const struct host_sock *s)
{
	return s->kind != HOST_FREE && (s->kind != HOST_FULL || s->state != STATE_CLOSE);
}

/* The kernel gives endpoints to one connection at a time, and to a new one where a time-wait entry stands. */
static bool take_ends(struct host *h, struct host_sock *by)
{
	struct host_sock *timewait = NULL;

	for (int i = 0; i < HOST_SOCKETS; i++) {
		struct host_sock *s = &h->socks[i];

		if (s == by || !is_hashed(s) || s->netns != by->netns || memcmp(&s->ends, &by->ends, sizeof(s->ends)))
			continue;
		if (s->kind != HOST_TIMEWAIT)
			return false;
		timewait = s;
	}
	if (timewait)
		timewait->kind = HOST_FREE;
	return true;
}

static void set_ends(struct host *h, struct host_sock *s, uint16_t local_port, uint16_t remote_port)
{
	bool ipv6 = chance(h, 20);

	memset(&s->ends, 0, sizeof(s->ends));
	s->ends.family = ipv6 ? 6 : 4;
	s->mapped = !ipv6 && chance(h, 30);
	s->ends.local_port = local_port;
	s->ends.remote_port = remote_port;
	memcpy(s->ends.local, ipv6 ? "\x20\1\x0d\xb8" : "\x0a\0\0\1", 4);
	memcpy(s->ends.remote, ipv6 ? "\x20\1\x0d\xb8" : "\x0a\0\0\1", 4);
}

static void hold(struct host *h, struct host_sock *s, int life)
{
	s->holders |= 1ULL << life;
	s->ever |= 1ULL << life;
	if (!s->inode)
		s->inode = ++h->last_inode;
}

static int any_process(struct host *h)
{
	return h->processes[host__roll(h, HOST_PROCESSES)];
}

/* One of those that hold s. */
static int any_holder(struct host *h, const struct host_sock *s)
{
	int life = (int)host__roll(h, HOST_LIVES);

	while (!(s->holders >> life & 1))
		life = (life + 1) % HOST_LIVES;
	return life;
}

static void release(struct host_sock *s)
{
	s->holders = 0;
	s->inode = 0;
	if (s->kind == HOST_FULL && s->state == STATE_CLOSE)
		s->kind = HOST_FREE;
}

static void do_listen(struct host *h)
{
	struct host_sock *s = free_slot(h);

	if (!s)
		return;
	*s = (struct host_sock){ .kind = HOST_FULL, .state = STATE_CLOSE, .netns = HOST_NETNS };
	s->netns += host__roll(h, HOST_NAMESPACES);
	set_ends(h, s, 80 + host__roll(h, 2), 0);
	memset(s->ends.remote, 0, sizeof(s->ends.remote));
	if (chance(h, 60)) {
		memset(s->ends.local, 0, sizeof(s->ends.local));
		s->mapped = false;
	}
	s->cookie = ++h->last_cookie;
	hold(h, s, any_process(h));
	host_wire__state(h, s, STATE_LISTEN, any_holder(h, s));
}

/* Time-wait entries of this cookie are not what the cookie names any more. True when there are any. */
static bool shadow(struct host *h, uint64_t cookie)
{
	bool any = false;

	for (int i = 0; i < HOST_SOCKETS; i++) {
		struct host_sock *s = &h->socks[i];

		if (s->kind != HOST_TIMEWAIT || s->cookie != cookie)
			continue;
		s->shadowed = true;
		any = true;
	}
	return any;
}

static void start_connecting(struct host *h, struct host_sock *s)
{
	struct host_sock before = *s;

	set_ends(h, s, 40000 + host__roll(h, 3), 80 + host__roll(h, 2));
	if (!take_ends(h, s)) {
		*s = before;
		release(s);
		return;
	}
	shadow(h, s->cookie);
	s->got_fin = false;
	host_wire__state(h, s, STATE_SYN_SENT, any_holder(h, s));
}

static void do_connect(struct host *h)
{
	struct host_sock *s = free_slot(h);

	if (!s)
		return;
	*s = (struct host_sock){ .kind = HOST_FULL, .state = STATE_CLOSE, .netns = HOST_NETNS };
	s->netns += host__roll(h, HOST_NAMESPACES);
	s->cookie = ++h->last_cookie;
	hold(h, s, any_process(h));
	start_connecting(h, s);
}

static bool is_idle(const struct host_sock *s)
{
	return s->kind == HOST_FULL && s->state == STATE_CLOSE && !s->queued;
}

/* A socket that closed and is held still connects again, or is let go. */
static void do_idle(struct host *h)
{
	struct host_sock *s = pick(h, is_idle);

	if (s && chance(h, 60))
		start_connecting(h, s);
	else if (s)
		release(s);
}

static bool is_listening(const struct host_sock *s)
{
	return s->kind == HOST_FULL && s->state == STATE_LISTEN;
}

static bool takes(const struct host_sock *l, struct host_sock *s)
{
	static const uint8_t any[16];

	if (l->ends.family == s->ends.family) {
		s->mapped = l->mapped;
		return true;
	}
	s->mapped = true;
	return l->ends.family == 6 && !memcmp(l->ends.local, any, sizeof(any));
}

/* A connection comes in: as a request, or with data in the SYN (fast open) as a child at once. */
static void do_syn(struct host *h)
{
	struct host_sock *l = pick(h, is_listening), *s = free_slot(h);

	if (!l || !s)
		return;
	*s = (struct host_sock){ .kind = HOST_REQUEST, .state = STATE_SYN_RECV, .netns = l->netns };
	set_ends(h, s, l->ends.local_port, 40000 + host__roll(h, 3));
	s->listener = (int)(l - h->socks);
	s->expires_ns = h->now_ns + 60 * SECOND_NS;
	if (!takes(l, s) || !take_ends(h, s)) {
		s->kind = HOST_FREE;
		return;
	}
	if (chance(h, 15))
		host_wire__clone(s, l);
}

static bool is_request(const struct host_sock *s)
{
	return s->kind == HOST_REQUEST;
}

static bool is_fast_open(const struct host_sock *s)
{
	return s->kind == HOST_FULL && s->state == STATE_SYN_RECV;
}

/* The third packet of the handshake. */
static void do_complete(struct host *h)
{
	struct host_sock *s = pick(h, chance(h, 50) ? is_request : is_fast_open);

	if (!s)
		return;
	if (s->kind == HOST_REQUEST)
		host_wire__clone(s, &h->socks[s->listener]);
	host_wire__state(h, s, STATE_ESTABLISHED, -1);
}

static bool is_queued(const struct host_sock *s)
{
	return s->kind == HOST_FULL && s->queued;
}

static void do_accept(struct host *h)
{
	struct host_sock *s = pick(h, is_queued);
	int life;

	/* What was accepted before it was established, and before anybody looked, has no owner until somebody looks again. */
	if (!s || (!h->attached && s->state == STATE_SYN_RECV))
		return;
	life = any_holder(h, &h->socks[s->listener]);
	s->queued = false;
	hold(h, s, life);
	host_wire__accept(h, s, life);
	if (s->state == STATE_CLOSE)
		release(s);
}

static void close_listener(struct host *h, struct host_sock *l)
{
	host_wire__state(h, l, STATE_CLOSE, -1);
	for (int i = 0; i < HOST_SOCKETS; i++) {
		struct host_sock *s = &h->socks[i];

		if (s->kind == HOST_REQUEST && s->listener == l - h->socks)
			s->kind = HOST_FREE;
		if (s->kind != HOST_FULL || !s->queued || s->listener != l - h->socks)
			continue;
		if (s->state != STATE_CLOSE)
			host_wire__state(h, s, STATE_CLOSE, -1);
		s->queued = false;
		release(s);
	}
	release(l);
}

/* CLOSE, with or without a time-wait entry in the socket's place. */
static void end(struct host *h, struct host_sock *s, bool timewait)
{
	struct host_sock *t = timewait ? free_slot(h) : NULL;

	if (t) {
		*t = *s;
		t->shadowed = shadow(h, s->cookie); /* one of two: whether this one is known is chance */
		t->kind = HOST_TIMEWAIT;
		t->state = s->got_fin ? STATE_TIME_WAIT : STATE_FIN_WAIT2;
		t->expires_ns = h->now_ns + 60 * SECOND_NS;
		t->inode = 0;
		t->holders = 0;
		t->queued = false;
	}
	host_wire__close(h, s, t);
	if (!s->holders && !s->queued)
		release(s);
}

static void shut(struct host *h, struct host_sock *s, uint8_t state)
{
	host_wire__state(h, s, state, -1);
	if (chance(h, 70))
		release(s);
}

static bool is_connection(const struct host_sock *s)
{
	return s->kind == HOST_FULL && s->state != STATE_CLOSE && s->state != STATE_LISTEN;
}

/* The peer, or the process, does the next thing. */
static void do_advance(struct host *h)
{
	struct host_sock *s = pick(h, is_connection);
	bool peer = chance(h, 50);

	if (!s)
		return;
	if (chance(h, 10)) {
		end(h, s, false);
		return;
	}
	s->got_fin |= peer && s->state != STATE_SYN_SENT && s->state != STATE_SYN_RECV;
	switch (s->state) {
	case STATE_SYN_RECV:
	case STATE_SYN_SENT:
		host_wire__state(h, s, STATE_ESTABLISHED, -1);
		break;
	case STATE_ESTABLISHED:
		if (peer)
			host_wire__state(h, s, STATE_CLOSE_WAIT, -1);
		else if (s->holders)
			shut(h, s, STATE_FIN_WAIT1);
		break;
	case STATE_FIN_WAIT1:
		if (peer && chance(h, 50))
			host_wire__state(h, s, STATE_CLOSING, -1);
		else if (peer)
			end(h, s, true);
		else
			host_wire__state(h, s, STATE_FIN_WAIT2, -1);
		break;
	case STATE_CLOSE_WAIT:
		if (s->holders)
			shut(h, s, STATE_LAST_ACK);
		break;
	case STATE_FIN_WAIT2:
		if (peer || !s->holders)
			end(h, s, true);
		break;
	default:
		end(h, s, s->state == STATE_CLOSING);
		break;
	}
}

static bool is_held(const struct host_sock *s)
{
	return s->holders && (s->state != STATE_CLOSE);
}

static bool is_usable(const struct host_sock *s)
{
	return s->holders && is_connection(s) && s->state != STATE_SYN_SENT;
}

static void do_use(struct host *h)
{
	struct host_sock *s = pick(h, is_usable);

	if (s)
		host_wire__use(h, s, any_holder(h, s));
}

/* A child process starts with its parent's socket, or a process dies and its pid goes to another. */
static void do_process(struct host *h)
{
	struct host_sock *s = pick(h, is_held);
	int which = (int)host__roll(h, HOST_PROCESSES);

	if (s && chance(h, 50)) {
		hold(h, s, any_process(h));
		return;
	}
	for (int i = 0; i < HOST_SOCKETS; i++) {
		if (h->socks[i].kind != HOST_FREE && h->socks[i].holders >> h->processes[which] & 1)
			return;
	}
	if (h->lives < HOST_LIVES)
		start_process(h, which);
}

static void close_some_listener(struct host *h)
{
	struct host_sock *l = pick(h, is_listening);

	if (l)
		close_listener(h, l);
}

static bool is_timewait(const struct host_sock *s)
{
	return s->kind == HOST_TIMEWAIT;
}

/* Nobody is told when a time-wait entry is killed, or hears the peer's FIN. */
static void disturb_timewait(struct host *h)
{
	struct host_sock *s = pick(h, is_timewait);

	if (s && chance(h, 50))
		s->kind = HOST_FREE;
	else if (s)
		s->state = STATE_TIME_WAIT;
}

void host__pass(struct host *h, uint64_t ns)
{
	h->now_ns += ns;
	for (int i = 0; i < HOST_SOCKETS; i++) {
		struct host_sock *s = &h->socks[i];

		if ((s->kind == HOST_TIMEWAIT || s->kind == HOST_REQUEST) && s->expires_ns <= h->now_ns)
			s->kind = HOST_FREE;
	}
}

void host__step(struct host *h)
{
	static const struct {
		unsigned int weight;
		void (*fn)(struct host *h);
	} actions[] = {
		{ 3, do_listen },	    { 10, do_connect },	     { 6, do_idle },	 { 14, do_syn },
		{ 14, do_complete },	    { 12, do_accept },	     { 26, do_advance }, { 4, do_process },
		{ 2, close_some_listener }, { 1, disturb_timewait }, { 8, do_use },
	};
	uint64_t at = host__roll(h, 100);

	host__pass(h, 1 + host__roll(h, 2000000));
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (at < actions[i].weight) {
			actions[i].fn(h);
			return;
		}
		at -= actions[i].weight;
	}
}
