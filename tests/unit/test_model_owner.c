/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* model/: whose a socket is while it is used by several (traps T2, T3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/watch.h"

#define COOKIE 7
#define FIRST  100 /* pids */
#define SECOND 200

static union wire record(uint8_t kind, uint64_t time_ns, uint8_t attribution, uint32_t pid)
{
	union wire r = wire__record(kind, COOKIE, time_ns, 80, 40000);
	struct sw_process owner = wire__process(pid, (uint64_t)pid * WIRE_TICK_NS, pid == FIRST ? "first" : "second");

	wire__own(&r, attribution, &owner);
	return r;
}

static void give(struct watch *w, uint8_t kind, uint64_t time_ns, uint8_t attribution, uint32_t pid)
{
	union wire r = record(kind, time_ns, attribution, pid);

	if (kind != SW_REC_ACCEPT && kind != SW_REC_OWNER)
		r.base.seq = (uint32_t)time_ns;
	watch__record(w, &r);
}

static void use(struct watch *w, uint64_t time_ns, uint32_t pid)
{
	give(w, SW_REC_OWNER, time_ns, SW_ATTR_IO, pid);
}

static void open_by_first(struct watch *w)
{
	give(w, SW_REC_CONNECT, 10, SW_ATTR_CONNECT, FIRST);
	give(w, SW_REC_ESTABLISHED, 11, SW_ATTR_CONNECT, FIRST);
	watch__forget(w);
}

static void assert_owner(const struct watch *w, uint32_t pid, uint8_t attribution)
{
	const struct sock *s = model__find(w->model, COOKIE);

	assert_non_null(s);
	assert_non_null(s->owner);
	assert_int_equal(s->owner->pid, pid);
	assert_int_equal(s->attribution, attribution);
}

static void first_use_takes_over_T3(void **state)
{
	struct watch *w = *state;
	const struct watch_told *told;

	open_by_first(w);
	use(w, 20, SECOND);
	told = watch__only(w, EV_OWNER);
	assert_int_equal(told->u.time_ns, 20);
	assert_int_equal(told->owner.pid, SECOND);
	assert_int_equal(told->prev_owner.pid, FIRST);
	assert_string_equal(told->prev_owner.comm, "first");
	assert_owner(w, SECOND, SW_ATTR_IO);
}

static void use_by_the_owner_is_no_news(void **state)
{
	struct watch *w = *state;

	open_by_first(w);
	use(w, 20, FIRST);
	assert_int_equal(w->count, 0);
	assert_owner(w, FIRST, SW_ATTR_CONNECT);
}

static void pid_that_was_given_out_again_is_another_owner_T16(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_OWNER, 20, SW_ATTR_IO, FIRST);

	open_by_first(w);
	r.base.owner.start_ns += 5 * WIRE_TICK_NS;
	watch__record(w, &r);
	assert_int_equal(watch__only(w, EV_OWNER)->prev_owner.pid, FIRST);
}

static void use_of_a_socket_nobody_told_of_is_not_told(void **state)
{
	struct watch *w = *state;

	use(w, 20, SECOND);
	assert_int_equal(w->count + model__count(w->model), 0);
}

static void child_whose_accept_was_not_seen_is_its_users(void **state)
{
	struct watch *w = *state;

	give(w, SW_REC_ESTABLISHED, 10, SW_ATTR_LISTENER, FIRST);
	watch__forget(w);
	/* The listener's own process: until now that was only thought to be so. */
	use(w, 20, FIRST);
	assert_int_equal(watch__only(w, EV_OWNER)->prev_owner.pid, FIRST);
	assert_owner(w, FIRST, SW_ATTR_IO);
}

static void close_does_not_bring_an_earlier_owner_back(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_CLOSE, 30, SW_ATTR_CONNECT, FIRST);

	open_by_first(w);
	use(w, 20, SECOND);
	watch__forget(w);
	r.base.seq = 30;
	watch__record(w, &r);
	assert_int_equal(watch__only(w, EV_CLOSE)->owner.pid, SECOND);
}

static void after_a_loss_the_close_knows_the_owner_better(void **state)
{
	struct watch *w = *state;

	open_by_first(w);
	model__lost(w->model, LOSS_RING, 1, 20);
	watch__forget(w);
	give(w, SW_REC_CLOSE, 30, SW_ATTR_IO, SECOND);
	assert_int_equal(watch__only(w, EV_CLOSE)->owner.pid, SECOND);
}

static void earlier_use_that_comes_later_is_not_told(void **state)
{
	struct watch *w = *state;

	open_by_first(w);
	use(w, 30, SECOND);
	watch__forget(w);
	use(w, 20, FIRST);
	assert_int_equal(w->count, 0);
	assert_owner(w, SECOND, SW_ATTR_IO);
}

