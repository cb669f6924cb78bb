/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* NDJSON version 1: design section 7, src/data/sockwatch.schema.json. Additions only. */
#include "model/container.h"
#include "render/address.h"
#include "render/forms.h"
#include "render/json.h"

#define NS_PER_SECOND 1000000000ull

static void add_address(struct buffer *out, uint8_t family, const uint8_t *address)
{
	char text[ADDRESS_TEXT_MAX];

	json__raw(out, text, address__format(text, family, address));
}

void ndjson__endpoints(struct buffer *out, const struct endpoints *ends, bool has_remote)
{
	json__literal(out, ",\"local_address\":\"");
	add_address(out, ends->family, ends->local);
	json__literal(out, "\"");
	if (ends->local_port) /* chosen only after SYN_SENT, unless bound first */
		json__integer(out, "local_port", ends->local_port);
	if (!has_remote)
		return;
	json__literal(out, ",\"remote_address\":\"");
	add_address(out, ends->family, ends->remote);
	json__literal(out, "\",\"remote_port\":");
	buffer__addu(out, ends->remote_port);
}

static void add_socket(struct buffer *out, const struct sock *sock)
{
	static const char *const directions[] = {
		[SW_DIR_OUT] = "out",
		[SW_DIR_IN] = "in",
		[SW_DIR_LISTEN] = "listen",
	};
	const char *state = render__state_name(sock->state);

	json__integer(out, "cookie", sock->cookie);
	if (sock->inode)
		json__integer(out, "inode", sock->inode);
	json__integer(out, "netns", sock->netns);
	if (sock->ends.family == 6)
		json__literal(out, ",\"family\":\"ipv6\"");
	else
		json__literal(out, ",\"family\":\"ipv4\"");
	if (sock->mptcp)
		json__literal(out, ",\"protocol\":\"mptcp\"");
	else
		json__literal(out, ",\"protocol\":\"tcp\"");
	if (state)
		json__word(out, "state", state);
	if (sock->direction != SW_DIR_UNKNOWN && sock->direction <= SW_DIR_LISTEN)
		json__word(out, "direction", directions[sock->direction]);
	ndjson__endpoints(out, &sock->ends, !forms__is_listener(sock));
}

/* As ps prints it: arguments joined by one space. */
static void add_cmdline(struct buffer *out, const struct process *process)
{
	const char *arg = process->cmdline;
	size_t len = process->cmdline_len, n;

	while (len && !arg[len - 1])
		len--;
	json__literal(out, ",\"cmdline\":\"");
	for (;;) {
		n = strnlen(arg, len);
		json__content(out, arg, n);
		if (n == len)
			break;
		json__literal(out, " ");
		arg += n + 1;
		len -= n + 1;
	}
	json__literal(out, "\"");
}

static void add_start_time(const struct render_config *config, struct buffer *out, uint64_t ticks)
{
	uint64_t per_second = (uint64_t)config->ticks_per_second;
	uint64_t ns;

	if (config->ticks_per_second <= 0)
		return;
	ns = ticks / per_second * NS_PER_SECOND + ticks % per_second * NS_PER_SECOND / per_second;
	json__literal(out, ",\"start_time\":");
	json__time(out, forms__realtime_ns(config, ns), 2);
}

static void add_cgroup(struct buffer *out, const char *cgroup)
{
	const char *container = container__find(cgroup);

	json__bytes(out, "cgroup", cgroup, strlen(cgroup));
	if (container)
		json__bytes(out, "container", container, CONTAINER_ID_LEN);
}

void ndjson__owner(const struct render_config *config, struct buffer *out, const struct process *owner, uint32_t tid)
{
	json__integer(out, "pid", owner->pid);
	if (tid)
		json__integer(out, "tid", tid);
	json__bytes(out, "comm", owner->comm, strnlen(owner->comm, sizeof(owner->comm)));
	if (owner->have_ids) {
		json__integer(out, "uid", owner->uid);
		json__integer(out, "ppid", owner->ppid);
		if (owner->parent_comm[0])
			json__bytes(out, "parent_comm", owner->parent_comm,
				    strnlen(owner->parent_comm, sizeof(owner->parent_comm)));
	}
	if (owner->exe)
		json__bytes(out, "exe", owner->exe, strlen(owner->exe));
	if (owner->cmdline)
		add_cmdline(out, owner);
	add_start_time(config, out, owner->start_ticks);
	if (owner->cgroup)
		add_cgroup(out, owner->cgroup);
}

