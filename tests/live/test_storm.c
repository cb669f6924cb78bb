/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: a storm of short connections, as fast as they go, is told in full. */
#include "live/live.h"

#include <unistd.h>

#include "live/witness.h"

#define CONNECTIONS	 scale__load(100000)
#define STORM_TIMEOUT_MS scale__timeout(60000)
#define READ_TIMEOUT_MS	 scale__timeout(60000) /* a line takes longer to validate than to write */

struct storm {
	int ns_fd;
	struct load *load;
	struct witness *witness;
};

static int setup(void **state)
{
	struct storm *s = calloc(1, sizeof(*s));

	*state = s;
	if (!s)
		return -1;
	s->ns_fd = ns__new();
	return 0;
}

static int teardown(void **state)
{
	struct storm *s = *state;

	witness__free(s->witness);
	load__free(s->load);
	close(s->ns_fd);
	free(s);
	return 0;
}

static void every_end_of_a_storm_is_told_with_its_owner_T4_T8_T9_T13(void **state)
{
	struct storm *s = *state;
	const struct witness_count *count;

	s->witness = witness__start(&(struct witness_config){ .ns_fd = s->ns_fd });
	count = witness__count(s->witness);
	witness__wait_syncs(s->witness, 1, STREAM_TIMEOUT_MS);
	s->load = load__start(&(struct load_config){ .ns_fd = s->ns_fd, .connections = CONNECTIONS });
	double seconds = load__join(s->load, STORM_TIMEOUT_MS);
	print_message("%u connections in %.1f s\n", CONNECTIONS, seconds);
	assert_int_equal(load__connections(s->load), CONNECTIONS);
	witness__finish(s->witness, 0, READ_TIMEOUT_MS);
	assert_int_equal(count->losses, 0);
	assert_int_equal(count->summary_lost, 0);
	assert_int_equal(count->syncs, 1);
	/* One more: the listener. */
	witness__check_all(s->witness, s->load, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_end_of_a_storm_is_told_with_its_owner_T4_T8_T9_T13, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
