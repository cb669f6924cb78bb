/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* model/: records, one behaviour a test. Dumps are in test_model_dump.c, all together in test_model_property.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/watch.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct sw_process nobody;

static union wire record(uint8_t kind, uint64_t cookie, uint32_t seq, uint64_t time_ns, uint32_t pid)
{
	union wire r = wire__record(kind, cookie, time_ns, 80, 40000);
	struct sw_process owner = wire__process(pid, (uint64_t)pid * WIRE_TICK_NS, "server");
	uint8_t attribution = SW_ATTR_NONE;

	r.base.seq = seq;
	if (kind == SW_REC_ACCEPT)
		attribution = SW_ATTR_ACCEPT;
	else if (kind == SW_REC_CONNECT)
		attribution = SW_ATTR_CONNECT;
	else if (kind == SW_REC_LISTEN)
		attribution = SW_ATTR_LISTEN;
	else if (kind == SW_REC_ESTABLISHED)
		attribution = SW_ATTR_LISTENER;
	else if (kind == SW_REC_OWNER)
		attribution = SW_ATTR_IO;
	if (pid)
		wire__own(&r, attribution, &owner);
	return r;
}

static void give(struct watch *w, uint8_t kind, uint64_t cookie, uint32_t seq, uint64_t time_ns, uint32_t pid)
{
	union wire r = record(kind, cookie, seq, time_ns, pid);

	watch__record(w, &r);
}

static void give_timewait(struct watch *w, uint64_t cookie, uint32_t seq, uint64_t time_ns)
{
	union wire r = record(SW_REC_CLOSE, cookie, seq, time_ns, 0);

	r.base.old_state = STATE_FIN_WAIT2;
	r.base.flags = SW_F_TIMEWAIT | SW_F_GOT_FIN;
	watch__record(w, &r);
}

static void t8_same_tuple_in_two_namespaces_are_two_sockets(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_ESTABLISHED, 1, 1, 10, 0);

	watch__record(w, &r);
	r.base.cookie = 2;
	r.base.netns = 2;
	watch__record(w, &r);
	give(w, SW_REC_CLOSE, 1, 2, 20, 0);
	assert_null(model__find(w->model, 1));
	assert_int_equal(model__find(w->model, 2)->netns, 2);
}

static void t8_child_closing_leaves_the_listener_of_its_port(void **state)
{
	struct watch *w = *state;

	give(w, SW_REC_LISTEN, 1, 1, 10, 100);
	give(w, SW_REC_ESTABLISHED, 2, 1, 20, 100);
	give(w, SW_REC_CLOSE, 2, 2, 30, 0);
	assert_int_equal(model__count(w->model), 1);
	assert_int_equal(model__find(w->model, 1)->state, STATE_LISTEN);
}

static void t9_timewait_keeps_the_last_owner(void **state)
{
	struct watch *w = *state;
	const struct sock *s;

	give(w, SW_REC_CONNECT, 1, 1, 10, 100);
	give_timewait(w, 1, 2, 20);
	s = model__find(w->model, 1);
	assert_true(s->minisock && s->closed);
	assert_int_equal(s->state, STATE_TIME_WAIT);
	assert_int_equal(s->owner->pid, 100);
	assert_int_equal(s->attribution, SW_ATTR_LAST);
	assert_int_equal(model__next_deadline(w->model), 20 + MINISOCK_NS);
	watch__forget(w);
	model__minisocks_end(w->model, 20 + MINISOCK_NS);
	assert_int_equal(watch__only(w, EV_STATE)->sock.state, STATE_CLOSE);
	assert_int_equal(model__count(w->model), 0);
	assert_true(model__next_deadline(w->model) == UINT64_MAX);
}

static void t9_new_socket_ends_the_timewait_entry_it_replaces(void **state)
{
	struct watch *w = *state;

	give(w, SW_REC_CONNECT, 1, 1, 10, 100);
	give_timewait(w, 1, 2, 20);
	give(w, SW_REC_ESTABLISHED, 2, 1, 30, 100);
	assert_null(model__find(w->model, 1));
	assert_int_equal(model__count(w->model), 1);
}

