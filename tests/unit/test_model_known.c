/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* model: owners that pinned programs remember from before the start, beside what /proc says about holders. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/watch.h"

#define COOKIE	7
#define INODE	70
#define OWNER	100
#define OTHER	50
#define STARTED 10 /* ticks */

static struct sw_known known_as(uint8_t attribution, uint8_t direction)
{
	return (struct sw_known){
		.cookie = COOKIE,
		.owner.process = wire__process(OWNER, STARTED * WIRE_TICK_NS, "owner"),
		.owner.attribution = attribution,
		.direction = direction,
		.opened_ns = 5,
	};
}

/* A dump that shows one row, with what is known of it; holder: pid of the only holder, 0: none. */
static const struct watch_told *list(struct watch *w, uint8_t state, uint64_t inode, const struct sw_known *known,
				     uint32_t holder)
{
	struct row row = watch__row(COOKIE, state, inode, 80, 40000);

	row.minisock = state == STATE_TIME_WAIT;
	assert_int_equal(model__dump_begin(w->model, 10), 0);
	assert_int_equal(model__row(w->model, &row), 0);
	assert_int_equal(model__known(w->model, known), 0);
	assert_int_equal(model__netns_complete(w->model, 1), 0);
	if (holder)
		watch__hold(w, COOKIE, holder, STARTED);
	assert_int_equal(model__dump_end(w->model, 11), 0);
	return watch__only(w, EV_EXISTING);
}

static void assert_owner(const struct watch_told *told, uint32_t pid, uint8_t attribution)
{
	assert_int_equal(told->owner.pid, pid);
	assert_int_equal(told->sock.attribution, attribution);
}

static void known_owner_among_the_holders_is_told_as_recorded(void **state)
{
	struct sw_known known = known_as(SW_ATTR_CONNECT, SW_DIR_OUT);
	const struct watch_told *told = list(*state, STATE_ESTABLISHED, INODE, &known, OWNER);

	assert_owner(told, OWNER, SW_ATTR_CONNECT);
	assert_int_equal(told->sock.direction, SW_DIR_OUT);
	assert_int_equal(told->sock.opened_ns, 5);
	assert_int_equal(told->sock.holder_count, 1);
}

static void known_owner_counts_for_more_than_an_older_holder(void **state)
{
	struct sw_known known = known_as(SW_ATTR_ACCEPT, SW_DIR_IN);
	struct row row = watch__row(COOKIE, STATE_ESTABLISHED, INODE, 80, 40000);
	struct watch *w = *state;

	model__dump_begin(w->model, 10);
	model__row(w->model, &row);
	model__known(w->model, &known);
	watch__hold(w, COOKIE, OTHER, STARTED - 1);
	watch__hold(w, COOKIE, OWNER, STARTED);
	model__dump_end(w->model, 11);
	assert_owner(watch__only(w, EV_EXISTING), OWNER, SW_ATTR_ACCEPT);
	assert_int_equal(w->told[0].sock.holder_count, 2);
}

static void t3_owner_that_let_go_gives_way_to_a_holder(void **state)
{
	struct sw_known known = known_as(SW_ATTR_ACCEPT, SW_DIR_IN);

	assert_owner(list(*state, STATE_ESTABLISHED, INODE, &known, OTHER), OTHER, SW_ATTR_HOLDER);
}

static void t16_a_reused_pid_among_the_holders_is_not_the_owner(void **state)
{
	struct sw_known known = known_as(SW_ATTR_ACCEPT, SW_DIR_IN);
	const struct watch_told *told;

	known.owner.process.start_ns = (STARTED - 5) * WIRE_TICK_NS;
	told = list(*state, STATE_ESTABLISHED, INODE, &known, OWNER);
	assert_owner(told, OWNER, SW_ATTR_HOLDER);
	assert_int_equal(told->owner.start_ticks, STARTED);
}

static void known_owner_of_a_socket_that_nobody_visible_holds_is_told(void **state)
{
	struct sw_known known = known_as(SW_ATTR_CONNECT, SW_DIR_OUT);

	assert_owner(list(*state, STATE_ESTABLISHED, INODE, &known, 0), OWNER, SW_ATTR_CONNECT);
}

static void t9_orphan_has_its_last_owner(void **state)
{
	struct sw_known known = known_as(SW_ATTR_CONNECT, SW_DIR_OUT);

	assert_owner(list(*state, STATE_FIN_WAIT1, 0, &known, 0), OWNER, SW_ATTR_LAST);
}

static void t9_timewait_has_its_last_owner(void **state)
{
	struct sw_known known = known_as(SW_ATTR_ACCEPT, SW_DIR_UNKNOWN);

	assert_owner(list(*state, STATE_TIME_WAIT, 0, &known, 0), OWNER, SW_ATTR_LAST);
}

