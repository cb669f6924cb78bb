/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP, MPTCP, SCTP, UDP, UDP-Lite, ICMP and raw: linux/inet_diag.h, else /proc/net/{tcp,udp,udplite,icmp,raw}[6]. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include "source/diag_parse.h"
#include "source/fields.h"
#include "source/nldump.h"
#include "source/sockets.h"

#define EXT(attribute) (1U << ((attribute)-1))

static const struct protocol {
	uint32_t number;
	uint8_t type;
	bool no_diag; /* the kernel never had a module for it */
	const char *file, *file6;
} protocols[CLASS_RAW + 1] = {
	[CLASS_TCP] = { IPPROTO_TCP, SOCK_STREAM, false, "tcp", "tcp6" },
	[CLASS_MPTCP] = { IPPROTO_MPTCP, SOCK_STREAM, false, NULL, NULL },
	[CLASS_SCTP] = { IPPROTO_SCTP, SOCK_SEQPACKET, false, NULL, NULL },
	[CLASS_UDP] = { IPPROTO_UDP, SOCK_DGRAM, false, "udp", "udp6" },
	[CLASS_UDPLITE] = { IPPROTO_UDPLITE, SOCK_DGRAM, false, "udplite", "udplite6" },
	[CLASS_ICMP] = { IPPROTO_ICMP, SOCK_DGRAM, true, "icmp", "icmp6" },
	[CLASS_RAW] = { IPPROTO_RAW, SOCK_RAW, false, "raw", "raw6" },
};

/* ---- sock_diag */

/* enum sctp_state, include/net/sctp/constants.h, as the state of TCP that is nearest. */
static int sctp_state(unsigned int state)
{
	static const uint8_t states[] = { STATE_CLOSE,	   STATE_SYN_SENT,  STATE_SYN_SENT,   STATE_ESTABLISHED,
					  STATE_FIN_WAIT1, STATE_FIN_WAIT2, STATE_CLOSE_WAIT, STATE_LAST_ACK };

	return state < sizeof(states) ? states[state] : 0;
}

static void take_tcp(struct tcp_facts *to, const struct nlattr *attr)
{
	struct tcp_info i = { 0 };
	size_t len = mnl_attr_get_payload_len(attr);

	/* Kernels append to it. */
	memcpy(&i, mnl_attr_get_payload(attr), len < sizeof(i) ? len : sizeof(i));
	*to = (struct tcp_facts){
		.options = i.tcpi_options,
		.send_scale = i.tcpi_snd_wscale,
		.receive_scale = i.tcpi_rcv_wscale,
		.rto_us = i.tcpi_rto,
		.ato_us = i.tcpi_ato,
		.send_mss = i.tcpi_snd_mss,
		.receive_mss = i.tcpi_rcv_mss,
		.path_mtu = i.tcpi_pmtu,
		.advertised_mss = i.tcpi_advmss,
		.unacked = i.tcpi_unacked,
		.sacked = i.tcpi_sacked,
		.lost = i.tcpi_lost,
		.retransmitting = i.tcpi_retrans,
		.reordering = i.tcpi_reordering,
		.rtt_us = i.tcpi_rtt,
		.rtt_variance_us = i.tcpi_rttvar,
		.min_rtt_us = i.tcpi_min_rtt,
		.receive_rtt_us = i.tcpi_rcv_rtt,
		.receive_space = i.tcpi_rcv_space,
		.ssthresh = i.tcpi_snd_ssthresh,
		.cwnd = i.tcpi_snd_cwnd,
		.retransmits = i.tcpi_total_retrans,
		.last_sent_ms = i.tcpi_last_data_sent,
		.last_received_ms = i.tcpi_last_data_recv,
		.last_ack_ms = i.tcpi_last_ack_recv,
		.segments_out = i.tcpi_segs_out,
		.segments_in = i.tcpi_segs_in,
		.not_sent = i.tcpi_notsent_bytes,
		.pacing_rate = i.tcpi_pacing_rate,
		.max_pacing_rate = i.tcpi_max_pacing_rate,
		.delivery_rate = i.tcpi_delivery_rate,
		.bytes_sent = i.tcpi_bytes_sent,
		.bytes_acked = i.tcpi_bytes_acked,
		.bytes_received = i.tcpi_bytes_received,
		.bytes_retransmitted = i.tcpi_bytes_retrans,
		.busy_us = i.tcpi_busy_time,
	};
}

