/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* model/: dumps, repairs and holders, one behaviour a test. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/watch.h"

#define SECOND_NS 1000000000ULL

static void give(struct watch *w, uint8_t kind, uint64_t cookie, uint32_t seq, uint64_t time_ns)
{
	union wire r = wire__record(kind, cookie, time_ns, 80, 40000);

	r.base.seq = seq;
	watch__record(w, &r);
}

static void give_accept(struct watch *w, uint64_t cookie, uint64_t time_ns, uint8_t tcp_state)
{
	union wire r = wire__record(SW_REC_ACCEPT, cookie, time_ns, 80, 40000);
	struct sw_process server = wire__process(100, 100 * WIRE_TICK_NS, "server");

	wire__own(&r, SW_ATTR_ACCEPT, &server);
	r.base.new_state = tcp_state;
	watch__record(w, &r);
}

static void row(struct watch *w, uint64_t cookie, uint8_t tcp_state, uint64_t inode)
{
	struct row r = watch__row(cookie, tcp_state, inode, 80, tcp_state == STATE_LISTEN ? 0 : 40000);

	assert_int_equal(model__row(w->model, &r), 0);
}

static void begin(struct watch *w, uint64_t now_ns)
{
	assert_int_equal(model__dump_begin(w->model, now_ns), 0);
}

static void end(struct watch *w, uint64_t now_ns)
{
	assert_int_equal(model__netns_complete(w->model, 1), 0);
	assert_int_equal(model__dump_end(w->model, now_ns), 0);
}

/* One socket that was there first. */
static void list_one(struct watch *w, uint64_t cookie, uint8_t tcp_state, uint64_t inode, uint64_t now_ns)
{
	begin(w, now_ns);
	row(w, cookie, tcp_state, inode);
	end(w, now_ns + 1);
	watch__only(w, EV_EXISTING);
	watch__forget(w);
}

static void t1_closed_during_the_dump_is_not_listed(void **state)
{
	struct watch *w = *state;

	begin(w, 10);
	row(w, 1, STATE_ESTABLISHED, 5);
	give(w, SW_REC_CLOSE, 1, 1, 11);
	end(w, 12);
	watch__only(w, EV_CLOSE);
	assert_int_equal(model__count(w->model), 0);
}

static void t1_opened_during_the_dump_is_told_once(void **state)
{
	struct watch *w = *state;

	begin(w, 10);
	give(w, SW_REC_ESTABLISHED, 1, 1, 11);
	row(w, 1, STATE_ESTABLISHED, 0);
	row(w, 1, STATE_ESTABLISHED, 0);
	end(w, 12);
	watch__only(w, EV_ESTABLISHED);
	assert_int_equal(model__count(w->model), 1);
}

static void t1_opened_and_closed_during_the_dump_is_told_and_gone(void **state)
{
	struct watch *w = *state;

	begin(w, 10);
	give(w, SW_REC_ESTABLISHED, 1, 1, 11);
	row(w, 1, STATE_ESTABLISHED, 0);
	give(w, SW_REC_CLOSE, 1, 2, 12);
	end(w, 13);
	assert_int_equal(w->count, 2);
	assert_int_equal(w->told[0].u.event, EV_ESTABLISHED);
	assert_int_equal(w->told[1].u.event, EV_CLOSE);
	assert_int_equal(model__count(w->model), 0);
}

static void t1_row_of_a_socket_that_has_just_closed_is_not_news(void **state)
{
	struct watch *w = *state;

	give(w, SW_REC_CLOSE, 1, 1, 10);
	watch__forget(w);
	begin(w, 11);
	row(w, 1, STATE_ESTABLISHED, 5);
	end(w, 12);
	assert_int_equal(w->count, 0);
}

