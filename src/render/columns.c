/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "render/columns.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "render/address.h"
#include "render/column_texts.h"
#include "render/listed.h"

static void add_word(struct buffer *out, const char *word)
{
	if (word)
		buffer__adds(out, word);
}

static const struct process *holding(const struct column_view *v)
{
	return v->holder ? v->holder->process : v->socket->owner;
}

static void protocol(const struct column_view *v, struct buffer *out)
{
	const struct listed *s = v->socket;

	if (s->class == CLASS_UNIX)
		add_word(out, s->type == SOCK_STREAM	  ? "u_str"
			      : s->type == SOCK_DGRAM	  ? "u_dgr"
			      : s->type == SOCK_SEQPACKET ? "u_seq"
							  : "unix");
	else
		add_word(out, listed__protocol(s));
}

static void family(const struct column_view *v, struct buffer *out)
{
	add_word(out, listed__family(v->socket));
}

static void type(const struct column_view *v, struct buffer *out)
{
	add_word(out, listed__type(v->socket));
}

static void state(const struct column_view *v, struct buffer *out)
{
	add_word(out, listed__state(v->socket));
}

static void recv_queue(const struct column_view *v, struct buffer *out)
{
	if (v->socket->flags & LISTED_QUEUES)
		buffer__addu(out, v->socket->recv_queue);
}

static void send_queue(const struct column_view *v, struct buffer *out)
{
	if (v->socket->flags & LISTED_QUEUES)
		buffer__addu(out, v->socket->send_queue);
}

static void pid(const struct column_view *v, struct buffer *out)
{
	if (holding(v))
		buffer__addu(out, holding(v)->pid);
}

static void comm(const struct column_view *v, struct buffer *out)
{
	add_word(out, holding(v) ? holding(v)->comm : NULL);
}

/* Of the owner the first descriptor. */
static void fd(const struct column_view *v, struct buffer *out)
{
	const struct holder *holders = v->holder;
	size_t count = 1;

	if (!holders)
		holders = listing__holders(v->listing, v->socket, &count);
	for (size_t i = 0; holders && i < count; i++) {
		if (holders[i].process != holding(v))
			continue;
		buffer__addu(out, (unsigned int)holders[i].fd);
		return;
	}
}

static void holders(const struct column_view *v, struct buffer *out)
{
	size_t count;
	const struct holder *items = listing__holders(v->listing, v->socket, &count);

	for (size_t i = 0; items && i < count; i++) {
		if (i)
			buffer__addc(out, ',');
		buffer__adds(out, items[i].process->comm);
		buffer__addc(out, '/');
		buffer__addu(out, items[i].process->pid);
		buffer__addc(out, '/');
		buffer__addu(out, (unsigned int)items[i].fd);
	}
}

static void attribution(const struct column_view *v, struct buffer *out)
{
	add_word(out, render__attribution_name(v->socket->attribution));
}

static void add_user(const struct column_view *v, struct buffer *out, uint32_t id)
{
	const char *name = v->names && v->names->user ? v->names->user(v->names->ctx, id) : NULL;

	if (name)
		buffer__adds(out, name);
	else
		buffer__addu(out, id);
}

static void uid(const struct column_view *v, struct buffer *out)
{
	if (v->socket->flags & LISTED_HAS_UID && !(v->socket->flags & LISTED_MINISOCK))
		buffer__addu(out, v->socket->uid);
}

static void user(const struct column_view *v, struct buffer *out)
{
	if (v->socket->flags & LISTED_HAS_UID && !(v->socket->flags & LISTED_MINISOCK))
		add_user(v, out, v->socket->uid);
}

static void inode(const struct column_view *v, struct buffer *out)
{
	if (v->socket->inode)
		buffer__addu(out, v->socket->inode);
}

static void cookie(const struct column_view *v, struct buffer *out)
{
	if (v->socket->cookie)
		buffer__addu(out, v->socket->cookie);
}

static void netns_number(const struct column_view *v, struct buffer *out)
{
	buffer__addu(out, v->socket->netns);
}

static void netns(const struct column_view *v, struct buffer *out)
{
	const char *name = v->names && v->names->netns ? v->names->netns(v->names->ctx, v->socket->netns) : NULL;

	if (name)
		buffer__adds(out, name);
	else
		buffer__addu(out, v->socket->netns);
}

static void device(const struct column_view *v, struct buffer *out)
{
	if (v->socket->ifindex)
		column__add_device(v, out);
}

static void mark(const struct column_view *v, struct buffer *out)
{
	if (v->socket->mark)
		buffer__addf(out, "0x%" PRIx32, v->socket->mark);
}

static void references(const struct column_view *v, struct buffer *out)
{
	if (v->socket->flags & LISTED_HAS_REFS)
		buffer__addu(out, v->socket->refs);
}

/* As netstat has them. */
static void flags(const struct column_view *v, struct buffer *out)
{
	if (v->socket->class == CLASS_UNIX)
		buffer__adds(out, v->socket->state == STATE_LISTEN ? "[ ACC ]" : "[ ]");
}

