/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Plan none: what the kernel says when it frees a socket, captured from Linux 6.18, and how often to look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/poll.h"
#include "source/destroy.h"

#define CORPUS	  "tests/fuzz/corpus/destroy/"
#define NETNS	  4711
#define SECOND_NS 1000000000ULL
#define MS_NS	  1000000ULL

struct taken {
	struct row row; /* the last one */
	int count;
	int stop_with;
};

static int take(void *ctx, const struct row *row)
{
	struct taken *t = ctx;

	t->row = *row;
	t->count++;
	return t->stop_with;
}

static int parse_file(const char *name, struct taken *t)
{
	char path[128], data[4096] __attribute__((aligned(8)));

	snprintf(path, sizeof(path), CORPUS "%s", name);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	assert_non_null(f);
	return destroy__parse(data, fread(data, 1, sizeof(data), f), NETNS, take, t);
}

/* Client, accepted child and listener, in that order. */
static void a_closed_connection_has_cookie_and_both_ends(void **state)
{
	static const uint8_t loopback[16] = { 127, 0, 0, 1 };
	static const char *const files[] = { "ipv4-0", "mapped-0" };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct taken t = { 0 };

		assert_int_equal(parse_file(files[i], &t), 0);
		assert_int_equal(t.count, 1);
		assert_true(t.row.cookie != 0);
		assert_int_equal(t.row.netns, NETNS);
		assert_int_equal(t.row.state, STATE_CLOSE);
		assert_int_equal(t.row.inode, 0);
		assert_false(t.row.minisock);
		assert_int_equal(t.row.ends.family, 4); /* T10 */
		assert_int_equal(t.row.ends.remote_port, 7000);
		assert_true(t.row.ends.local_port != 0);
		assert_memory_equal(t.row.ends.local, loopback, sizeof(loopback));
		assert_memory_equal(t.row.ends.remote, loopback, sizeof(loopback));
	}
}

static void a_listener_has_no_peer(void **state)
{
	struct taken t = { 0 };

	(void)state;
	assert_int_equal(parse_file("ipv4-2", &t), 0);
	assert_int_equal(t.row.ends.local_port, 7000);
	assert_int_equal(t.row.ends.remote_port, 0);
}

static void a_socket_that_was_never_used_has_no_port(void **state)
{
	struct taken t = { 0 };

	(void)state;
	assert_int_equal(parse_file("never-used-0", &t), 0);
	assert_int_equal(t.row.ends.local_port, 0);
}

static void every_message_of_a_datagram_is_taken(void **state)
{
	struct taken t = { 0 };

	(void)state;
	assert_int_equal(parse_file("two", &t), 0);
	assert_int_equal(t.count, 2);
	t = (struct taken){ .stop_with = -ECANCELED };
	assert_int_equal(parse_file("two", &t), -ECANCELED);
	assert_int_equal(t.count, 1);
}

static void what_is_no_whole_message_is_refused(void **state)
{
	static const char *const files[] = { "empty",	 "cut-header",	"cut-row",	 "cut-attribute",
					     "length-0", "length-huge", "length-2gib",	 "other-type",
					     "state-0",	 "family-1",	"attribute-long" };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct taken t = { 0 };

		if (parse_file(files[i], &t) != -EBADMSG)
			fail_msg("%s is taken", files[i]);
		assert_int_equal(t.count, 0);
	}
}

/* ---- how often */

static void a_look_takes_a_fixed_share_of_a_core(void **state)
{
	(void)state;
	assert_int_equal(poll__interval(0), POLL_MIN_NS);
	assert_int_equal(poll__interval(1 * MS_NS), POLL_MIN_NS);
	assert_int_equal(poll__interval(5 * MS_NS), 200 * MS_NS);
	assert_int_equal(poll__interval(10 * MS_NS), 400 * MS_NS);
	assert_int_equal(poll__interval(1000 * MS_NS), 40 * SECOND_NS);
	assert_int_equal(poll__interval(3 * SECOND_NS), POLL_MAX_NS);
	assert_int_equal(poll__interval(UINT64_MAX), POLL_MAX_NS);
	/* Looks and walks of /proc together: at most 5 % of a core. */
	assert_true(2 * 100 <= 5 * POLL_SHARE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_closed_connection_has_cookie_and_both_ends),
		cmocka_unit_test(a_listener_has_no_peer),
		cmocka_unit_test(a_socket_that_was_never_used_has_no_port),
		cmocka_unit_test(every_message_of_a_datagram_is_taken),
		cmocka_unit_test(what_is_no_whole_message_is_refused),
		cmocka_unit_test(a_look_takes_a_fixed_share_of_a_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