static void unaccepted_connection_belongs_to_the_remembered_listener(void **state)
{
	struct sw_known known = known_as(SW_ATTR_LISTENER, SW_DIR_IN);

	assert_owner(list(*state, STATE_ESTABLISHED, 0, &known, 0), OWNER, SW_ATTR_LISTENER);
}

static void forgotten_accept_leaves_the_socket_to_its_holder(void **state)
{
	struct sw_known known = known_as(SW_ATTR_LISTENER, SW_DIR_IN);

	assert_owner(list(*state, STATE_ESTABLISHED, INODE, &known, OTHER), OTHER, SW_ATTR_HOLDER);
}

static void t19_forgotten_accept_without_a_holder_is_no_guess(void **state)
{
	struct sw_known known = known_as(SW_ATTR_LISTENER, SW_DIR_IN);

	assert_owner(list(*state, STATE_ESTABLISHED, INODE, &known, 0), 0, SW_ATTR_NONE);
}

static void what_was_known_of_an_earlier_life_is_not_taken(void **state)
{
	struct sw_known known = known_as(SW_ATTR_LISTEN, SW_DIR_LISTEN);
	const struct watch_told *told = list(*state, STATE_ESTABLISHED, INODE, &known, OTHER);

	assert_owner(told, OTHER, SW_ATTR_HOLDER);
	assert_int_equal(told->sock.opened_ns, 0);
}

static void record_kept_back_is_newer_than_what_was_known(void **state)
{
	struct sw_known known = known_as(SW_ATTR_CONNECT, SW_DIR_OUT);
	struct row row = watch__row(COOKIE, STATE_ESTABLISHED, INODE, 80, 40000);
	union wire close = wire__record(SW_REC_CLOSE, COOKIE, 11, 80, 40000);
	struct watch *w = *state;

	model__dump_begin(w->model, 10);
	model__row(w->model, &row);
	model__known(w->model, &known);
	watch__record(w, &close);
	model__dump_end(w->model, 12);
	assert_null(model__find(w->model, COOKIE));
}

static void t12_repair_tells_the_known_owner_of_a_socket_that_has_none(void **state)
{
	struct sw_known known = known_as(SW_ATTR_ACCEPT, SW_DIR_IN);
	struct row row = watch__row(COOKIE, STATE_ESTABLISHED, INODE, 80, 40000);
	struct watch *w = *state;

	watch__dump(w, &row, 1, 10);
	watch__forget(w);
	model__dump_begin(w->model, 20);
	model__row(w->model, &row);
	model__known(w->model, &known);
	watch__hold(w, COOKIE, OWNER, STARTED);
	model__dump_end(w->model, 21);
	assert_owner(watch__only(w, EV_OWNER), OWNER, SW_ATTR_ACCEPT);
}

static void repair_that_finds_the_same_owner_again_tells_nothing(void **state)
{
	struct sw_known known = known_as(SW_ATTR_ACCEPT, SW_DIR_IN);
	struct row row = watch__row(COOKIE, STATE_ESTABLISHED, INODE, 80, 40000);
	struct watch *w = *state;

	list(w, STATE_ESTABLISHED, INODE, &known, OWNER);
	model__dump_begin(w->model, 20);
	model__row(w->model, &row);
	model__known(w->model, &known);
	watch__hold(w, COOKIE, OTHER, STARTED - 1);
	watch__hold(w, COOKIE, OWNER, STARTED);
	watch__forget(w);
	model__dump_end(w->model, 21);
	assert_int_equal(w->count, 0);
}

static void known_of_a_socket_without_a_row_is_passed_over(void **state)
{
	struct sw_known known = known_as(SW_ATTR_CONNECT, SW_DIR_OUT);
	struct watch *w = *state;

	model__dump_begin(w->model, 10);
	assert_int_equal(model__known(w->model, &known), -ENOENT);
	model__dump_end(w->model, 11);
	assert_int_equal(w->count, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, watch__setup, watch__teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(known_owner_among_the_holders_is_told_as_recorded),
		T(known_owner_counts_for_more_than_an_older_holder),
		T(t3_owner_that_let_go_gives_way_to_a_holder),
		T(t16_a_reused_pid_among_the_holders_is_not_the_owner),
		T(known_owner_of_a_socket_that_nobody_visible_holds_is_told),
		T(t9_orphan_has_its_last_owner),
		T(t9_timewait_has_its_last_owner),
		T(unaccepted_connection_belongs_to_the_remembered_listener),
		T(forgotten_accept_leaves_the_socket_to_its_holder),
		T(t19_forgotten_accept_without_a_holder_is_no_guess),
		T(what_was_known_of_an_earlier_life_is_not_taken),
		T(record_kept_back_is_newer_than_what_was_known),
		T(t12_repair_tells_the_known_owner_of_a_socket_that_has_none),
		T(repair_that_finds_the_same_owner_again_tells_nothing),
		T(known_of_a_socket_without_a_row_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
