/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sock_diag answers, made up: what is taken from them, and what is refused. tests/unit/test_diag_live.c has real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/mptcp.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "source/diag.h"

#define SEQ    7
#define PORTID 4711
#define NETNS  4026531840u
#define ROWS   16

struct rows {
	struct row items[ROWS];
	int count;
	int stop_with;
};

static int take(void *ctx, const struct row *row)
{
	struct rows *rows = ctx;

	assert_true(rows->count < ROWS);
	rows->items[rows->count++] = *row;
	return rows->stop_with;
}

struct datagram {
	char data[4096] __attribute__((aligned(8)));
	size_t len;
	struct nlmsghdr *last;
};

static struct nlmsghdr *add_message(struct datagram *d, int type)
{
	d->last = mnl_nlmsg_put_header(d->data + d->len);
	d->last->nlmsg_type = (uint16_t)type;
	d->last->nlmsg_flags = NLM_F_MULTI;
	d->last->nlmsg_seq = SEQ;
	d->last->nlmsg_pid = PORTID;
	return d->last;
}

static void end_message(struct datagram *d)
{
	d->len += MNL_ALIGN(d->last->nlmsg_len);
	assert_true(d->len <= sizeof(d->data));
}

static struct inet_diag_msg *add_row(struct datagram *d, int family, int state)
{
	struct inet_diag_msg *msg;

	add_message(d, SOCK_DIAG_BY_FAMILY);
	msg = mnl_nlmsg_put_extra_header(d->last, sizeof(*msg));
	msg->idiag_family = (uint8_t)family;
	msg->idiag_state = (uint8_t)state;
	return msg;
}

static void add_done(struct datagram *d, int error)
{
	add_message(d, NLMSG_DONE);
	memcpy(mnl_nlmsg_put_extra_header(d->last, sizeof(error)), &error, sizeof(error));
	end_message(d);
}

static void add_error(struct datagram *d, int error)
{
	const struct nlmsgerr body = { .error = error };

	add_message(d, NLMSG_ERROR);
	memcpy(mnl_nlmsg_put_extra_header(d->last, sizeof(body)), &body, sizeof(body));
	end_message(d);
}

static void add_ulp(struct datagram *d, const char *name, uint32_t flags)
{
	struct nlattr *ulp = mnl_attr_nest_start(d->last, INET_DIAG_ULP_INFO), *info;

	mnl_attr_put_strz(d->last, INET_ULP_INFO_NAME, name);
	info = mnl_attr_nest_start(d->last, INET_ULP_INFO_MPTCP);
	mnl_attr_put_u32(d->last, MPTCP_SUBFLOW_ATTR_TOKEN_REM, ~0u);
	mnl_attr_put_u32(d->last, MPTCP_SUBFLOW_ATTR_FLAGS, flags);
	mnl_attr_nest_end(d->last, info);
	mnl_attr_nest_end(d->last, ulp);
}

/* The bytes in memory of their own, so that a sanitizer sees a read behind them. */
static int parse_bytes(const void *data, size_t len, struct rows *rows)
{
	void *copy = malloc(len ? len : 1);
	int ret;

	assert_non_null(copy);
	memcpy(copy, data, len);
	ret = diag__parse(copy, len, SEQ, PORTID, NETNS, take, rows);
	free(copy);
	return ret;
}

static int parse(const struct datagram *d, struct rows *rows)
{
	memset(rows, 0, sizeof(*rows));
	return parse_bytes(d->data, d->len, rows);
}

