/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unix sockets: linux/unix_diag.h, else /proc/net/unix. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>

#include "source/fields.h"
#include "source/nldump.h"
#include "source/sockets.h"

/* linux/unix_diag.h of 5.3; __SO_ACCEPTCON, linux/net.h; SS_CONNECTING and SS_CONNECTED, linux/net.h */
#ifndef UDIAG_SHOW_UID
#define UDIAG_SHOW_UID 0x40
#endif
#define PROC_ACCEPTS	0x10000
#define PROC_CONNECTING 2
#define PROC_CONNECTED	3
/* Sockets whose references are remembered from /proc; those beyond have none. */
#define REFS_MAX (4U * 1024 * 1024)

struct reference {
	uint64_t inode;
	uint32_t refs;
};

struct references {
	struct reference *items; /* by inode */
	size_t count, size;
};

/* A name of the filesystem may have its NUL with it, an abstract one begins with one and has all its bytes. */
static void take_name(struct name *name, const char *data, size_t len)
{
	if (len && data[0])
		len = strnlen(data, len);
	name->data = len ? data : NULL;
	name->len = (uint16_t)len;
}

static int take_attribute(const struct nlattr *attr, struct listed *row, struct facts *facts)
{
	const void *data = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);
	struct unix_diag_rqlen queues;

	switch (mnl_attr_get_type(attr)) {
	case UNIX_DIAG_NAME:
		take_name(&row->un.path, data, len);
		return 0;
	case UNIX_DIAG_PEER:
		if (len < sizeof(uint32_t))
			return -EBADMSG;
		row->un.peer_inode = mnl_attr_get_u32(attr);
		row->flags |= LISTED_HAS_PEER;
		return 0;
	case UNIX_DIAG_RQLEN:
		if (len < sizeof(queues))
			return -EBADMSG;
		memcpy(&queues, data, sizeof(queues));
		row->recv_queue = queues.udiag_rqueue;
		row->send_queue = queues.udiag_wqueue;
		row->flags |= LISTED_QUEUES;
		return 0;
	case UNIX_DIAG_SHUTDOWN:
		if (len < 1)
			return -EBADMSG;
		row->shutdown = mnl_attr_get_u8(attr);
		return 0;
	case UNIX_DIAG_UID:
		return sockets__uid(attr, row);
	case UNIX_DIAG_MEMINFO:
		return nldump__memory(attr, facts);
	default:
		return 0;
	}
}

static int parse(const struct nlmsghdr *nlh, struct listed *row, struct facts *facts)
{
	const struct unix_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	const struct nlattr *attr;

	if (len < sizeof(*msg) || nldump__check_attributes(msg + 1, len - sizeof(*msg)))
		return -EBADMSG;
	if (msg->udiag_family != AF_UNIX || msg->udiag_state == 0 || msg->udiag_state >= STATE_MAX)
		return -EBADMSG;
	row->cookie = (uint64_t)msg->udiag_cookie[1] << 32 | msg->udiag_cookie[0];
	row->inode = msg->udiag_ino;
	row->type = msg->udiag_type;
	row->state = msg->udiag_state;
	mnl_attr_for_each(attr, nlh, sizeof(*msg)) {
		if (take_attribute(attr, row, facts))
			return -EBADMSG;
	}
	return 0;
}

/*
 * "address: refs protocol flags type state inode[ path]". The path is as its owner made it, newlines too: what follows
 * one is a line of its own here, and when that is made to look like a row it is taken for one. sock_diag has no such
 * doubt; this is for kernels without it.
 */
static int parse_line(const char *line, size_t len, struct listed *row)
{
	unsigned int flags, state;
	struct fields f;

	fields__init(&f, line, len);
	fields__number(&f, 16, UINT64_MAX);
	fields__byte(&f, ':');
	row->refs = (uint32_t)fields__number(&f, 16, UINT32_MAX);
	fields__number(&f, 16, UINT32_MAX);
	flags = (unsigned int)fields__number(&f, 16, UINT32_MAX);
	row->type = (uint8_t)fields__number(&f, 16, UINT8_MAX);
	state = (unsigned int)fields__number(&f, 16, UINT8_MAX);
	row->inode = fields__number(&f, 10, UINT64_MAX);
	if (f.bad)
		return -EBADMSG;
	row->flags |= LISTED_HAS_REFS;
	row->state = STATE_CLOSE;
	if (flags & PROC_ACCEPTS)
		row->state = STATE_LISTEN;
	else if (state == PROC_CONNECTED)
		row->state = STATE_ESTABLISHED;
	else if (state == PROC_CONNECTING)
		row->state = STATE_SYN_SENT;
	if (f.at < f.end) {
		fields__byte(&f, ' ');
		take_name(&row->un.path, f.at, (size_t)(f.end - f.at));
	}
	return f.bad ? -EBADMSG : 0;
}

/* ---- references, which only /proc tells */

static int add_reference(void *ctx, const struct listed *row, const struct facts *facts)
{
	struct references *r = ctx;

	(void)facts;
	if (r->count == REFS_MAX)
		return 0;
	if (r->count == r->size) {
		size_t size = r->size ? r->size * 2 : 256;
		struct reference *items = reallocarray(r->items, size, sizeof(*items));

		if (!items)
			return -ENOMEM;
		r->items = items;
		r->size = size;
	}
	r->items[r->count++] = (struct reference){ .inode = row->inode, .refs = row->refs };
	return 0;
}

static int compare_references(const void *a, const void *b)
{
	const struct reference *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

struct referrer {
	struct references references;
	const struct sockets_out *out;
};

static int refer(void *ctx, const struct listed *row, const struct facts *facts)
{
	const struct referrer *r = ctx;
	const struct reference key = { .inode = row->inode }, *found = NULL;
	struct listed whole = *row;

	if (row->inode && r->references.count)
		found = bsearch(&key, r->references.items, r->references.count, sizeof(key), compare_references);
	if (found) {
		whole.refs = found->refs;
		whole.flags |= LISTED_HAS_REFS;
	}
	return r->out->row(r->out->ctx, &whole, facts);
}

static int ask_with_references(const struct sockets_place *place, const struct unix_diag_req *req,
			       const struct sockets_out *out)
{
	struct referrer r = { .out = out };
	int err = sockets__read(place, &sockets_unix, CLASS_UNIX, "unix", SOCKETS_STATES, add_reference, &r.references);

	if (r.references.count)
		qsort(r.references.items, r.references.count, sizeof(struct reference), compare_references);
	if (err != -ENOMEM)
		err = sockets__ask(place, &sockets_unix, CLASS_UNIX, req, sizeof(*req), refer, &r);
	free(r.references.items);
	return err;
}

static int dump(const struct sockets_place *place, enum socket_class class, const struct sockets_ask *ask,
		const struct sockets_out *out)
{
	struct unix_diag_req req = {
		.sdiag_family = AF_UNIX,
		.udiag_states = ask->states,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID,
	};
	int err;

	if (ask->facts & SOCKETS_MEMORY)
		req.udiag_show |= UDIAG_SHOW_MEMINFO;
	if (ask->facts & SOCKETS_REFS)
		err = ask_with_references(place, &req, out);
	else
		err = sockets__ask(place, &sockets_unix, class, &req, sizeof(req), out->row, out->ctx);
	if (err == -ENOENT)
		err = sockets__read(place, &sockets_unix, class, "unix", ask->states, out->row, out->ctx);
	return err;
}

const struct sockets_family sockets_unix = {
	.classes = CLASS_BIT(CLASS_UNIX),
	.dump = dump,
	.parse = parse,
	.parse_line = parse_line,
};