static void same_socket_connects_again_over_its_timewait_entry(void **state)
{
	struct watch *w = *state;

	give(w, SW_REC_CONNECT, 1, 1, 10, 100);
	give_timewait(w, 1, 2, 20);
	watch__forget(w);
	give(w, SW_REC_CONNECT, 1, 3, 30, 101);
	assert_int_equal(w->count, 2);
	assert_int_equal(w->told[0].u.event, EV_STATE);
	assert_int_equal(w->told[1].u.event, EV_CONNECT);
	assert_int_equal(model__find(w->model, 1)->owner->pid, 101);
	assert_false(model__find(w->model, 1)->minisock);
}

static void t10_mapped_addresses_are_ipv4(void **state)
{
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
	struct watch *w = *state;
	union wire r = record(SW_REC_ESTABLISHED, 1, 1, 10, 0);
	const struct sock *s;

	r.base.family = 10;
	memcpy(r.base.local, mapped, 16);
	memcpy(r.base.remote, mapped, 16);
	watch__record(w, &r);
	s = model__find(w->model, 1);
	assert_int_equal(s->ends.family, 4);
	assert_memory_equal(s->ends.local, "\x0a\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_memory_equal(s->ends.remote, s->ends.local, 16);
}

static void t10_dual_stack_listener_is_ipv6(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_LISTEN, 1, 1, 10, 100);

	r.base.family = 10;
	memset(r.base.local, 0, 16);
	watch__record(w, &r);
	assert_int_equal(model__find(w->model, 1)->ends.family, 6);
}

static void t11_accept_after_close_is_told_and_leaves_nothing(void **state)
{
	struct watch *w = *state;

	give(w, SW_REC_ESTABLISHED, 1, 1, 10, 100);
	give(w, SW_REC_CLOSE, 1, 2, 20, 0);
	watch__forget(w);
	give(w, SW_REC_ACCEPT, 1, 0, 15, 101);
	assert_int_equal(watch__only(w, EV_ACCEPT)->owner.pid, 101);
	assert_int_equal(w->told[0].sock.state, STATE_CLOSE);
	assert_int_equal(model__count(w->model), 0);
}

static void t11_accept_of_a_timewait_entry_does_not_open_it(void **state)
{
	struct watch *w = *state;

	give(w, SW_REC_ESTABLISHED, 1, 1, 10, 100);
	give_timewait(w, 1, 2, 20);
	watch__forget(w);
	give(w, SW_REC_ACCEPT, 1, 0, 15, 101);
	watch__only(w, EV_ACCEPT);
	assert_true(model__find(w->model, 1)->minisock);
}

static void t11_accept_behind_a_later_state_is_told(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_STATE, 1, 2, 30, 101);

	r.base.attribution = SW_ATTR_ACCEPT; /* its claim came first */
	give(w, SW_REC_ESTABLISHED, 1, 1, 10, 100);
	watch__record(w, &r);
	watch__forget(w);
	give(w, SW_REC_ACCEPT, 1, 0, 20, 101);
	assert_int_equal(watch__only(w, EV_ACCEPT)->owner.pid, 101);
	assert_int_equal(model__find(w->model, 1)->state, STATE_CLOSE_WAIT);
}

static void late_accept_that_comes_twice_is_told_once(void **state)
{
	struct watch *w = *state;

	give(w, SW_REC_ESTABLISHED, 1, 1, 10, 100);
	give(w, SW_REC_ACCEPT, 1, 0, 15, 101);
	give(w, SW_REC_CLOSE, 1, 2, 20, 0);
	watch__forget(w);
	give(w, SW_REC_ACCEPT, 1, 0, 15, 101);
	assert_int_equal(w->count, 0);
}

