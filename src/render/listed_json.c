/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A listed socket as NDJSON version 1: the "existing" update of the stream, with what else is known. Additions only. */
#include "render/address.h"
#include "render/forms.h"
#include "render/json.h"
#include "render/listed.h"

static void add_unix(struct buffer *out, const struct column_view *v)
{
	const struct listed *s = v->socket, *peer;
	struct buffer path;

	buffer__init(&path, UINT16_MAX);
	listed__add_path(s, &path);
	if (path.len)
		json__bytes(out, "path", path.data, path.len);
	if (s->un.peer_inode) {
		json__integer(out, "peer_inode", s->un.peer_inode);
		peer = listing__by_inode(v->listing, s->un.peer_inode);
		buffer__reset(&path);
		if (peer)
			listed__add_path(peer, &path);
		if (path.len)
			json__bytes(out, "peer_path", path.data, path.len);
	}
	buffer__free(&path);
}

static void add_netlink(struct buffer *out, const struct listed *s)
{
	const char *name = listed__netlink_protocol(s->netlink.protocol);

	json__integer(out, "netlink_protocol", s->netlink.protocol);
	if (name)
		json__word(out, "netlink_name", name);
	json__integer(out, "port_id", s->netlink.port);
	if (s->flags & LISTED_HAS_PEER)
		json__integer(out, "peer_port_id", s->netlink.peer_port);
	json__integer(out, "groups", s->netlink.groups);
}

static void add_inet(struct buffer *out, const struct listed *s)
{
	struct endpoints ends = s->ends;

	/* The kernel keeps the protocol of a raw socket where others have their port. */
	if (s->class == CLASS_RAW) {
		json__integer(out, "ip_protocol", ends.local_port);
		ends.local_port = 0;
	}
	ndjson__endpoints(out, &ends, s->state != STATE_LISTEN && s->state != STATE_CLOSE);
	if (s->flags & LISTED_V6ONLY)
		json__literal(out, ",\"v6only\":true");
}

static void add_place(struct buffer *out, const struct column_view *v)
{
	const struct listed *s = v->socket;

	switch (s->class) {
	case CLASS_UNIX:
		add_unix(out, v);
		return;
	case CLASS_PACKET:
		json__integer(out, "ethertype", s->packet.protocol);
		return;
	case CLASS_NETLINK:
		add_netlink(out, s);
		return;
	case CLASS_VSOCK:
		json__integer(out, "local_cid", s->vsock.cid);
		json__integer(out, "local_vsock_port", s->vsock.port);
		json__integer(out, "remote_cid", s->vsock.peer_cid);
		json__integer(out, "remote_vsock_port", s->vsock.peer_port);
		return;
	case CLASS_XDP:
		json__integer(out, "queue", s->xdp.queue);
		return;
	case CLASS_TIPC:
		json__integer(out, "tipc_node", s->tipc.node);
		json__integer(out, "tipc_ref", s->tipc.ref);
		return;
	default:
		add_inet(out, s);
	}
}

static void add_socket(struct buffer *out, const struct column_view *v)
{
	const struct listed *s = v->socket;
	const char *state = listed__state(s), *type = listed__type(s);

	if (s->cookie)
		json__integer(out, "cookie", s->cookie);
	if (s->inode)
		json__integer(out, "inode", s->inode);
	json__integer(out, "netns", s->netns);
	json__word(out, "family", listed__family(s));
	json__word(out, "protocol", listed__protocol(s));
	if (type)
		json__word(out, "type", type);
	if (state)
		json__word(out, "state", state);
	if (s->direction == SW_DIR_IN)
		json__literal(out, ",\"direction\":\"in\"");
	else if (s->direction == SW_DIR_LISTEN)
		json__literal(out, ",\"direction\":\"listen\"");
	add_place(out, v);
}

static void add_device(struct buffer *out, const struct column_view *v)
{
	const struct column_names *n = v->names;
	const char *name;

	if (!v->socket->ifindex)
		return;
	json__integer(out, "ifindex", v->socket->ifindex);
	name = n && n->device ? n->device(n->ctx, v->socket->netns, v->socket->ifindex) : NULL;
	if (name)
		json__bytes(out, "device", name, strlen(name));
}

static void add_memory(struct buffer *out, const struct facts *f)
{
	json__integer(out, "rmem_alloc", f->memory[0]);
	json__integer(out, "rmem_limit", f->memory[1]);
	json__integer(out, "wmem_alloc", f->memory[2]);
	json__integer(out, "wmem_limit", f->memory[3]);
	json__integer(out, "forward_alloc", f->memory[4]);
	json__integer(out, "wmem_queued", f->memory[5]);
	json__integer(out, "option_memory", f->memory[6]);
	json__integer(out, "backlog_bytes", f->memory[7]);
	json__integer(out, "drops", f->memory[8]);
}

