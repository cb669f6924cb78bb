/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "render/column_texts.h"

#include <inttypes.h>
#include <string.h>

#include <linux/sock_diag.h>
#include <linux/tcp.h>

#include "render/address.h"
#include "render/json.h"
#include "render/listed.h"

#define VSOCK_ANY 0xffffffffU /* VMADDR_CID_ANY and VMADDR_PORT_ANY, linux/vm_sockets.h */

/* ---- ends */

static void add_device_name(const struct column_view *v, struct buffer *out, uint32_t ifindex)
{
	const struct column_names *n = v->names;
	const char *name = n && n->device ? n->device(n->ctx, v->socket->netns, ifindex) : NULL;

	if (name)
		buffer__adds(out, name);
	else
		buffer__addf(out, "if%" PRIu32, ifindex);
}

void column__add_device(const struct column_view *v, struct buffer *out)
{
	add_device_name(v, out, v->socket->ifindex);
}

static void add_numeric(struct buffer *out, uint8_t family, const uint8_t *address)
{
	char text[ADDRESS_TEXT_MAX];

	buffer__add(out, text, address__format(text, family, address));
}

static bool is_any(const uint8_t *address)
{
	static const uint8_t any[16];

	return !memcmp(address, any, sizeof(any));
}

static void add_port(const struct column_view *v, struct buffer *out, uint16_t port)
{
	const struct column_names *n = v->names;
	const char *name = n && n->service && port ? n->service(n->ctx, v->socket, port) : NULL;

	buffer__addc(out, ':');
	if (name)
		buffer__adds(out, name);
	else if (port)
		buffer__addu(out, port);
	else
		buffer__addc(out, '*');
}

static void add_end(const struct column_view *v, struct buffer *out, const uint8_t *address, uint16_t port, bool local)
{
	const struct listed *s = v->socket;
	const struct column_names *n = v->names;
	const char *name = n && n->host && !is_any(address) ? n->host(n->ctx, s->ends.family, address) : NULL;

	if (name) {
		buffer__adds(out, name);
	} else if (local && s->flags & LISTED_DUAL && is_any(address)) {
		buffer__addc(out, '*');
	} else if (s->ends.family == 6) {
		buffer__addc(out, '[');
		add_numeric(out, 6, address);
		buffer__addc(out, ']');
	} else {
		add_numeric(out, 4, address);
	}
	if (local && s->ifindex) {
		buffer__addc(out, '%');
		column__add_device(v, out);
	}
	add_port(v, out, port);
}

/* As ss has it: the name and the inode, which also names what has no name. */
static void add_unix(const struct listed *s, struct buffer *out, uint64_t inode)
{
	size_t before = out->len;

	if (s)
		listed__add_path(s, out);
	if (out->len == before)
		buffer__addc(out, '*');
	buffer__addc(out, ' ');
	buffer__addu(out, inode);
}

static void add_vsock(struct buffer *out, uint32_t cid, uint32_t port)
{
	if (cid == VSOCK_ANY)
		buffer__addc(out, '*');
	else
		buffer__addu(out, cid);
	buffer__addc(out, ':');
	if (port == VSOCK_ANY)
		buffer__addc(out, '*');
	else
		buffer__addu(out, port);
}

/* ETH_P_*: all, or the number as linux/if_ether.h has it; any device, or which. */
static void add_packet(const struct column_view *v, struct buffer *out)
{
	uint32_t protocol = v->socket->packet.protocol;

	if (protocol == 3) /* ETH_P_ALL */
		buffer__adds(out, "all:");
	else
		buffer__addf(out, "0x%04" PRIx32 ":", protocol);
	if (v->socket->ifindex)
		column__add_device(v, out);
	else
		buffer__addc(out, '*');
}

static void add_netlink(const struct listed *s, struct buffer *out)
{
	const char *name = listed__netlink_protocol(s->netlink.protocol);

	if (name)
		buffer__adds(out, name);
	else
		buffer__addu(out, s->netlink.protocol);
	buffer__addc(out, ':');
	if (s->netlink.port)
		buffer__addu(out, s->netlink.port);
	else
		buffer__adds(out, "kernel");
}