static void accept_without_cookie_waits_for_its_inode(void **state)
{
	struct watch *w = *state;
	union wire accept = record(SW_REC_ACCEPT, 0, 0, 10, 101),
		   established = record(SW_REC_ESTABLISHED, 7, 1, 20, 100);

	accept.base.inode = 55;
	accept.base.new_state = STATE_SYN_RECV;
	watch__record(w, &accept);
	assert_int_equal(w->count, 0);
	established.base.inode = 55;
	established.base.netns = 2; /* the same inode number, and another file */
	watch__record(w, &established);
	assert_int_equal(w->count, 1);
	established.base.cookie = 8;
	established.base.netns = 1;
	watch__forget(w);
	watch__record(w, &established);
	assert_int_equal(w->count, 2);
	assert_int_equal(w->told[0].u.event, EV_ESTABLISHED);
	assert_int_equal(w->told[1].u.event, EV_ACCEPT);
	assert_int_equal(w->told[1].sock.cookie, 8);
	assert_int_equal(model__find(w->model, 8)->owner->pid, 101);
	assert_int_equal(model__find(w->model, 8)->state, STATE_ESTABLISHED);
}

static void accept_without_cookie_is_told_when_the_socket_is_reset_first(void **state)
{
	struct watch *w = *state;
	union wire accept = record(SW_REC_ACCEPT, 0, 0, 10, 101), reset = record(SW_REC_CLOSE, 7, 1, 20, 0);

	accept.base.inode = reset.base.inode = 55;
	reset.base.old_state = accept.base.new_state = STATE_SYN_RECV;
	watch__record(w, &accept);
	watch__record(w, &reset);
	assert_int_equal(w->count, 2);
	assert_int_equal(w->told[0].u.event, EV_ACCEPT);
	assert_int_equal(w->told[0].owner.pid, 101);
	assert_int_equal(w->told[1].u.event, EV_CLOSE);
	assert_int_equal(model__count(w->model), 0);
}

static void accept_without_cookie_is_not_given_to_an_outgoing_connection(void **state)
{
	struct watch *w = *state;
	union wire accept = record(SW_REC_ACCEPT, 0, 0, 10, 101),
		   established = record(SW_REC_ESTABLISHED, 7, 2, 30, 100);

	/* The accepted socket closed; the same file connects. */
	accept.base.inode = established.base.inode = 55;
	established.base.direction = SW_DIR_OUT;
	established.base.attribution = SW_ATTR_CONNECT;
	watch__record(w, &accept);
	watch__record(w, &established);
	watch__only(w, EV_ESTABLISHED);
	assert_int_equal(model__find(w->model, 7)->owner->pid, 100);
}

static void waiting_accepts_are_bounded_and_their_loss_is_told(void **state)
{
	struct watch *w = *state;

	for (uint32_t i = 0; i < MODEL_ACCEPTS_MAX; i++) {
		union wire r = record(SW_REC_ACCEPT, 0, 0, 10 + i, 101);

		r.base.inode = 1 + i;
		watch__record(w, &r);
	}
	assert_int_equal(w->count, 0);
	give(w, SW_REC_ACCEPT, 0, 0, 9999, 101);
	assert_int_equal(watch__only(w, EV_LOST)->u.lost.where, LOSS_MAP);
	assert_true(model__lost_total(w->model) > 0);
}

static void t13_close_without_open_is_told_and_leaves_nothing(void **state)
{
	struct watch *w = *state;
	const struct watch_told *t;

	give(w, SW_REC_CLOSE, 1, 1, 10, 0);
	t = watch__only(w, EV_CLOSE);
	assert_int_equal(t->u.close.duration_us, 0);
	assert_int_equal(t->sock.ends.local_port, 80);
	assert_int_equal(model__count(w->model), 0);
}

static void t13_closed_listener_is_no_failure_and_has_no_stats(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_CLOSE, 1, 2, 20, 0);

	give(w, SW_REC_LISTEN, 1, 1, 10, 100);
	r.base.old_state = STATE_LISTEN;
	watch__forget(w);
	watch__record(w, &r);
	assert_int_equal(watch__only(w, EV_CLOSE)->u.close.reason, REASON_LOCAL);
	assert_false(w->told[0].u.close.have_stats);
}