static void a_row_has_what_the_message_says(void **state)
{
	struct datagram d = { 0 };
	struct inet_diag_msg *msg = add_row(&d, AF_INET, STATE_ESTABLISHED);
	struct rows rows;

	(void)state;
	msg->idiag_timer = 1;
	msg->idiag_expires = 204;
	msg->idiag_rqueue = 11;
	msg->idiag_wqueue = 22;
	msg->idiag_uid = 1000;
	msg->idiag_inode = 4242;
	msg->id.idiag_cookie[0] = 0x89abcdef;
	msg->id.idiag_cookie[1] = 0x01234567;
	msg->id.idiag_sport = htons(443);
	msg->id.idiag_dport = htons(50000);
	inet_pton(AF_INET, "192.0.2.1", msg->id.idiag_src);
	inet_pton(AF_INET, "198.51.100.2", msg->id.idiag_dst);
	end_message(&d);
	add_done(&d, 0);
	assert_int_equal(parse(&d, &rows), 0);
	assert_int_equal(rows.count, 1);
	assert_true(rows.items[0].cookie == 0x0123456789abcdefULL);
	assert_true(rows.items[0].inode == 4242);
	assert_int_equal(rows.items[0].netns, NETNS);
	assert_int_equal(rows.items[0].uid, 1000);
	assert_int_equal(rows.items[0].state, STATE_ESTABLISHED);
	assert_int_equal(rows.items[0].expires_ms, 204);
	assert_int_equal(rows.items[0].recv_queue, 11);
	assert_int_equal(rows.items[0].send_queue, 22);
	assert_false(rows.items[0].minisock || rows.items[0].mptcp || rows.items[0].mptcp_join);
	assert_int_equal(rows.items[0].ends.family, 4);
	assert_int_equal(rows.items[0].ends.local_port, 443);
	assert_int_equal(rows.items[0].ends.remote_port, 50000);
	assert_memory_equal(rows.items[0].ends.local, "\xc0\x00\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_memory_equal(rows.items[0].ends.remote, "\xc6\x33\x64\x02\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static void t10_mapped_pairs_are_ipv4_and_a_wildcard_stays_ipv6(void **state)
{
	static const struct {
		const char *local, *remote;
		int family;
	} cases[] = {
		{ "::ffff:127.0.0.1", "::ffff:127.0.0.2", 4 },
		{ "::ffff:127.0.0.1", "::", 4 },
		{ "::", "::ffff:127.0.0.1", 4 },
		{ "::", "::", 6 },
		{ "::1", "::1", 6 },
		{ "::127.0.0.1", "::127.0.0.2", 6 },
		{ "2001:db8::1", "::ffff:127.0.0.1", 6 },
	};
	struct rows rows;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct datagram d = { 0 };
		struct inet_diag_msg *msg = add_row(&d, AF_INET6, STATE_ESTABLISHED);
		const uint8_t *ends;

		inet_pton(AF_INET6, cases[i].local, msg->id.idiag_src);
		inet_pton(AF_INET6, cases[i].remote, msg->id.idiag_dst);
		ends = (const uint8_t *)msg->id.idiag_src;
		end_message(&d);
		assert_int_equal(parse(&d, &rows), 1);
		assert_int_equal(rows.items[0].ends.family, cases[i].family);
		if (cases[i].family == 6)
			assert_memory_equal(rows.items[0].ends.local, ends, 16);
		else
			assert_memory_equal(rows.items[0].ends.local, ends + 12, 4);
	}
}

static void t9_entries_that_end_without_an_event_are_minisocks(void **state)
{
	static const struct {
		int state;
		uint8_t timer;
		uint32_t inode;
		bool shutdown, minisock;
	} cases[] = {
		{ STATE_TIME_WAIT, 3, 0, false, true },	  { STATE_FIN_WAIT2, 3, 0, false, true },
		{ STATE_FIN_WAIT2, 2, 0, true, false },	  { STATE_SYN_RECV, 1, 0, false, true },
		{ STATE_SYN_RECV, 1, 99, true, false },	  { STATE_SYN_RECV, 1, 0, true, false },
		{ STATE_ESTABLISHED, 0, 0, true, false },
	};
	struct rows rows;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct datagram d = { 0 };
		struct inet_diag_msg *msg = add_row(&d, AF_INET, cases[i].state);

		msg->idiag_timer = cases[i].timer;
		msg->idiag_expires = 60000;
		msg->idiag_inode = cases[i].inode;
		if (cases[i].shutdown)
			mnl_attr_put_u8(d.last, INET_DIAG_SHUTDOWN, 0);
		end_message(&d);
		assert_int_equal(parse(&d, &rows), 1);
		assert_int_equal(rows.items[0].minisock, cases[i].minisock);
		assert_int_equal(rows.items[0].expires_ms, cases[i].timer ? 60000 : 0);
	}
}

