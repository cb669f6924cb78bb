/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/nldump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include "base/cleanup.h"

/* The kernel fills a dump datagram up to 32 KiB (netlink_recvmsg, max_recvmsg_len); twice that leaves no doubt. */
#define NLDUMP_BUFFER_SIZE (64 * 1024)
/* The largest request there is: inet_diag_req_v2 with a protocol attribute and a filter. */
#define NLDUMP_REQUEST_MAX (32 * 1024)
/* A dump is asked for this often while the kernel keeps calling it interrupted. */
#define NLDUMP_TRIES 4
/* include/linux/err.h: the largest error number the kernel returns. */
#define KERNEL_ERRNO_MAX 4095

struct nldump {
	struct mnl_socket *socket;
	unsigned int seq;
	char buf[NLDUMP_BUFFER_SIZE] __attribute__((aligned(8)));
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

int nldump__new(int fd, struct nldump **ret)
{
	struct nldump *d = malloc(sizeof(*d));
	int err;

	if (!d) {
		cleanup_close(&fd);
		return -ENOMEM;
	}
	d->seq = 0;
	d->socket = fd < 0 ? mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC) : mnl_socket_fdopen(fd);
	if (!d->socket) {
		err = -errno;
		cleanup_close(&fd);
	} else {
		err = lock_to_kernel(d->socket);
	}
	if (err) {
		nldump__free(d);
		return err;
	}
	*ret = d;
	return 0;
}

void nldump__free(struct nldump *d)
{
	if (!d)
		return;
	if (d->socket)
		mnl_socket_close(d->socket);
	free(d);
}

static int send_request(struct nldump *d, uint16_t type, uint16_t flags, const void *request, size_t len)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(d->buf);

	if (len > NLDUMP_REQUEST_MAX)
		return -E2BIG;
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++d->seq;
	memcpy(mnl_nlmsg_put_extra_header(nlh, len), request, len);
	return mnl_socket_sendto(d->socket, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

/* Bytes of one datagram of the kernel, or -errno. */
static ssize_t receive(struct nldump *d, int flags)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = d->buf, .iov_len = sizeof(d->buf) };
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
static void drain(struct nldump *d)
{
	ssize_t n;

	do {
		n = receive(d, MSG_DONTWAIT);
	} while (n >= 0 || n == -EBADMSG || n == -ENOBUFS);
}

static int run_once(struct nldump *d, uint16_t type, uint16_t flags, const void *request, size_t len,
		    struct nldump_answer *a)
{
	ssize_t n;
	int err;

	drain(d);
	err = send_request(d, type, flags, request, len);
	a->seq = d->seq;
	while (!err && !a->done) {
		n = receive(d, 0);
		err = n < 0 ? (int)n : nldump_answer__take(a, d->buf, (size_t)n);
	}
	return err;
}

int nldump__run_as(struct nldump *d, uint16_t type, const void *request, size_t len, nldump_fn fn, void *ctx,
		   bool *ret_interrupted)
{
	for (unsigned int tries = 0; tries < NLDUMP_TRIES; tries++) {
		struct nldump_answer a = { .portid = mnl_socket_get_portid(d->socket), .fn = fn, .ctx = ctx };
		int err = run_once(d, type, NLM_F_DUMP, request, len, &a);

		if (err || !a.interrupted)
			return err;
	}
	*ret_interrupted = true;
	return 0;
}

int nldump__run(struct nldump *d, const void *request, size_t len, nldump_fn fn, void *ctx, bool *ret_interrupted)
{
	return nldump__run_as(d, SOCK_DIAG_BY_FAMILY, request, len, fn, ctx, ret_interrupted);
}

int nldump__get(struct nldump *d, const void *request, size_t len, nldump_fn fn, void *ctx)
{
	struct nldump_answer a = { .portid = mnl_socket_get_portid(d->socket), .fn = fn, .ctx = ctx, .one = true };

	return run_once(d, SOCK_DIAG_BY_FAMILY, 0, request, len, &a);
}

