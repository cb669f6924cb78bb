/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "render/listed.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define LOOK_UP(table, n) ((size_t)(n) < sizeof(table) / sizeof((table)[0]) ? (table)[n] : NULL)

/* linux/mptcp.h and linux/tipc.h need not be there. */
#define PROTOCOL_MPTCP 262
#define FAMILY_TIPC    30
#define FAMILY_XDP     44

const char *listed__protocol(const struct listed *s)
{
	static const char *const names[CLASS_MAX] = {
		[CLASS_TCP] = "tcp",	     [CLASS_MPTCP] = "mptcp",	  [CLASS_SCTP] = "sctp",
		[CLASS_UDP] = "udp",	     [CLASS_UDPLITE] = "udplite", [CLASS_ICMP] = "icmp",
		[CLASS_RAW] = "raw",	     [CLASS_UNIX] = "unix",	  [CLASS_PACKET] = "packet",
		[CLASS_NETLINK] = "netlink", [CLASS_VSOCK] = "vsock",	  [CLASS_XDP] = "xdp",
		[CLASS_TIPC] = "tipc",
	};

	return LOOK_UP(names, s->class);
}

uint32_t listed__protocol_number(const struct listed *s)
{
	switch (s->class) {
	case CLASS_TCP:
		return IPPROTO_TCP;
	case CLASS_MPTCP:
		return PROTOCOL_MPTCP;
	case CLASS_SCTP:
		return IPPROTO_SCTP;
	case CLASS_UDP:
		return IPPROTO_UDP;
	case CLASS_UDPLITE:
		return IPPROTO_UDPLITE;
	case CLASS_ICMP:
		return s->ends.family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	case CLASS_RAW:
		return s->ends.local_port;
	case CLASS_PACKET:
		return s->packet.protocol;
	case CLASS_NETLINK:
		return s->netlink.protocol;
	default:
		return 0;
	}
}

const char *listed__family(const struct listed *s)
{
	if (listed__is_inet(s))
		return s->ends.family == 6 ? "ipv6" : "ipv4";
	return listed__protocol(s);
}

uint32_t listed__family_number(const struct listed *s)
{
	switch (s->class) {
	case CLASS_UNIX:
		return AF_UNIX;
	case CLASS_PACKET:
		return AF_PACKET;
	case CLASS_NETLINK:
		return AF_NETLINK;
	case CLASS_VSOCK:
		return AF_VSOCK;
	case CLASS_XDP:
		return FAMILY_XDP;
	case CLASS_TIPC:
		return FAMILY_TIPC;
	default:
		return s->ends.family == 6 ? AF_INET6 : AF_INET;
	}
}

const char *listed__type(const struct listed *s)
{
	static const char *const names[] = {
		[SOCK_STREAM] = "stream", [SOCK_DGRAM] = "dgram",	  [SOCK_RAW] = "raw",
		[SOCK_RDM] = "rdm",	  [SOCK_SEQPACKET] = "seqpacket",
	};

	return LOOK_UP(names, s->type);
}

const char *listed__state(const struct listed *s)
{
	if (s->state == STATE_CLOSE && s->class != CLASS_TCP && s->class != CLASS_MPTCP)
		return "UNCONN";
	return render__state_name(s->state);
}

const char *listed__timer(const struct listed *s)
{
	static const char *const names[] = {
		[TIMER_ON] = "on",
		[TIMER_KEEPALIVE] = "keepalive",
		[TIMER_TIMEWAIT] = "timewait",
		[TIMER_PERSIST] = "persist",
	};

	return LOOK_UP(names, s->timer);
}

/* NETLINK_* of linux/netlink.h, by the names of the constants. */
const char *listed__netlink_protocol(uint32_t protocol)
{
	static const char *const names[] = {
		[0] = "route",		[2] = "usersock",    [3] = "firewall",	      [4] = "sock_diag",
		[5] = "nflog",		[6] = "xfrm",	     [7] = "selinux",	      [8] = "iscsi",
		[9] = "audit",		[10] = "fib_lookup", [11] = "connector",      [12] = "netfilter",
		[13] = "ip6_fw",	[14] = "dnrtmsg",    [15] = "kobject_uevent", [16] = "generic",
		[18] = "scsitransport", [19] = "ecryptfs",   [20] = "rdma",	      [21] = "crypto",
		[22] = "smc",
	};

	return LOOK_UP(names, protocol);
}

void listed__add_path(const struct listed *s, struct buffer *out)
{
	const struct name *name = &s->un.path;

	if (!name->data)
		return;
	if (name->data[0]) {
		buffer__add(out, name->data, name->len);
		return;
	}
	for (unsigned int i = 0; i < name->len; i++)
		buffer__addc(out, name->data[i] ? name->data[i] : '@');
}