static void aborted_dump_applies_records_and_lists_nothing(void **state)
{
	struct watch *w = *state;

	begin(w, 10);
	row(w, 1, STATE_ESTABLISHED, 5);
	give(w, SW_REC_ESTABLISHED, 2, 1, 11);
	assert_int_equal(model__dump_begin(w->model, 12), -EBUSY);
	assert_int_equal(model__dump_abort(w->model), 0);
	assert_int_equal(watch__only(w, EV_ESTABLISHED)->sock.cookie, 2);
	assert_int_equal(model__dump_end(w->model, 13), -EINVAL);
}

static void t12_gone_socket_is_closed_as_unseen(void **state)
{
	struct watch *w = *state;

	list_one(w, 1, STATE_ESTABLISHED, 5, 10);
	begin(w, 20);
	assert_int_equal(model__netns_complete(w->model, 1), 0);
	assert_int_equal(model__suspects(w->model), 1);
	assert_int_equal(model__dump_end(w->model, 21), 0);
	assert_int_equal(watch__only(w, EV_CLOSE)->u.close.reason, REASON_UNSEEN);
	assert_false(w->told[0].u.close.have_stats);
}

static void t12_namespace_that_failed_keeps_its_sockets(void **state)
{
	struct watch *w = *state;

	list_one(w, 1, STATE_ESTABLISHED, 5, 10);
	begin(w, 20);
	assert_int_equal(model__netns_complete(w->model, 2), 0);
	assert_int_equal(model__suspects(w->model), 0);
	assert_int_equal(model__dump_end(w->model, 21), 0);
	assert_int_equal(w->count, 0);
}

static void t12_socket_whose_opening_was_lost_is_listed(void **state)
{
	struct watch *w = *state;

	model__lost(w->model, LOSS_RING, 3, 15);
	assert_int_equal(watch__only(w, EV_LOST)->u.lost.count, 3);
	watch__forget(w);
	list_one(w, 1, STATE_ESTABLISHED, 5, 20);
	assert_int_equal(model__lost_total(w->model), 3);
}

static void t12_lost_accept_becomes_an_owner_update(void **state)
{
	struct watch *w = *state;
	union wire r = wire__record(SW_REC_ESTABLISHED, 1, 5, 80, 40000);
	struct sw_process listener = wire__process(50, 50 * WIRE_TICK_NS, "parent");

	r.base.seq = 1;
	wire__own(&r, SW_ATTR_LISTENER, &listener);
	watch__record(w, &r);
	watch__forget(w);
	begin(w, 10);
	row(w, 1, STATE_ESTABLISHED, 5);
	watch__hold(w, 1, 100, 100);
	end(w, 11);
	assert_int_equal(watch__only(w, EV_OWNER)->owner.pid, 100);
	assert_int_equal(w->told[0].prev_owner.pid, 50);
	assert_int_equal(w->told[0].sock.attribution, SW_ATTR_HOLDER);
}

static void t12_lost_close_into_timewait_is_told_as_unseen(void **state)
{
	struct watch *w = *state;

	give(w, SW_REC_ESTABLISHED, 1, 1, 5);
	watch__forget(w);
	begin(w, 10);
	row(w, 1, STATE_TIME_WAIT, 0);
	end(w, 11);
	assert_int_equal(watch__only(w, EV_CLOSE)->u.close.reason, REASON_UNSEEN);
	assert_int_equal(w->told[0].sock.state, STATE_TIME_WAIT);
	assert_true(model__find(w->model, 1)->minisock);
}

static void t12_accept_of_a_closed_socket_whose_close_was_lost_leaves_no_ghost(void **state)
{
	struct watch *w = *state;

	give(w, SW_REC_ESTABLISHED, 1, 1, 5);
	begin(w, 10);
	give_accept(w, 1, 11, STATE_CLOSE);
	end(w, 12);
	assert_int_equal(model__count(w->model), 0);
}

static int count_unheld(void *ctx, uint64_t cookie, uint64_t inode)
{
	(void)cookie;
	(void)inode;
	++*(unsigned int *)ctx;
	return 0;
}

