/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One socket of any family as a listing has it: compact, for there may be millions. No behaviour here. */
#ifndef SOCKWATCH_MODEL_LISTED_H
#define SOCKWATCH_MODEL_LISTED_H

#include "model/types.h"

/* What answers for a socket in the kernel: each has its own dump. The order is that of a listing. */
enum socket_class {
	CLASS_TCP,
	CLASS_MPTCP,
	CLASS_SCTP,
	CLASS_UDP,
	CLASS_UDPLITE,
	CLASS_ICMP,
	CLASS_RAW,
	CLASS_UNIX,
	CLASS_PACKET,
	CLASS_NETLINK,
	CLASS_VSOCK,
	CLASS_XDP,
	CLASS_TIPC,
	CLASS_MAX,
};

#define CLASS_BIT(class) (1U << (class))
#define CLASSES_ALL	 (CLASS_BIT(CLASS_MAX) - 1)
#define CLASSES_INET	 (CLASS_BIT(CLASS_RAW + 1) - 1) /* those with endpoints */

/* struct listed.flags */
#define LISTED_KERNEL	0x01 /* the kernel's own: no process can hold it */
#define LISTED_MINISOCK 0x02 /* a time-wait or request entry: never has a file */
#define LISTED_V6ONLY	0x04
#define LISTED_DUAL	0x08 /* AF_INET6 and not V6ONLY, as far as the kernel said */
#define LISTED_HAS_UID	0x10
#define LISTED_HAS_REFS 0x20
#define LISTED_HAS_PEER 0x40 /* unix: peer_inode was told; netlink: peer_port */
#define LISTED_QUEUES	0x80 /* the queues are known */
#define LISTED_HAS_MARK 0x100
/* The listing's own. */
#define LISTED_GONE 0x1000 /* closed meanwhile */
#define LISTED_SEEN 0x2000 /* by the second look */
#define LISTED_OWN  (LISTED_GONE | LISTED_SEEN)

/* A name of any bytes, NUL-terminated behind len; NULL: none. */
struct name {
	const char *data;
	uint16_t len;
};

/* SK_MEMINFO_* of linux/sock_diag.h, in its order, and how many there are. Bytes, but the last: packets dropped. */
#define LISTED_MEMORY 9

/* struct tcp_info of linux/tcp.h, what people read of it, in its units. */
struct tcp_facts {
	uint8_t options; /* TCPI_OPT_* */
	uint8_t send_scale, receive_scale;
	uint32_t rto_us, ato_us, send_mss, receive_mss, path_mtu, advertised_mss;
	uint32_t unacked, sacked, lost, retransmitting, reordering;
	uint32_t rtt_us, rtt_variance_us, min_rtt_us, receive_rtt_us, receive_space;
	uint32_t ssthresh, cwnd, retransmits;
	uint32_t last_sent_ms, last_received_ms, last_ack_ms;
	uint32_t segments_out, segments_in, not_sent;
	uint64_t pacing_rate, max_pacing_rate, delivery_rate; /* bytes a second */
	uint64_t bytes_sent, bytes_acked, bytes_received, bytes_retransmitted;
	uint64_t busy_us;
};

/* What is only there when it was asked for. */
struct facts {
	bool have_memory, have_tcp;
	uint32_t memory[LISTED_MEMORY];
	struct tcp_facts tcp;
	char congestion[16]; /* TCP_CA_NAME_MAX; empty: not known */
};

/* idiag_timer of linux/inet_diag.h, net/ipv4/inet_diag.c */
enum socket_timer { TIMER_OFF, TIMER_ON, TIMER_KEEPALIVE, TIMER_TIMEWAIT, TIMER_PERSIST };

struct listed {
	uint64_t cookie; /* 0: not known (a row of /proc) */
	uint64_t inode;	 /* 0: no file */
	uint64_t cgroup_id;
	uint32_t netns;
	uint32_t uid;
	uint32_t recv_queue; /* bytes; of a listener: connections waiting */
	uint32_t send_queue; /* bytes; of a listener: backlog */
	uint32_t ifindex;    /* bound to this device; 0: to none */
	uint32_t mark;
	uint32_t timer_ms;
	uint32_t refs;
	uint8_t class;	/* enum socket_class */
	uint8_t type;	/* SOCK_STREAM .. */
	uint8_t state;	/* enum tcp_state, in every family as sock_diag has it */
	uint8_t timer;	/* enum socket_timer */
	uint16_t flags; /* LISTED_* */
	uint8_t retransmits;
	uint8_t shutdown; /* 1: receive, 2: send */
	union {
		struct endpoints ends; /* CLASSES_INET; of raw sockets local_port is the protocol, of ICMP its id */
		struct {
			struct name path; /* an abstract one begins with NUL */
			uint64_t peer_inode;
		} un;
		struct {
			uint32_t protocol; /* ETH_P_*, host order; ifindex is above */
		} packet;
		struct {
			uint32_t protocol; /* NETLINK_* */
			uint32_t port, peer_port;
			uint32_t groups; /* the first 32 */
		} netlink;
		struct {
			uint32_t cid, port, peer_cid, peer_port;
		} vsock;
		struct {
			uint32_t queue;
		} xdp;
		struct {
			uint32_t node, ref;
		} tipc;
	};
	/* The listing's own. */
	struct facts *facts;   /* NULL: not asked for, or not known */
	struct process *owner; /* NULL: none */
	uint32_t holders;      /* of one, which is the owner, its descriptor; of several the last one's place, from 1 */
	uint32_t holder_count;
	uint8_t attribution; /* enum sw_attribution */
	uint8_t direction;   /* enum sw_direction */
};

static inline bool listed__is_inet(const struct listed *s)
{
	return CLASS_BIT(s->class) & CLASSES_INET;
}

/* As one asks for it: of TCP, what has a port and no more is in a state of its own. */
static inline uint8_t listed__asked_state(const struct listed *s)
{
	return s->class == CLASS_TCP && s->state == STATE_CLOSE ? STATE_BOUND_INACTIVE : s->state;
}

static inline bool listed__is_listener(const struct listed *s)
{
	return s->state == STATE_LISTEN;
}

#endif