static void path(const struct column_view *v, struct buffer *out)
{
	if (v->socket->class == CLASS_UNIX)
		listed__add_path(v->socket, out);
}

static void peer_inode(const struct column_view *v, struct buffer *out)
{
	if (v->socket->class == CLASS_UNIX && v->socket->un.peer_inode)
		buffer__addu(out, v->socket->un.peer_inode);
}

static void exe(const struct column_view *v, struct buffer *out)
{
	add_word(out, holding(v) ? holding(v)->exe : NULL);
}

static void cmdline(const struct column_view *v, struct buffer *out)
{
	const struct process *p = holding(v);

	for (size_t i = 0; p && p->cmdline && i < p->cmdline_len; i++)
		buffer__addc(out, p->cmdline[i] ? p->cmdline[i] : ' ');
}

static void ppid(const struct column_view *v, struct buffer *out)
{
	if (holding(v))
		buffer__addu(out, holding(v)->ppid);
}

static void cgroup(const struct column_view *v, struct buffer *out)
{
	const char *name = NULL;

	if (v->names && v->names->cgroup && v->socket->cgroup_id)
		name = v->names->cgroup(v->names->ctx, v->socket->cgroup_id);
	if (!name && holding(v))
		name = holding(v)->cgroup;
	add_word(out, name);
}

static void context(const struct column_view *v, struct buffer *out)
{
	if (v->names && v->names->context && holding(v))
		add_word(out, v->names->context(v->names->ctx, holding(v)));
}

/* ---- osquery's process_open_sockets, by its names */

static void osquery_pid(const struct column_view *v, struct buffer *out)
{
	if (holding(v))
		pid(v, out);
	else
		buffer__adds(out, "-1");
}

static void osquery_fd(const struct column_view *v, struct buffer *out)
{
	size_t before = out->len;

	fd(v, out);
	if (out->len == before)
		buffer__adds(out, "-1");
}

static void osquery_socket(const struct column_view *v, struct buffer *out)
{
	buffer__addu(out, v->socket->inode);
}

static void osquery_family(const struct column_view *v, struct buffer *out)
{
	buffer__addu(out, listed__family_number(v->socket));
}

static void osquery_protocol(const struct column_view *v, struct buffer *out)
{
	buffer__addu(out, listed__protocol_number(v->socket));
}

/* ---- */

static const struct column all[] = {
	{ "proto", "PROTO", "protocol, of unix sockets the type too", 0, 0, 0, protocol },
	{ "family_name", "FAMILY", "ipv4, ipv6, unix ..", 0, 5, 0, family },
	{ "type", "TYPE", "stream, dgram, seqpacket, raw", 0, 5, 0, type },
	{ "state", "STATE", "as netstat calls it; UNCONN: no connection", 0, 0, 0, state },
	{ "recvq", "RECV-Q", "bytes not read; of a listener: connections waiting", COLUMN_RIGHT | COLUMN_NUMBER, 8, 0,
	  recv_queue },
	{ "sendq", "SEND-Q", "bytes not acknowledged; of a listener: backlog", COLUMN_RIGHT | COLUMN_NUMBER, 9, 0,
	  send_queue },
	{ "local", "LOCAL", "address and port, path, or what the family has for it", COLUMN_WRAP, 0, 0, column__local },
	{ "remote", "REMOTE", "the other end", COLUMN_WRAP, 3, 0, column__remote },
	{ "pid", "PID", "of the owner", COLUMN_RIGHT | COLUMN_NUMBER, 0, COLUMN_HOLDERS, pid },
	{ "comm", "COMM", "name of the owner", COLUMN_CUT, 0, COLUMN_HOLDERS, comm },
	{ "holders", "HOLDERS", "all processes that hold it: name/pid/descriptor", COLUMN_CUT, 4, COLUMN_HOLDERS,
	  holders },
	{ "attribution", "ATTRIBUTION", "how the owner is known", 0, 6, COLUMN_HOLDERS, attribution },
	{ "user", "USER", "who made the socket", 0, 5, 0, user },
	{ "uid", "UID", "the same as a number", COLUMN_RIGHT | COLUMN_NUMBER, 5, 0, uid },
	{ "inode", "INODE", "as in /proc/PID/fd", COLUMN_RIGHT | COLUMN_NUMBER, 5, 0, inode },
	{ "cookie", "COOKIE", "the kernel's id of the socket", COLUMN_RIGHT | COLUMN_NUMBER, 6, 0, cookie },
	{ "netns", "NETNS", "network namespace, by name where it has one", 0, 7, 0, netns },
	{ "device", "DEVICE", "interface it is bound to", 0, 6, 0, device },
	{ "mark", "MARK", "fwmark", 0, 6, 0, mark },
	{ "timer", "TIMER", "what runs, for how long, how often it ran", COLUMN_CUT, 4, 0, column__timer },
	{ "memory", "MEMORY", "buffers of the socket, in bytes", COLUMN_CUT, 4, COLUMN_MEMORY, column__memory },
	{ "info", "INFO", "what TCP knows of the connection", COLUMN_CUT, 2, COLUMN_TCP, column__info },
	{ "context", "CONTEXT", "security context of the owner", COLUMN_CUT, 4, COLUMN_HOLDERS | COLUMN_CONTEXT,
	  context },
	{ "cgroup", "CGROUP", "path below the root of cgroup v2", COLUMN_CUT, 4, COLUMN_HOLDERS | COLUMN_PROCESS,
	  cgroup },
	{ "refs", "REFS", "references (RefCnt of netstat)", COLUMN_RIGHT | COLUMN_NUMBER, 6, COLUMN_REFS, references },
	{ "flags", "FLAGS", "of unix sockets, as netstat has them", 0, 6, 0, flags },
	{ "peer_inode", "PEER", "inode of the unix socket at the other end", COLUMN_RIGHT | COLUMN_NUMBER, 5, 0,
	  peer_inode },
	{ "exe", "EXE", "program of the owner", COLUMN_CUT, 4, COLUMN_HOLDERS | COLUMN_PROCESS, exe },
	{ "cmdline", "CMDLINE", "command line of the owner", COLUMN_CUT, 4, COLUMN_HOLDERS | COLUMN_PROCESS, cmdline },
	{ "ppid", "PPID", "parent of the owner", COLUMN_RIGHT | COLUMN_NUMBER, 5, COLUMN_HOLDERS, ppid },
	{ "start_time", "STARTED", "when the owner was started", 0, 5, COLUMN_HOLDERS, column__start_time },
	{ "fd", "FD", "descriptor of the owner", COLUMN_RIGHT | COLUMN_NUMBER, 5, COLUMN_HOLDERS, osquery_fd },
	{ "socket", "SOCKET", "inode, 0 when there is none", COLUMN_RIGHT | COLUMN_NUMBER, 5, 0, osquery_socket },
	{ "family", "AF", "number of the family", COLUMN_RIGHT | COLUMN_NUMBER, 5, 0, osquery_family },
	{ "protocol", "PROTOCOL", "number of the protocol", COLUMN_RIGHT | COLUMN_NUMBER, 5, 0, osquery_protocol },
	{ "local_address", "LOCAL_ADDRESS", "address alone", 0, 3, 0, column__local_address },
	{ "remote_address", "REMOTE_ADDRESS", "address alone", 0, 3, 0, column__remote_address },
	{ "local_port", "LOCAL_PORT", "port alone", COLUMN_RIGHT | COLUMN_NUMBER, 3, 0, column__local_port },
	{ "remote_port", "REMOTE_PORT", "port alone", COLUMN_RIGHT | COLUMN_NUMBER, 3, 0, column__remote_port },
	{ "path", "PATH", "of a unix socket; @ for a NUL byte", COLUMN_CUT, 4, 0, path },
	{ "net_namespace", "NET_NAMESPACE", "inode of the network namespace", COLUMN_RIGHT | COLUMN_NUMBER, 5, 0,
	  netns_number },
};

