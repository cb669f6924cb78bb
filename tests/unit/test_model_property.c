/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The promise of the model, over thousands of interleavings of a simulated host, its ring of records and its dumps: every
 * event is told once, nothing is told that a reader could not follow, and at quiet moments the table is the host's.
 *
 *   SEED=N  only the run of this seed, with all it sent and told      RUNS=N  so many runs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/parse.h"
#include "common/host.h"
#include "common/replay.h"
#include "model/model.h"

#define RUNS	  4000
#define STEPS	  250
#define QUEUE_MAX 4096
#define COOKIES	  1024
#define RECENT	  8
#define SECOND_NS 1000000000ULL

/* A record that was sent. */
struct sent {
	uint64_t time_ns;
	uint64_t cookie;
	uint8_t kind;
	unsigned int told;
	bool untold; /* may stay so */
};

struct run {
	struct host host;
	struct model *model;
	struct replay replay;
	uint64_t seed;
	bool loud;
	/* how much goes wrong */
	unsigned int drop_percent, repeat_percent;
	bool dumps_fail;
	/* the ring, by place in sent */
	union wire ring[QUEUE_MAX];
	bool traded[QUEUE_MAX];
	size_t first, last;
	struct sent sent[QUEUE_MAX];
	size_t sent_count;
	union wire recent[RECENT];
	unsigned int recent_count;
	unsigned int dropped; /* and not noticed yet */
	bool lossy;	      /* something was lost in this run */
	bool repair_due;
	/* By cookie: the lives that ever held the socket, and the cookie of the listener it came through. */
	uint64_t ever[COOKIES], came_through[COOKIES];
	bool missed[COOKIES]; /* a record of it was dropped */
};

__attribute__((format(printf, 2, 3), noreturn)) static void die(const struct run *r, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print_error("SEED=%llu at %llu: %s\n", (unsigned long long)r->seed, (unsigned long long)r->host.now_ns, text);
	fail();
	abort();
}

/* ---- the ring */

/*
 * An accept or a use is sent outside the socket's lock, without a number: it may trade places with a transition of the
 * socket (trap T11), but not with its establishment, which the call waits for.
 */
static void trade_places(struct run *r)
{
	struct sw_record *new = &r->ring[r->last - 1].base;
	size_t at = r->last - 1;
	union wire moved;

	while (at-- > r->first) {
		struct sw_record *old = &r->ring[at].base;

		if (old->cookie != new->cookie)
			continue;
		if (!old->seq == !new->seq || r->traded[at] || old->kind == SW_REC_ESTABLISHED ||
		    (old->kind == SW_REC_CONNECT && new->kind == SW_REC_OWNER) || host__roll(&r->host, 3))
			return;
		r->traded[at] = r->traded[r->last - 1] = true;
		moved = r->ring[at];
		r->ring[at] = r->ring[r->last - 1];
		r->ring[r->last - 1] = moved;
		return;
	}
}

static void take_emitted(void *ctx, const union wire *w, const struct host_sock *who)
{
	struct run *r = ctx;

	if (r->sent_count == QUEUE_MAX)
		die(r, "too many records");
	r->sent[r->sent_count++] = (struct sent){
		.time_ns = w->base.time_ns,
		.cookie = w->base.cookie,
		.kind = w->base.kind,
		/*
		 * Established before the hooks were there: with an inode, but no cookie, it is found by the dump. A state
		 * of a socket that was there first is told only when the dump has listed it. That somebody uses a socket
		 * is told only when it is news to the model.
		 */
		.untold = (!w->base.cookie && w->base.new_state != STATE_SYN_RECV) ||
			  (w->base.kind == SW_REC_STATE && !who->opened_ns) || w->base.kind == SW_REC_OWNER,
	};
	if (host__roll(&r->host, 100) < r->drop_percent) {
		r->dropped++;
		r->lossy = true;
		r->missed[w->base.cookie % COOKIES] = true;
		r->sent[r->sent_count - 1].told = 1; /* never again */
		return;
	}
	r->ring[r->last++] = *w;
	if (w->base.cookie)
		trade_places(r);
}

