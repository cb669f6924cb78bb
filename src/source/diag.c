/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/diag.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include "base/cleanup.h"
#include "source/diag_parse.h"
#include "source/nldump.h"

/* MPTCP subflows of one namespace that can be told from plain TCP; those beyond are given as plain TCP. */
#define DIAG_SUBFLOWS_MAX (1024 * 1024)

/*
 * INET_DIAG_ULP_INFO has no bit of its own: it comes with INET_DIAG_INFO, and on older kernels only to CAP_NET_ADMIN. The
 * dump that must be complete does not ask for it. With it the kernel also lists the MD5 keys of a socket, and when these
 * fill a datagram (some 300 keys, which any user may set) the dump ends there as if it were done (seen on 6.18). So the
 * subflows are looked up first, and only where the namespace has MPTCP sockets.
 */
#define DIAG_EXT_ULP (1 << (INET_DIAG_INFO - 1))

struct subflow {
	uint64_t cookie;
	bool join;
};

struct subflows {
	struct subflow *items; /* sorted by cookie after collect_subflows */
	size_t count;
	size_t size;
};

struct diag {
	struct nldump *dump;
	uint32_t netns;
	bool no_mptcp; /* the kernel cannot list MPTCP sockets */
};

struct query {
	uint8_t family;
	uint8_t ext;
	uint32_t protocol;
	uint32_t states;
};

int diag__new(int fd, uint32_t netns, struct diag **ret)
{
	struct diag *d = calloc(1, sizeof(*d));
	int err;

	if (!d) {
		cleanup_close(&fd);
		return -ENOMEM;
	}
	d->netns = netns;
	err = nldump__new(fd, &d->dump);
	if (err) {
		diag__free(d);
		return err;
	}
	*ret = d;
	return 0;
}

void diag__free(struct diag *d)
{
	if (!d)
		return;
	nldump__free(d->dump);
	free(d);
}

/* *ret_interrupted is set when even the last try was. */
static int run(struct diag *d, const struct query *q, diag_row_fn fn, void *ctx, bool *ret_interrupted)
{
	struct diag_rows rows = { .netns = d->netns, .fn = fn, .ctx = ctx };
	struct {
		struct inet_diag_req_v2 req;
		struct nlattr attr;
		uint32_t protocol;
	} ask = {
		.req = { .sdiag_family = q->family, .idiag_ext = q->ext, .idiag_states = q->states },
		.attr = { .nla_len = sizeof(ask.attr) + sizeof(ask.protocol), .nla_type = INET_DIAG_REQ_PROTOCOL },
		.protocol = q->protocol,
	};
	size_t len = sizeof(ask);

	if (q->protocol <= UINT8_MAX) {
		ask.req.sdiag_protocol = (uint8_t)q->protocol;
		len = sizeof(ask.req);
	}
	return nldump__run(d->dump, &ask, len, diag_rows__take, &rows, ret_interrupted);
}

/*
 * TCP of both families at once, by the request from before SOCK_DIAG_BY_FAMILY: for each request the kernel goes through all
 * buckets of its table. -EOPNOTSUPP: it lacks that.
 */
static int run_any(struct diag *d, const struct query *q, diag_row_fn fn, void *ctx, bool *ret_interrupted)
{
	struct diag_rows rows = { .netns = d->netns, .fn = fn, .ctx = ctx };
	const struct inet_diag_req req = { .idiag_ext = q->ext, .idiag_states = q->states };

	return nldump__run_as(d->dump, TCPDIAG_GETSOCK, &req, sizeof(req), diag_rows__take, &rows, ret_interrupted);
}

static int run_both(struct diag *d, struct query q, diag_row_fn fn, void *ctx, bool *ret_interrupted)
{
	int err = -EOPNOTSUPP;

	if (q.protocol == IPPROTO_TCP)
		err = run_any(d, &q, fn, ctx, ret_interrupted);
	if (err != -EOPNOTSUPP)
		return err;
	q.family = AF_INET;
	err = run(d, &q, fn, ctx, ret_interrupted);
	if (err)
		return err;
	q.family = AF_INET6;
	return run(d, &q, fn, ctx, ret_interrupted);
}

#define ROW_FOUND 1

static int stop_at_first(void *ctx, const struct row *row)
{
	(void)ctx;
	(void)row;
	return ROW_FOUND;
}

/* 1, 0 or -errno. */
static int has_mptcp(struct diag *d)
{
	const struct query q = { .protocol = IPPROTO_MPTCP, .states = DIAG_ALL_STATES };
	bool interrupted;
	int err;

	if (d->no_mptcp)
		return 0;
	err = run_both(d, q, stop_at_first, NULL, &interrupted);
	if (err == -ENOENT) {
		d->no_mptcp = true;
		return 0;
	}
	return err;
}

static int grow_subflows(struct subflows *s)
{
	size_t size = s->size ? s->size * 2 : 64;
	struct subflow *items = reallocarray(s->items, size, sizeof(*items));

	if (!items)
		return -ENOMEM;
	s->items = items;
	s->size = size;
	return 0;
}

static int add_subflow(void *ctx, const struct row *row)
{
	struct subflows *s = ctx;
	int err;

	if (!row->mptcp || s->count == DIAG_SUBFLOWS_MAX)
		return 0;
	if (s->count == s->size) {
		err = grow_subflows(s);
		if (err)
			return err;
	}
	s->items[s->count++] = (struct subflow){ .cookie = row->cookie, .join = row->mptcp_join };
	return 0;
}

static int compare_subflows(const void *a, const void *b)
{
	const struct subflow *x = a, *y = b;

	return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

static int collect_subflows(struct diag *d, uint32_t states, struct subflows *s)
{
	const struct query q = { .protocol = IPPROTO_TCP, .states = states, .ext = DIAG_EXT_ULP };
	bool interrupted;
	int err = has_mptcp(d);

	if (err <= 0)
		return err;
	err = run_both(d, q, add_subflow, s, &interrupted);
	if (s->count)
		qsort(s->items, s->count, sizeof(*s->items), compare_subflows);
	return err;
}

struct marker {
	struct subflows subflows;
	diag_row_fn fn;
	void *ctx;
};

static int mark_row(void *ctx, const struct row *row)
{
	const struct marker *m = ctx;
	const struct subflow key = { .cookie = row->cookie }, *found = NULL;
	struct row marked = *row;

	if (m->subflows.count)
		found = bsearch(&key, m->subflows.items, m->subflows.count, sizeof(key), compare_subflows);
	if (!found)
		return m->fn(m->ctx, row);
	marked.mptcp = true;
	marked.mptcp_join = found->join;
	return m->fn(m->ctx, &marked);
}

int diag__dump(struct diag *d, uint32_t states, diag_row_fn fn, void *ctx)
{
	const struct query q = { .protocol = IPPROTO_TCP, .states = states };
	struct marker m = { .fn = fn, .ctx = ctx };
	bool interrupted = false;
	int err;

	err = collect_subflows(d, states, &m.subflows);
	if (!err)
		err = run_both(d, q, mark_row, &m, &interrupted);
	free(m.subflows.items);
	if (err)
		return err;
	return interrupted ? -EINTR : 0;
}