/* Its pid is -1 where nobody holds the socket. */
static const struct column osquery_pid_column = {
	"pid", "PID", "of the holder, or -1", COLUMN_RIGHT | COLUMN_NUMBER, 0, COLUMN_HOLDERS, osquery_pid
};

static const char osquery[] = "fd,socket,family,protocol,local_address,remote_address,local_port,remote_port,path,"
			      "state,net_namespace";

const struct column *columns__all(unsigned int i)
{
	return i < sizeof(all) / sizeof(all[0]) ? &all[i] : NULL;
}

const struct column *columns__find(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strlen(all[i].name) == len && !strncasecmp(all[i].name, name, len))
			return &all[i];
	}
	return NULL;
}

static int add(struct columns *c, const struct column *column)
{
	for (unsigned int i = 0; i < c->count; i++) {
		if (c->items[i] == column)
			return 0;
	}
	if (c->count == COLUMNS_MAX)
		return -E2BIG;
	c->items[c->count++] = column;
	return 0;
}

int columns__parse(struct columns *c, const char *list, const char **ret_bad, size_t *ret_len)
{
	const char *ignored;
	size_t ignored_len;

	if (!strcmp(list, "osquery")) {
		c->by_holder = true;
		add(c, &osquery_pid_column);
		return columns__parse(c, osquery, &ignored, &ignored_len);
	}
	for (;;) {
		size_t len = strcspn(list, ",");
		const struct column *column = columns__find(list, len);

		if (!column) {
			*ret_bad = list;
			*ret_len = len;
			return -EINVAL;
		}
		if (add(c, column))
			return -E2BIG;
		if (!list[len])
			return 0;
		list += len + 1;
	}
}

void columns__add(struct columns *c, const char *name)
{
	const struct column *column = columns__find(name, strlen(name));

	if (column)
		add(c, column);
}

void columns__remove(struct columns *c, unsigned int i)
{
	memmove(&c->items[i], &c->items[i + 1], (c->count - i - 1) * sizeof(struct column *));
	c->count--;
}

uint32_t columns__needs(const struct columns *c)
{
	uint32_t needs = c->by_holder ? COLUMN_HOLDERS : 0;

	for (unsigned int i = 0; i < c->count; i++)
		needs |= c->items[i]->needs;
	return needs;
}
