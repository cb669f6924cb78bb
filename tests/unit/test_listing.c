/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* model/listing: rows and holders in, each socket once and with its owner out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "model/listing.h"

#define NETNS 4026531840u

static struct listing *l;
static struct process *older, *younger;

static int last_owner(void *ctx, uint64_t cookie, struct process **ret)
{
	(void)ctx;
	if (cookie != 500)
		return -ENOENT;
	*ret = younger;
	return 0;
}

static int set_up(void **state)
{
	const struct listing_config config = { .last_owner = last_owner };
	bool fresh;

	(void)state;
	if (listing__new(&config, &l))
		return -1;
	older = process_table__get(listing__processes(l), 20, 100, &fresh);
	younger = process_table__get(listing__processes(l), 10, 200, &fresh);
	return older && younger ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	listing__free(l);
	return 0;
}

static struct listed tcp(uint64_t cookie, uint64_t inode, uint8_t state, uint16_t port)
{
	return (struct listed){
		.class = CLASS_TCP,
		.netns = NETNS,
		.cookie = cookie,
		.inode = inode,
		.state = state,
		.ends = { .family = 4, .local_port = port },
	};
}

static void add(struct listed row)
{
	assert_int_equal(listing__add(l, &row, NULL), 0);
}

static struct listed *find(uint64_t cookie)
{
	struct listed *s, *found = NULL;
	size_t pos = 0;

	while ((s = listing__next(l, &pos))) {
		if (s->cookie == cookie) {
			assert_null(found);
			found = s;
		}
	}
	return found;
}

static void hold(uint64_t inode, struct process *p, int fd)
{
	assert_true(listing__wants(l, inode));
	assert_int_equal(listing__hold(l, inode, p, fd), 0);
}

static void a_row_that_comes_twice_is_one_socket_and_the_later_counts(void **state)
{
	(void)state;
	add(tcp(1, 11, STATE_ESTABLISHED, 80));
	add(tcp(1, 0, STATE_TIME_WAIT, 80));
	assert_int_equal(listing__count(l), 1);
	assert_int_equal(find(1)->state, STATE_TIME_WAIT);
	assert_int_equal(find(1)->inode, 0);
}

static void mptcp_sockets_share_a_cookie_but_not_their_file(void **state)
{
	struct listed row = tcp(1, 11, STATE_LISTEN, 80);

	(void)state;
	row.class = CLASS_MPTCP;
	add(row);
	row.inode = 12;
	row.state = STATE_ESTABLISHED;
	add(row);
	assert_int_equal(listing__count(l), 2);
}

static void rows_without_a_cookie_are_known_by_their_file(void **state)
{
	struct listed row = { .class = CLASS_RAW, .netns = NETNS, .inode = 31, .state = STATE_CLOSE };

	(void)state;
	add(row);
	add(row);
	row.inode = 0; /* nothing to know it by */
	add(row);
	add(row);
	assert_int_equal(listing__count(l), 3);
}

static void of_several_holders_the_one_that_started_first_owns(void **state)
{
	const struct holder *holders;
	size_t count;

	(void)state;
	add(tcp(1, 11, STATE_ESTABLISHED, 80));
	assert_int_equal(listing__rows_end(l), 0);
	hold(11, younger, 5);
	hold(11, older, 6);
	hold(11, older, 7);
	assert_int_equal(listing__holders_end(l), 0);
	assert_int_equal(listing__finish(l), 0);
	assert_ptr_equal(find(1)->owner, older);
	assert_int_equal(find(1)->attribution, SW_ATTR_HOLDER);
	holders = listing__holders(l, find(1), &count);
	assert_int_equal(count, 3);
	assert_int_equal(holders[0].fd, 5);
	assert_int_equal(holders[1].fd, 6);
	assert_int_equal(holders[2].fd, 7);
	assert_false(listing__wants(l, 11)); /* settled */
	assert_false(listing__wants(l, 12));
	assert_false(listing__wants(l, 0)); /* T15: no file is no inode */
}