/* ---- the answer */

int nldump__check_attributes(const void *payload, size_t len)
{
	const struct nlattr *attr = payload;
	int left = (int)len;

	while (mnl_attr_ok(attr, left)) {
		left -= (int)MNL_ALIGN(attr->nla_len);
		attr = mnl_attr_next(attr);
	}
	return left > 0 ? -EBADMSG : 0;
}

int nldump__each_attribute(const void *payload, size_t len, int (*fn)(const struct nlattr *attr, void *ctx), void *ctx)
{
	const char *at = payload;

	while (len >= sizeof(struct nlattr)) {
		const struct nlattr *attr = (const struct nlattr *)at;
		size_t size = MNL_ALIGN((size_t)attr->nla_len);
		int err;

		if (attr->nla_len < sizeof(*attr) || attr->nla_len > len)
			return -EBADMSG;
		err = fn(attr, ctx);
		if (err)
			return err;
		/* The padding of the last need not be there. */
		size = size < len ? size : len;
		at += size;
		len -= size;
	}
	return len ? -EBADMSG : 0;
}

int nldump__memory(const struct nlattr *attr, struct facts *facts)
{
	size_t len = mnl_attr_get_payload_len(attr);

	/* Drops, the last, came with 4.6. */
	if (len < sizeof(uint32_t) * SK_MEMINFO_DROPS)
		return -EBADMSG;
	memset(facts->memory, 0, sizeof(facts->memory));
	memcpy(facts->memory, mnl_attr_get_payload(attr), len < sizeof(facts->memory) ? len : sizeof(facts->memory));
	facts->have_memory = true;
	return 0;
}

/* The int that NLMSG_DONE and NLMSG_ERROR begin with: 0 or -errno. */
static int kernel_error(const struct nlmsghdr *nlh, size_t min_len)
{
	int error;

	if (mnl_nlmsg_get_payload_len(nlh) < min_len)
		return -EBADMSG;
	memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	return error > 0 || error < -KERNEL_ERRNO_MAX ? -EBADMSG : error;
}

static int take_message(const struct nlmsghdr *nlh, struct nldump_answer *a)
{
	int err;

	if (nlh->nlmsg_seq != a->seq || nlh->nlmsg_pid != a->portid)
		return -EBADMSG;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		a->interrupted = true;
	switch (nlh->nlmsg_type) {
	case SOCK_DIAG_BY_FAMILY:
	case TCPDIAG_GETSOCK: /* in answer to such a request */
		a->done = a->one;
		return a->fn(a->ctx, nlh);
	case NLMSG_NOOP:
		return 0;
	case NLMSG_DONE:
		err = kernel_error(nlh, sizeof(int));
		a->done = true;
		return err;
	case NLMSG_ERROR:
		err = kernel_error(nlh, sizeof(struct nlmsgerr));
		/* 0 is an acknowledgement, which nobody asked for. */
		return err ? err : -EBADMSG;
	default:
		/* NLMSG_OVERRUN too: what was lost is not known. */
		return -EBADMSG;
	}
}

/* Not mnl_nlmsg_ok, which takes lengths from 2 GiB on for negative ones, hence for small (libmnl 1.0.5). */
static bool is_whole(const struct nlmsghdr *nlh, size_t left)
{
	return left >= sizeof(*nlh) && nlh->nlmsg_len >= sizeof(*nlh) && nlh->nlmsg_len <= left;
}

int nldump_answer__take(struct nldump_answer *a, const void *data, size_t len)
{
	const char *at = data, *end = at + len;
	int err;

	while (at < end) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)at;
		size_t left = (size_t)(end - at), size;

		if (!is_whole(nlh, left))
			return -EBADMSG;
		err = take_message(nlh, a);
		if (err || a->done)
			return err;
		/* The padding of the last message need not be there. */
		size = MNL_ALIGN((size_t)nlh->nlmsg_len);
		at += size < left ? size : left;
	}
	return len ? 0 : -EBADMSG;
}