struct taking {
	struct listed *row;
	struct facts *facts;
	bool association;
};

static int take_attribute(const struct nlattr *attr, void *ctx)
{
	struct taking *t = ctx;
	size_t len = mnl_attr_get_payload_len(attr);
	struct listed *row = t->row;

	switch (mnl_attr_get_type(attr)) {
	case INET_DIAG_SHUTDOWN:
		/* Every full socket has it and a request has not: a child of fast open is in SYN_RECV without a file. */
		if (len < 1)
			return -EBADMSG;
		row->shutdown = mnl_attr_get_u8(attr);
		if (row->state == STATE_SYN_RECV)
			row->flags &= ~LISTED_MINISOCK;
		return 0;
	case INET_DIAG_SKV6ONLY:
		if (len < 1)
			return -EBADMSG;
		row->flags |= mnl_attr_get_u8(attr) ? LISTED_V6ONLY : LISTED_DUAL;
		return 0;
	case INET_DIAG_MARK:
		if (len < sizeof(uint32_t))
			return -EBADMSG;
		row->mark = mnl_attr_get_u32(attr);
		row->flags |= LISTED_HAS_MARK;
		return 0;
	case INET_DIAG_CGROUP_ID:
		if (len < sizeof(uint64_t))
			return -EBADMSG;
		row->cgroup_id = mnl_attr_get_u64(attr);
		return 0;
	case INET_DIAG_PEERS:
		t->association = row->class == CLASS_SCTP;
		return 0;
	case INET_DIAG_SKMEMINFO:
		return nldump__memory(attr, t->facts);
	case INET_DIAG_INFO:
		if (row->class != CLASS_TCP)
			return 0;
		take_tcp(&t->facts->tcp, attr);
		t->facts->have_tcp = true;
		return 0;
	case INET_DIAG_CONG:
		memset(t->facts->congestion, 0, sizeof(t->facts->congestion));
		memcpy(t->facts->congestion, mnl_attr_get_payload(attr),
		       strnlen(mnl_attr_get_payload(attr),
			       len < sizeof(t->facts->congestion) ? len : sizeof(t->facts->congestion) - 1));
		return 0;
	default:
		return 0;
	}
}

static void fill_row(struct listed *row, const struct inet_diag_msg *msg)
{
	row->cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0];
	row->inode = msg->idiag_inode;
	row->uid = msg->idiag_uid;
	row->state = msg->idiag_state;
	row->type = protocols[row->class].type;
	row->ifindex = msg->id.idiag_if;
	row->recv_queue = msg->idiag_rqueue;
	row->send_queue = msg->idiag_wqueue;
	row->timer = msg->idiag_timer;
	row->timer_ms = msg->idiag_timer ? msg->idiag_expires : 0;
	row->retransmits = msg->idiag_retrans;
	row->flags |= LISTED_HAS_UID | LISTED_QUEUES;
	if (inet_diag__is_minisock(msg))
		row->flags |= LISTED_MINISOCK;
	inet_diag__endpoints(&row->ends, msg);
}

static int finish_sctp(struct listed *row, bool association)
{
	if (association)
		row->state = (uint8_t)sctp_state(row->state);
	/* A socket with an association is told by that; two rows would be one too many. */
	else if (row->state != STATE_LISTEN && row->state != STATE_CLOSE)
		return 1;
	return row->state ? 0 : -EBADMSG;
}

static int parse(const struct nlmsghdr *nlh, struct listed *row, struct facts *facts)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	struct taking t = { .row = row, .facts = facts };

	if (len < sizeof(*msg))
		return -EBADMSG;
	if (msg->idiag_family != AF_INET && msg->idiag_family != AF_INET6)
		return -EBADMSG;
	if (row->class != CLASS_SCTP && (msg->idiag_state == 0 || msg->idiag_state >= STATE_MAX))
		return -EBADMSG;
	fill_row(row, msg);
	if (nldump__each_attribute(msg + 1, len - sizeof(*msg), take_attribute, &t))
		return -EBADMSG;
	return row->class == CLASS_SCTP ? finish_sctp(row, t.association) : 0;
}