static void add_tcp(struct buffer *out, const struct tcp_facts *t)
{
	if (t->rtt_us) /* never measured, of a listener */
		json__integer(out, "rtt_us", t->rtt_us);
	json__integer(out, "rtt_variance_us", t->rtt_variance_us);
	json__integer(out, "min_rtt_us", t->min_rtt_us);
	json__integer(out, "rto_us", t->rto_us);
	json__integer(out, "mss", t->send_mss);
	json__integer(out, "path_mtu", t->path_mtu);
	json__integer(out, "cwnd", t->cwnd);
	json__integer(out, "ssthresh", t->ssthresh);
	json__integer(out, "bytes_sent", t->bytes_sent);
	json__integer(out, "bytes_received", t->bytes_received);
	json__integer(out, "bytes_acked", t->bytes_acked);
	json__integer(out, "bytes_retransmitted", t->bytes_retransmitted);
	json__integer(out, "segments_out", t->segments_out);
	json__integer(out, "segments_in", t->segments_in);
	json__integer(out, "retransmits", t->retransmits);
	json__integer(out, "unacked", t->unacked);
	json__integer(out, "lost_segments", t->lost);
	json__integer(out, "not_sent", t->not_sent);
	json__integer(out, "last_sent_ms", t->last_sent_ms);
	json__integer(out, "last_received_ms", t->last_received_ms);
	if (t->pacing_rate != UINT64_MAX)
		json__integer(out, "pacing_rate", t->pacing_rate);
	json__integer(out, "delivery_rate", t->delivery_rate);
	json__integer(out, "busy_us", t->busy_us);
}

static void add_facts(struct buffer *out, const struct column_view *v)
{
	const struct listed *s = v->socket;
	const char *timer = listed__timer(s);

	if (s->flags & LISTED_HAS_UID && !(s->flags & LISTED_MINISOCK))
		json__integer(out, "socket_uid", s->uid);
	add_device(out, v);
	if (s->flags & LISTED_HAS_MARK && s->mark)
		json__integer(out, "mark", s->mark);
	if (s->cgroup_id)
		json__integer(out, "cgroup_id", s->cgroup_id);
	if (timer) {
		json__word(out, "timer", timer);
		json__integer(out, "timer_ms", s->timer_ms);
		json__integer(out, "timer_count", s->retransmits);
	}
	if (s->flags & LISTED_HAS_REFS)
		json__integer(out, "references", s->refs);
	if (!s->facts)
		return;
	if (s->facts->have_memory)
		add_memory(out, s->facts);
	if (s->facts->congestion[0])
		json__bytes(out, "congestion", s->facts->congestion,
			    strnlen(s->facts->congestion, sizeof(s->facts->congestion)));
	if (s->facts->have_tcp)
		add_tcp(out, &s->facts->tcp);
}

void listed__json(const struct render_config *config, const struct column_view *v, uint64_t time_ns, struct buffer *out)
{
	const struct listed *s = v->socket;
	const char *attribution = render__attribution_name(s->attribution);
	const char *context = NULL;
	const struct holder *holders;
	size_t count;

	json__literal(out, "{\"v\":1,\"event\":\"existing\",\"time\":");
	json__time(out, forms__realtime_ns(config, time_ns), 9);
	add_socket(out, v);
	if (s->owner)
		ndjson__owner(config, out, s->owner, 0);
	json__word(out, "attribution", attribution ? attribution : "none");
	holders = listing__holders(v->listing, s, &count);
	if (holders)
		ndjson__holders(out, holders, count);
	if (s->owner && v->names && v->names->context)
		context = v->names->context(v->names->ctx, s->owner);
	if (context)
		json__bytes(out, "context", context, strlen(context));
	if (s->flags & LISTED_QUEUES) {
		json__integer(out, "recv_queue", s->recv_queue);
		json__integer(out, "send_queue", s->send_queue);
	}
	add_facts(out, v);
	json__literal(out, "}\n");
}

void listed__json_columns(const struct columns *c, const struct column_view *v, struct buffer *scratch,
			  struct buffer *out)
{
	bool first = true;

	json__literal(out, "{");
	for (unsigned int i = 0; i < c->count; i++) {
		const struct column *column = c->items[i];

		buffer__reset(scratch);
		column->text(v, scratch);
		if (!scratch->len)
			continue;
		if (!first)
			json__literal(out, ",");
		first = false;
		json__string(out, column->name, strlen(column->name));
		json__literal(out, ":");
		if (column->flags & COLUMN_NUMBER)
			buffer__add(out, scratch->data, scratch->len);
		else
			json__string(out, scratch->data, scratch->len);
	}
	json__literal(out, "}\n");
}