static void subflows_are_known_by_their_ulp_and_joins_by_their_flags(void **state)
{
	static const struct {
		const char *name;
		uint32_t flags;
		bool mptcp, join;
	} cases[] = {
		{ "mptcp", MPTCP_SUBFLOW_FLAG_MCAP_REM | MPTCP_SUBFLOW_FLAG_MCAP_LOC, true, false },
		{ "mptcp", MPTCP_SUBFLOW_FLAG_JOIN_REM, true, true },
		{ "mptcp", MPTCP_SUBFLOW_FLAG_JOIN_LOC | MPTCP_SUBFLOW_FLAG_CONNECTED, true, true },
		{ "tls", 0, false, false },
		{ "mptcp2", 0, false, false },
		{ "mptc", 0, false, false },
	};
	struct rows rows;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct datagram d = { 0 };

		add_row(&d, AF_INET, STATE_ESTABLISHED);
		mnl_attr_put_u8(d.last, INET_DIAG_SHUTDOWN, 0);
		add_ulp(&d, cases[i].name, cases[i].flags);
		end_message(&d);
		assert_int_equal(parse(&d, &rows), 1);
		assert_int_equal(rows.items[0].mptcp, cases[i].mptcp);
		assert_int_equal(rows.items[0].mptcp_join, cases[i].join);
	}
}

static void an_empty_dump_is_done(void **state)
{
	struct datagram d = { 0 };
	struct rows rows;

	(void)state;
	add_done(&d, 0);
	assert_int_equal(parse(&d, &rows), 0);
	assert_int_equal(rows.count, 0);
}

static void a_datagram_cut_at_any_byte_is_refused(void **state)
{
	struct datagram d = { 0 };
	size_t first, second, len;
	struct rows rows;

	(void)state;
	add_row(&d, AF_INET6, STATE_ESTABLISHED);
	add_ulp(&d, "mptcp", MPTCP_SUBFLOW_FLAG_JOIN_LOC);
	end_message(&d);
	first = d.len;
	add_row(&d, AF_INET, STATE_LISTEN);
	end_message(&d);
	second = d.len;
	add_done(&d, 0);
	for (len = 0; len < d.len; len++) {
		memset(&rows, 0, sizeof(rows));
		/* Between two messages a datagram may well end. */
		assert_int_equal(parse_bytes(d.data, len, &rows), len == first || len == second ? 1 : -EBADMSG);
		assert_int_equal(rows.count, len < first ? 0 : len < second ? 1 : 2);
	}
	assert_int_equal(parse(&d, &rows), 0);
}

static void a_message_cut_at_any_byte_by_its_own_length_is_refused(void **state)
{
	struct datagram d = { 0 };
	struct rows rows;
	uint32_t full, len, min = sizeof(struct nlmsghdr) + sizeof(struct inet_diag_msg);

	(void)state;
	add_row(&d, AF_INET, STATE_ESTABLISHED);
	mnl_attr_put_u8(d.last, INET_DIAG_SHUTDOWN, 0);
	end_message(&d);
	full = d.last->nlmsg_len;
	for (len = 0; len < full; len++) {
		d.last->nlmsg_len = len;
		d.len = MNL_ALIGN(len);
		/* Without its attribute the row is whole; the padding of an attribute need not be there. */
		assert_int_equal(parse(&d, &rows), len == min || len >= min + 5 ? 1 : -EBADMSG);
	}
}

