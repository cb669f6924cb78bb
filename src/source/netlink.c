/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Netlink sockets: linux/netlink_diag.h, else /proc/net/netlink. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netlink_diag.h>
#include <linux/sock_diag.h>

#include "source/fields.h"
#include "source/nldump.h"
#include "source/sockets.h"

static int take_attribute(const struct nlattr *attr, struct listed *row, struct facts *facts)
{
	switch (mnl_attr_get_type(attr)) {
	case NETLINK_DIAG_MEMINFO:
		return sockets__queues(attr, row, facts);
	case NETLINK_DIAG_GROUPS:
		/* As many words as the protocol has groups. */
		if (mnl_attr_get_payload_len(attr) >= sizeof(row->netlink.groups))
			row->netlink.groups = mnl_attr_get_u32(attr);
		return 0;
	default:
		return 0;
	}
}

/* Port 0 is the kernel's. */
static void mark_kernel(struct listed *row)
{
	if (!row->netlink.port)
		row->flags |= LISTED_KERNEL;
}

static int parse(const struct nlmsghdr *nlh, struct listed *row, struct facts *facts)
{
	const struct netlink_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	const struct nlattr *attr;

	if (len < sizeof(*msg) || nldump__check_attributes(msg + 1, len - sizeof(*msg)))
		return -EBADMSG;
	if (msg->ndiag_family != AF_NETLINK)
		return -EBADMSG;
	row->cookie = (uint64_t)msg->ndiag_cookie[1] << 32 | msg->ndiag_cookie[0];
	row->inode = msg->ndiag_ino;
	row->type = msg->ndiag_type;
	row->state = STATE_CLOSE;
	row->netlink.protocol = msg->ndiag_protocol;
	row->netlink.port = msg->ndiag_portid;
	row->netlink.peer_port = msg->ndiag_dst_portid;
	row->flags |= LISTED_HAS_PEER;
	mark_kernel(row);
	mnl_attr_for_each(attr, nlh, sizeof(*msg)) {
		if (take_attribute(attr, row, facts))
			return -EBADMSG;
	}
	return 0;
}

/* sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode */
static int parse_line(const char *line, size_t len, struct listed *row)
{
	struct fields f;

	fields__init(&f, line, len);
	fields__number(&f, 16, UINT64_MAX);
	row->netlink.protocol = (uint32_t)fields__number(&f, 10, UINT8_MAX);
	row->netlink.port = (uint32_t)fields__number(&f, 10, UINT32_MAX);
	row->netlink.groups = (uint32_t)fields__number(&f, 16, UINT32_MAX);
	row->recv_queue = (uint32_t)fields__number(&f, 10, INT32_MAX);
	row->send_queue = (uint32_t)fields__number(&f, 10, INT32_MAX);
	fields__skip(&f);
	row->refs = (uint32_t)fields__number(&f, 10, UINT32_MAX);
	fields__number(&f, 10, UINT32_MAX);
	row->inode = fields__number(&f, 10, UINT64_MAX);
	row->type = SOCK_RAW;
	row->state = STATE_CLOSE;
	row->flags |= LISTED_HAS_REFS | LISTED_QUEUES;
	mark_kernel(row);
	return f.bad ? -EBADMSG : 0;
}

static int dump(const struct sockets_place *place, enum socket_class class, const struct sockets_ask *ask,
		const struct sockets_out *out)
{
	const struct netlink_diag_req req = {
		.sdiag_family = AF_NETLINK,
		.sdiag_protocol = NDIAG_PROTO_ALL,
		.ndiag_show = NDIAG_SHOW_MEMINFO | NDIAG_SHOW_GROUPS,
	};
	int err;

	if (!(ask->states & 1U << STATE_CLOSE))
		return 0;
	err = sockets__ask(place, &sockets_netlink, class, &req, sizeof(req), out->row, out->ctx);
	if (err == -ENOENT)
		err = sockets__read(place, &sockets_netlink, class, "netlink", ask->states, out->row, out->ctx);
	return err;
}

const struct sockets_family sockets_netlink = {
	.classes = CLASS_BIT(CLASS_NETLINK),
	.dump = dump,
	.parse = parse,
	.parse_line = parse_line,
};