/* Of a fast open: the accept has no cookie, the use gives it one, and the establishment comes last. */
static void use_outlives_an_accept_that_waited_for_its_cookie(void **state)
{
	struct watch *w = *state;
	union wire accept = record(SW_REC_ACCEPT, 10, SW_ATTR_ACCEPT, FIRST);
	union wire established = record(SW_REC_ESTABLISHED, 30, SW_ATTR_IO, SECOND);

	accept.base.cookie = 0;
	accept.base.inode = established.base.inode = 99;
	accept.base.new_state = accept.base.old_state = STATE_SYN_RECV;
	established.base.seq = 1;
	watch__record(w, &accept);
	use(w, 20, SECOND);
	watch__record(w, &established);
	assert_owner(w, SECOND, SW_ATTR_IO);
}

static void dump_with_use(struct watch *w, uint64_t use_ns, uint32_t pid)
{
	struct row row = watch__row(COOKIE, STATE_ESTABLISHED, 99, 80, 40000);

	assert_int_equal(model__dump_begin(w->model, 10), 0);
	assert_int_equal(model__row(w->model, &row), 0);
	assert_int_equal(model__netns_complete(w->model, 1), 0);
	watch__hold(w, COOKIE, FIRST, FIRST);
	use(w, use_ns, pid);
	assert_int_equal(model__dump_end(w->model, 40), 0);
}

static void assert_told_after_the_list(const struct watch *w)
{
	assert_int_equal(w->count, 2);
	assert_int_equal(w->told[0].u.event, EV_EXISTING);
	assert_int_equal(w->told[0].owner.pid, FIRST);
	assert_int_equal(w->told[1].u.event, EV_OWNER);
	assert_int_equal(w->told[1].owner.pid, SECOND);
}

static void use_during_the_dump_is_told_after_the_list_T1(void **state)
{
	struct watch *w = *state;

	dump_with_use(w, 15, SECOND);
	assert_told_after_the_list(w);
}

/* No row shows who uses a socket. */
static void use_shortly_before_the_dump_is_told_after_the_list_T1(void **state)
{
	struct watch *w = *state;

	dump_with_use(w, 5, SECOND);
	assert_told_after_the_list(w);
}

static void use_by_the_holder_is_no_news(void **state)
{
	struct watch *w = *state;

	dump_with_use(w, 15, FIRST);
	watch__only(w, EV_EXISTING);
	assert_owner(w, FIRST, SW_ATTR_HOLDER);
}

static void program_is_told_from_its_last_name_to_the_root_T17(void **state)
{
	static const char names[] = "nginx\0sbin\0usr"; /* and a NUL behind the last one */
	struct watch *w = *state;
	union wire r = record(SW_REC_CONNECT, 10, SW_ATTR_CONNECT, FIRST);

	r.base.seq = 1;
	wire__set_cmdline(&r, "nginx", 5);
	memcpy(r.process.exe, names, sizeof(names));
	r.process.exe_len = sizeof(names);
	watch__record(w, &r);
	assert_string_equal(model__find(w->model, COOKIE)->owner->exe, "/usr/sbin/nginx");
}

static void broken_program_names_are_dropped(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_CONNECT, 10, SW_ATTR_CONNECT, FIRST);

	r.base.seq = 1;
	wire__set_cmdline(&r, "nginx", 5);
	memset(r.process.exe, 'x', sizeof(r.process.exe)); /* no NUL at its end */
	r.process.exe_len = sizeof(r.process.exe);
	watch__record(w, &r);
	r.process.exe_len++;
	r.base.kind = SW_REC_OWNER;
	watch__record(w, &r);
	assert_null(model__find(w->model, COOKIE)->owner->exe);
}

#define model_test(name) cmocka_unit_test_setup_teardown(name, watch__setup, watch__teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		model_test(first_use_takes_over_T3),
		model_test(use_by_the_owner_is_no_news),
		model_test(pid_that_was_given_out_again_is_another_owner_T16),
		model_test(use_of_a_socket_nobody_told_of_is_not_told),
		model_test(child_whose_accept_was_not_seen_is_its_users),
		model_test(close_does_not_bring_an_earlier_owner_back),
		model_test(after_a_loss_the_close_knows_the_owner_better),
		model_test(earlier_use_that_comes_later_is_not_told),
		model_test(use_outlives_an_accept_that_waited_for_its_cookie),
		model_test(use_during_the_dump_is_told_after_the_list_T1),
		model_test(use_shortly_before_the_dump_is_told_after_the_list_T1),
		model_test(use_by_the_holder_is_no_news),
		model_test(program_is_told_from_its_last_name_to_the_root_T17),
		model_test(broken_program_names_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
