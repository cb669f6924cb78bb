/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * diag__dump against a kernel that is made up: this program has its own sendto and recvmsg, which take the place of
 * libc's, so that a dump can be interrupted, cut or answered by a stranger.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include "source/diag.h"

enum fault {
	NO_FAULT,
	FAULT_FOREIGN,	   /* the sender is not the kernel */
	FAULT_TRUNCATED,   /* MSG_TRUNC */
	FAULT_INTERRUPTED, /* NLM_F_DUMP_INTR */
	FAULT_OLD_SEQ,
	FAULT_ENOENT,	/* NLMSG_ERROR instead of an answer */
	FAULT_DONE,	/* the error is inside NLMSG_DONE */
	FAULT_NO_SPACE, /* ENOBUFS of recvmsg */
	FAULT_SIGNAL,	/* EINTR of recvmsg, then all is well */
};

static struct {
	enum fault fault;
	int faults_left; /* -1: for ever */
	bool has_mptcp;
	bool no_mptcp_module;
	bool no_old_request;
	int tcp_requests, mptcp_requests, ulp_requests;
	unsigned int portid;
	struct inet_diag_req_v2 last;
	struct nlmsghdr request;
	bool is_mptcp, is_old;
	bool pending;
	enum fault now;
} fake;

static void take_old_request(const char *payload)
{
	struct inet_diag_req old;

	memcpy(&old, payload, sizeof(old));
	fake.last = (struct inet_diag_req_v2){
		.sdiag_family = AF_UNSPEC,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_ext = old.idiag_ext,
		.idiag_states = old.idiag_states,
	};
}

ssize_t sendto(int fd, const void *buf, size_t len, int flags, __CONST_SOCKADDR_ARG to, socklen_t to_len)
{
	(void)fd;
	(void)flags;
	(void)to;
	(void)to_len;
	memcpy(&fake.request, buf, sizeof(fake.request));
	fake.is_old = fake.request.nlmsg_type == TCPDIAG_GETSOCK;
	if (fake.is_old)
		take_old_request((const char *)buf + sizeof(fake.request));
	else
		memcpy(&fake.last, (const char *)buf + sizeof(fake.request), sizeof(fake.last));
	fake.is_mptcp = !fake.is_old && len > sizeof(fake.request) + sizeof(fake.last);
	fake.pending = true;
	fake.now = NO_FAULT;
	if (fake.is_mptcp) {
		fake.mptcp_requests++;
		return (ssize_t)len;
	}
	fake.ulp_requests += fake.last.idiag_ext != 0;
	fake.tcp_requests += fake.last.idiag_ext == 0;
	if (fake.faults_left) {
		fake.now = fake.fault;
		fake.faults_left--;
	}
	return (ssize_t)len;
}

static struct nlmsghdr *put(void *at, int type, size_t body)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);

	nlh->nlmsg_type = (uint16_t)type;
	nlh->nlmsg_flags = NLM_F_MULTI;
	nlh->nlmsg_seq = fake.request.nlmsg_seq;
	nlh->nlmsg_pid = fake.portid;
	mnl_nlmsg_put_extra_header(nlh, body);
	return nlh;
}

static size_t put_row(char *buf, uint8_t family)
{
	struct nlmsghdr *nlh =
		put(buf, fake.is_old ? TCPDIAG_GETSOCK : SOCK_DIAG_BY_FAMILY, sizeof(struct inet_diag_msg));
	struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);

	msg->idiag_family = family;
	msg->idiag_state = STATE_ESTABLISHED;
	msg->id.idiag_cookie[0] = family == AF_INET ? 4 : 6;
	if (fake.last.idiag_ext && family == AF_INET6) {
		struct nlattr *ulp = mnl_attr_nest_start(nlh, INET_DIAG_ULP_INFO);

		mnl_attr_put_strz(nlh, INET_ULP_INFO_NAME, "mptcp");
		mnl_attr_nest_end(nlh, ulp);
	}
	return nlh->nlmsg_len;
}

/* One row of each family asked for, with cookie 4 or 6; and DONE. */
static size_t answer(char *buf)
{
	int error = fake.now == FAULT_DONE ? -ENOMEM : 0;
	struct nlmsghdr *nlh;
	size_t len = 0;

	if (fake.now == FAULT_ENOENT || (fake.is_mptcp && fake.no_mptcp_module) ||
	    (fake.is_old && fake.no_old_request)) {
		nlh = put(buf, NLMSG_ERROR, sizeof(struct nlmsgerr));
		*(int *)mnl_nlmsg_get_payload(nlh) = fake.now == FAULT_ENOENT || fake.is_mptcp ? -ENOENT : -EOPNOTSUPP;
		return nlh->nlmsg_len;
	}
	if ((!fake.is_mptcp || fake.has_mptcp) && fake.last.sdiag_family != AF_INET6)
		len += put_row(buf, AF_INET);
	if ((!fake.is_mptcp || fake.has_mptcp) && fake.last.sdiag_family != AF_INET)
		len += put_row(buf + len, AF_INET6);
	nlh = put(buf + len, NLMSG_DONE, sizeof(error));
	memcpy(mnl_nlmsg_get_payload(nlh), &error, sizeof(error));
	if (fake.now == FAULT_INTERRUPTED)
		nlh->nlmsg_flags |= NLM_F_DUMP_INTR;
	if (fake.now == FAULT_OLD_SEQ)
		nlh->nlmsg_seq--;
	return len + nlh->nlmsg_len;
}