static void close_reasons(void **state)
{
	static const struct {
		uint8_t old_state;
		uint32_t error;
		enum close_reason reason;
	} cases[] = {
		{ STATE_SYN_SENT, ECONNREFUSED, REASON_REFUSED },
		{ STATE_SYN_SENT, ETIMEDOUT, REASON_TIMEOUT },
		{ STATE_SYN_SENT, EHOSTUNREACH, REASON_UNREACHABLE },
		{ STATE_SYN_SENT, ENETUNREACH, REASON_UNREACHABLE },
		{ STATE_SYN_SENT, 0, REASON_LOCAL },
		{ STATE_ESTABLISHED, ECONNRESET, REASON_RESET },
		{ STATE_CLOSE_WAIT, EPIPE, REASON_RESET },
		{ STATE_ESTABLISHED, 0, REASON_ABORTED },
		{ STATE_CLOSE_WAIT, 0, REASON_ABORTED },
		{ STATE_LAST_ACK, 0, REASON_REMOTE },
		{ STATE_FIN_WAIT1, 0, REASON_LOCAL },
		{ STATE_FIN_WAIT2, 0, REASON_LOCAL },
		{ STATE_CLOSING, 0, REASON_LOCAL },
		{ STATE_LISTEN, 0, REASON_LOCAL },
		{ STATE_FIN_WAIT1, ETIMEDOUT, REASON_TIMEOUT },
	};
	struct watch *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		union wire r = record(SW_REC_CLOSE, 1 + i, 1, 10, 0);

		r.base.old_state = cases[i].old_state;
		r.close.error = cases[i].error;
		watch__forget(w);
		watch__record(w, &r);
		assert_int_equal(watch__only(w, EV_CLOSE)->u.close.reason, cases[i].reason);
	}
}

static void close_carries_duration_and_counters(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_CLOSE, 1, 2, 5000000, 0);
	const struct watch_told *t;

	r.close.opened_ns = 2000000;
	r.close.bytes_sent = 1;
	r.close.bytes_received = 2;
	r.close.retransmits = 3;
	r.close.rtt_us = 4;
	watch__record(w, &r);
	t = watch__only(w, EV_CLOSE);
	assert_true(t->u.close.have_stats);
	assert_int_equal(t->u.close.duration_us, 3000);
	assert_int_equal(t->u.close.bytes_sent, 1);
	assert_int_equal(t->u.close.bytes_received, 2);
	assert_int_equal(t->u.close.retransmits, 3);
	assert_int_equal(t->u.close.rtt_us, 4);
}

static void t16_same_pid_with_another_start_is_another_process(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_CONNECT, 2, 1, 20, 100);

	give(w, SW_REC_CONNECT, 1, 1, 10, 100);
	r.base.owner.start_ns += WIRE_TICK_NS;
	watch__record(w, &r);
	assert_ptr_not_equal(model__find(w->model, 1)->owner, model__find(w->model, 2)->owner);
	assert_int_equal(w->described, 2);
	/* Within one tick, which is all that /proc says, it is the same. */
	r.base.cookie = 3;
	r.base.owner.start_ns += WIRE_TICK_NS - 1;
	watch__record(w, &r);
	assert_ptr_equal(model__find(w->model, 3)->owner, model__find(w->model, 2)->owner);
}

static void t16_exec_renames_the_same_process(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_CONNECT, 2, 1, 20, 100);

	give(w, SW_REC_CONNECT, 1, 1, 10, 100);
	memcpy(r.base.owner.comm, "renamed", 8);
	wire__set_cmdline(&r, "renamed", 8);
	watch__record(w, &r);
	assert_ptr_equal(model__find(w->model, 1)->owner, model__find(w->model, 2)->owner);
	assert_string_equal(model__find(w->model, 1)->owner->comm, "renamed");
	assert_int_equal(model__find(w->model, 1)->owner->cmdline_len, 7);
	assert_true(w->described > 1);
	/* A record of somebody else's doing carries what was true earlier. */
	give(w, SW_REC_ESTABLISHED, 3, 1, 30, 100);
	assert_string_equal(model__find(w->model, 3)->owner->comm, "renamed");
}