void column__local(const struct column_view *v, struct buffer *out)
{
	const struct listed *s = v->socket;

	switch (s->class) {
	case CLASS_UNIX:
		add_unix(s, out, s->inode);
		return;
	case CLASS_PACKET:
		add_packet(v, out);
		return;
	case CLASS_NETLINK:
		add_netlink(s, out);
		return;
	case CLASS_VSOCK:
		add_vsock(out, s->vsock.cid, s->vsock.port);
		return;
	case CLASS_XDP:
		if (s->ifindex)
			column__add_device(v, out);
		else
			buffer__addc(out, '*');
		buffer__addf(out, ":%" PRIu32, s->xdp.queue);
		return;
	case CLASS_TIPC:
		buffer__addf(out, "%" PRIu32 ":%" PRIu32, s->tipc.node, s->tipc.ref);
		return;
	default:
		add_end(v, out, s->ends.local, s->ends.local_port, true);
	}
}

static bool has_remote(const struct listed *s)
{
	return s->ends.remote_port || !is_any(s->ends.remote);
}

void column__remote(const struct column_view *v, struct buffer *out)
{
	const struct listed *s = v->socket;

	if (listed__is_inet(s) && has_remote(s))
		add_end(v, out, s->ends.remote, s->ends.remote_port, false);
	else if (s->class == CLASS_UNIX && s->un.peer_inode)
		add_unix(listing__by_inode(v->listing, s->un.peer_inode), out, s->un.peer_inode);
	else if (s->class == CLASS_NETLINK && s->netlink.peer_port)
		buffer__addu(out, s->netlink.peer_port);
	else if (s->class == CLASS_VSOCK)
		add_vsock(out, s->vsock.peer_cid, s->vsock.peer_port);
	else
		buffer__addc(out, '*');
}

void column__local_address(const struct column_view *v, struct buffer *out)
{
	if (listed__is_inet(v->socket))
		add_numeric(out, v->socket->ends.family, v->socket->ends.local);
	else if (v->socket->class == CLASS_VSOCK)
		buffer__addu(out, v->socket->vsock.cid);
}

void column__remote_address(const struct column_view *v, struct buffer *out)
{
	if (listed__is_inet(v->socket))
		add_numeric(out, v->socket->ends.family, v->socket->ends.remote);
	else if (v->socket->class == CLASS_VSOCK)
		buffer__addu(out, v->socket->vsock.peer_cid);
}

void column__local_port(const struct column_view *v, struct buffer *out)
{
	if (listed__is_inet(v->socket))
		buffer__addu(out, v->socket->class == CLASS_RAW ? 0 : v->socket->ends.local_port);
	else if (v->socket->class == CLASS_VSOCK)
		buffer__addu(out, v->socket->vsock.port);
}

void column__remote_port(const struct column_view *v, struct buffer *out)
{
	if (listed__is_inet(v->socket))
		buffer__addu(out, v->socket->ends.remote_port);
	else if (v->socket->class == CLASS_VSOCK)
		buffer__addu(out, v->socket->vsock.peer_port);
}

/* ---- facts */

static void add_ms(struct buffer *out, uint32_t ms)
{
	if (ms >= 60000)
		buffer__addf(out, "%" PRIu32 "m%02" PRIu32 "s", ms / 60000, ms / 1000 % 60);
	else if (ms >= 1000)
		buffer__addf(out, "%" PRIu32 ".%" PRIu32 "s", ms / 1000, ms / 100 % 10);
	else
		buffer__addf(out, "%" PRIu32 "ms", ms);
}

void column__timer(const struct column_view *v, struct buffer *out)
{
	const char *name = listed__timer(v->socket);

	if (!name)
		return;
	buffer__addf(out, "%s ", name);
	add_ms(out, v->socket->timer_ms);
	if (v->socket->retransmits)
		buffer__addf(out, " x%u", (unsigned int)v->socket->retransmits);
}

