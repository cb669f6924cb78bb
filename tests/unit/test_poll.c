/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Plan none: what the model tells of dumps alone, and what it makes of ends that the kernel tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/watch.h"

#define SECOND_NS 1000000000ULL
#define PORT	  80
#define PEER	  40000

static int setup(void **state)
{
	if (watch__setup(state))
		return -1;
	model__use_polls(((struct watch *)*state)->model);
	return 0;
}

static struct row established(uint64_t cookie, uint64_t inode)
{
	return watch__row(cookie, STATE_ESTABLISHED, inode, PORT, PEER);
}

static struct row listener(uint64_t cookie, uint64_t inode)
{
	return watch__row(cookie, STATE_LISTEN, inode, PORT, 0);
}

/* A dump in which the socket `held` (0: none) is found in the hands of process pid. */
static void poll_with(struct watch *w, const struct row *rows, size_t count, uint64_t now_ns, uint64_t held,
		      uint32_t pid)
{
	assert_int_equal(model__dump_begin(w->model, now_ns), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(model__row(w->model, &rows[i]), 0);
	assert_int_equal(model__netns_complete(w->model, 1), 0);
	model__scanning(w->model, true);
	if (held)
		watch__hold(w, held, pid, 1000 + pid);
	assert_int_equal(model__dump_end(w->model, now_ns + 1), 0);
}

/* The first look, which is no poll: what it finds was there first. */
static void start(struct watch *w, const struct row *rows, size_t count)
{
	poll_with(w, rows, count, SECOND_NS, 0, 0);
	watch__forget(w);
}

static void poll(struct watch *w, const struct row *rows, size_t count, unsigned int second)
{
	poll_with(w, rows, count, second * SECOND_NS, 0, 0);
}

static void end(struct watch *w, const struct row *row, uint64_t time_ns)
{
	struct ended e = { .time_ns = time_ns, .row = *row };

	e.row.state = STATE_CLOSE;
	e.row.inode = 0;
	e.row.minisock = false;
	model__ended(w->model, &e);
}

static void assert_told(const struct watch *w, size_t index, enum event event, uint64_t cookie)
{
	assert_true(index < w->count);
	assert_int_equal(w->told[index].u.event, event);
	assert_int_equal(w->told[index].sock.cookie, cookie);
}

/* ---- sockets that appear */

static void what_was_there_first_is_existing(void **state)
{
	struct watch *w = *state;
	struct row rows[] = { listener(1, 5), established(2, 6) };

	poll(w, rows, 2, 1);
	assert_int_equal(w->count, 2);
	assert_told(w, 0, EV_EXISTING, 1);
	assert_told(w, 1, EV_EXISTING, 2);
}

static void a_poll_without_change_tells_nothing(void **state)
{
	struct watch *w = *state;
	struct row rows[] = { listener(1, 5), established(2, 6), watch__row(3, STATE_TIME_WAIT, 0, PORT, PEER + 1) };

	start(w, rows, 3);
	poll(w, rows, 3, 2);
	poll(w, rows, 3, 3);
	assert_int_equal(w->count, 0);
}

static void a_new_listener_is_a_listen_of_its_holder(void **state)
{
	struct watch *w = *state;
	struct row row = listener(1, 5);

	start(w, NULL, 0);
	poll_with(w, &row, 1, 2 * SECOND_NS, 1, 100);
	watch__only(w, EV_LISTEN);
	assert_int_equal(w->told[0].sock.direction, SW_DIR_LISTEN);
	assert_int_equal(w->told[0].sock.attribution, SW_ATTR_HOLDER);
	assert_int_equal(w->told[0].owner.pid, 100);
}

static void a_syn_sent_is_a_connect_and_then_established(void **state)
{
	struct watch *w = *state;
	struct row row = watch__row(1, STATE_SYN_SENT, 5, PEER, PORT);

	start(w, NULL, 0);
	poll(w, &row, 1, 2);
	watch__only(w, EV_CONNECT);
	assert_int_equal(w->told[0].sock.direction, SW_DIR_OUT);
	watch__forget(w);
	row.state = STATE_ESTABLISHED;
	poll(w, &row, 1, 3);
	watch__only(w, EV_ESTABLISHED);
	assert_int_equal(w->told[0].sock.direction, SW_DIR_OUT);
}

static void a_connection_in_a_listeners_port_came_in_and_any_other_went_out(void **state)
{
	struct watch *w = *state;
	struct row rows[] = { listener(1, 5), established(2, 0), watch__row(3, STATE_ESTABLISHED, 7, PEER, PORT) };

	start(w, rows, 1);
	poll(w, rows, 3, 2);
	assert_int_equal(w->count, 2);
	assert_told(w, 0, EV_ESTABLISHED, 2);
	assert_int_equal(w->told[0].sock.direction, SW_DIR_IN);
	assert_told(w, 1, EV_ESTABLISHED, 3);
	assert_int_equal(w->told[1].sock.direction, SW_DIR_OUT);
}

static void a_listener_that_is_gone_still_says_where_its_connection_came_from(void **state)
{
	struct watch *w = *state;
	struct row old = listener(1, 5), row = established(2, 6);

	start(w, &old, 1);
	poll(w, &row, 1, 2);
	assert_int_equal(w->count, 3);
	assert_told(w, 0, EV_ESTABLISHED, 2);
	assert_told(w, 1, EV_ACCEPT, 2);
	assert_int_equal(w->told[0].sock.direction, SW_DIR_IN);
	assert_told(w, 2, EV_CLOSE, 1);
}

static void the_direction_is_not_guessed_when_a_listener_may_have_come_and_gone(void **state)
{
	struct watch *w = *state;
	struct row row = established(2, 6), gone = listener(1, 0);

	start(w, NULL, 0);
	end(w, &gone, SECOND_NS + 5);
	poll(w, &row, 1, 2);
	watch__only(w, EV_ESTABLISHED);
	assert_int_equal(w->told[0].sock.direction, SW_DIR_UNKNOWN);
}

/* ---- accept */

static void a_connection_is_accepted_when_it_gets_a_file(void **state)
{
	struct watch *w = *state;
	struct row rows[] = { listener(1, 5), established(2, 0) };

	start(w, NULL, 0);
	poll_with(w, rows, 1, 2 * SECOND_NS, 1, 100);
	watch__forget(w);
	poll(w, rows, 2, 3);
	watch__only(w, EV_ESTABLISHED);
	assert_int_equal(w->told[0].sock.attribution, SW_ATTR_LISTENER);
	assert_int_equal(w->told[0].owner.pid, 100);
	watch__forget(w);
	rows[1].inode = 9;
	poll_with(w, rows, 2, 4 * SECOND_NS, 2, 200);
	watch__only(w, EV_ACCEPT);
	assert_int_equal(w->told[0].sock.attribution, SW_ATTR_HOLDER);
	assert_int_equal(w->told[0].owner.pid, 200);
	watch__forget(w);
	poll_with(w, rows, 2, 5 * SECOND_NS, 2, 200);
	assert_int_equal(w->count, 0);
}

static void an_accept_waits_until_its_holder_was_looked_for(void **state)
{
	struct watch *w = *state;
	struct row rows[] = { listener(1, 5), established(2, 9) };

	start(w, rows, 1);
	watch__dump(w, rows, 2, 2 * SECOND_NS); /* no walk of /proc in this one */
	watch__only(w, EV_ESTABLISHED);
	watch__forget(w);
	poll_with(w, rows, 2, 3 * SECOND_NS, 2, 200);
	watch__only(w, EV_ACCEPT);
	assert_int_equal(w->told[0].owner.pid, 200);
}

static void an_accept_by_nobody_that_can_be_seen_has_no_owner_T19(void **state)
{
	struct watch *w = *state;
	struct row rows[] = { listener(1, 5), established(2, 0) };

	start(w, NULL, 0);
	poll_with(w, rows, 2, 2 * SECOND_NS, 1, 100);
	watch__forget(w);
	rows[1].inode = 9;
	poll(w, rows, 2, 3);
	watch__only(w, EV_ACCEPT);
	assert_int_equal(w->told[0].sock.attribution, SW_ATTR_NONE);
	assert_int_equal(w->told[0].owner.pid, 0);
}

static void what_was_accepted_before_the_first_look_is_not_accepted_again(void **state)
{
	struct watch *w = *state;
	struct row rows[] = { listener(1, 5), established(2, 9) };

	start(w, rows, 2);
	poll_with(w, rows, 2, 2 * SECOND_NS, 2, 200);
	watch__only(w, EV_OWNER);
}

static void a_request_is_told_when_it_is_established(void **state)
{
	struct watch *w = *state;
	struct row rows[] = { listener(1, 5), watch__row(2, STATE_SYN_RECV, 0, PORT, PEER) };

	start(w, rows, 2); /* one that was there first is listed */
	rows[1].state = STATE_ESTABLISHED;
	rows[1].minisock = false;
	poll(w, rows, 2, 2);
	watch__only(w, EV_ESTABLISHED);
	watch__forget(w);
	rows[1] = watch__row(3, STATE_SYN_RECV, 0, PORT, PEER);
	poll(w, rows, 2, 3);
	watch__only(w, EV_CLOSE); /* of 2; 3 is not told */
	assert_int_equal(w->told[0].sock.cookie, 2);
}

/* ---- owners */

static int count_one(void *ctx, uint64_t cookie, uint64_t inode)
{
	(void)cookie;
	(void)inode;
	++*(unsigned int *)ctx;
	return 0;
}

/* How many rows of this dump want /proc to be walked. */
static unsigned int count_wanting(struct watch *w, const struct row *rows, size_t count, unsigned int second)
{
	unsigned int n = 0;

	assert_int_equal(model__dump_begin(w->model, second * SECOND_NS), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(model__row(w->model, &rows[i]), 0);
	assert_int_equal(model__each_unheld(w->model, count_one, &n), 0);
	assert_int_equal(model__dump_abort(w->model), 0);
	return n;
}

static void what_nobody_was_found_to_hold_is_not_looked_for_at_every_poll(void **state)
{
	struct watch *w = *state;
	struct row row = established(1, 5);

	start(w, NULL, 0);
	assert_int_equal(count_wanting(w, &row, 1, 2), 1);
	poll(w, &row, 1, 3);
	assert_int_equal(count_wanting(w, &row, 1, 4), 0);
	watch__dump(w, &row, 1, 5 * SECOND_NS);
	assert_int_equal(count_wanting(w, &row, 1, 6), 0);
}

static void an_owner_that_still_holds_the_socket_stays(void **state)
{
	struct watch *w = *state;
	struct row row = listener(1, 5);

	start(w, NULL, 0);
	poll_with(w, &row, 1, 2 * SECOND_NS, 1, 200);
	watch__forget(w);
	assert_int_equal(model__dump_begin(w->model, 3 * SECOND_NS), 0);
	assert_int_equal(model__row(w->model, &row), 0);
	assert_int_equal(model__netns_complete(w->model, 1), 0);
	model__scanning(w->model, true);
	watch__hold(w, 1, 100, 1); /* older, but not the owner */
	watch__hold(w, 1, 200, 1200);
	assert_int_equal(model__dump_end(w->model, 3 * SECOND_NS + 1), 0);
	assert_int_equal(w->count, 0);
	assert_int_equal(model__find(w->model, 1)->holder_count, 2);
}

static void a_socket_that_moved_has_another_owner_T3(void **state)
{
	struct watch *w = *state;
	struct row row = listener(1, 5);

	start(w, NULL, 0);
	poll_with(w, &row, 1, 2 * SECOND_NS, 1, 100);
	watch__forget(w);
	poll_with(w, &row, 1, 3 * SECOND_NS, 1, 200);
	watch__only(w, EV_OWNER);
	assert_int_equal(w->told[0].owner.pid, 200);
	assert_int_equal(w->told[0].prev_owner.pid, 100);
}

/* ---- sockets that vanish */

static void a_socket_that_vanished_is_closed_at_the_time_of_the_poll(void **state)
{
	struct watch *w = *state;
	struct row row = established(1, 5);

	start(w, NULL, 0);
	poll(w, &row, 1, 2);
	watch__forget(w);
	poll(w, NULL, 0, 5);
	watch__only(w, EV_CLOSE);
	assert_int_equal(w->told[0].u.close.reason, REASON_UNSEEN);
	assert_int_equal(w->told[0].u.time_ns, 5 * SECOND_NS + 1);
	assert_int_equal(w->told[0].u.close.duration_us, 3000000);
	assert_int_equal(w->told[0].sock.state, STATE_CLOSE);
	assert_false(w->told[0].u.close.have_stats);
}

static void the_last_state_says_who_closed_first(void **state)
{
	static const struct {
		uint8_t state;
		enum close_reason reason;
	} cases[] = {
		{ STATE_CLOSE_WAIT, REASON_REMOTE }, { STATE_LAST_ACK, REASON_REMOTE },
		{ STATE_FIN_WAIT1, REASON_LOCAL },   { STATE_CLOSING, REASON_LOCAL },
		{ STATE_LISTEN, REASON_LOCAL },	     { STATE_SYN_SENT, REASON_UNSEEN },
	};
	struct watch *w = *state;

	start(w, NULL, 0);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct row row = watch__row(i + 1, cases[i].state, 5, PORT + i, PEER);

		poll(w, &row, 1, 2 * i + 2);
		watch__forget(w);
		poll(w, NULL, 0, 2 * i + 3);
		watch__only(w, EV_CLOSE);
		assert_int_equal(w->told[0].u.close.reason, cases[i].reason);
		watch__forget(w);
	}
}

static void a_close_has_the_time_at_which_the_kernel_told_it(void **state)
{
	struct watch *w = *state;
	struct row row = established(1, 5);

	start(w, &row, 1);
	end(w, &row, 2 * SECOND_NS);
	poll(w, NULL, 0, 3);
	watch__only(w, EV_CLOSE);
	assert_int_equal(w->told[0].u.time_ns, 2 * SECOND_NS);
	watch__forget(w);
	poll(w, NULL, 0, 4);
	assert_int_equal(w->count, 0);
}

/* Whether a time-wait entry is left of it, only a dump can say that begins after it. */
static void an_end_during_a_poll_is_told_by_the_next(void **state)
{
	struct watch *w = *state;
	struct row row = established(1, 5), left = watch__row(1, STATE_TIME_WAIT, 0, PORT, PEER);

	start(w, &row, 1);
	assert_int_equal(model__dump_begin(w->model, 2 * SECOND_NS), 0);
	end(w, &row, 2 * SECOND_NS + 1);
	assert_int_equal(model__netns_complete(w->model, 1), 0);
	assert_int_equal(model__dump_end(w->model, 2 * SECOND_NS + 2), 0);
	assert_int_equal(w->count, 0);
	poll(w, &left, 1, 3);
	watch__only(w, EV_CLOSE);
	assert_int_equal(w->told[0].u.time_ns, 2 * SECOND_NS + 1);
	assert_int_equal(w->told[0].u.close.reason, REASON_LOCAL);
	assert_int_equal(w->told[0].sock.state, STATE_TIME_WAIT);
}

static void a_time_wait_entry_ends_quietly_after_its_close(void **state)
{
	struct watch *w = *state;
	struct row row = established(1, 5), left = watch__row(1, STATE_TIME_WAIT, 0, PORT, PEER);

	start(w, &row, 1);
	poll(w, &left, 1, 2);
	watch__only(w, EV_CLOSE);
	watch__forget(w);
	poll(w, NULL, 0, 3);
	watch__only(w, EV_STATE); /* shown only with --states */
	assert_int_equal(w->told[0].sock.state, STATE_CLOSE);
}

static void only_what_the_kernel_did_not_tell_of_needs_a_second_look(void **state)
{
	struct watch *w = *state;
	struct row rows[] = { established(1, 5), watch__row(2, STATE_ESTABLISHED, 6, PORT, PEER + 1),
			      watch__row(3, STATE_TIME_WAIT, 0, PORT, PEER + 2) };

	start(w, rows, 3);
	end(w, &rows[0], SECOND_NS + 5);
	assert_int_equal(model__dump_begin(w->model, 2 * SECOND_NS), 0);
	assert_int_equal(model__netns_complete(w->model, 1), 0);
	assert_int_equal(model__suspects(w->model), 1);
	assert_int_equal(model__dump_end(w->model, 2 * SECOND_NS + 1), 0);
}

static void a_socket_without_file_has_its_last_owner(void **state)
{
	struct watch *w = *state;
	struct row row = established(1, 5);

	start(w, NULL, 0);
	poll_with(w, &row, 1, 2 * SECOND_NS, 1, 100);
	row.state = STATE_FIN_WAIT1;
	row.inode = 0;
	poll(w, &row, 1, 3);
	assert_int_equal(model__find(w->model, 1)->attribution, SW_ATTR_LAST);
	watch__forget(w);
	poll(w, NULL, 0, 4);
	assert_int_equal(watch__only(w, EV_CLOSE)->owner.pid, 100);
}

/* ---- sockets of which only the end is seen */

static void a_connection_between_two_polls_is_a_close_without_owner(void **state)
{
	struct watch *w = *state;
	struct row rows[] = { listener(1, 5), established(2, 0) };

	start(w, rows, 1);
	end(w, &rows[1], SECOND_NS + 5);
	poll(w, rows, 1, 2);
	watch__only(w, EV_CLOSE);
	assert_told(w, 0, EV_CLOSE, 2);
	assert_int_equal(w->told[0].u.time_ns, SECOND_NS + 5);
	assert_int_equal(w->told[0].u.close.reason, REASON_UNSEEN);
	assert_int_equal(w->told[0].sock.direction, SW_DIR_IN);
	assert_int_equal(w->told[0].sock.attribution, SW_ATTR_NONE);
	assert_int_equal(model__count(w->model), 1);
}

static void a_socket_that_had_no_peer_is_not_told(void **state)
{
	struct watch *w = *state;
	struct row row = watch__row(1, STATE_ESTABLISHED, 0, PORT, 0);

	start(w, NULL, 0);
	end(w, &row, SECOND_NS + 5);
	poll(w, NULL, 0, 2);
	assert_int_equal(w->count, 0);
}

/* The descriptor of a connection that was reset may be closed much later. */
static void an_end_of_what_was_told_closed_is_no_news(void **state)
{
	struct watch *w = *state;
	struct row row = established(1, 5);

	start(w, &row, 1);
	poll(w, NULL, 0, 2);
	watch__only(w, EV_CLOSE);
	watch__forget(w);
	end(w, &row, 3 * SECOND_NS);
	poll(w, NULL, 0, 4);
	assert_int_equal(w->count, 0);
}

/* Nobody asked for the cookie in time: the message has one, and the entry another. */
static void an_entry_and_an_end_with_two_cookies_are_one_connection(void **state)
{
	struct watch *w = *state;
	struct row row = established(1, 0), left = watch__row(2, STATE_TIME_WAIT, 0, PORT, PEER);

	start(w, NULL, 0);
	end(w, &row, SECOND_NS + 5);
	poll(w, &left, 1, 2);
	watch__only(w, EV_CLOSE);
	assert_told(w, 0, EV_CLOSE, 2);
	assert_int_equal(w->told[0].u.time_ns, SECOND_NS + 5);
	assert_int_equal(w->told[0].u.close.reason, REASON_LOCAL);
}

static void an_additional_subflow_ends_unheard(void **state)
{
	struct watch *w = *state;
	struct row join = established(7, 5);

	join.mptcp = join.mptcp_join = true;
	start(w, &join, 1);
	end(w, &join, SECOND_NS + 5);
	poll(w, NULL, 0, 2);
	assert_int_equal(w->count, 0);
}

static void what_ended_before_the_first_look_is_not_told(void **state)
{
	struct watch *w = *state;
	struct row row = established(1, 0);

	end(w, &row, 5);
	poll(w, NULL, 0, 1);
	poll(w, NULL, 0, 2);
	assert_int_equal(w->count, 0);
}

static void more_ends_than_can_be_kept_are_counted_as_lost(void **state)
{
	struct watch *w = *state;

	start(w, NULL, 0);
	for (unsigned int i = 0; i < MODEL_ENDED_MAX + 3; i++) {
		struct row row = watch__row(i + 1, STATE_ESTABLISHED, 0, 1 + i % 65535, 1 + i / 65535);

		end(w, &row, SECOND_NS + 5);
	}
	assert_int_equal(model__lost_total(w->model), 3);
	assert_told(w, 0, EV_LOST, 0);
}

#define POLL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, watch__teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POLL_TEST(what_was_there_first_is_existing),
		POLL_TEST(a_poll_without_change_tells_nothing),
		POLL_TEST(a_new_listener_is_a_listen_of_its_holder),
		POLL_TEST(a_syn_sent_is_a_connect_and_then_established),
		POLL_TEST(a_connection_in_a_listeners_port_came_in_and_any_other_went_out),
		POLL_TEST(a_listener_that_is_gone_still_says_where_its_connection_came_from),
		POLL_TEST(the_direction_is_not_guessed_when_a_listener_may_have_come_and_gone),
		POLL_TEST(a_connection_is_accepted_when_it_gets_a_file),
		POLL_TEST(an_accept_waits_until_its_holder_was_looked_for),
		POLL_TEST(an_accept_by_nobody_that_can_be_seen_has_no_owner_T19),
		POLL_TEST(what_was_accepted_before_the_first_look_is_not_accepted_again),
		POLL_TEST(a_request_is_told_when_it_is_established),
		POLL_TEST(what_nobody_was_found_to_hold_is_not_looked_for_at_every_poll),
		POLL_TEST(an_owner_that_still_holds_the_socket_stays),
		POLL_TEST(a_socket_that_moved_has_another_owner_T3),
		POLL_TEST(a_socket_that_vanished_is_closed_at_the_time_of_the_poll),
		POLL_TEST(the_last_state_says_who_closed_first),
		POLL_TEST(a_close_has_the_time_at_which_the_kernel_told_it),
		POLL_TEST(an_end_during_a_poll_is_told_by_the_next),
		POLL_TEST(a_time_wait_entry_ends_quietly_after_its_close),
		POLL_TEST(only_what_the_kernel_did_not_tell_of_needs_a_second_look),
		POLL_TEST(a_socket_without_file_has_its_last_owner),
		POLL_TEST(a_connection_between_two_polls_is_a_close_without_owner),
		POLL_TEST(a_socket_that_had_no_peer_is_not_told),
		POLL_TEST(an_end_of_what_was_told_closed_is_no_news),
		POLL_TEST(an_entry_and_an_end_with_two_cookies_are_one_connection),
		POLL_TEST(an_additional_subflow_ends_unheard),
		POLL_TEST(what_ended_before_the_first_look_is_not_told),
		POLL_TEST(more_ends_than_can_be_kept_are_counted_as_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