static void holders_are_wanted_of_a_timewait_socket_that_lives_again(void **state)
{
	struct watch *w = *state;
	union wire r = wire__record(SW_REC_CLOSE, 1, 5, 80, 40000);
	struct sw_process client = wire__process(100, 100 * WIRE_TICK_NS, "client");
	unsigned int wanted = 0;

	r.base.flags = SW_F_TIMEWAIT | SW_F_GOT_FIN;
	wire__own(&r, SW_ATTR_CONNECT, &client);
	watch__record(w, &r);
	begin(w, 2 * SECOND_NS);
	row(w, 1, STATE_ESTABLISHED, 5);
	assert_int_equal(model__each_unheld(w->model, count_unheld, &wanted), 0);
	assert_int_equal(wanted, 1);
	end(w, 2 * SECOND_NS + 1);
}

static void oldest_holder_is_the_owner(void **state)
{
	struct watch *w = *state;
	const struct sock *s;

	begin(w, 10);
	row(w, 1, STATE_ESTABLISHED, 5);
	watch__hold(w, 1, 300, 7);
	watch__hold(w, 1, 200, 3);
	watch__hold(w, 1, 100, 3);
	watch__hold(w, 1, 50, 9);
	end(w, 11);
	s = model__find(w->model, 1);
	assert_int_equal(s->owner->pid, 100);
	assert_int_equal(s->attribution, SW_ATTR_HOLDER);
	assert_int_equal(s->holder_count, 4);
}

static void holders_are_asked_for_once_and_not_where_an_accept_says_it(void **state)
{
	struct watch *w = *state;
	unsigned int wanted = 0;

	begin(w, 10);
	row(w, 1, STATE_ESTABLISHED, 5);
	row(w, 2, STATE_ESTABLISHED, 6);
	row(w, 3, STATE_ESTABLISHED, 0);
	give_accept(w, 2, 11, STATE_ESTABLISHED);
	assert_int_equal(model__each_unheld(w->model, count_unheld, &wanted), 0);
	assert_int_equal(wanted, 1);
	watch__hold(w, 1, 100, 1);
	assert_int_equal(model__each_unheld(w->model, count_unheld, &wanted), 0);
	assert_int_equal(wanted, 1);
	end(w, 12);
}

static void more_holders_than_can_be_counted_are_left_out(void **state)
{
	struct watch *w = *state;

	begin(w, 10);
	row(w, 1, STATE_ESTABLISHED, 5);
	for (unsigned int i = 0; i <= UINT16_MAX; i++)
		watch__hold(w, 1, 100, 1);
	end(w, 11);
	assert_int_equal(model__find(w->model, 1)->holder_count, UINT16_MAX);
}

static void t9_listed_timewait_has_the_owner_the_kernel_side_remembers(void **state)
{
	struct watch *w = *state;
	struct sw_owner last = { .attribution = SW_ATTR_ACCEPT };

	last.process = wire__process(100, 100 * WIRE_TICK_NS, "server");
	begin(w, 10);
	row(w, 1, STATE_TIME_WAIT, 0);
	assert_int_equal(model__last_owner(w->model, 1, &last), 0);
	assert_int_equal(model__last_owner(w->model, 2, &last), -ENOENT);
	end(w, 11);
	assert_int_equal(watch__only(w, EV_EXISTING)->owner.pid, 100);
	assert_int_equal(w->told[0].sock.attribution, SW_ATTR_LAST);
}

static void t9_two_timewait_entries_of_one_socket_are_followed(void **state)
{
	struct watch *w = *state;
	struct row first = watch__row(1, STATE_TIME_WAIT, 0, 80, 40000);
	struct row second = watch__row(1, STATE_TIME_WAIT, 0, 80, 40001);
	union wire r = wire__record(SW_REC_ESTABLISHED, 2, 30, 80, 40001);

	watch__dump(w, &first, 1, 10);
	watch__dump(w, &second, 1, 20);
	/* The endpoints it has now are given to another. */
	watch__record(w, &r);
	assert_null(model__find(w->model, 1));
	assert_int_equal(model__count(w->model), 1);
}

