/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* model/: lists of holders, and who owns a socket when its owner leaves (traps T2, T3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/watch.h"

#define COOKIE 7
#define INODE  99
#define FIRST  100 /* pids, in the order of their start */
#define SECOND 200
#define THIRD  300

static void give_task(struct watch *w, uint8_t kind, uint64_t time_ns, uint32_t pid, uint32_t ppid)
{
	struct sw_record_task r = {
		.version = SW_RECORD_VERSION,
		.kind = kind,
		.pid = pid,
		.start_ns = (uint64_t)pid * WIRE_TICK_NS + 5,
		.time_ns = time_ns,
		.ppid = ppid,
		.parent_start_ns = (uint64_t)ppid * WIRE_TICK_NS + 5,
	};

	assert_int_equal(model__record(w->model, &r, sizeof(r)), 0);
}

static void open_by_first(struct watch *w)
{
	union wire r = wire__record(SW_REC_LISTEN, COOKIE, 10, 80, 0);
	struct sw_process owner = wire__process(FIRST, (uint64_t)FIRST * WIRE_TICK_NS, "first");

	wire__own(&r, SW_ATTR_LISTEN, &owner);
	r.base.inode = INODE;
	r.base.seq = 1;
	watch__record(w, &r);
	watch__forget(w);
}

static int note_pid(void *ctx, uint32_t pid, uint64_t start_ticks)
{
	uint32_t *pids = ctx;

	assert_int_equal(start_ticks, pid);
	while (*pids)
		pids++;
	*pids = pid;
	return 0;
}

/* A look at one process, which has so many descriptors of the socket. */
static void look(struct watch *w, uint32_t pid, unsigned int copies, uint64_t time_ns)
{
	struct held_fd fds[4] = { { .inode = 5, .fd = 3 } };

	for (unsigned int i = 1; i <= copies; i++)
		fds[i] = (struct held_fd){ .inode = INODE, .fd = (int)(3 + i) };
	assert_int_equal(model__holders_begin(w->model), 0);
	assert_int_equal(model__holds(w->model, pid, pid, fds, copies + 1, time_ns), 0);
	model__holders_end(w->model, model__holders_looked(w->model), time_ns);
}

struct asked {
	struct watch *w;
	unsigned int copies; /* that each has */
};

static int answer(void *ctx, uint32_t pid, uint64_t start_ticks)
{
	const struct asked *a = ctx;
	struct held_fd fds[2] = { { .inode = 5, .fd = 3 }, { .inode = INODE, .fd = 4 } };

	return model__holds(a->w->model, pid, start_ticks, fds, a->copies + 1, 50);
}

/* A look at all that are dirty. */
static void look_at_dirty(struct watch *w, unsigned int copies)
{
	struct asked a = { .w = w, .copies = copies };

	assert_true(model__holders_due(w->model));
	assert_int_equal(model__holders_begin(w->model), 0);
	assert_int_equal(model__each_dirty(w->model, answer, &a), 0);
	model__holders_end(w->model, model__holders_looked(w->model), 50);
	assert_false(model__holders_due(w->model));
}

static void assert_owner(const struct watch *w, uint32_t pid, uint8_t attribution, unsigned int holders)
{
	const struct sock *s = model__find(w->model, COOKIE);

	assert_non_null(s);
	assert_int_equal(s->owner->pid, pid);
	assert_int_equal(s->attribution, attribution);
	assert_int_equal(s->holder_count, holders);
}

static void parent_and_child_are_looked_at_after_a_fork(void **state)
{
	struct watch *w = *state;
	uint32_t pids[4] = { 0 };

	assert_false(model__holders_due(w->model));
	give_task(w, SW_REC_FORK, 20, SECOND, FIRST);
	give_task(w, SW_REC_FORK, 21, THIRD, FIRST);
	give_task(w, SW_REC_EXIT, 22, THIRD, 0);
	assert_true(model__holders_due(w->model));
	assert_int_equal(model__each_dirty(w->model, note_pid, pids), 0);
	assert_int_equal(pids[0] + pids[1], FIRST + SECOND);
	assert_int_equal(pids[2], 0);
	assert_false(model__holders_due(w->model));
}

static void second_holder_changes_no_owner(void **state)
{
	struct watch *w = *state;
	uint32_t pids[4] = { 0 };

	open_by_first(w);
	look(w, SECOND, 1, 20);
	assert_int_equal(w->count, 0);
	assert_owner(w, FIRST, SW_ATTR_LISTEN, 2);
	/*
	 * Until now the owner was taken at its word; and closes are told from now on, but what the second holder has closed
	 * since it was looked at was not.
	 */
	assert_int_equal(model__each_dirty(w->model, note_pid, pids), 0);
	assert_int_equal(pids[0] + pids[1], FIRST + SECOND);
}

static void who_shares_is_looked_at_after_a_close_that_went_unseen(void **state)
{
	struct watch *w = *state;
	uint32_t pids[4] = { 0 };

	open_by_first(w);
	model__closes_missed(w->model);
	assert_false(model__holders_due(w->model));
	look(w, SECOND, 1, 20);
	look(w, FIRST, 1, 21);
	model__closes_missed(w->model);
	assert_int_equal(model__each_dirty(w->model, note_pid, pids), 0);
	assert_int_equal(pids[0] + pids[1], FIRST + SECOND);
	assert_int_equal(pids[2], 0);
}

static void owner_that_closes_leaves_it_to_the_other_T3(void **state)
{
	struct watch *w = *state;
	const struct watch_told *told;

	open_by_first(w);
	look(w, SECOND, 1, 20);
	look(w, FIRST, 0, 30);
	told = watch__only(w, EV_OWNER);
	assert_int_equal(told->prev_owner.pid, FIRST);
	assert_owner(w, SECOND, SW_ATTR_HOLDER, 1);
}

static void owner_that_exits_leaves_it_to_who_still_holds_it(void **state)
{
	struct watch *w = *state;

	open_by_first(w);
	look(w, THIRD, 1, 20);
	look(w, SECOND, 2, 21);
	give_task(w, SW_REC_EXIT, 30, FIRST, 0);
	assert_int_equal(w->count, 0);
	look_at_dirty(w, 1);
	watch__only(w, EV_OWNER);
	/* The one that started first, though it was found last. */
	assert_owner(w, SECOND, SW_ATTR_HOLDER, 2);
}

/* A server that forks, closes its own copy, and is listed still when the child is done. */
static void heir_that_has_let_go_too_is_none(void **state)
{
	struct watch *w = *state;

	open_by_first(w);
	look(w, SECOND, 1, 20);
	give_task(w, SW_REC_EXIT, 30, FIRST, 0);
	look_at_dirty(w, 0);
	assert_int_equal(w->count, 0);
	assert_owner(w, FIRST, SW_ATTR_LAST, 0);
}

/* The child is found only afterwards. */
static void owner_that_is_gone_already_is_no_holder(void **state)
{
	struct watch *w = *state;

	open_by_first(w);
	give_task(w, SW_REC_FORK, 20, SECOND, FIRST);
	give_task(w, SW_REC_EXIT, 21, FIRST, 0);
	look(w, SECOND, 1, 30);
	watch__only(w, EV_OWNER);
	assert_owner(w, SECOND, SW_ATTR_HOLDER, 1);
}

static void one_of_two_copies_closed_is_no_news(void **state)
{
	struct watch *w = *state;

	open_by_first(w);
	look(w, FIRST, 1, 20);
	look(w, SECOND, 1, 21);
	look(w, FIRST, 2, 22);
	assert_owner(w, FIRST, SW_ATTR_LISTEN, 3);
	look(w, FIRST, 1, 23);
	assert_owner(w, FIRST, SW_ATTR_LISTEN, 2);
	assert_int_equal(w->count, 0);
}

static void socket_nobody_holds_is_its_last_owners(void **state)
{
	struct watch *w = *state;

	open_by_first(w);
	look(w, SECOND, 1, 20);
	give_task(w, SW_REC_EXIT, 30, SECOND, 0);
	give_task(w, SW_REC_EXIT, 31, FIRST, 0);
	assert_int_equal(w->count, 0);
	assert_owner(w, FIRST, SW_ATTR_LAST, 0);
}

/* What closed it is over, and the record of it in the ring. */
static void socket_that_closes_during_the_look_keeps_its_owner(void **state)
{
	struct watch *w = *state;
	const struct held_fd other = { .inode = 5, .fd = 3 };
	union wire r = wire__record(SW_REC_CLOSE, COOKIE, 42, 80, 0);
	size_t looked;

	open_by_first(w);
	assert_int_equal(model__holders_begin(w->model), 0);
	assert_int_equal(model__holds(w->model, FIRST, FIRST, &other, 1, 41), 0);
	looked = model__holders_looked(w->model);
	assert_owner(w, FIRST, SW_ATTR_LISTEN, 0);
	r.base.old_state = STATE_LISTEN;
	r.base.seq = 2;
	watch__record(w, &r);
	watch__only(w, EV_CLOSE);
	model__holders_end(w->model, looked, 40);
	assert_int_equal(w->count, 1);
}

/* They were not asked since. */
static void heirs_of_what_ends_after_the_look_wait_for_the_next(void **state)
{
	struct watch *w = *state;
	size_t looked;

	open_by_first(w);
	look(w, SECOND, 1, 20);
	assert_int_equal(model__holders_begin(w->model), 0);
	looked = model__holders_looked(w->model);
	give_task(w, SW_REC_EXIT, 30, FIRST, 0);
	model__holders_end(w->model, looked, 25);
	assert_int_equal(w->count, 0);
	look_at_dirty(w, 1);
	watch__only(w, EV_OWNER);
	assert_owner(w, SECOND, SW_ATTR_HOLDER, 1);
}

/* One that held sockets once, and whose end comes now. */
static void idle_process_that_is_looked_up_is_idle_once(void **state)
{
	struct watch *w = *state;
	struct process_table *pt = model__processes(w->model);
	bool fresh;

	for (uint32_t pid = 1; pid <= 3; pid++)
		process_table__put(pt, process_table__get(pt, pid, 1, &fresh));
	for (uint32_t pid = 1; pid <= 3; pid++)
		process_table__put(pt, process_table__find_ref(pt, pid, 1));
	assert_null(process_table__find_ref(pt, 4, 1));
	for (uint32_t pid = 1; pid <= PROCESSES_IDLE_MAX; pid++)
		process_table__put(pt, process_table__get(pt, pid, 2, &fresh));
	assert_int_equal(process_table__count(pt), PROCESSES_IDLE_MAX);
	for (uint32_t pid = 1; pid <= 3; pid++)
		assert_null(process_table__find(pt, pid, 1));
}

static void user_of_a_shared_socket_gives_it_back_at_its_end(void **state)
{
	struct watch *w = *state;
	union wire r = wire__record(SW_REC_CONNECT, COOKIE, 10, 40000, 80);
	struct sw_process first = wire__process(FIRST, (uint64_t)FIRST * WIRE_TICK_NS, "first");
	struct sw_process second = wire__process(SECOND, (uint64_t)SECOND * WIRE_TICK_NS, "second");

	wire__own(&r, SW_ATTR_CONNECT, &first);
	r.base.inode = INODE;
	r.base.seq = 1;
	watch__record(w, &r);
	r = wire__record(SW_REC_OWNER, COOKIE, 20, 40000, 80);
	wire__own(&r, SW_ATTR_IO, &second);
	r.base.inode = INODE;
	watch__record(w, &r);
	watch__forget(w);
	give_task(w, SW_REC_EXIT, 30, SECOND, 0);
	look_at_dirty(w, 1);
	watch__only(w, EV_OWNER);
	assert_owner(w, FIRST, SW_ATTR_HOLDER, 1);
}

static void what_is_younger_than_the_look_stays(void **state)
{
	struct watch *w = *state;

	open_by_first(w);
	look(w, FIRST, 1, 20);
	look(w, SECOND, 1, 21);
	/* Read before it listened. */
	look(w, FIRST, 0, 5);
	assert_int_equal(w->count, 0);
	assert_owner(w, FIRST, SW_ATTR_LISTEN, 2);
	give_task(w, SW_REC_EXIT, 40, FIRST, 0);
	look_at_dirty(w, 1);
	watch__only(w, EV_OWNER);
}

/* The look that chose the heir had read it before its end, and was over after it. */
static void heir_that_ends_during_the_look_is_none(void **state)
{
	struct watch *w = *state;
	uint32_t pids[8] = { 0 };

	open_by_first(w);
	look(w, SECOND, 1, 20);
	look(w, THIRD, 1, 21);
	look(w, FIRST, 0, 40);
	assert_owner(w, SECOND, SW_ATTR_HOLDER, 2);
	model__each_dirty(w->model, note_pid, pids);
	give_task(w, SW_REC_EXIT, 39, SECOND, 0);
	look_at_dirty(w, 1);
	assert_owner(w, THIRD, SW_ATTR_HOLDER, 1);
}

/* Its end is told before its descriptors are closed. */
static void one_who_is_ending_holds_nothing(void **state)
{
	struct watch *w = *state;

	open_by_first(w);
	look(w, SECOND, 1, 20);
	give_task(w, SW_REC_EXIT, 30, FIRST, 0);
	look(w, FIRST, 1, 31);
	look_at_dirty(w, 1);
	assert_owner(w, SECOND, SW_ATTR_HOLDER, 1);
}

static void tell_child(struct watch *w, uint64_t cookie, uint8_t kind, uint64_t time_ns)
{
	union wire r = wire__record(kind, cookie, time_ns, 80, (uint16_t)(40000 + cookie));
	struct sw_process first = wire__process(FIRST, (uint64_t)FIRST * WIRE_TICK_NS, "first");

	wire__own(&r, SW_ATTR_LISTENER, &first);
	r.base.direction = SW_DIR_IN;
	r.base.seq = (uint32_t)time_ns;
	watch__record(w, &r);
}

static void assert_childs_owner(const struct watch *w, uint64_t cookie, uint32_t pid)
{
	const struct sock *s = model__find(w->model, cookie);

	assert_non_null(s);
	assert_int_equal(s->owner->pid, pid);
	assert_int_equal(s->attribution, SW_ATTR_LISTENER);
}

/* Also one that comes later: the kernel side knows no heirs. */
static void what_waits_for_its_accept_goes_with_the_listener(void **state)
{
	struct watch *w = *state;

	open_by_first(w);
	tell_child(w, 20, SW_REC_ESTABLISHED, 15);
	assert_childs_owner(w, 20, FIRST);
	look(w, SECOND, 1, 20);
	watch__forget(w);
	give_task(w, SW_REC_EXIT, 30, FIRST, 0);
	look_at_dirty(w, 1);
	assert_int_equal(w->count, 2);
	assert_int_equal(w->told[1].u.event, EV_OWNER);
	assert_int_equal(w->told[1].sock.cookie, 20);
	assert_int_equal(w->told[1].prev_owner.pid, FIRST);
	assert_childs_owner(w, 20, SECOND);
	tell_child(w, 21, SW_REC_ESTABLISHED, 60);
	assert_childs_owner(w, 21, SECOND);
	tell_child(w, 20, SW_REC_STATE, 61);
	assert_childs_owner(w, 20, SECOND);
}

#define model_test(name) cmocka_unit_test_setup_teardown(name, watch__setup, watch__teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		model_test(parent_and_child_are_looked_at_after_a_fork),
		model_test(second_holder_changes_no_owner),
		model_test(who_shares_is_looked_at_after_a_close_that_went_unseen),
		model_test(owner_that_closes_leaves_it_to_the_other_T3),
		model_test(owner_that_exits_leaves_it_to_who_still_holds_it),
		model_test(heir_that_has_let_go_too_is_none),
		model_test(owner_that_is_gone_already_is_no_holder),
		model_test(one_of_two_copies_closed_is_no_news),
		model_test(socket_nobody_holds_is_its_last_owners),
		model_test(socket_that_closes_during_the_look_keeps_its_owner),
		model_test(heirs_of_what_ends_after_the_look_wait_for_the_next),
		model_test(idle_process_that_is_looked_up_is_idle_once),
		model_test(user_of_a_shared_socket_gives_it_back_at_its_end),
		model_test(what_is_younger_than_the_look_stays),
		model_test(heir_that_ends_during_the_look_is_none),
		model_test(one_who_is_ending_holds_nothing),
		model_test(what_waits_for_its_accept_goes_with_the_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