void ndjson__holders(struct buffer *out, const struct holder *holders, size_t count)
{
	json__literal(out, ",\"holders\":[");
	for (size_t i = 0; i < count; i++) {
		const struct holder *holder = &holders[i];

		if (i)
			json__literal(out, ",");
		json__literal(out, "{\"pid\":");
		buffer__addu(out, holder->process->pid);
		if (holder->fd >= 0)
			json__integer(out, "fd", (unsigned int)holder->fd);
		json__bytes(out, "comm", holder->process->comm,
			    strnlen(holder->process->comm, sizeof(holder->process->comm)));
		json__literal(out, "}");
	}
	json__literal(out, "]");
}

static void add_close(struct buffer *out, const struct update *u)
{
	const char *reason = render__reason_name(u->close.reason);

	if (u->close.duration_us)
		json__integer(out, "duration_us", u->close.duration_us);
	if (u->close.have_stats) {
		json__integer(out, "bytes_sent", u->close.bytes_sent);
		json__integer(out, "bytes_received", u->close.bytes_received);
		json__integer(out, "retransmits", u->close.retransmits);
	}
	if (u->close.rtt_us)
		json__integer(out, "rtt_us", u->close.rtt_us);
	if (reason)
		json__word(out, "reason", reason);
}

static void add_socket_update(const struct render_config *config, struct buffer *out, const struct update *u)
{
	const char *attribution = render__attribution_name(u->sock->attribution);

	add_socket(out, u->sock);
	if (u->sock->owner)
		ndjson__owner(config, out, u->sock->owner, u->tid);
	json__word(out, "attribution", attribution ? attribution : "none");
	if (u->sock->holder_count && (u->event == EV_EXISTING || u->event == EV_OWNER))
		ndjson__holders(out, u->sock->holders, u->sock->holder_count);
	if (u->event == EV_OWNER && u->prev_owner) {
		json__integer(out, "prev_pid", u->prev_owner->pid);
		json__bytes(out, "prev_comm", u->prev_owner->comm,
			    strnlen(u->prev_owner->comm, sizeof(u->prev_owner->comm)));
	}
	if (u->event == EV_EXISTING && u->have_queues) {
		json__integer(out, "recv_queue", u->recv_queue);
		json__integer(out, "send_queue", u->send_queue);
	}
	if (u->event == EV_CLOSE)
		add_close(out, u);
}

static void add_sync(struct buffer *out, const struct update *u)
{
	json__integer(out, "sockets", u->sync.sockets);
	json__integer(out, "unowned", u->sync.unowned);
	json__integer(out, "bootstrap_us", u->sync.bootstrap_us);
	if (u->sync.plan)
		json__bytes(out, "plan", u->sync.plan, strlen(u->sync.plan));
	if (u->sync.missing_hooks)
		json__bytes(out, "missing_hooks", u->sync.missing_hooks, strlen(u->sync.missing_hooks));
}

void ndjson__update(const struct render_config *config, struct buffer *out, const struct update *u)
{
	const char *event = render__event_name(u->event);
	const char *where = render__loss_name(u->lost.where);

	json__literal(out, "{\"v\":1");
	json__word(out, "event", event ? event : "state");
	json__literal(out, ",\"time\":");
	json__time(out, forms__realtime_ns(config, u->time_ns), 9);
	if (u->sock) {
		add_socket_update(config, out, u);
	} else if (u->event == EV_SYNC) {
		add_sync(out, u);
	} else if (u->event == EV_LOST) {
		json__integer(out, "count", u->lost.count);
		if (where)
			json__word(out, "where", where);
	} else if (u->event == EV_SUMMARY) {
		json__integer(out, "updates", u->summary.updates);
		json__integer(out, "lost", u->summary.lost);
	}
	json__literal(out, "}\n");
}