static void t9_record_older_than_a_listed_request_does_not_end_it(void **state)
{
	struct watch *w = *state;

	begin(w, 10);
	give(w, SW_REC_CLOSE, 1, 1, 11);
	row(w, 2, STATE_SYN_RECV, 0);
	end(w, 12);
	assert_non_null(model__find(w->model, 2));
}

static void overdue_minisocks_that_are_still_there_stay(void **state)
{
	struct watch *w = *state;
	struct row r = watch__row(1, STATE_TIME_WAIT, 0, 80, 40000);
	uint64_t due;

	watch__dump(w, &r, 1, 10);
	due = model__next_deadline(w->model);
	model__minisock_row(w->model, &r, due);
	model__minisocks_end(w->model, due);
	assert_non_null(model__find(w->model, 1));
	assert_true(model__next_deadline(w->model) > due);
	watch__forget(w);
	model__minisocks_end(w->model, model__next_deadline(w->model));
	assert_int_equal(watch__only(w, EV_CLOSE)->u.close.reason, REASON_EXPIRED);
}

/* A listener of pid on family's wildcard, and a child without a file. */
static void list_listeners(struct watch *w, uint32_t second_pid)
{
	struct row r = watch__row(1, STATE_LISTEN, 5, 80, 0);

	begin(w, 10);
	memset(r.ends.local, 0, 16);
	assert_int_equal(model__row(w->model, &r), 0);
	r.cookie = 2;
	r.inode = 6;
	assert_int_equal(model__row(w->model, &r), 0);
	row(w, 3, STATE_ESTABLISHED, 0);
	watch__hold(w, 1, 100, 100);
	watch__hold(w, 2, second_pid, second_pid);
	end(w, 11);
	assert_int_equal(model__find(w->model, 3)->direction, SW_DIR_IN);
}

static void unaccepted_row_belongs_to_the_listeners_owner(void **state)
{
	struct watch *w = *state;

	list_listeners(w, 100);
	assert_int_equal(model__find(w->model, 3)->owner->pid, 100);
	assert_int_equal(model__find(w->model, 3)->attribution, SW_ATTR_LISTENER);
}

static void unaccepted_row_of_two_listeners_of_different_owners_has_none(void **state)
{
	struct watch *w = *state;

	list_listeners(w, 101);
	assert_null(model__find(w->model, 3)->owner);
	assert_int_equal(model__find(w->model, 3)->attribution, SW_ATTR_NONE);
}

static void t19_child_of_a_listener_that_closed_meanwhile_is_not_given_to_another(void **state)
{
	struct watch *w = *state;
	union wire r = wire__record(SW_REC_CLOSE, 2, 12, 80, 0);

	begin(w, 10);
	row(w, 1, STATE_LISTEN, 5);
	give(w, SW_REC_ESTABLISHED, 3, 1, 11);
	r.base.old_state = STATE_LISTEN;
	r.base.seq = 1;
	watch__record(w, &r);
	watch__hold(w, 1, 100, 100);
	end(w, 13);
	assert_null(model__find(w->model, 3)->owner);
}

static void listener_whose_port_is_learned_from_a_row_closes_cleanly(void **state)
{
	struct watch *w = *state;
	union wire r = wire__record(SW_REC_LISTEN, 1, 5, 0, 0);
	union wire again = wire__record(SW_REC_LISTEN, 2, 40, 0, 0);

	r.base.seq = again.base.seq = 1;
	watch__record(w, &r);
	assert_int_equal(model__count(w->model), 0);
	begin(w, 10);
	row(w, 1, STATE_LISTEN, 5);
	end(w, 11);
	assert_int_equal(watch__only(w, EV_LISTEN)->sock.cookie, 1);
	assert_int_not_equal(model__find(w->model, 1)->ends.local_port, 0);
	assert_false(model__look_due(w->model));
	give(w, SW_REC_CLOSE, 1, 2, 20);
	watch__record(w, &again);
	assert_int_equal(model__count(w->model), 0);
	assert_true(model__look_due(w->model));
}