static void a_message_longer_than_the_datagram_is_refused(void **state)
{
	static const uint32_t more[] = { 1, 4, 4096, INT32_MAX, 0x80000000u, UINT32_MAX - 3, UINT32_MAX };
	struct datagram d = { 0 };
	struct rows rows;
	uint32_t full;
	size_t i;

	(void)state;
	add_row(&d, AF_INET, STATE_ESTABLISHED);
	end_message(&d);
	full = d.last->nlmsg_len;
	for (i = 0; i < sizeof(more) / sizeof(*more); i++) {
		d.last->nlmsg_len = more[i] < INT32_MAX ? full + more[i] : more[i];
		assert_int_equal(parse(&d, &rows), -EBADMSG);
		assert_int_equal(rows.count, 0);
	}
}

static void foreign_sequence_and_port_id_are_refused(void **state)
{
	struct datagram d = { 0 };
	struct rows rows;

	(void)state;
	add_row(&d, AF_INET, STATE_ESTABLISHED);
	end_message(&d);
	d.last->nlmsg_seq = SEQ - 1;
	assert_int_equal(parse(&d, &rows), -EBADMSG);
	d.last->nlmsg_seq = SEQ;
	d.last->nlmsg_pid = 0;
	assert_int_equal(parse(&d, &rows), -EBADMSG);
	assert_int_equal(rows.count, 0);
	d.last->nlmsg_pid = PORTID;
	assert_int_equal(parse(&d, &rows), 1);
}

static void errors_of_the_kernel_come_out_as_they_are(void **state)
{
	static const struct {
		int error, done, message;
	} cases[] = {
		{ 0, 0, -EBADMSG },
		{ -ENOENT, -ENOENT, -ENOENT },
		{ -EMSGSIZE, -EMSGSIZE, -EMSGSIZE },
		{ EPERM, -EBADMSG, -EBADMSG },
		{ -100000, -EBADMSG, -EBADMSG },
		{ INT32_MIN, -EBADMSG, -EBADMSG },
	};
	struct rows rows;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct datagram done = { 0 }, error = { 0 };

		add_done(&done, cases[i].error);
		assert_int_equal(parse(&done, &rows), cases[i].done);
		add_error(&error, cases[i].error);
		assert_int_equal(parse(&error, &rows), cases[i].message);
	}
}

static void short_done_and_error_messages_are_refused(void **state)
{
	struct datagram done = { 0 }, error = { 0 };
	struct rows rows;

	(void)state;
	add_message(&done, NLMSG_DONE);
	end_message(&done);
	assert_int_equal(parse(&done, &rows), -EBADMSG);
	add_message(&error, NLMSG_ERROR);
	mnl_nlmsg_put_extra_header(error.last, sizeof(int));
	end_message(&error);
	assert_int_equal(parse(&error, &rows), -EBADMSG);
}

static void an_interrupted_dump_says_so_after_its_rows(void **state)
{
	struct datagram d = { 0 };
	struct rows rows;

	(void)state;
	add_row(&d, AF_INET, STATE_ESTABLISHED);
	end_message(&d);
	add_done(&d, 0);
	d.last->nlmsg_flags |= NLM_F_DUMP_INTR;
	assert_int_equal(parse(&d, &rows), -EINTR);
	assert_int_equal(rows.count, 1);
	d.last->nlmsg_flags = NLM_F_MULTI;
	((struct nlmsghdr *)d.data)->nlmsg_flags |= NLM_F_DUMP_INTR;
	assert_int_equal(parse(&d, &rows), -EINTR);
}

static void overrun_and_unknown_messages_are_refused_and_noop_is_not(void **state)
{
	static const int types[] = { NLMSG_OVERRUN, SOCK_DIAG_BY_FAMILY - 1, SOCK_DESTROY, 0xffff };
	struct datagram noop = { 0 };
	struct rows rows;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct datagram d = { 0 };

		add_message(&d, types[i]);
		mnl_nlmsg_put_extra_header(d.last, sizeof(struct inet_diag_msg));
		end_message(&d);
		assert_int_equal(parse(&d, &rows), -EBADMSG);
	}
	add_message(&noop, NLMSG_NOOP);
	end_message(&noop);
	add_done(&noop, 0);
	assert_int_equal(parse(&noop, &rows), 0);
}

