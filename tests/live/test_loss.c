/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: what a storm makes the program lose is counted, told and repaired (trap T12). */
#include "live/live.h"

#include <stdlib.h>

#include "live/witness.h"

#define ENDLESS		  1000000
#define RATE		  3000 /* far more than the smallest ring takes in a batch */
#define RATE_MIN	  300  /* still more */
#define SYNCS		  4    /* while the storm goes on: one at the start, three repairs */
#define SYNCS_TIMEOUT_MS  scale__timeout(30000)
#define SOME		  scale__load(20000)
#define STORM_TIMEOUT_MS  scale__timeout(30000)
#define REPAIR_TIMEOUT_MS scale__timeout(20000)
/* A storm may take so much longer under a program whose reader does not read than under one with all lines taken. */
#define SLOWER_TIMES   2
#define SLOWER_SECONDS 1

struct loss {
	struct live *
		live; /* its processes are in the namespace, which is looked at for their sake when the storm is over */
	struct load *load;
	struct witness *witness;
};

static int setup(void **state)
{
	struct loss *l = calloc(1, sizeof(*l));
	void *live;

	*state = l;
	if (!l || live__setup_quiet(&live))
		return -1;
	l->live = live;
	return 0;
}

static void forget_storm(struct loss *l)
{
	witness__free(l->witness);
	l->witness = NULL;
	load__free(l->load);
	l->load = NULL;
}

static int teardown(void **state)
{
	struct loss *l = *state;

	void *live = l->live;

	forget_storm(l);
	live__teardown(&live);
	free(l);
	return 0;
}

static void lose(struct loss *l, const char *const *args)
{
	const struct witness_count *count;

	l->witness = witness__start(&(struct witness_config){ .ns_fd = l->live->ns, .args = args });
	count = witness__count(l->witness);
	witness__wait_syncs(l->witness, 1, STREAM_TIMEOUT_MS);
	l->load = load__start(&(struct load_config){
		.ns_fd = l->live->ns, .connections = ENDLESS, .rate = scale__load_at_least(RATE, RATE_MIN) });
	witness__wait_syncs(l->witness, SYNCS, SYNCS_TIMEOUT_MS);
	assert_true(count->losses >= SYNCS - 1);
	assert_true(count->lost_ring > 0);
	load__stop(l->load);
	load__join(l->load, STORM_TIMEOUT_MS);
	/* It went on until it was stopped. */
	assert_true(load__connections(l->load) < ENDLESS);
	witness__wait_equal(l->witness, REPAIR_TIMEOUT_MS);
	witness__stop(l->witness, STREAM_TIMEOUT_MS);
	uint64_t owned = witness__check_owners(l->witness, l->load);
	print_message("%llu connections, %llu records lost, %llu ends told with owner\n",
		      (unsigned long long)load__connections(l->load), (unsigned long long)count->summary_lost,
		      (unsigned long long)owned);
	assert_true(owned > 0);
}

static void losses_in_a_storm_are_told_and_repaired_T12(void **state)
{
	lose(*state, (const char *const[]){ "--ring", "4", NULL });
}

static void time_wait_entries_are_repaired_too_T9_T12(void **state)
{
	lose(*state, (const char *const[]){ "--ring", "4", "--states", NULL });
}

/* Seconds that a storm takes while all lines are taken. */
static double storm_with_reader(struct loss *l)
{
	l->witness = witness__start(&(struct witness_config){ .ns_fd = l->live->ns });
	witness__wait_syncs(l->witness, 1, STREAM_TIMEOUT_MS);
	l->load = load__start(&(struct load_config){ .ns_fd = l->live->ns, .connections = SOME });
	double seconds = load__join(l->load, STORM_TIMEOUT_MS);

	witness__finish(l->witness, 0, STORM_TIMEOUT_MS);
	forget_storm(l);
	return seconds;
}

/* What the storms before have left. */
static size_t count_time_wait(const struct loss *l)
{
	struct live_table *t;

	assert_int_equal(live_table__kernel(l->live->ns, true, &t), 0);
	size_t count = live_table__count(t);
	live_table__free(t);
	return count;
}

static void nobody_reading_does_not_hold_the_storm_up_T12(void **state)
{
	struct loss *l = *state;
	double read = storm_with_reader(l), unread;
	size_t before = count_time_wait(l);
	const struct witness_count *count;

	l->witness = witness__start(&(struct witness_config){ .ns_fd = l->live->ns, .pipe = true });
	count = witness__count(l->witness);
	witness__wait_syncs(l->witness, 1, STREAM_TIMEOUT_MS);
	l->load = load__start(&(struct load_config){ .ns_fd = l->live->ns, .connections = SOME });
	unread = load__join(l->load, STORM_TIMEOUT_MS);
	assert_int_equal(load__connections(l->load), SOME);
	/* Now it is read. */
	witness__wait_equal(l->witness, REPAIR_TIMEOUT_MS);
	witness__stop(l->witness, STREAM_TIMEOUT_MS);
	print_message("%.2f s with a reader, %.2f s without; %llu records lost\n", read, unread,
		      (unsigned long long)count->summary_lost);
	if (unread > read * SLOWER_TIMES + SLOWER_SECONDS)
		fail_msg("%.2f s is too much more than %.2f s", unread, read);
	if (count->losses) {
		assert_true(count->syncs >= 2);
		assert_true(witness__check_owners(l->witness, l->load) > 0);
	} else {
		witness__check_all(l->witness, l->load, before + 1);
	}
}

#define loss_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		loss_test(losses_in_a_storm_are_told_and_repaired_T12),
		loss_test(time_wait_entries_are_repaired_too_T9_T12),
		loss_test(nobody_reading_does_not_hold_the_storm_up_T12),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
