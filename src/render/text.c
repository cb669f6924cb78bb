/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One aligned line an update, for people. A value wider than its column pushes the rest of the line; nothing is cut. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/escape.h"
#include "render/address.h"
#include "render/forms.h"

#define NS_PER_SECOND	  1000000000u
#define NS_PER_MS	  1000000u
#define COMM_TEXT_MAX	  (SW_COMM_LEN * 4 + 1)	     /* every byte as \xNN */
#define ENDPOINT_TEXT_MAX (ADDRESS_TEXT_MAX + 2 + 7) /* brackets, colon, port, NUL */

enum column { COL_TIME, COL_EVENT, COL_PROTO, COL_STATE, COL_LOCAL, COL_REMOTE, COL_PID, COL_COMM, COL_ATTRIBUTION };

static const struct {
	const char *title;
	unsigned int width;
} columns[] = {
	[COL_TIME] = { "TIME", 12 },   [COL_EVENT] = { "EVENT", 11 }, [COL_PROTO] = { "PROTO", 5 },
	[COL_STATE] = { "STATE", 11 }, [COL_LOCAL] = { "LOCAL", 21 }, [COL_REMOTE] = { "REMOTE", 21 },
	[COL_PID] = { "PID", 7 },      [COL_COMM] = { "COMM", 15 },   [COL_ATTRIBUTION] = { "ATTRIBUTION", 0 },
};

/* SGR parameters by kind of event; NULL: as the terminal is. */
static const char *const event_colours[EV_MAX] = {
	[EV_EXISTING] = "2", [EV_LISTEN] = "34", [EV_CONNECT] = "36", [EV_ESTABLISHED] = "32",
	[EV_ACCEPT] = "32",  [EV_STATE] = "2",	 [EV_OWNER] = "35",   [EV_CLOSE] = "33",
	[EV_SYNC] = "1",     [EV_LOST] = "1;31", [EV_SUMMARY] = "1",
};

/* Of a connection that did not end in peace. */
#define COLOUR_FAILED "31"

static void add_spaces(struct buffer *out, size_t n)
{
	while (n--)
		buffer__addc(out, ' ');
}

/* Characters of well-formed UTF-8, as near to terminal cells as it gets without a locale. */
static size_t count_characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void add_cell(struct buffer *out, enum column column, const char *text)
{
	size_t width = columns[column].width, used = count_characters(text);

	buffer__adds(out, text);
	if (width)
		add_spaces(out, (used < width ? width - used : 0) + 1);
}

static void add_coloured_cell(struct buffer *out, enum column column, const char *text, const char *colour)
{
	size_t width = columns[column].width, used = count_characters(text);

	if (colour)
		buffer__addf(out, "\033[%sm%s\033[0m", colour, text);
	else
		buffer__adds(out, text);
	add_spaces(out, (used < width ? width - used : 0) + 1);
}

void text__header(struct buffer *out)
{
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		add_cell(out, (enum column)i, columns[i].title);
	buffer__addc(out, '\n');
}

static void add_time(const struct render_config *config, struct buffer *out, uint64_t boot_ns)
{
	uint64_t ns = forms__realtime_ns(config, boot_ns);
	time_t seconds = (time_t)(ns / NS_PER_SECOND);
	struct tm tm = { 0 };

	localtime_r(&seconds, &tm);
	buffer__addf(out, "%02d:%02d:%02d.%03u ", tm.tm_hour, tm.tm_min, tm.tm_sec,
		     (unsigned int)(ns % NS_PER_SECOND / NS_PER_MS));
}

static void add_endpoint(struct buffer *out, enum column column, uint8_t family, const uint8_t *address, uint16_t port)
{
	char text[ENDPOINT_TEXT_MAX];
	size_t len = 0;

	if (family == 6)
		text[len++] = '[';
	len += address__format(text + len, family, address);
	if (family == 6)
		text[len++] = ']';
	if (port)
		snprintf(text + len, sizeof(text) - len, ":%u", (unsigned int)port);
	else
		memcpy(text + len, ":*", 3);
	add_cell(out, column, text);
}