void column__memory(const struct column_view *v, struct buffer *out)
{
	static const char *const names[LISTED_MEMORY] = { "r", "rb", "t", "tb", "f", "w", "o", "bl", "d" };

	if (!v->socket->facts || !v->socket->facts->have_memory)
		return;
	for (unsigned int i = 0; i < LISTED_MEMORY; i++)
		buffer__addf(out, "%s%s%" PRIu32, i ? "," : "", names[i], v->socket->facts->memory[i]);
}

static void add_us(struct buffer *out, const char *name, uint32_t us)
{
	if (us)
		buffer__addf(out, " %s:%" PRIu32 ".%03" PRIu32 "ms", name, us / 1000, us % 1000);
}

static void add_count(struct buffer *out, const char *name, uint64_t n)
{
	if (n)
		buffer__addf(out, " %s:%" PRIu64, name, n);
}

/* In bit/s, as people have it; the kernel counts bytes. No limit is all ones. */
static void add_rate(struct buffer *out, const char *name, uint64_t rate)
{
	if (rate && rate != UINT64_MAX)
		buffer__addf(out, " %s:%.6gMbps", name, (double)rate * 8 / 1e6);
}

static void add_options(struct buffer *out, const struct tcp_facts *t)
{
	if (t->options & TCPI_OPT_TIMESTAMPS)
		buffer__adds(out, " ts");
	if (t->options & TCPI_OPT_SACK)
		buffer__adds(out, " sack");
	if (t->options & TCPI_OPT_ECN)
		buffer__adds(out, " ecn");
	if (t->options & TCPI_OPT_WSCALE)
		buffer__addf(out, " wscale:%u,%u", (unsigned int)t->send_scale, (unsigned int)t->receive_scale);
}

void column__info(const struct column_view *v, struct buffer *out)
{
	const struct facts *f = v->socket->facts;
	const struct tcp_facts *t;

	if (!f || !f->have_tcp)
		return;
	t = &f->tcp;
	buffer__adds(out, f->congestion[0] ? f->congestion : "-");
	add_options(out, t);
	add_us(out, "rtt", t->rtt_us);
	add_us(out, "rttvar", t->rtt_variance_us);
	add_us(out, "minrtt", t->min_rtt_us);
	add_us(out, "rto", t->rto_us);
	add_count(out, "mss", t->send_mss);
	add_count(out, "pmtu", t->path_mtu);
	add_count(out, "cwnd", t->cwnd);
	add_count(out, "ssthresh", t->ssthresh == 0x7fffffff ? 0 : t->ssthresh); /* TCP_INFINITE_SSTHRESH */
	add_count(out, "bytes_sent", t->bytes_sent);
	add_count(out, "bytes_acked", t->bytes_acked);
	add_count(out, "bytes_received", t->bytes_received);
	add_count(out, "bytes_retrans", t->bytes_retransmitted);
	add_count(out, "segs_out", t->segments_out);
	add_count(out, "segs_in", t->segments_in);
	add_count(out, "unacked", t->unacked);
	add_count(out, "retrans", t->retransmits);
	add_count(out, "lost", t->lost);
	add_count(out, "notsent", t->not_sent);
	add_rate(out, "pacing", t->pacing_rate);
	add_rate(out, "delivery", t->delivery_rate);
}

void column__start_time(const struct column_view *v, struct buffer *out)
{
	const struct process *p = v->holder ? v->holder->process : v->socket->owner;
	struct buffer quoted;
	uint64_t ns;

	if (!p || v->ticks_per_second <= 0)
		return;
	ns = (uint64_t)((double)p->start_ticks / (double)v->ticks_per_second * 1e9);
	buffer__init(&quoted, 64);
	json__time(&quoted, ns + (uint64_t)v->boot_to_realtime_ns, 0);
	if (quoted.len > 2)
		buffer__add(out, quoted.data + 1, quoted.len - 2);
	buffer__free(&quoted);
}
