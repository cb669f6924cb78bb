/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/destroy.h"

#include <errno.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "base/cleanup.h"
#include "source/diag_parse.h"
#include "source/netns.h"

/* A message takes some 400 bytes (struct tcp_info is most of it) and 1.3 KiB of the buffer; each has its datagram. */
#define DATAGRAM_SIZE 8192
/* Room for 3 000 sockets that end between two looks; where that is not allowed, as much as is (net.core.rmem_max). */
#define BUFFER_SIZE (4 * 1024 * 1024)

#define GROUP(n) (1U << ((n)-1))

static int set_up(int fd)
{
	const struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = GROUP(SKNLGRP_INET_TCP_DESTROY) | GROUP(SKNLGRP_INET6_TCP_DESTROY),
	};
	const int size = BUFFER_SIZE, on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	/* Losses are counted instead: see destroy__lost. */
	if (setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on)))
		return -errno;
	return bind(fd, (const struct sockaddr *)&groups, sizeof(groups)) ? -errno : 0;
}

int destroy__open(int ns_fd)
{
	int fd, err;

	if (ns_fd < 0) {
		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
		if (fd < 0)
			return -errno;
	} else {
		fd = netns__open_diag(ns_fd);
		if (fd < 0)
			return fd;
	}
	err = set_up(fd);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* Bytes; 0: not the kernel's, to be passed over; -EAGAIN: nothing waits. */
static ssize_t receive(int fd, void *data, size_t size)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	do {
		n = recvmsg(fd, &msg, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	/* The root of a container may send to the groups of its namespace. */
	if (msg.msg_namelen != sizeof(from) || from.nl_family != AF_NETLINK || from.nl_pid != 0)
		return 0;
	return msg.msg_flags & MSG_TRUNC ? -EBADMSG : n;
}

int destroy__receive(int fd, uint32_t netns, unsigned int max, diag_row_fn fn, void *ctx)
{
	char data[DATAGRAM_SIZE] __attribute__((aligned(8)));
	unsigned int count;
	int err;

	for (count = 0; count < max; count++) {
		ssize_t n = receive(fd, data, sizeof(data));

		if (n == -EAGAIN)
			break;
		err = n > 0 ? destroy__parse(data, (size_t)n, netns, fn, ctx) : (int)n;
		if (err)
			return err;
	}
	return (int)count;
}

uint64_t destroy__lost(int fd)
{
	/* SK_MEMINFO_DROPS of linux/sock_diag.h: netlink_overrun() in net/netlink/af_netlink.c counts there. */
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len))
		return 0;
	return info[SK_MEMINFO_DROPS];
}

int destroy__parse(const void *data, size_t len, uint32_t netns, diag_row_fn fn, void *ctx)
{
	const char *at = data, *end = at + len;

	while (at < end) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)at;
		size_t left = (size_t)(end - at), size;
		struct row row;
		int err;

		/* Not mnl_nlmsg_ok: see nldump_answer__take. */
		if (left < sizeof(*nlh) || nlh->nlmsg_len < sizeof(*nlh) || nlh->nlmsg_len > left ||
		    nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY)
			return -EBADMSG;
		err = diag_row__parse(nlh, netns, &row);
		if (!err)
			err = fn(ctx, &row);
		if (err)
			return err;
		size = MNL_ALIGN((size_t)nlh->nlmsg_len);
		at += size < left ? size : left;
	}
	return len ? 0 : -EBADMSG;
}
