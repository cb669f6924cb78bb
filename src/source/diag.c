/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/diag.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include "base/cleanup.h"
#include "source/diag_parse.h"

/* The kernel fills a dump datagram up to 32 KiB (netlink_recvmsg, max_recvmsg_len); twice that leaves no doubt. */
#define DIAG_BUFFER_SIZE (64 * 1024)
/* A dump is asked for this often while the kernel keeps calling it interrupted. */
#define DIAG_TRIES 4
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
	struct mnl_socket *socket;
	uint32_t netns;
	unsigned int seq;
	bool no_mptcp; /* the kernel cannot list MPTCP sockets */
	void *buf;     /* DIAG_BUFFER_SIZE bytes while a dump runs */
};

struct query {
	uint8_t family;
	uint8_t ext;
	uint32_t protocol;
	uint32_t states;
};

static int lock_to_kernel(struct mnl_socket *socket)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (!mnl_socket_get_portid(socket) && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID))
		return -errno;
	/* A connected netlink socket refuses what others send it: the root of a container could else spoil its dump. */
	if (connect(mnl_socket_get_fd(socket), (struct sockaddr *)&kernel, sizeof(kernel)))
		return -errno;
	return 0;
}

int diag__new(int fd, uint32_t netns, struct diag **ret)
{
	struct diag *d = calloc(1, sizeof(*d));
	int err;

	if (!d) {
		cleanup_close(&fd);
		return -ENOMEM;
	}
	d->netns = netns;
	d->socket = fd < 0 ? mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC) : mnl_socket_fdopen(fd);
	if (!d->socket) {
		err = -errno;
		cleanup_close(&fd);
	} else {
		err = lock_to_kernel(d->socket);
	}
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
	if (d->socket)
		mnl_socket_close(d->socket);
	free(d);
}

static int send_query(struct diag *d, const struct query *q)
{
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++d->seq;
	req->sdiag_family = q->family;
	req->idiag_ext = q->ext;
	req->idiag_states = q->states;
	if (q->protocol <= UINT8_MAX)
		req->sdiag_protocol = (uint8_t)q->protocol;
	else
		mnl_attr_put_u32(nlh, INET_DIAG_REQ_PROTOCOL, q->protocol);
	if (mnl_socket_sendto(d->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	return 0;
}

/* Bytes of one datagram of the kernel, or -errno. */
static ssize_t receive(struct diag *d, int flags)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = d->buf, .iov_len = DIAG_BUFFER_SIZE };
	struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	do {
		n = recvmsg(mnl_socket_get_fd(d->socket), &msg, flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (msg.msg_flags & MSG_TRUNC)
		return -EBADMSG;
	if (msg.msg_namelen != sizeof(from) || from.nl_family != AF_NETLINK || from.nl_pid != 0)
		return -EBADMSG;
	return n;
}

/* A dump that was given up leaves its rest behind, and the kernel answers EBUSY until that has been read. */
static void drain(struct diag *d)
{
	ssize_t n;

	do {
		n = receive(d, MSG_DONTWAIT);
	} while (n >= 0 || n == -EBADMSG || n == -ENOBUFS);
}

static int run_once(struct diag *d, const struct query *q, struct diag_answer *a)
{
	ssize_t n;
	int err;

	drain(d);
	err = send_query(d, q);
	a->seq = d->seq;
	while (!err && !a->done) {
		n = receive(d, 0);
		err = n < 0 ? (int)n : diag_answer__take(a, d->buf, (size_t)n);
	}
	return err;
}

/* *ret_interrupted is set when even the last try was. */
static int run(struct diag *d, const struct query *q, diag_row_fn fn, void *ctx, bool *ret_interrupted)
{
	unsigned int tries;
	int err;

	for (tries = 0; tries < DIAG_TRIES; tries++) {
		struct diag_answer a = {
			.portid = mnl_socket_get_portid(d->socket), .netns = d->netns, .fn = fn, .ctx = ctx
		};

		err = run_once(d, q, &a);
		if (err || !a.interrupted)
			return err;
	}
	*ret_interrupted = true;
	return 0;
}

static int run_both(struct diag *d, struct query q, diag_row_fn fn, void *ctx, bool *ret_interrupted)
{
	int err;

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

	d->buf = malloc(DIAG_BUFFER_SIZE);
	if (!d->buf)
		return -ENOMEM;
	err = collect_subflows(d, states, &m.subflows);
	if (!err)
		err = run_both(d, q, mark_row, &m, &interrupted);
	free(m.subflows.items);
	free(d->buf);
	d->buf = NULL;
	if (err)
		return err;
	return interrupted ? -EINTR : 0;
}