static ssize_t fail_with(int err)
{
	errno = err;
	return -1;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct sockaddr_nl from = { .nl_family = AF_NETLINK };
	size_t len;

	(void)fd;
	/* Nothing is left to drain, and a dump that asks for more than there is must not hang. */
	if (!fake.pending)
		return fail_with(flags & MSG_DONTWAIT ? EAGAIN : ENOTCONN);
	if (fake.now == FAULT_SIGNAL) {
		fake.now = NO_FAULT;
		return fail_with(EINTR);
	}
	fake.pending = false;
	if (fake.now == FAULT_NO_SPACE)
		return fail_with(ENOBUFS);
	len = answer(msg->msg_iov->iov_base);
	from.nl_pid = fake.now == FAULT_FOREIGN ? 99 : 0;
	memcpy(msg->msg_name, &from, sizeof(from));
	msg->msg_namelen = sizeof(from);
	msg->msg_flags = fake.now == FAULT_TRUNCATED ? MSG_TRUNC : 0;
	return (ssize_t)len;
}

struct seen {
	int rows, v4, v6, mptcp;
	int stop_with;
};

static int take(void *ctx, const struct row *row)
{
	struct seen *seen = ctx;

	seen->rows++;
	seen->v4 += row->cookie == 4;
	seen->v6 += row->cookie == 6;
	seen->mptcp += row->mptcp;
	assert_int_equal(row->mptcp, fake.has_mptcp && row->cookie == 6);
	return seen->stop_with;
}

static struct diag *open_diag(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	struct diag *d = NULL;

	memset(&fake, 0, sizeof(fake));
	assert_non_null(socket);
	assert_int_equal(mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID), 0);
	fake.portid = mnl_socket_get_portid(socket);
	/* A socket that is bound already is taken as it is. */
	assert_int_equal(diag__new(dup(mnl_socket_get_fd(socket)), 1, &d), 0);
	mnl_socket_close(socket);
	return d;
}

static int dump_with(enum fault fault, int times, struct seen *seen)
{
	struct diag *d = open_diag();
	int err;

	memset(seen, 0, sizeof(*seen));
	fake.fault = fault;
	fake.faults_left = times;
	err = diag__dump(d, DIAG_ALL_STATES, take, seen);
	diag__free(d);
	return err;
}

static void both_families_are_asked_for_with_the_states_given(void **state)
{
	struct diag *d = open_diag();
	struct seen seen = { 0 };

	(void)state;
	assert_int_equal(diag__dump(d, 1 << STATE_LISTEN, take, &seen), 0);
	assert_int_equal(fake.last.idiag_states, 1 << STATE_LISTEN);
	assert_int_equal(fake.last.sdiag_protocol, IPPROTO_TCP);
	assert_int_equal(fake.tcp_requests, 1);
	assert_int_equal(seen.v4, 1);
	assert_int_equal(seen.v6, 1);
	diag__free(d);
}

static void families_are_asked_for_one_by_one_where_the_old_request_is_unknown(void **state)
{
	struct diag *d = open_diag();
	struct seen seen = { 0 };

	(void)state;
	fake.no_old_request = true;
	assert_int_equal(diag__dump(d, 1 << STATE_LISTEN, take, &seen), 0);
	assert_int_equal(fake.last.idiag_states, 1 << STATE_LISTEN);
	assert_int_equal(fake.last.sdiag_protocol, IPPROTO_TCP);
	assert_int_equal(fake.tcp_requests, 3);
	assert_int_equal(seen.v4, 1);
	assert_int_equal(seen.v6, 1);
	diag__free(d);
}

static void an_interrupted_dump_is_asked_for_again(void **state)
{
	struct seen seen;

	(void)state;
	assert_int_equal(dump_with(FAULT_INTERRUPTED, 1, &seen), 0);
	assert_int_equal(fake.tcp_requests, 2);
	assert_int_equal(seen.v4, 2);
	assert_int_equal(seen.v6, 2);
}

static void a_dump_that_stays_interrupted_ends_and_gives_both_families(void **state)
{
	struct seen seen;

	(void)state;
	assert_int_equal(dump_with(FAULT_INTERRUPTED, -1, &seen), -EINTR);
	assert_in_range(fake.tcp_requests, 4, 20);
	assert_true(seen.v4 > 0 && seen.v6 > 0);
}

