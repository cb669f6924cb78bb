/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/diag_parse.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/mptcp.h>
#include <linux/netlink.h>
#include <netinet/in.h>

/* idiag_timer of a time-wait entry, net/ipv4/inet_diag.c inet_twsk_diag_fill. */
#define TIMER_TIMEWAIT 3

static int take_subflow(const struct nlattr *attr, void *ctx)
{
	struct row *row = ctx;

	if (mnl_attr_get_type(attr) != MPTCP_SUBFLOW_ATTR_FLAGS)
		return MNL_CB_OK;
	if (mnl_attr_get_payload_len(attr) < sizeof(uint32_t))
		return MNL_CB_ERROR;
	if (mnl_attr_get_u32(attr) & (MPTCP_SUBFLOW_FLAG_JOIN_REM | MPTCP_SUBFLOW_FLAG_JOIN_LOC))
		row->mptcp_join = true;
	return MNL_CB_OK;
}

static int take_nested(const struct nlattr *attr, mnl_attr_cb_t fn, void *ctx)
{
	const void *payload = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);

	if (nldump__check_attributes(payload, len))
		return MNL_CB_ERROR;
	return mnl_attr_parse_payload(payload, len, fn, ctx);
}

static int take_ulp(const struct nlattr *attr, void *ctx)
{
	static const char name[] = "mptcp";
	struct row *row = ctx;

	switch (mnl_attr_get_type(attr)) {
	case INET_ULP_INFO_NAME:
		row->mptcp = mnl_attr_get_payload_len(attr) == sizeof(name) &&
			     !memcmp(mnl_attr_get_payload(attr), name, sizeof(name));
		return MNL_CB_OK;
	case INET_ULP_INFO_MPTCP:
		return take_nested(attr, take_subflow, row);
	default:
		return MNL_CB_OK;
	}
}

static int take_attribute(const struct nlattr *attr, void *ctx)
{
	struct row *row = ctx;

	switch (mnl_attr_get_type(attr)) {
	case INET_DIAG_ULP_INFO:
		return take_nested(attr, take_ulp, row);
	case INET_DIAG_SHUTDOWN:
		/* Every full socket has it and a request has not: a child of fast open is in SYN_RECV without a file too. */
		if (row->state == STATE_SYN_RECV)
			row->minisock = false;
		return MNL_CB_OK;
	default:
		return MNL_CB_OK;
	}
}

static bool is_mapped(const void *address)
{
	return IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)address);
}

static bool is_unspecified(const void *address)
{
	return IN6_IS_ADDR_UNSPECIFIED((const struct in6_addr *)address);
}

/* A dual-stack socket that speaks IPv4 counts as IPv4 (T10): one side is mapped, and the other is too or is not set. */
static bool speaks_ipv4(const struct inet_diag_sockid *id)
{
	const void *local = id->idiag_src, *remote = id->idiag_dst;

	if (is_mapped(local))
		return is_mapped(remote) || is_unspecified(remote);
	return is_mapped(remote) && is_unspecified(local);
}

void inet_diag__endpoints(struct endpoints *ends, const struct inet_diag_msg *msg)
{
	const struct inet_diag_sockid *id = &msg->id;

	ends->local_port = ntohs(id->idiag_sport);
	ends->remote_port = ntohs(id->idiag_dport);
	if (msg->idiag_family == AF_INET) {
		ends->family = 4;
		memcpy(ends->local, &id->idiag_src[0], 4);
		memcpy(ends->remote, &id->idiag_dst[0], 4);
	} else if (speaks_ipv4(id)) {
		ends->family = 4;
		memcpy(ends->local, &id->idiag_src[3], 4);
		memcpy(ends->remote, &id->idiag_dst[3], 4);
	} else {
		ends->family = 6;
		memcpy(ends->local, id->idiag_src, 16);
		memcpy(ends->remote, id->idiag_dst, 16);
	}
}

bool inet_diag__is_minisock(const struct inet_diag_msg *msg)
{
	switch (msg->idiag_state) {
	case STATE_TIME_WAIT:
		return true;
	case STATE_FIN_WAIT2:
		return msg->idiag_timer == TIMER_TIMEWAIT;
	case STATE_SYN_RECV:
		return msg->idiag_inode == 0;
	default:
		return false;
	}
}

static void fill_row(struct row *row, const struct inet_diag_msg *msg, uint32_t netns)
{
	row->cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0];
	row->inode = msg->idiag_inode;
	row->netns = netns;
	row->uid = msg->idiag_uid;
	row->state = msg->idiag_state;
	row->minisock = inet_diag__is_minisock(msg);
	row->expires_ms = msg->idiag_timer ? msg->idiag_expires : 0;
	row->recv_queue = msg->idiag_rqueue;
	row->send_queue = msg->idiag_wqueue;
	inet_diag__endpoints(&row->ends, msg);
}

int diag_row__parse(const struct nlmsghdr *nlh, uint32_t netns, struct row *ret)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	struct row row = { 0 };

	if (len < sizeof(*msg))
		return -EBADMSG;
	if (msg->idiag_family != AF_INET && msg->idiag_family != AF_INET6)
		return -EBADMSG;
	if (msg->idiag_state == 0 || msg->idiag_state >= STATE_MAX)
		return -EBADMSG;
	fill_row(&row, msg, netns);
	if (nldump__check_attributes(msg + 1, len - sizeof(*msg)))
		return -EBADMSG;
	if (mnl_attr_parse(nlh, sizeof(*msg), take_attribute, &row) != MNL_CB_OK)
		return -EBADMSG;
	*ret = row;
	return 0;
}

int diag_rows__take(void *ctx, const struct nlmsghdr *nlh)
{
	const struct diag_rows *rows = ctx;
	struct row row;
	int err = diag_row__parse(nlh, rows->netns, &row);

	return err ? err : rows->fn(rows->ctx, &row);
}

int diag__parse(const void *data, size_t len, unsigned int seq, unsigned int portid, uint32_t netns, diag_row_fn fn,
		void *ctx)
{
	struct diag_rows rows = { .netns = netns, .fn = fn, .ctx = ctx };
	struct nldump_answer a = { .seq = seq, .portid = portid, .fn = diag_rows__take, .ctx = &rows };
	int err = nldump_answer__take(&a, data, len);

	if (err)
		return err;
	if (a.interrupted)
		return -EINTR;
	return a.done ? 0 : 1;
}
