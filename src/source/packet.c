/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packet sockets: linux/packet_diag.h, else /proc/net/packet. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>

#include "source/fields.h"
#include "source/nldump.h"
#include "source/sockets.h"

static int take_attribute(const struct nlattr *attr, struct listed *row, struct facts *facts)
{
	size_t len = mnl_attr_get_payload_len(attr);
	struct packet_diag_info info;

	switch (mnl_attr_get_type(attr)) {
	case PACKET_DIAG_INFO:
		if (len < sizeof(info))
			return -EBADMSG;
		memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
		row->ifindex = info.pdi_index;
		return 0;
	case PACKET_DIAG_UID:
		return sockets__uid(attr, row);
	case PACKET_DIAG_MEMINFO:
		return sockets__queues(attr, row, facts);
	default:
		return 0;
	}
}

static int parse(const struct nlmsghdr *nlh, struct listed *row, struct facts *facts)
{
	const struct packet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	const struct nlattr *attr;

	if (len < sizeof(*msg) || nldump__check_attributes(msg + 1, len - sizeof(*msg)))
		return -EBADMSG;
	if (msg->pdiag_family != AF_PACKET)
		return -EBADMSG;
	row->cookie = (uint64_t)msg->pdiag_cookie[1] << 32 | msg->pdiag_cookie[0];
	row->inode = msg->pdiag_ino;
	row->type = msg->pdiag_type;
	row->state = STATE_CLOSE;
	row->packet.protocol = msg->pdiag_num;
	mnl_attr_for_each(attr, nlh, sizeof(*msg)) {
		if (take_attribute(attr, row, facts))
			return -EBADMSG;
	}
	return 0;
}

/* sk RefCnt Type Proto Iface R Rmem User Inode */
static int parse_line(const char *line, size_t len, struct listed *row)
{
	struct fields f;

	fields__init(&f, line, len);
	fields__number(&f, 16, UINT64_MAX);
	row->refs = (uint32_t)fields__number(&f, 10, UINT32_MAX);
	row->type = (uint8_t)fields__number(&f, 10, UINT8_MAX);
	row->packet.protocol = (uint32_t)fields__number(&f, 16, UINT16_MAX);
	row->ifindex = (uint32_t)fields__number(&f, 10, INT32_MAX);
	fields__number(&f, 10, UINT32_MAX);
	row->recv_queue = (uint32_t)fields__number(&f, 10, UINT32_MAX);
	row->uid = (uint32_t)fields__number(&f, 10, UINT32_MAX);
	row->inode = fields__number(&f, 10, UINT64_MAX);
	row->state = STATE_CLOSE;
	row->flags |= LISTED_HAS_UID | LISTED_HAS_REFS | LISTED_QUEUES;
	return f.bad ? -EBADMSG : 0;
}

static int dump(const struct sockets_place *place, enum socket_class class, const struct sockets_ask *ask,
		const struct sockets_out *out)
{
	const struct packet_diag_req req = {
		.sdiag_family = AF_PACKET,
		.pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_MEMINFO,
	};
	int err;

	if (!(ask->states & 1U << STATE_CLOSE))
		return 0;
	err = sockets__ask(place, &sockets_packet, class, &req, sizeof(req), out->row, out->ctx);
	if (err == -ENOENT)
		err = sockets__read(place, &sockets_packet, class, "packet", ask->states, out->row, out->ctx);
	return err;
}

const struct sockets_family sockets_packet = {
	.classes = CLASS_BIT(CLASS_PACKET),
	.dump = dump,
	.parse = parse,
	.parse_line = parse_line,
};