static void a_stranger_is_not_believed(void **state)
{
	struct seen seen;

	(void)state;
	assert_int_equal(dump_with(FAULT_FOREIGN, 1, &seen), -EBADMSG);
	assert_int_equal(seen.rows, 0);
}

static void a_datagram_larger_than_the_buffer_is_told(void **state)
{
	struct seen seen;

	(void)state;
	assert_int_equal(dump_with(FAULT_TRUNCATED, 1, &seen), -EBADMSG);
	assert_int_equal(seen.rows, 0);
}

static void an_answer_to_an_older_request_is_refused(void **state)
{
	struct seen seen;

	(void)state;
	assert_int_equal(dump_with(FAULT_OLD_SEQ, 1, &seen), -EBADMSG);
}

static void a_kernel_without_tcp_diag_is_enoent(void **state)
{
	struct seen seen;

	(void)state;
	assert_int_equal(dump_with(FAULT_ENOENT, 1, &seen), -ENOENT);
	assert_int_equal(seen.rows, 0);
}

static void an_error_inside_done_comes_out(void **state)
{
	struct seen seen;

	(void)state;
	assert_int_equal(dump_with(FAULT_DONE, 1, &seen), -ENOMEM);
}

static void a_lost_datagram_comes_out_as_enobufs(void **state)
{
	struct seen seen;

	(void)state;
	assert_int_equal(dump_with(FAULT_NO_SPACE, 1, &seen), -ENOBUFS);
}

static void a_signal_does_not_end_a_dump(void **state)
{
	struct seen seen;

	(void)state;
	assert_int_equal(dump_with(FAULT_SIGNAL, 1, &seen), 0);
	assert_int_equal(seen.rows, 2);
}

static void the_callback_stops_the_dump_with_its_value(void **state)
{
	struct diag *d = open_diag();
	struct seen seen = { .stop_with = 77 };

	(void)state;
	assert_int_equal(diag__dump(d, DIAG_ALL_STATES, take, &seen), 77);
	assert_int_equal(seen.rows, 1);
	seen.stop_with = -EINTR;
	assert_int_equal(diag__dump(d, DIAG_ALL_STATES, take, &seen), -EINTR);
	assert_int_equal(seen.rows, 2);
	diag__free(d);
}

static void ulp_is_asked_for_only_where_there_is_mptcp(void **state)
{
	struct diag *d = open_diag();
	struct seen seen = { 0 };

	(void)state;
	assert_int_equal(diag__dump(d, DIAG_ALL_STATES, take, &seen), 0);
	assert_int_equal(fake.ulp_requests, 0);
	assert_int_equal(seen.mptcp, 0);
	fake.has_mptcp = true;
	assert_int_equal(diag__dump(d, DIAG_ALL_STATES, take, &seen), 0);
	assert_int_equal(fake.ulp_requests, 1);
	assert_int_equal(fake.last.idiag_ext, 0);
	assert_int_equal(seen.mptcp, 1);
	assert_int_equal(seen.rows, 4);
	diag__free(d);
}

static void a_kernel_that_cannot_list_mptcp_is_asked_once(void **state)
{
	struct diag *d = open_diag();
	struct seen seen = { 0 };

	(void)state;
	fake.no_mptcp_module = true;
	assert_int_equal(diag__dump(d, DIAG_ALL_STATES, take, &seen), 0);
	assert_int_equal(diag__dump(d, DIAG_ALL_STATES, take, &seen), 0);
	assert_int_equal(fake.mptcp_requests, 1);
	assert_int_equal(seen.rows, 4);
	diag__free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_families_are_asked_for_with_the_states_given),
		cmocka_unit_test(families_are_asked_for_one_by_one_where_the_old_request_is_unknown),
		cmocka_unit_test(an_interrupted_dump_is_asked_for_again),
		cmocka_unit_test(a_dump_that_stays_interrupted_ends_and_gives_both_families),
		cmocka_unit_test(a_stranger_is_not_believed),
		cmocka_unit_test(a_datagram_larger_than_the_buffer_is_told),
		cmocka_unit_test(an_answer_to_an_older_request_is_refused),
		cmocka_unit_test(a_kernel_without_tcp_diag_is_enoent),
		cmocka_unit_test(an_error_inside_done_comes_out),
		cmocka_unit_test(a_lost_datagram_comes_out_as_enobufs),
		cmocka_unit_test(a_signal_does_not_end_a_dump),
		cmocka_unit_test(the_callback_stops_the_dump_with_its_value),
		cmocka_unit_test(ulp_is_asked_for_only_where_there_is_mptcp),
		cmocka_unit_test(a_kernel_that_cannot_list_mptcp_is_asked_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