static void records_kept_during_a_dump_are_bounded(void **state)
{
	struct watch *w = *state;
	size_t each = sizeof(struct sw_record_process) + sizeof(uint64_t), i;
	union wire r = wire__record(SW_REC_ACCEPT, 1, 11, 80, 40000);

	wire__set_cmdline(&r, "server", 6);
	begin(w, 10);
	for (i = 0; i < MODEL_PENDING_MAX / each; i++)
		watch__record(w, &r);
	assert_int_equal(w->count, 0);
	watch__record(w, &r);
	assert_int_equal(watch__only(w, EV_LOST)->u.lost.where, LOSS_DUMP);
	assert_int_equal(model__dump_abort(w->model), 0);
}

static void sync_counts_sockets_and_those_without_owner(void **state)
{
	struct watch *w = *state;

	begin(w, 10);
	row(w, 1, STATE_ESTABLISHED, 5);
	row(w, 2, STATE_ESTABLISHED, 6);
	watch__hold(w, 1, 100, 1);
	end(w, 11);
	watch__forget(w);
	model__sync(w->model, 12, 34, "tracepoint", NULL);
	assert_int_equal(watch__only(w, EV_SYNC)->u.sync.sockets, 2);
	assert_int_equal(w->told[0].u.sync.unowned, 1);
	assert_int_equal(w->told[0].u.sync.bootstrap_us, 34);
}

static void rows_without_cookie_are_refused_and_joins_are_not_shown(void **state)
{
	struct watch *w = *state;
	struct row r = watch__row(0, STATE_ESTABLISHED, 5, 80, 40000);

	begin(w, 10);
	assert_int_equal(model__row(w->model, &r), -EBADMSG);
	r.cookie = 1;
	r.mptcp_join = true;
	assert_int_equal(model__row(w->model, &r), 0);
	end(w, 11);
	assert_int_equal(w->count, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, watch__setup, watch__teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(t1_closed_during_the_dump_is_not_listed),
		T(t1_opened_during_the_dump_is_told_once),
		T(t1_opened_and_closed_during_the_dump_is_told_and_gone),
		T(t1_row_of_a_socket_that_has_just_closed_is_not_news),
		T(aborted_dump_applies_records_and_lists_nothing),
		T(t12_gone_socket_is_closed_as_unseen),
		T(t12_namespace_that_failed_keeps_its_sockets),
		T(t12_socket_whose_opening_was_lost_is_listed),
		T(t12_lost_accept_becomes_an_owner_update),
		T(t12_lost_close_into_timewait_is_told_as_unseen),
		T(t12_accept_of_a_closed_socket_whose_close_was_lost_leaves_no_ghost),
		T(holders_are_wanted_of_a_timewait_socket_that_lives_again),
		T(oldest_holder_is_the_owner),
		T(holders_are_asked_for_once_and_not_where_an_accept_says_it),
		T(more_holders_than_can_be_counted_are_left_out),
		T(t9_listed_timewait_has_the_owner_the_kernel_side_remembers),
		T(t9_two_timewait_entries_of_one_socket_are_followed),
		T(t9_record_older_than_a_listed_request_does_not_end_it),
		T(overdue_minisocks_that_are_still_there_stay),
		T(unaccepted_row_belongs_to_the_listeners_owner),
		T(unaccepted_row_of_two_listeners_of_different_owners_has_none),
		T(t19_child_of_a_listener_that_closed_meanwhile_is_not_given_to_another),
		T(listener_whose_port_is_learned_from_a_row_closes_cleanly),
		T(records_kept_during_a_dump_are_bounded),
		T(sync_counts_sockets_and_those_without_owner),
		T(rows_without_cookie_are_refused_and_joins_are_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