#define REQUEST_MAX 16384 /* with the bytecode; a longer one is left out */

struct request {
	enum socket_class class;
	uint8_t family;
	uint32_t ext;
	uint32_t states;
	const void *bytecode; /* NULL: none */
	size_t bytecode_len;
};

static size_t put_attribute(char *to, uint16_t type, const void *data, size_t len)
{
	struct nlattr attr = { .nla_len = (uint16_t)(sizeof(attr) + len), .nla_type = type };

	memcpy(to, &attr, sizeof(attr));
	memcpy(to + sizeof(attr), data, len);
	return sizeof(attr) + MNL_ALIGN(len);
}

/* One family of one protocol. */
static int ask_family(const struct sockets_place *place, const struct request *r, listed_fn fn, void *ctx)
{
	struct inet_diag_req_v2 req = { .sdiag_family = r->family,
					.idiag_ext = (uint8_t)r->ext,
					.idiag_states = r->states };
	uint32_t protocol = protocols[r->class].number;
	char ask[REQUEST_MAX] = { 0 };
	size_t len = sizeof(req);

	if (protocol <= UINT8_MAX)
		req.sdiag_protocol = (uint8_t)protocol;
	else
		len += put_attribute(ask + len, INET_DIAG_REQ_PROTOCOL, &protocol, sizeof(protocol));
	if (r->bytecode && r->bytecode_len < sizeof(ask) - len - sizeof(struct nlattr) - MNL_ALIGNTO)
		len += put_attribute(ask + len, INET_DIAG_REQ_BYTECODE, r->bytecode, r->bytecode_len);
	memcpy(ask, &req, sizeof(req));
	return sockets__ask(place, &sockets_inet, r->class, ask, len, fn, ctx);
}

/*
 * TCP of both families: the kernel goes through all connections for each request, and this one, of before
 * SOCK_DIAG_BY_FAMILY, asks for no family. -EOPNOTSUPP: the kernel lacks it.
 */
static int ask_any_family(const struct sockets_place *place, const struct request *r, listed_fn fn, void *ctx)
{
	struct inet_diag_req req = { .idiag_ext = (uint8_t)r->ext, .idiag_states = r->states };
	char ask[REQUEST_MAX] = { 0 };
	size_t len = sizeof(req);

	memcpy(ask, &req, sizeof(req));
	if (r->bytecode && r->bytecode_len < sizeof(ask) - len - sizeof(struct nlattr) - MNL_ALIGNTO)
		len += put_attribute(ask + len, INET_DIAG_REQ_BYTECODE, r->bytecode, r->bytecode_len);
	return sockets__ask_as(place, &sockets_inet, r->class, TCPDIAG_GETSOCK, ask, len, fn, ctx);
}

static int ask_families(const struct sockets_place *place, struct request r, bool no_ipv4, listed_fn fn, void *ctx)
{
	int err = -EOPNOTSUPP;

	if (r.class == CLASS_TCP && !no_ipv4)
		err = ask_any_family(place, &r, fn, ctx);
	if (err != -EOPNOTSUPP)
		return err;
	err = 0;
	r.family = AF_INET;
	if (!no_ipv4)
		err = ask_family(place, &r, fn, ctx);
	r.family = AF_INET6;
	return err ? err : ask_family(place, &r, fn, ctx);
}

static bool takes_bytecode(enum socket_class class)
{
	return class == CLASS_TCP || class == CLASS_MPTCP || class == CLASS_UDP || class == CLASS_UDPLITE;
}

/* A kernel that does not know a condition, or does not allow it, refuses the whole. */
static bool refuses_bytecode(int err)
{
	return err == -EINVAL || err == -EPERM;
}

/*
 * All of a class. Listeners come whether they match or not: they say whose a connection is that nobody accepted yet.
 */