static void give(struct run *r, const union wire *w)
{
	if (r->loud)
		print_message("  %llu: record %d of cookie %llu: state %d, seq %u, flags %d, owner %u (%d)\n",
			      (unsigned long long)w->base.time_ns, w->base.kind, (unsigned long long)w->base.cookie,
			      w->base.new_state, w->base.seq, w->base.flags, w->base.owner.pid, w->base.attribution);
	/* As the ring gives it: no byte more than was sent. */
	void *copy = malloc(wire__size(w));

	assert_non_null(copy);
	memcpy(copy, w, wire__size(w));
	if (model__record(r->model, copy, wire__size(w)))
		die(r, "a record of kind %d was refused", w->base.kind);
	free(copy);
}

/* An old accept cannot be told from a new one, it has no number; nor can anything whose successors were lost. */
static void repeat(struct run *r)
{
	unsigned int have = r->recent_count < RECENT ? r->recent_count : RECENT;
	const union wire *last = &r->recent[(r->recent_count - 1) % RECENT];
	const union wire *w = &r->recent[host__roll(&r->host, have)];

	give(r, w->base.kind == SW_REC_ACCEPT || r->lossy ? last : w);
}

static void drain(struct run *r, size_t count)
{
	for (; count && r->first < r->last; count--) {
		const union wire *w = &r->ring[r->first++];

		give(r, w);
		r->recent[r->recent_count++ % RECENT] = *w;
		if (host__roll(&r->host, 100) < r->repeat_percent)
			repeat(r);
	}
}

static void drain_all(struct run *r)
{
	drain(r, QUEUE_MAX);
}

/* After a drain, never within a dump: as the stream does. */
static void notice_losses(struct run *r)
{
	if (model__look_due(r->model))
		r->repair_due = true;
	if (!r->dropped)
		return;
	model__lost(r->model, LOSS_RING, r->dropped, ++r->host.now_ns);
	r->dropped = 0;
	r->repair_due = true;
}

static void remember(struct run *r, const struct host_sock *s)
{
	if (s->cookie >= COOKIES)
		die(r, "too many sockets");
	if (!s->cookie)
		return;
	r->ever[s->cookie] |= s->ever;
	r->came_through[s->cookie] = s->came_through;
}

static void step(struct run *r)
{
	host__step(&r->host);
	for (int i = 0; i < HOST_SOCKETS; i++)
		remember(r, &r->host.socks[i]);
}

/* ---- what is told */

static void check_owner(const struct run *r, const struct sock *s)
{
	int life = s->owner ? host__life(&r->host, s->owner) : 0;
	uint64_t may = r->ever[s->cookie], listeners = r->ever[r->came_through[s->cookie]];

	/* Which listener a child older than the hooks came through cannot be known when that listener's end was lost. */
	if (!s->owner || (r->lossy && s->attribution == SW_ATTR_LISTENER))
		return;
	if (s->attribution == SW_ATTR_LISTENER)
		may = listeners;
	else if (s->attribution == SW_ATTR_LAST || s->attribution == SW_ATTR_LISTEN)
		may |= listeners;
	if (life < 0 || !(may >> life & 1))
		die(r, "cookie %llu (attribution %d): wrong owner, pid %u of life %d", (unsigned long long)s->cookie,
		    s->attribution, s->owner->pid, life);
}

static bool is_about(const struct sent *sent, const struct update *u)
{
	static const uint8_t kinds[EV_MAX] = {
		[EV_CONNECT] = SW_REC_CONNECT,	       [EV_LISTEN] = SW_REC_LISTEN, [EV_ACCEPT] = SW_REC_ACCEPT,
		[EV_ESTABLISHED] = SW_REC_ESTABLISHED, [EV_STATE] = SW_REC_STATE,   [EV_CLOSE] = SW_REC_CLOSE,
	};

	if (sent->kind != kinds[u->event] || (sent->cookie && sent->cookie != u->sock->cookie))
		return false;
	/* A listener is told when its port is known; here it listens once. */
	return sent->time_ns == u->time_ns || u->event == EV_LISTEN;
}

static void count_told(struct run *r, const struct update *u)
{
	for (size_t i = r->sent_count; i-- > 0 && (u->event == EV_LISTEN || r->sent[i].time_ns >= u->time_ns);) {
		if (is_about(&r->sent[i], u) && r->sent[i].told++)
			die(r, "cookie %llu: event %u was told twice", (unsigned long long)u->sock->cookie, u->event);
	}
}

