/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Live: started at a random moment while connections come and go, the stream's table is the kernel's. SOCKWATCH_SEED
 * repeats a run's choices.
 */
#include "live/live.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "live/witness.h"

#define STARTS		 scale__load(100)
#define STARTS_PER_STORM 10 /* its time-wait entries pile up: each storm has a fresh namespace */
#define CONNECTIONS	 1000000
#define RATE		 3000 /* leaves time for everybody else */
#define RATE_MIN	 300  /* of which some are open at any moment */
#define PAIRS		 8    /* that live longer than the storm's */
#define FIRST_PORT	 10000
#define DELAY_NS	 40000000 /* to a start, at most */
#define MOVES		 24	  /* of pairs around a start */
#define MOVE_NS		 8000000  /* between two of them, at most */
#define SYNC_SECONDS	 scale__timeout(20)
#define EQUAL_TIMEOUT_MS scale__timeout(10000)
#define STORM_TIMEOUT_MS scale__timeout(20000)

struct race {
	struct live *live;
	struct load *load;
	struct witness *witnesses[STARTS_PER_STORM]; /* of this storm */
	struct pair pairs[PAIRS];
	bool open[PAIRS];
	uint16_t next_port;
	unsigned short random[3];
};

static void seed(struct race *r)
{
	const char *text = getenv("SOCKWATCH_SEED");
	unsigned int value;

	if (!text || sscanf(text, "%u", &value) != 1)
		assert_int_equal(getrandom(&value, sizeof(value), 0), sizeof(value));
	print_message("SOCKWATCH_SEED=%u\n", value);
	memcpy(r->random, &value, sizeof(value));
}

static unsigned int below(struct race *r, unsigned int n)
{
	return (unsigned int)((unsigned long)nrand48(r->random) % n);
}

static int setup(void **state)
{
	struct race *r = calloc(1, sizeof(*r));

	*state = r;
	if (!r)
		return -1;
	seed(r);
	return 0;
}

static void forget_storm(struct race *r)
{
	void *live = r->live;

	for (int i = 0; i < STARTS_PER_STORM; i++) {
		witness__free(r->witnesses[i]);
		r->witnesses[i] = NULL;
	}
	load__free(r->load);
	r->load = NULL;
	if (live)
		live__teardown(&live);
	r->live = NULL;
	memset(r->open, 0, sizeof(r->open));
}

static int teardown(void **state)
{
	struct race *r = *state;

	forget_storm(r);
	free(r);
	return 0;
}

/* Open or close a pair. */
static void move(struct race *r)
{
	static const char *const addresses[] = { "127.0.0.1", "::1", "::ffff:127.0.0.1" };
	unsigned int i = below(r, PAIRS);
	struct pair *p = &r->pairs[i];

	if (!r->open[i]) {
		*p = live__pair(r->live, addresses[below(r, 3)], r->next_port++);
	} else if (below(r, 2)) {
		live__close_pair(r->live, p);
	} else {
		/* The server's end first, which keeps the time-wait entry. */
		actor_must(r->live->server, .op = ACTOR_CLOSE, .fd = p->listener.fd);
		actor_must(r->live->server, .op = ACTOR_CLOSE, .fd = p->child.fd);
		actor_must(r->live->client, .op = ACTOR_CLOSE, .fd = p->client.fd);
	}
	r->open[i] = !r->open[i];
}

static void check_end(const struct witness *w, const struct end *end, const struct actor *owner)
{
	const struct live_table_entry *e = live_table__find(witness__table(w), end->cookie);

	assert_non_null(e);
	/* All are accepted: no more the listener's. */
	if (e->pid == owner->pid && strcmp(e->attribution, "listener") != 0)
		return;
	stream__print(witness__stream(w));
	fail_msg("cookie %llu is told to be of pid %u (%s), it is of %u", (unsigned long long)end->cookie, e->pid,
		 e->attribution, owner->pid);
}

static void check_pairs(const struct race *r, const struct witness *w)
{
	for (int i = 0; i < PAIRS; i++) {
		if (!r->open[i])
			continue;
		check_end(w, &r->pairs[i].listener.end, r->live->server);
		check_end(w, &r->pairs[i].child.end, r->live->server);
		check_end(w, &r->pairs[i].client.end, r->live->client);
	}
}