static void attributes_with_lying_lengths_are_refused(void **state)
{
	static const uint16_t lies[] = { 0, 1, 2, 3, 6, 200, 0xffff };
	struct datagram d = { 0 };
	struct nlattr *outer, *name, *info, *flags;
	struct nlattr **all[] = { &outer, &name, &info, &flags };
	struct rows rows;
	size_t i, k;

	(void)state;
	add_row(&d, AF_INET, STATE_ESTABLISHED);
	outer = mnl_nlmsg_get_payload_tail(d.last);
	add_ulp(&d, "mptcp", MPTCP_SUBFLOW_FLAG_JOIN_REM);
	end_message(&d);
	name = mnl_attr_get_payload(outer);
	info = mnl_attr_next(name);
	flags = mnl_attr_next(mnl_attr_get_payload(info));
	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		uint16_t truth = (*all[i])->nla_len;

		for (k = 0; k < sizeof(lies) / sizeof(*lies); k++) {
			(*all[i])->nla_len = lies[k];
			assert_int_equal(parse(&d, &rows), -EBADMSG);
			assert_int_equal(rows.count, 0);
		}
		(*all[i])->nla_len = truth;
	}
	assert_int_equal(parse(&d, &rows), 1);
	assert_true(rows.items[0].mptcp_join);
}

static void unknown_families_and_states_are_refused(void **state)
{
	static const int cases[][2] = {
		{ AF_UNIX, STATE_ESTABLISHED }, { 0, STATE_ESTABLISHED }, { AF_INET, 0 },
		{ AF_INET, STATE_MAX },		{ AF_INET6, 255 },
	};
	struct rows rows;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct datagram d = { 0 };

		add_row(&d, cases[i][0], cases[i][1]);
		end_message(&d);
		assert_int_equal(parse(&d, &rows), -EBADMSG);
		assert_int_equal(rows.count, 0);
	}
}

static void the_callback_stops_the_dump_with_its_value(void **state)
{
	struct datagram d = { 0 };
	struct rows rows = { .stop_with = -ECANCELED };

	(void)state;
	add_row(&d, AF_INET, STATE_ESTABLISHED);
	end_message(&d);
	add_row(&d, AF_INET, STATE_ESTABLISHED);
	end_message(&d);
	assert_int_equal(parse_bytes(d.data, d.len, &rows), -ECANCELED);
	assert_int_equal(rows.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_has_what_the_message_says),
		cmocka_unit_test(t10_mapped_pairs_are_ipv4_and_a_wildcard_stays_ipv6),
		cmocka_unit_test(t9_entries_that_end_without_an_event_are_minisocks),
		cmocka_unit_test(subflows_are_known_by_their_ulp_and_joins_by_their_flags),
		cmocka_unit_test(an_empty_dump_is_done),
		cmocka_unit_test(a_datagram_cut_at_any_byte_is_refused),
		cmocka_unit_test(a_message_cut_at_any_byte_by_its_own_length_is_refused),
		cmocka_unit_test(a_message_longer_than_the_datagram_is_refused),
		cmocka_unit_test(foreign_sequence_and_port_id_are_refused),
		cmocka_unit_test(errors_of_the_kernel_come_out_as_they_are),
		cmocka_unit_test(short_done_and_error_messages_are_refused),
		cmocka_unit_test(an_interrupted_dump_says_so_after_its_rows),
		cmocka_unit_test(overrun_and_unknown_messages_are_refused_and_noop_is_not),
		cmocka_unit_test(attributes_with_lying_lengths_are_refused),
		cmocka_unit_test(unknown_families_and_states_are_refused),
		cmocka_unit_test(the_callback_stops_the_dump_with_its_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