static void take_update(void *ctx, const struct update *u)
{
	struct run *r = ctx;
	const struct sock *s = u->sock;
	const struct host_sock *now;

	if (r->loud)
		print_message("%llu: event %u of cookie %llu: state %d, owner %u (%d)\n",
			      (unsigned long long)u->time_ns, u->event, s ? (unsigned long long)s->cookie : 0,
			      s ? s->state : 0, s && s->owner ? s->owner->pid : 0, s ? s->attribution : 0);
	replay__apply(&r->replay, u);
	if (r->replay.problem[0])
		die(r, "%s", r->replay.problem);
	if (!s)
		return;
	check_owner(r, s);
	count_told(r, u);
	now = host__find(&r->host, s->cookie);
	if (u->event == EV_EXISTING && !s->minisock && !r->lossy && (!now || now->kind != HOST_FULL))
		die(r, "cookie %llu is listed but closed during the dump", (unsigned long long)s->cookie);
	if (u->event == EV_CLOSE && u->close.reason == REASON_UNSEEN && !r->missed[s->cookie])
		die(r, "cookie %llu: closed as unseen, and nothing of it was lost", (unsigned long long)s->cookie);
	if ((u->event == EV_EXISTING || u->event == EV_OWNER) && s->attribution == SW_ATTR_HOLDER)
		host__claim(&r->host, s->cookie, s->owner);
}

/* ---- dumps, in the order of cmd/sync.c */

static void disturb(struct run *r, bool quiet)
{
	for (uint64_t n = quiet ? 0 : host__roll(&r->host, 3); n; n--)
		step(r);
	if (!quiet && !host__roll(&r->host, 4))
		drain(r, 1 + host__roll(&r->host, 4));
}

static void give_row(struct run *r, int slot, const struct row *row, bool quiet)
{
	if (model__row(r->model, row))
		die(r, "a row was refused");
	remember(r, &r->host.socks[slot]); /* the row gave it a cookie */
	/* The kernel's memory of the dead; the model asks for it when it lists the row. */
	if (row->minisock && r->host.socks[slot].owner.attribution)
		model__last_owner(r->model, row->cookie, &r->host.socks[slot].owner);
	disturb(r, quiet);
}

/* Returns whether a live socket was skipped that only a disturbed table lets us find again. */
static bool dump_namespace(struct run *r, uint32_t netns, bool first, bool quiet)
{
	unsigned int at = host__roll(&r->host, HOST_SOCKETS);
	bool fails = first && !quiet && r->dumps_fail && !host__roll(&r->host, 4);
	bool skipped = false;
	struct row row;

	for (unsigned int i = 0; i < HOST_SOCKETS; i++) {
		int slot = (int)((at + i * 7) % HOST_SOCKETS); /* 7: every slot once */

		if (!host__row(&r->host, slot, &row) || row.netns != netns)
			continue;
		if (fails && !host__roll(&r->host, 5))
			break;
		if (first && !quiet && !host__roll(&r->host, 20)) {
			skipped |= !model__find(r->model, row.cookie);
			continue;
		}
		give_row(r, slot, &row, quiet);
		if (!host__roll(&r->host, 10) && host__row(&r->host, slot, &row))
			give_row(r, slot, &row, quiet);
	}
	if (first && !fails)
		model__netns_complete(r->model, netns);
	if (!first && fails)
		model__netns_incomplete(r->model, netns);
	if (fails) {
		model__lost(r->model, LOSS_DUMP, 1, ++r->host.now_ns);
		r->lossy = r->repair_due = true;
	}
	drain_all(r);
	return skipped;
}

static void dump_all(struct run *r, bool quiet)
{
	bool skipped = false;

	for (uint32_t i = 0; i < HOST_NAMESPACES; i++)
		skipped |= dump_namespace(r, HOST_NETNS + i, true, quiet);
	while (skipped && !model__disturbed(r->model)) {
		step(r);
		drain_all(r);
	}
	if (!model__disturbed(r->model) && !model__suspects(r->model))
		return;
	for (uint32_t i = 0; i < HOST_NAMESPACES; i++)
		dump_namespace(r, HOST_NETNS + i, false, quiet);
}

static int match_holders(void *ctx, uint64_t cookie, uint64_t inode)
{
	struct run *r = ctx;

	for (int i = 0; i < HOST_SOCKETS; i++) {
		const struct host_sock *s = &r->host.socks[i];

		for (int life = 0; life < r->host.lives; life++) {
			struct sw_process p = host__process(&r->host, life);
			bool fresh;

			if (s->kind == HOST_FULL && s->inode == inode && s->holders >> life & 1)
				model__hold(r->model, cookie,
					    process_table__get(model__processes(r->model), p.pid,
							       p.start_ns / WIRE_TICK_NS, &fresh),
					    3);
		}
	}
	return 0;
}