static int ask_class(const struct sockets_place *place, enum socket_class class, uint32_t ext,
		     const struct sockets_ask *ask, listed_fn fn, void *ctx)
{
	struct request r = { .class = class, .ext = ext, .states = ask->states };
	int err;

	if (ask->bytecode && takes_bytecode(class)) {
		r.bytecode = ask->bytecode;
		r.bytecode_len = ask->bytecode_len;
		if (class == CLASS_TCP)
			r.states &= ~(1U << STATE_LISTEN);
		err = r.states ? ask_families(place, r, ask->no_ipv4, fn, ctx) : 0;
		if (err && !refuses_bytecode(err))
			return err;
		r.bytecode = NULL;
		r.states = err ? ask->states : ask->states & ~r.states;
		if (!r.states)
			return 0;
	}
	return ask_families(place, r, ask->no_ipv4, fn, ctx);
}

/* ---- /proc/net */

/* Words of 32 bits in the byte order of the host, each printed as a number, net/ipv6/tcp_ipv6.c. */
static void parse_address(struct fields *f, size_t words, uint8_t *to)
{
	for (size_t i = 0; i < words; i++) {
		uint32_t word;

		if (f->end - f->at < 8) {
			f->bad = true;
			return;
		}
		struct fields part = { .at = f->at, .end = f->at + 8 };

		word = (uint32_t)fields__number(&part, 16, UINT32_MAX);
		f->bad |= part.bad || part.at != part.end;
		f->at += 8;
		memcpy(to + 4 * i, &word, 4);
	}
}

static size_t address_words(struct fields *f)
{
	const char *at;

	fields__blanks(f);
	for (at = f->at; at < f->end && *at != ':'; at++)
		;
	f->bad |= at - f->at != 8 && at - f->at != 32;
	return at - f->at == 32 ? 4 : 1;
}

static void parse_ends(struct fields *f, struct endpoints *ends)
{
	struct inet_diag_msg msg = { 0 };
	size_t words = address_words(f);

	msg.idiag_family = words == 4 ? AF_INET6 : AF_INET;
	parse_address(f, words, (uint8_t *)msg.id.idiag_src);
	fields__byte(f, ':');
	msg.id.idiag_sport = htons((uint16_t)fields__number(f, 16, UINT16_MAX));
	if (address_words(f) != words)
		f->bad = true;
	parse_address(f, words, (uint8_t *)msg.id.idiag_dst);
	fields__byte(f, ':');
	msg.id.idiag_dport = htons((uint16_t)fields__number(f, 16, UINT16_MAX));
	inet_diag__endpoints(ends, &msg);
}

/* sl local remote st tx:rx tr:when retransmits uid timeout inode ref ... */
static int parse_line(const char *line, size_t len, struct listed *row)
{
	struct fields f;

	fields__init(&f, line, len);
	fields__number(&f, 10, UINT64_MAX);
	fields__byte(&f, ':');
	parse_ends(&f, &row->ends);
	row->state = (uint8_t)fields__number(&f, 16, STATE_MAX - 1);
	row->send_queue = (uint32_t)fields__number(&f, 16, UINT32_MAX);
	fields__byte(&f, ':');
	row->recv_queue = (uint32_t)fields__number(&f, 16, UINT32_MAX);
	row->timer = (uint8_t)fields__number(&f, 16, UINT8_MAX);
	fields__byte(&f, ':');
	fields__number(&f, 16, UINT64_MAX);
	row->retransmits = (uint8_t)fields__number(&f, 16, UINT32_MAX);
	row->uid = (uint32_t)fields__number(&f, 10, UINT32_MAX);
	fields__number(&f, 10, UINT64_MAX);
	row->inode = fields__number(&f, 10, UINT64_MAX);
	row->refs = (uint32_t)fields__number(&f, 10, UINT32_MAX);
	if (f.bad || !row->state)
		return -EBADMSG;
	row->type = protocols[row->class].type;
	row->flags |= LISTED_HAS_UID | LISTED_QUEUES | LISTED_HAS_REFS;
	if (!row->inode && (row->state == STATE_TIME_WAIT || row->state == STATE_SYN_RECV))
		row->flags |= LISTED_MINISOCK;
	return 0;
}