static const char *escape_comm(char dst[COMM_TEXT_MAX], const struct process *process)
{
	escape__terminal(dst, COMM_TEXT_MAX, process->comm, strnlen(process->comm, sizeof(process->comm)));
	return dst;
}

static void add_owner(struct buffer *out, const struct process *owner)
{
	char pid[16] = "-", comm[COMM_TEXT_MAX] = "-";

	if (owner) {
		snprintf(pid, sizeof(pid), "%" PRIu32, owner->pid);
		escape_comm(comm, owner);
	}
	add_cell(out, COL_PID, pid);
	add_cell(out, COL_COMM, comm);
}

/* 1023, 1.0K, 9.9K, 10K … cut, not rounded: never more than was. */
static void add_size(struct buffer *out, const char *arrow, uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	uint64_t rest = 0;
	int unit = -1;

	while (bytes >= 1024) {
		rest = bytes % 1024;
		bytes /= 1024;
		unit++;
	}
	buffer__addf(out, " %s%" PRIu64, arrow, bytes);
	if (unit < 0)
		return;
	if (bytes < 10)
		buffer__addf(out, ".%u", (unsigned int)(rest * 10 / 1024));
	buffer__addc(out, units[unit]);
}

static void add_tenths(struct buffer *out, uint64_t us, uint64_t unit_us, const char *unit)
{
	buffer__addf(out, " %" PRIu64, us / unit_us);
	if (us / unit_us < 100)
		buffer__addf(out, ".%u", (unsigned int)(us % unit_us * 10 / unit_us));
	buffer__adds(out, unit);
}