static void sync(struct run *r, bool quiet)
{
	r->repair_due = false;
	if (model__dump_begin(r->model, ++r->host.now_ns))
		die(r, "no dump can begin");
	disturb(r, quiet);
	dump_all(r, quiet);
	for (int i = 0; i < 2; i++) {
		model__each_unheld(r->model, match_holders, r);
		disturb(r, quiet);
		drain_all(r);
	}
	if (model__dump_end(r->model, ++r->host.now_ns))
		die(r, "the dump cannot end");
	model__sync(r->model, ++r->host.now_ns, 0, NULL, NULL);
	notice_losses(r);
}

static void check_minisocks(struct run *r)
{
	struct row row;

	++r->host.now_ns;
	for (int i = 0; i < HOST_SOCKETS; i++) {
		if (host__row(&r->host, i, &row) && row.minisock)
			model__minisock_row(r->model, &row, r->host.now_ns);
	}
	model__minisocks_end(r->model, r->host.now_ns);
}

/* ---- what is true */

/* The ends of a socket that has not been answered yet are told as far as they were chosen. */
static bool knows_ends(const struct sock *s, const struct host_sock *truth, bool repaired)
{
	if (repaired || (s->state != STATE_SYN_SENT && s->state != STATE_LISTEN))
		return !memcmp(&s->ends, &truth->ends, sizeof(s->ends));
	return s->ends.remote_port == truth->ends.remote_port && s->ends.family == truth->ends.family;
}

static bool knows_state(const struct run *r, const struct sock *s, const struct host_sock *truth, bool repaired)
{
	if (repaired || r->host.all_states || truth->state == STATE_LISTEN || truth->state == STATE_SYN_SENT)
		return s->state == truth->state;
	return s->state != STATE_LISTEN && s->state != STATE_SYN_SENT;
}

static void check_live(struct run *r, const struct host_sock *truth, bool repaired)
{
	const struct sock *s = model__find(r->model, truth->cookie);
	unsigned long long cookie = truth->cookie;

	/* A child of fast open is told when it is established. */
	if (truth->state == STATE_SYN_RECV && (!s || !repaired))
		return;
	/* A listener that never called bind is told when a look has found its port. */
	if (!s && truth->state == STATE_LISTEN && model__look_due(r->model))
		return;
	if (!s)
		die(r, "cookie %llu, state %d, is missing", cookie, truth->state);
	if (s->minisock || s->netns != truth->netns || !knows_ends(s, truth, repaired))
		die(r, "cookie %llu is not what it is", cookie);
	if (!knows_state(r, s, truth, repaired))
		die(r, "cookie %llu: state %d is %d", cookie, s->state, truth->state);
	check_owner(r, s);
	if (!r->lossy && truth->user && (!s->owner || host__life(&r->host, s->owner) != truth->user - 1))
		die(r, "cookie %llu: life %d uses it, not the owner that is told", cookie, truth->user - 1);
	if (truth->inode && (!s->owner || s->attribution == SW_ATTR_LISTENER))
		die(r, "cookie %llu, state %d: its holder is not known", cookie, truth->state);
}

static void check_entries(struct run *r, bool repaired)
{
	const struct sock *s;
	size_t pos = 0;

	while ((s = model__next(r->model, &pos))) {
		const struct host_sock *truth = host__find(&r->host, s->cookie);

		if (s->minisock ? repaired && !host__has_minisock(&r->host, s) : !truth || truth->kind != HOST_FULL)
			die(r, "cookie %llu, state %d, is a ghost", (unsigned long long)s->cookie, s->state);
	}
}

/* A time-wait entry turns from FIN_WAIT2 to TIME_WAIT without an event. */
static void check_minisock(struct run *r, const struct host_sock *truth, bool repaired)
{
	const struct sock *s = model__find(r->model, truth->cookie);
	unsigned long long cookie = truth->cookie;

	if (!repaired && (truth->shadowed || truth->kind == HOST_REQUEST))
		return;
	if (!s)
		die(r, "cookie %llu, minisock in state %d, is missing", cookie, truth->state);
	if (!repaired && truth->state == STATE_FIN_WAIT2 && s->state != truth->state)
		die(r, "cookie %llu: minisock in state %d is %d", cookie, truth->state, s->state);
}