static void repeated_records_are_told_once(void **state)
{
	struct watch *w = *state;

	for (int i = 0; i < 2; i++)
		give(w, SW_REC_CONNECT, 1, 1, 10, 100);
	for (int i = 0; i < 2; i++)
		give(w, SW_REC_CLOSE, 1, 2, 20, 0);
	give(w, SW_REC_CONNECT, 1, 1, 10, 100);
	assert_int_equal(w->count, 2);
	assert_int_equal(model__count(w->model), 0);
}

static void graves_are_bounded(void **state)
{
	struct watch *w = *state;

	for (uint64_t i = 0; i <= MODEL_GRAVES_MAX; i++)
		give(w, SW_REC_CLOSE, 1 + i, 1, 10 + i, 0);
	watch__forget(w);
	/* All but the oldest are remembered: their close is not told again. */
	for (uint64_t i = 1; i <= MODEL_GRAVES_MAX; i++)
		give(w, SW_REC_CLOSE, 1 + i, 1, 10 + i, 0);
	assert_int_equal(w->count, 0);
	give(w, SW_REC_CLOSE, 1, 1, 10, 0);
	watch__only(w, EV_CLOSE);
}

static void idle_processes_are_bounded_and_the_oldest_goes(void **state)
{
	struct watch *w = *state;
	struct process_table *pt = model__processes(w->model);
	struct process *p;
	bool fresh;

	for (uint32_t pid = 1; pid <= PROCESSES_IDLE_MAX + 1; pid++)
		process_table__put(pt, process_table__get(pt, pid, 1, &fresh));
	assert_int_equal(process_table__count(pt), PROCESSES_IDLE_MAX);
	p = process_table__get(pt, 2, 1, &fresh);
	assert_false(fresh);
	process_table__put(pt, p);
	p = process_table__get(pt, 1, 1, &fresh);
	assert_true(fresh);
	/* One in use stays, however many idle ones come after. */
	for (uint32_t pid = 1; pid <= PROCESSES_IDLE_MAX + 1; pid++)
		process_table__put(pt, process_table__get(pt, pid, 2, &fresh));
	assert_int_equal(process_table__count(pt), PROCESSES_IDLE_MAX + 1);
	process_table__put(pt, process_table__get(pt, 1, 1, &fresh));
	assert_false(fresh);
	process_table__put(pt, p);
}

static void every_truncation_is_refused(void **state)
{
	struct watch *w = *state;

	for (int kind = SW_REC_CONNECT; kind <= SW_REC_OWNER; kind++) {
		union wire r = record((uint8_t)kind, 1, 1, 10, 100);

		if (kind <= SW_REC_ACCEPT || kind == SW_REC_OWNER)
			wire__set_cmdline(&r, "server", 6);
		for (size_t size = 0; size < wire__size(&r); size++) {
			void *copy = malloc(size ? size : 1);

			assert_non_null(copy);
			memcpy(copy, &r, size);
			assert_int_equal(model__record(w->model, copy, size), -EBADMSG);
			free(copy);
		}
	}
	assert_int_equal(w->count + model__count(w->model), 0);
}

static void more_than_a_record_is_refused(void **state)
{
	struct watch *w = *state;
	char *big = calloc(1, 1 << 20);
	union wire r = record(SW_REC_ESTABLISHED, 1, 1, 10, 0);

	assert_non_null(big);
	memcpy(big, &r, sizeof(r.base));
	assert_int_equal(model__dump_begin(w->model, 1), 0);
	assert_int_equal(model__record(w->model, big, 1 << 20), -EBADMSG);
	assert_int_equal(model__dump_abort(w->model), 0);
	free(big);
}