/* Then it has given up the capability that loaded its programs: seen without reading what it writes. */
static bool is_in_sync(const struct stream *s)
{
	unsigned long long capabilities = 0;
	char path[32], line[256];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/status", stream__pid(s));
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "CapEff: %llx", &capabilities) == 1;
	assert_true(found);
	return !(capabilities >> CAP_BPF & 1);
}

static void pause_at_random(struct race *r, long max_ns)
{
	struct timespec pause = { .tv_nsec = (long)below(r, (unsigned int)max_ns) };

	/* Not to wait for anything: the moment is random. */
	nanosleep(&pause, NULL);
}

/* The storm goes on until the program is in sync; the first moves are around its start. */
static void wait_in_sync(struct race *r, const struct stream *s)
{
	time_t deadline = time(NULL) + SYNC_SECONDS;

	for (int i = 0; !is_in_sync(s); i++) {
		pause_at_random(r, MOVE_NS);
		if (i < MOVES)
			move(r);
		if (time(NULL) > deadline) {
			stream__print(s);
			fail_msg("not in sync within %d s", SYNC_SECONDS);
		}
	}
	move(r);
}

static void start_once(struct race *r, struct witness **ret)
{
	static const char *const states[] = { "--states", NULL };
	const struct witness_count *count;
	struct witness *w;

	move(r);
	pause_at_random(r, DELAY_NS);
	*ret = w =
		witness__start(&(struct witness_config){ .ns_fd = r->live->ns, .args = below(r, 2) ? states : NULL });
	count = witness__count(w);
	wait_in_sync(r, witness__stream(w));
	/* What it has under way is in both tables. */
	load__pause(r->load);
	witness__wait_syncs(w, 1, STREAM_TIMEOUT_MS);
	witness__wait_equal(w, EQUAL_TIMEOUT_MS);
	check_pairs(r, w);
	witness__stop(w, STREAM_TIMEOUT_MS);
	load__resume(r->load);
	if (count->syncs == 1 && !count->losses)
		return;
	stream__print(witness__stream(w));
	fail_msg("%llu sync and %llu lost updates", (unsigned long long)count->syncs,
		 (unsigned long long)count->losses);
}

/* Of the ends that were open at the comparison, every one had an owner; the log tells which. */
static size_t check_open_ends(const struct race *r, const struct witness *w)
{
	const struct storm_record *end;
	size_t open = 0;

	for (size_t i = 0; (end = load__record(r->load, i)); i++) {
		const struct live_table_entry *e = live_table__find(witness__table(w), end->cookie);

		if (!e || e->minisock)
			continue;
		open++;
		if (!e->pid)
			fail_msg("cookie %llu in state %s has no owner; pid %u has it", (unsigned long long)e->cookie,
				 e->state, end->pid);
	}
	return open;
}

static void run_storm(struct race *r, unsigned int starts, uint64_t *owned, size_t *open)
{
	void *live;

	assert_int_equal(live__setup_quiet(&live), 0);
	r->live = live;
	r->next_port = FIRST_PORT;
	for (int i = 0; i < PAIRS; i++)
		move(r);
	r->load = load__start(&(struct load_config){
		.ns_fd = r->live->ns, .connections = CONNECTIONS, .rate = scale__load_at_least(RATE, RATE_MIN) });
	for (unsigned int i = 0; i < starts; i++)
		start_once(r, &r->witnesses[i]);
	load__stop(r->load);
	load__join(r->load, STORM_TIMEOUT_MS);
	for (unsigned int i = 0; i < starts; i++) {
		*owned += witness__check_owners(r->witnesses[i], r->load);
		*open += check_open_ends(r, r->witnesses[i]);
	}
	forget_storm(r);
}

static void table_equals_the_kernels_from_any_start_in_a_storm_T1(void **state)
{
	unsigned int starts = STARTS, now;
	uint64_t owned = 0;
	size_t open = 0;

	for (unsigned int done = 0; done < starts; done += now) {
		now = starts - done < STARTS_PER_STORM ? starts - done : STARTS_PER_STORM;
		run_storm(*state, now, &owned, &open);
	}
	print_message("%u starts; %llu ends of storms with owner, %zu of them open at a comparison\n", starts,
		      (unsigned long long)owned, open);
	/* Else it was no storm. */
	assert_true(owned > (uint64_t)starts * 10);
	assert_true(open > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(table_equals_the_kernels_from_any_start_in_a_storm_T1, setup, teardown),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