/* repaired: a dump has just been taken on a host at rest, so that also what is never told must be right. */
static void check_table(struct run *r, bool repaired)
{
	for (int i = 0; i < HOST_SOCKETS; i++) {
		const struct host_sock *truth = &r->host.socks[i];

		if (truth->kind == HOST_FULL && truth->state != STATE_CLOSE)
			check_live(r, truth, repaired);
		else if (truth->kind == HOST_TIMEWAIT || truth->kind == HOST_REQUEST)
			check_minisock(r, truth, repaired);
	}
	check_entries(r, repaired);
}

static void check_all_told(struct run *r)
{
	size_t waiting = 0;

	/* Accepts of fast open whose socket has no cookie yet. */
	for (int i = 0; i < HOST_SOCKETS; i++)
		waiting += r->host.socks[i].kind == HOST_FULL && r->host.socks[i].state == STATE_SYN_RECV;
	for (size_t i = 0; i < r->sent_count; i++) {
		const struct sent *sent = &r->sent[i];

		if (sent->told || sent->untold)
			continue;
		if (sent->kind == SW_REC_ACCEPT && !sent->cookie && waiting) {
			waiting--;
			continue;
		}
		if (sent->kind == SW_REC_LISTEN && model__look_due(r->model))
			continue;
		die(r, "cookie %llu: the record of kind %d at %llu was not told", (unsigned long long)sent->cookie,
		    sent->kind, (unsigned long long)sent->time_ns);
	}
}

static void rest(struct run *r)
{
	drain_all(r);
	notice_losses(r);
	replay__compare(&r->replay, r->model);
	if (r->replay.problem[0])
		die(r, "%s", r->replay.problem);
	if (!r->lossy)
		check_table(r, false);
}

static void live_on(struct run *r)
{
	for (int i = 0; i < STEPS; i++) {
		uint64_t what = host__roll(&r->host, 100);

		if (what < 70)
			step(r);
		else if (what < 88)
			drain(r, 1 + host__roll(&r->host, 6));
		else if (what < 96)
			rest(r);
		else if (what < 98)
			host__pass(&r->host, host__roll(&r->host, 40) * SECOND_NS);
		if ((r->repair_due || model__look_due(r->model)) && !host__roll(&r->host, 10))
			sync(r, false);
		if (r->host.now_ns >= model__next_deadline(r->model) && !host__roll(&r->host, 5))
			check_minisocks(r);
	}
}

static void run_seed(uint64_t seed, bool loud)
{
	const struct model_config config = { .ns_per_tick = WIRE_TICK_NS, .tell = take_update };
	struct run *r = calloc(1, sizeof(*r));
	struct model_config with_ctx = config;

	assert_non_null(r);
	with_ctx.ctx = r;
	assert_int_equal(model__new(&with_ctx, &r->model), 0);
	r->seed = seed;
	r->loud = loud;
	host__init(&r->host, seed);
	r->host.emit = take_emitted;
	r->host.ctx = r;
	r->host.all_states = host__roll(&r->host, 2);
	r->drop_percent = seed % 3 == 1 ? 5 : 0;
	r->dumps_fail = seed % 3 == 1 || seed % 6 == 2;
	r->repeat_percent = seed % 4 == 3 ? 10 : 0;
	for (uint64_t n = host__roll(&r->host, 150); n; n--)
		step(r);
	r->host.attached = true;
	for (uint64_t n = host__roll(&r->host, 30); n; n--)
		step(r);
	sync(r, false);
	live_on(r);
	rest(r);
	if (model__look_due(r->model))
		sync(r, true);
	if (!r->lossy)
		check_all_told(r);
	/* What was buried lately is not listed: let it rest. */
	host__pass(&r->host, 2 * SECOND_NS);
	r->drop_percent = 0;
	sync(r, true);
	replay__compare(&r->replay, r->model);
	check_table(r, true);
	if (r->replay.problem[0])
		die(r, "%s", r->replay.problem);
	model__free(r->model);
	free(r);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	uint64_t n = otherwise;

	if (text && parse__u64(text, 1, UINT64_MAX / 2, &n))
		fail_msg("%s=%s is not a number", name, text);
	return n;
}

static void table_is_the_host_and_each_event_is_told_once(void **state)
{
	uint64_t first = number("SEED", 1), count = number("RUNS", getenv("SEED") ? 1 : RUNS);

	(void)state;
	print_message("seeds %llu to %llu\n", (unsigned long long)first, (unsigned long long)(first + count - 1));
	for (uint64_t seed = first; seed < first + count; seed++)
		run_seed(seed, count == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_the_host_and_each_event_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