static void every_bad_field_is_refused(void **state)
{
	static const struct {
		size_t offset;
		uint8_t value;
	} bad[] = {
		{ offsetof(struct sw_record, version), 0 },
		{ offsetof(struct sw_record, version), SW_RECORD_VERSION + 1 },
		{ offsetof(struct sw_record, kind), 0 },
		{ offsetof(struct sw_record, kind), SW_REC_OWNER + 1 },
		{ offsetof(struct sw_record, attribution), SW_ATTR_MAX },
		{ offsetof(struct sw_record, direction), SW_DIR_LISTEN + 1 },
		{ offsetof(struct sw_record, new_state), 0 },
		{ offsetof(struct sw_record, new_state), STATE_MAX },
		{ offsetof(struct sw_record, family), 0 },
		{ offsetof(struct sw_record, family), 1 },
		{ offsetof(struct sw_record, cookie), 0 },
	};
	struct watch *w = *state;

	for (size_t i = 0; i < COUNT(bad); i++) {
		union wire r = record(SW_REC_CLOSE, 1, 1, 10, 0);

		((uint8_t *)&r)[bad[i].offset] = bad[i].value;
		assert_int_equal(model__record(w->model, &r, sizeof(r)), -EBADMSG);
	}
	assert_int_equal(w->count + model__count(w->model), 0);
}

static void command_line_longer_than_its_field_is_left_out(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_CONNECT, 1, 1, 10, 100);

	wire__set_cmdline(&r, "much", 4);
	r.process.cmdline_len = SW_CMDLINE_LEN + 1;
	watch__record(w, &r);
	assert_null(model__find(w->model, 1)->owner->cmdline);
}

static void record_of_nobody_keeps_the_owner(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_ESTABLISHED, 1, 2, 20, 0);

	give(w, SW_REC_CONNECT, 1, 1, 10, 100);
	wire__own(&r, SW_ATTR_CONNECT, &nobody);
	watch__record(w, &r);
	assert_int_equal(model__find(w->model, 1)->owner->pid, 100);
}

/* The port is chosen after the record is sent: what is kept by port must find the listener again. */
static void listener_without_a_port_at_first_closes_cleanly(void **state)
{
	struct watch *w = *state;
	union wire r = record(SW_REC_LISTEN, 1, 1, 10, 100);

	r.base.local_port = 0;
	watch__record(w, &r);
	assert_int_equal(w->count, 0); /* told when the port is known */
	assert_true(model__look_due(w->model));
	r = record(SW_REC_CLOSE, 1, 2, 20, 0);
	r.base.old_state = STATE_LISTEN;
	r.base.remote_port = 0;
	watch__record(w, &r);
	assert_int_equal(w->count, 2);
	assert_int_equal(w->told[0].u.event, EV_LISTEN);
	assert_int_equal(w->told[0].sock.ends.local_port, r.base.local_port);
	assert_int_equal(w->told[1].u.event, EV_CLOSE);
	assert_int_equal(model__count(w->model), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, watch__setup, watch__teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(t8_same_tuple_in_two_namespaces_are_two_sockets),
		T(t8_child_closing_leaves_the_listener_of_its_port),
		T(t9_timewait_keeps_the_last_owner),
		T(t9_new_socket_ends_the_timewait_entry_it_replaces),
		T(same_socket_connects_again_over_its_timewait_entry),
		T(t10_mapped_addresses_are_ipv4),
		T(t10_dual_stack_listener_is_ipv6),
		T(t11_accept_after_close_is_told_and_leaves_nothing),
		T(t11_accept_of_a_timewait_entry_does_not_open_it),
		T(t11_accept_behind_a_later_state_is_told),
		T(late_accept_that_comes_twice_is_told_once),
		T(accept_without_cookie_waits_for_its_inode),
		T(accept_without_cookie_is_told_when_the_socket_is_reset_first),
		T(accept_without_cookie_is_not_given_to_an_outgoing_connection),
		T(waiting_accepts_are_bounded_and_their_loss_is_told),
		T(t13_close_without_open_is_told_and_leaves_nothing),
		T(t13_closed_listener_is_no_failure_and_has_no_stats),
		T(close_reasons),
		T(close_carries_duration_and_counters),
		T(t16_same_pid_with_another_start_is_another_process),
		T(t16_exec_renames_the_same_process),
		T(repeated_records_are_told_once),
		T(graves_are_bounded),
		T(idle_processes_are_bounded_and_the_oldest_goes),
		T(every_truncation_is_refused),
		T(more_than_a_record_is_refused),
		T(every_bad_field_is_refused),
		T(command_line_longer_than_its_field_is_left_out),
		T(record_of_nobody_keeps_the_owner),
		T(listener_without_a_port_at_first_closes_cleanly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
