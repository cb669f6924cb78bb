/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/subjects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include "live/ns.h"

struct dump {
	uint32_t states;
	const struct buffer *bytecode;
	struct subjects *ret;
};

static int take_attribute(const struct nlattr *attr, void *ctx)
{
	struct filter_subject *s = ctx;

	if (mnl_attr_get_type(attr) == INET_DIAG_MARK)
		s->mark = mnl_attr_get_u32(attr);
	else if (mnl_attr_get_type(attr) == INET_DIAG_CGROUP_ID)
		s->cgroup_id = mnl_attr_get_u64(attr);
	return MNL_CB_OK;
}

static int take_row(const struct nlmsghdr *header, void *ctx)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(header);
	struct subjects *ret = ctx;
	struct filter_subject *s = &ret->items[ret->count];

	if (ret->count == SUBJECTS_MAX)
		return MNL_CB_ERROR;
	*s = (struct filter_subject){
		.known = FILTER_MARK | FILTER_DEVICE | FILTER_CGROUP | FILTER_COOKIE | FILTER_INODE,
		.family = msg->idiag_family,
		.state = msg->idiag_state,
		.local_port = ntohs(msg->id.idiag_sport),
		.remote_port = ntohs(msg->id.idiag_dport),
		.ifindex = msg->id.idiag_if,
		.inode = msg->idiag_inode,
		.cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0],
	};
	memcpy(s->local, msg->id.idiag_src, sizeof(s->local));
	memcpy(s->remote, msg->id.idiag_dst, sizeof(s->remote));
	ret->count++;
	return mnl_attr_parse(header, sizeof(*msg), take_attribute, s);
}

static int read_answer(const struct mnl_socket *nl, unsigned int seq, struct subjects *ret)
{
	char buf[65536];
	ssize_t n;
	int more = MNL_CB_OK;

	while (more == MNL_CB_OK) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		more = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), take_row, ret);
	}
	return more == MNL_CB_STOP ? 0 : -errno;
}

static int dump_one(const struct mnl_socket *nl, const struct dump *d, uint8_t family, uint8_t protocol)
{
	char buf[32768];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *request = mnl_nlmsg_put_extra_header(header, sizeof(*request));

	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = 1;
	request->sdiag_family = family;
	request->sdiag_protocol = protocol;
	request->idiag_states = d->states;
	if (d->bytecode && d->bytecode->len)
		mnl_attr_put(header, INET_DIAG_REQ_BYTECODE, d->bytecode->len, d->bytecode->data);
	if (mnl_socket_sendto(nl, header, header->nlmsg_len) < 0)
		return -errno;
	return read_answer(nl, 1, d->ret);
}

static int dump_all(void *ctx)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 }, protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	int err = nl && !mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ? 0 : -errno;

	for (size_t i = 0; i < 4 && !err; i++)
		err = dump_one(nl, ctx, families[i / 2], protocols[i % 2]);
	if (nl)
		mnl_socket_close(nl);
	return err;
}

void subjects__dump(int ns_fd, uint32_t states, const struct buffer *bytecode, struct subjects *ret)
{
	struct dump d = { .states = states, .bytecode = bytecode, .ret = ret };
	int err;

	ret->count = 0;
	err = ns__call(ns_fd, dump_all, &d);
	if (err)
		fail_msg("dump with %zu bytes of bytecode: %s", bytecode ? bytecode->len : 0, strerror(-err));
}
