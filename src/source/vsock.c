/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Vsock sockets: linux/vm_sockets_diag.h. There is no list of them in /proc. */
#include <errno.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/vm_sockets_diag.h>

#include "source/nldump.h"
#include "source/sockets.h"

static int parse(const struct nlmsghdr *nlh, struct listed *row, struct facts *facts)
{
	const struct vsock_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	(void)facts;
	if (len < sizeof(*msg) || nldump__check_attributes(msg + 1, len - sizeof(*msg)))
		return -EBADMSG;
	if (msg->vdiag_family != AF_VSOCK || msg->vdiag_state == 0 || msg->vdiag_state >= STATE_MAX)
		return -EBADMSG;
	row->cookie = (uint64_t)msg->vdiag_cookie[1] << 32 | msg->vdiag_cookie[0];
	row->inode = msg->vdiag_ino;
	row->type = msg->vdiag_type;
	row->state = msg->vdiag_state;
	row->shutdown = msg->vdiag_shutdown;
	row->vsock.cid = msg->vdiag_src_cid;
	row->vsock.port = msg->vdiag_src_port;
	row->vsock.peer_cid = msg->vdiag_dst_cid;
	row->vsock.peer_port = msg->vdiag_dst_port;
	return 0;
}

static int dump(const struct sockets_place *place, enum socket_class class, const struct sockets_ask *ask,
		const struct sockets_out *out)
{
	const struct vsock_diag_req req = { .sdiag_family = AF_VSOCK, .vdiag_states = ask->states };

	return sockets__ask(place, &sockets_vsock, class, &req, sizeof(req), out->row, out->ctx);
}

const struct sockets_family sockets_vsock = {
	.classes = CLASS_BIT(CLASS_VSOCK),
	.dump = dump,
	.parse = parse,
};
