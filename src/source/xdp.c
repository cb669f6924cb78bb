/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* XDP sockets: linux/xdp_diag.h. There is no list of them in /proc. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <linux/xdp_diag.h>

#include "source/nldump.h"
#include "source/sockets.h"

static int take_attribute(const struct nlattr *attr, struct listed *row, struct facts *facts)
{
	size_t len = mnl_attr_get_payload_len(attr);
	struct xdp_diag_info info;

	switch (mnl_attr_get_type(attr)) {
	case XDP_DIAG_INFO:
		if (len < sizeof(info))
			return -EBADMSG;
		memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
		row->ifindex = info.ifindex;
		row->xdp.queue = info.queue_id;
		return 0;
	case XDP_DIAG_UID:
		return sockets__uid(attr, row);
	case XDP_DIAG_MEMINFO:
		return sockets__queues(attr, row, facts);
	default:
		return 0;
	}
}

static int parse(const struct nlmsghdr *nlh, struct listed *row, struct facts *facts)
{
	const struct xdp_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	const struct nlattr *attr;

	if (len < sizeof(*msg) || nldump__check_attributes(msg + 1, len - sizeof(*msg)))
		return -EBADMSG;
	if (msg->xdiag_family != AF_XDP)
		return -EBADMSG;
	row->cookie = (uint64_t)msg->xdiag_cookie[1] << 32 | msg->xdiag_cookie[0];
	row->inode = msg->xdiag_ino;
	row->type = msg->xdiag_type;
	row->state = STATE_CLOSE;
	mnl_attr_for_each(attr, nlh, sizeof(*msg)) {
		if (take_attribute(attr, row, facts))
			return -EBADMSG;
	}
	return 0;
}

static int dump(const struct sockets_place *place, enum socket_class class, const struct sockets_ask *ask,
		const struct sockets_out *out)
{
	const struct xdp_diag_req req = {
		.sdiag_family = AF_XDP,
		.xdiag_show = XDP_SHOW_INFO | XDP_SHOW_MEMINFO,
	};

	if (!(ask->states & 1U << STATE_CLOSE))
		return 0;
	return sockets__ask(place, &sockets_xdp, class, &req, sizeof(req), out->row, out->ctx);
}

const struct sockets_family sockets_xdp = {
	.classes = CLASS_BIT(CLASS_XDP),
	.dump = dump,
	.parse = parse,
};