static void sockets_that_share_a_file_share_its_holders(void **state)
{
	struct listed parent = tcp(2, 11, STATE_ESTABLISHED, 80);

	(void)state;
	parent.class = CLASS_MPTCP;
	add(tcp(1, 11, STATE_ESTABLISHED, 80));
	add(parent);
	assert_int_equal(listing__rows_end(l), 0);
	hold(11, older, 5);
	assert_int_equal(listing__finish(l), 0);
	assert_ptr_equal(find(1)->owner, older);
	assert_ptr_equal(find(2)->owner, older);
}

static void what_nobody_accepted_belongs_to_the_listeners_owner(void **state)
{
	(void)state;
	add(tcp(1, 11, STATE_LISTEN, 80));
	add(tcp(2, 0, STATE_ESTABLISHED, 80));
	add(tcp(3, 0, STATE_ESTABLISHED, 81));
	add(tcp(4, 0, STATE_TIME_WAIT, 80));
	assert_int_equal(listing__rows_end(l), 0);
	hold(11, older, 5);
	assert_int_equal(listing__finish(l), 0);
	assert_ptr_equal(find(2)->owner, older);
	assert_int_equal(find(2)->attribution, SW_ATTR_LISTENER);
	assert_int_equal(find(2)->direction, SW_DIR_IN);
	assert_null(find(3)->owner);
	assert_int_equal(find(3)->attribution, SW_ATTR_NONE);
	assert_null(find(4)->owner);
	assert_int_equal(find(1)->direction, SW_DIR_LISTEN);
}

static void two_listeners_of_different_owners_are_no_answer(void **state)
{
	(void)state;
	add(tcp(1, 11, STATE_LISTEN, 80));
	add(tcp(2, 12, STATE_LISTEN, 80));
	add(tcp(3, 0, STATE_ESTABLISHED, 80));
	assert_int_equal(listing__rows_end(l), 0);
	hold(11, older, 5);
	hold(12, younger, 5);
	assert_int_equal(listing__finish(l), 0);
	assert_null(find(3)->owner);
	assert_int_equal(find(3)->direction, SW_DIR_IN);
}

static void who_kept_watch_knows_the_last_owner(void **state)
{
	(void)state;
	add(tcp(500, 0, STATE_TIME_WAIT, 80));
	add(tcp(501, 0, STATE_TIME_WAIT, 80));
	assert_int_equal(listing__rows_end(l), 0);
	assert_int_equal(listing__finish(l), 0);
	assert_ptr_equal(find(500)->owner, younger);
	assert_int_equal(find(500)->attribution, SW_ATTR_LAST);
	assert_int_equal(find(501)->attribution, SW_ATTR_NONE);
}

static void a_socket_closed_meanwhile_is_left_out(void **state)
{
	(void)state;
	add(tcp(1, 11, STATE_ESTABLISHED, 80)); /* held */
	add(tcp(2, 12, STATE_ESTABLISHED, 80)); /* will be gone */
	add(tcp(3, 13, STATE_ESTABLISHED, 80)); /* will have lost its file */
	add(tcp(4, 14, STATE_ESTABLISHED, 80)); /* given to a process that the walk had passed */
	add(tcp(5, 0, STATE_TIME_WAIT, 80));
	assert_int_equal(listing__rows_end(l), 0);
	hold(11, older, 5);
	assert_int_equal(listing__holders_end(l), 0);
	assert_int_equal(listing__unheld(l), 3);
	assert_int_equal(listing__unheld_classes(l, NETNS), CLASS_BIT(CLASS_TCP));
	assert_int_equal(listing__unheld_classes(l, NETNS + 1), 0);

	assert_int_equal(listing__recheck_begin(l), 0);
	add(tcp(1, 0, STATE_FIN_WAIT1, 80)); /* has its holder: stays as it was at that moment */
	add(tcp(3, 0, STATE_FIN_WAIT1, 80));
	add(tcp(4, 14, STATE_ESTABLISHED, 80));
	add(tcp(6, 16, STATE_ESTABLISHED, 80)); /* opened since */
	assert_int_equal(listing__recheck_end(l), 0);
	assert_int_equal(listing__count(l), 4);
	assert_int_equal(find(1)->state, STATE_ESTABLISHED);
	assert_null(find(2));
	assert_int_equal(find(3)->state, STATE_FIN_WAIT1);
	assert_int_equal(find(3)->inode, 0);
	assert_null(find(6));
	assert_int_equal(listing__unheld(l), 1);
	hold(14, younger, 9);
	assert_int_equal(listing__finish(l), 0);
	assert_ptr_equal(find(4)->owner, younger);
	assert_ptr_equal(find(1)->owner, older);
}