static void add_duration(struct buffer *out, uint64_t us)
{
	uint64_t seconds = us / 1000000;

	if (us < 1000)
		buffer__addf(out, " %" PRIu64 "µs", us);
	else if (us < 1000000)
		add_tenths(out, us, 1000, "ms");
	else if (seconds < 60)
		add_tenths(out, us, 1000000, "s");
	else if (seconds < 3600)
		buffer__addf(out, " %" PRIu64 "m%02" PRIu64 "s", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		buffer__addf(out, " %" PRIu64 "h%02" PRIu64 "m", seconds / 3600, seconds / 60 % 60);
	else
		buffer__addf(out, " %" PRIu64 "d%02" PRIu64 "h", seconds / 86400, seconds / 3600 % 24);
}

static void add_close(struct buffer *out, const struct update *u)
{
	const char *reason = render__reason_name(u->close.reason);

	if (u->close.have_stats) {
		add_size(out, "↑", u->close.bytes_sent);
		add_size(out, "↓", u->close.bytes_received);
	}
	if (u->close.duration_us)
		add_duration(out, u->close.duration_us);
	if (reason)
		buffer__addf(out, " %s", reason);
	if (u->close.rtt_us) {
		buffer__adds(out, " rtt");
		add_duration(out, u->close.rtt_us);
	}
	if (u->close.have_stats && u->close.retransmits)
		buffer__addf(out, " retransmits %" PRIu32, u->close.retransmits);
}

static void add_queues(struct buffer *out, const struct update *u)
{
	if (u->sock->state == STATE_LISTEN) {
		buffer__addf(out, " queue %" PRIu32 "/%" PRIu32, u->recv_queue, u->send_queue);
		return;
	}
	if (u->recv_queue)
		buffer__addf(out, " unread %" PRIu32, u->recv_queue);
	if (u->send_queue)
		buffer__addf(out, " unsent %" PRIu32, u->send_queue);
}

static void add_details(struct buffer *out, const struct update *u)
{
	const struct sock *sock = u->sock;
	char comm[COMM_TEXT_MAX];

	if (u->event == EV_EXISTING && u->have_queues)
		add_queues(out, u);
	if (u->event == EV_OWNER && u->prev_owner)
		buffer__addf(out, " was %" PRIu32 " %s", u->prev_owner->pid, escape_comm(comm, u->prev_owner));
	if (sock->holder_count > 1 && (u->event == EV_EXISTING || u->event == EV_OWNER))
		buffer__addf(out, " %u holders", (unsigned int)sock->holder_count);
	if (u->event == EV_CLOSE)
		add_close(out, u);
	if (u->tid && sock->owner && u->tid != sock->owner->pid)
		buffer__addf(out, " tid %" PRIu32, u->tid);
}

static const char *choose_colour(const struct render_config *config, const struct update *u)
{
	if (!config->colour || u->event >= EV_MAX)
		return NULL;
	if (u->event == EV_CLOSE && u->close.reason >= REASON_RESET && u->close.reason <= REASON_UNREACHABLE)
		return COLOUR_FAILED;
	return event_colours[u->event];
}

static void add_socket_update(const struct render_config *config, struct buffer *out, const struct update *u)
{
	const char *event = render__event_name(u->event), *state = render__state_name(u->sock->state);
	const char *attribution = render__attribution_name(u->sock->attribution);
	const struct endpoints *ends = &u->sock->ends;

	add_time(config, out, u->time_ns);
	add_coloured_cell(out, COL_EVENT, event ? event : "-", choose_colour(config, u));
	add_cell(out, COL_PROTO, u->sock->mptcp ? "mptcp" : "tcp");
	add_cell(out, COL_STATE, state ? state : "-");
	add_endpoint(out, COL_LOCAL, ends->family, ends->local, ends->local_port);
	add_endpoint(out, COL_REMOTE, ends->family, ends->remote, ends->remote_port);
	add_owner(out, u->sock->owner);
	add_cell(out, COL_ATTRIBUTION, attribution ? attribution : "none");
	add_details(out, u);
	buffer__addc(out, '\n');
}

static void add_count(struct buffer *out, uint64_t n, const char *thing)
{
	buffer__addf(out, "%" PRIu64 " %s%s", n, thing, n == 1 ? "" : "s");
}

static void add_sync(struct buffer *out, const struct update *u)
{
	char missing[512];

	buffer__adds(out, "in sync: ");
	add_count(out, u->sync.sockets, "socket");
	buffer__addf(out, ", %" PRIu64 " unowned", u->sync.unowned);
	if (u->sync.plan)
		buffer__addf(out, ", plan %s", u->sync.plan);
	buffer__addf(out, ", %" PRIu64 " ms", u->sync.bootstrap_us / 1000);
	if (!u->sync.missing_hooks)
		return;
	escape__terminal(missing, sizeof(missing), u->sync.missing_hooks, strlen(u->sync.missing_hooks));
	buffer__addf(out, ", missing hooks: %s", missing);
}

static void add_lost(struct buffer *out, const struct update *u)
{
	const char *where = render__loss_name(u->lost.where);

	buffer__adds(out, "lost ");
	add_count(out, u->lost.count, "record");
	buffer__addf(out, " (%s): looking again", where ? where : "-");
}

void text__update(const struct render_config *config, struct buffer *out, const struct update *u)
{
	const char *colour = choose_colour(config, u);

	if (u->sock) {
		add_socket_update(config, out, u);
		return;
	}
	if (colour)
		buffer__addf(out, "\033[%sm", colour);
	buffer__adds(out, "-- ");
	if (u->event == EV_SYNC)
		add_sync(out, u);
	else if (u->event == EV_LOST)
		add_lost(out, u);
	else if (u->event == EV_SUMMARY) {
		add_count(out, u->summary.updates, "update");
		buffer__addf(out, ", %" PRIu64 " lost", u->summary.lost);
	}
	buffer__adds(out, " --");
	if (colour)
		buffer__adds(out, "\033[0m");
	buffer__addc(out, '\n');
}
