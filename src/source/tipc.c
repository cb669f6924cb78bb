/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TIPC sockets: linux/tipc_sockets_diag.h; the answer is made of attributes alone, linux/tipc_netlink.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <linux/tipc_netlink.h>
#include <linux/tipc_sockets_diag.h>

#include "source/nldump.h"
#include "source/sockets.h"

/* enum tipc_sk_states, net/tipc/socket.c: TCP's where both have one, and these. */
#define TIPC_OPEN	   STATE_CLOSE
#define TIPC_DISCONNECTING STATE_CLOSE_WAIT
#define TIPC_CONNECTING	   STATE_SYN_SENT

static int take_number(const struct nlattr *attr, struct listed *row)
{
	uint32_t n = mnl_attr_get_u32(attr);

	switch (mnl_attr_get_type(attr)) {
	case TIPC_NLA_SOCK_ADDR:
		row->tipc.node = n;
		return 0;
	case TIPC_NLA_SOCK_REF:
		row->tipc.ref = n;
		return 0;
	case TIPC_NLA_SOCK_TYPE:
		row->type = (uint8_t)n;
		return 0;
	case TIPC_NLA_SOCK_INO:
		row->inode = n;
		return 0;
	case TIPC_NLA_SOCK_UID:
		row->uid = n;
		row->flags |= LISTED_HAS_UID;
		return 0;
	default: /* TIPC_NLA_SOCK_TIPC_STATE */
		if (n != STATE_LISTEN && n != STATE_ESTABLISHED && n != TIPC_OPEN && n != TIPC_DISCONNECTING &&
		    n != TIPC_CONNECTING)
			return -EBADMSG;
		row->state = (uint8_t)n;
		return 0;
	}
}

static int take_attribute(const struct nlattr *attr, struct listed *row)
{
	size_t len = mnl_attr_get_payload_len(attr);

	switch (mnl_attr_get_type(attr)) {
	case TIPC_NLA_SOCK_ADDR:
	case TIPC_NLA_SOCK_REF:
	case TIPC_NLA_SOCK_TYPE:
	case TIPC_NLA_SOCK_INO:
	case TIPC_NLA_SOCK_UID:
	case TIPC_NLA_SOCK_TIPC_STATE:
		return len < sizeof(uint32_t) ? -EBADMSG : take_number(attr, row);
	case TIPC_NLA_SOCK_COOKIE:
		if (len < sizeof(uint64_t))
			return -EBADMSG;
		row->cookie = mnl_attr_get_u64(attr);
		return 0;
	default:
		return 0;
	}
}

static int parse(const struct nlmsghdr *nlh, struct listed *row, struct facts *facts)
{
	const char *payload = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	const struct nlattr *attr, *inner;

	(void)facts;
	if (nldump__check_attributes(payload, len))
		return -EBADMSG;
	mnl_attr_for_each(attr, nlh, 0) {
		if (mnl_attr_get_type(attr) != TIPC_NLA_SOCK)
			continue;
		if (nldump__check_attributes(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr)))
			return -EBADMSG;
		mnl_attr_for_each_nested(inner, attr) {
			if (take_attribute(inner, row))
				return -EBADMSG;
		}
	}
	return row->state ? 0 : -EBADMSG;
}

static int dump(const struct sockets_place *place, enum socket_class class, const struct sockets_ask *ask,
		const struct sockets_out *out)
{
	const struct tipc_sock_diag_req req = { .sdiag_family = AF_TIPC, .tidiag_states = ask->states };

	return sockets__ask(place, &sockets_tipc, class, &req, sizeof(req), out->row, out->ctx);
}

const struct sockets_family sockets_tipc = {
	.classes = CLASS_BIT(CLASS_TIPC),
	.dump = dump,
	.parse = parse,
};