static void a_second_look_that_fails_takes_nothing_away(void **state)
{
	(void)state;
	add(tcp(1, 11, STATE_ESTABLISHED, 80));
	assert_int_equal(listing__rows_end(l), 0);
	assert_int_equal(listing__holders_end(l), 0);
	assert_int_equal(listing__recheck_begin(l), 0);
	listing__recheck_failed(l, NETNS, CLASS_BIT(CLASS_TCP));
	assert_int_equal(listing__recheck_end(l), 0);
	assert_non_null(find(1));
}

static void the_kernels_own_are_not_looked_for(void **state)
{
	struct listed row = { .class = CLASS_NETLINK, .inode = 4, .cookie = 1, .state = STATE_CLOSE };

	(void)state;
	row.flags = LISTED_KERNEL;
	add(row);
	assert_int_equal(listing__rows_end(l), 0);
	assert_int_equal(listing__unheld(l), 0);
}

static void names_and_facts_are_copied(void **state)
{
	char path[] = "/run/a";
	struct listed row = { .class = CLASS_UNIX, .inode = 4, .cookie = 1, .state = STATE_LISTEN };
	struct facts facts = { .have_memory = true, .memory = { 1, 2 } }, more = { .have_tcp = true };

	(void)state;
	row.un.path = (struct name){ path, 6 };
	assert_int_equal(listing__add(l, &row, &facts), 0);
	memset(path, 'x', sizeof(path));
	more.tcp.rtt_us = 5;
	assert_int_equal(listing__add_facts(l, &row, &more), 0);
	row.cookie = 2;
	assert_int_equal(listing__add_facts(l, &row, &more), 0); /* of nobody */
	assert_string_equal(find(1)->un.path.data, "/run/a");
	assert_int_equal(find(1)->facts->memory[1], 2);
	assert_int_equal(find(1)->facts->tcp.rtt_us, 5);
	assert_int_equal(listing__rows_end(l), 0);
	assert_ptr_equal(listing__by_inode(l, 4), find(1));
	assert_null(listing__by_inode(l, 5));
}

static void many_rows_are_all_found_again(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 5000; i++)
		add(tcp(i, i + 100000, STATE_ESTABLISHED, (uint16_t)i));
	for (uint64_t i = 1; i <= 5000; i++)
		add(tcp(i, i + 100000, STATE_CLOSE_WAIT, (uint16_t)i));
	assert_int_equal(listing__count(l), 5000);
	assert_int_equal(listing__rows_end(l), 0);
	for (uint64_t i = 1; i <= 5000; i++)
		hold(i + 100000, older, (int)i);
	assert_int_equal(listing__holders_end(l), 0);
	assert_int_equal(listing__unheld(l), 0);
}

#define listing_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		listing_test(a_row_that_comes_twice_is_one_socket_and_the_later_counts),
		listing_test(mptcp_sockets_share_a_cookie_but_not_their_file),
		listing_test(rows_without_a_cookie_are_known_by_their_file),
		listing_test(of_several_holders_the_one_that_started_first_owns),
		listing_test(sockets_that_share_a_file_share_its_holders),
		listing_test(what_nobody_accepted_belongs_to_the_listeners_owner),
		listing_test(two_listeners_of_different_owners_are_no_answer),
		listing_test(who_kept_watch_knows_the_last_owner),
		listing_test(a_socket_closed_meanwhile_is_left_out),
		listing_test(a_second_look_that_fails_takes_nothing_away),
		listing_test(the_kernels_own_are_not_looked_for),
		listing_test(names_and_facts_are_copied),
		listing_test(many_rows_are_all_found_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