static int read_files(const struct sockets_place *place, enum socket_class class, const struct sockets_ask *ask,
		      const struct sockets_out *out)
{
	const struct protocol *p = &protocols[class];
	int err = 0;

	if (!p->file)
		return -ENOENT;
	if (!ask->no_ipv4)
		err = sockets__read(place, &sockets_inet, class, p->file, ask->states, out->row, out->ctx);
	if (err)
		return err;
	err = sockets__read(place, &sockets_inet, class, p->file6, ask->states, out->row, out->ctx);
	/* A kernel without IPv6. */
	return err == -ENOENT ? 0 : err;
}

/* ---- */

/*
 * INET_DIAG_INFO is asked for in a pass of its own: with it the kernel also lists the MD5 keys of a socket, and when these
 * fill a datagram (some 300 keys, which any user may set) the dump ends there as if it were done (seen on 6.18). So the
 * rows are whole, and what is missing then is only facts.
 */
static int ask_facts(const struct sockets_place *place, enum socket_class class, const struct sockets_ask *ask,
		     const struct sockets_out *out)
{
	if (class != CLASS_TCP || !(ask->facts & SOCKETS_TCP) || !out->facts)
		return 0;
	return ask_class(place, class, EXT(INET_DIAG_INFO) | EXT(INET_DIAG_CONG), ask, out->facts, out->ctx);
}

static int ask_for(const struct sockets_place *place, const struct listed *s, const struct sockets_out *out)
{
	bool ipv4 = s->ends.family == 4;
	struct inet_diag_req_v2 req = { .sdiag_family = ipv4 ? AF_INET : AF_INET6, .sdiag_protocol = IPPROTO_TCP };

	req.id.idiag_sport = htons(s->ends.local_port);
	req.id.idiag_dport = htons(s->ends.remote_port);
	memcpy(req.id.idiag_src, s->ends.local, ipv4 ? 4 : 16);
	memcpy(req.id.idiag_dst, s->ends.remote, ipv4 ? 4 : 16);
	req.id.idiag_cookie[0] = (uint32_t)s->cookie;
	req.id.idiag_cookie[1] = (uint32_t)(s->cookie >> 32);
	return sockets__get(place, &sockets_inet, CLASS_TCP, &req, sizeof(req), out->row, out->ctx);
}

/*
 * The kernel looks one up as if a packet had come. There is one connection at most between two ends, so what is not found
 * is gone; of listeners on one port, and of sockets bound to a device, it may have found another, and what is only bound
 * it does not find. 0, 1: that is what
 * happened, and only a dump can tell, or -errno.
 */
static int ask_each(const struct sockets_place *place, const struct sockets_ask *ask, const struct sockets_out *out)
{
	for (size_t i = 0; i < ask->tcp_count; i++) {
		const struct listed *s = ask->tcp[i];
		int err = s->cookie && !s->ifindex ? ask_for(place, s, out) : 1;

		if (err == -ENOENT || err == -ESTALE)
			err = s->state == STATE_LISTEN || s->state == STATE_CLOSE;
		if (err)
			return err;
	}
	return 0;
}

static int dump(const struct sockets_place *place, enum socket_class class, const struct sockets_ask *ask,
		const struct sockets_out *out)
{
	uint32_t ext = ask->facts & SOCKETS_MEMORY ? EXT(INET_DIAG_SKMEMINFO) : 0;
	int err = -ENOENT;

	if (class == CLASS_TCP && ask->tcp && !ask_each(place, ask, out))
		return 0;
	if (!protocols[class].no_diag)
		err = ask_class(place, class, ext, ask, out->row, out->ctx);
	if (err == -ENOENT || (err == -EINVAL && class == CLASS_MPTCP)) /* before 5.9 there was no such attribute */
		return read_files(place, class, ask, out);
	return err ? err : ask_facts(place, class, ask, out);
}

const struct sockets_family sockets_inet = {
	.classes = CLASSES_INET,
	.dump = dump,
	.parse = parse,
	.parse_line = parse_line,
};
