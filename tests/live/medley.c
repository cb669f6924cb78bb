/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/medley.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cmocka.h>

#include "live/ns.h"

#define PORT	 9000
#define PAIRS	 6
#define OTHER	 1234 /* a uid */
#define RECEIVED "0123456789"

struct ready {
	pid_t child;
	unsigned int count;
};

static unsigned int count;

static void need(bool good, const char *what)
{
	if (good)
		return;
	dprintf(STDERR_FILENO, "medley: %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* A kernel without the family is no failure. */
static int open_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	count += fd >= 0;
	return fd;
}

static socklen_t make_address(struct sockaddr_storage *ss, int family, const char *text, uint16_t port)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (family == AF_INET) {
		*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		inet_pton(AF_INET, text, &v4->sin_addr);
		return sizeof(*v4);
	}
	*v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
	inet_pton(AF_INET6, text, &v6->sin6_addr);
	return sizeof(*v6);
}

static int bound(int family, int type, int protocol, const char *text, uint16_t port, bool v6only)
{
	struct sockaddr_storage ss;
	socklen_t len = make_address(&ss, family, text, port);
	int fd = open_socket(family, type, protocol);
	int on = v6only;

	if (fd < 0)
		return fd;
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	need(!bind(fd, (struct sockaddr *)&ss, len), "bind");
	return fd;
}

static int listener(int family, int protocol, const char *text, uint16_t port, bool v6only, int backlog)
{
	int fd = bound(family, SOCK_STREAM, protocol, text, port, v6only);

	need(fd < 0 || !listen(fd, backlog), "listen");
	return fd;
}

static int connected(int family, int type, int protocol, const char *text, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = make_address(&ss, family, text, port);
	int fd = open_socket(family, type, protocol);

	need(fd < 0 || !connect(fd, (struct sockaddr *)&ss, len), "connect");
	return fd;
}

static int accepted(int fd)
{
	int child = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	need(child >= 0, "accept");
	count++;
	return child;
}

/* Until both queues are full: what is sent and what is received stays as it is. */
static void fill(int fd)
{
	static const char block[65536];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
		;
}

static void open_tcp(int family, int protocol, const char *text, const char *to, uint16_t port)
{
	int fd = listener(family, protocol, text, port, false, 7), ends[PAIRS][2];

	if (fd < 0)
		return;
	for (int i = 0; i < PAIRS; i++) {
		int on = 1;

		ends[i][0] = connected(strchr(to, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, protocol, to, port);
		ends[i][1] = accepted(fd);
		setsockopt(ends[i][0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	need(send(ends[0][0], RECEIVED, sizeof(RECEIVED), 0) == sizeof(RECEIVED), "send"); /* not read */
	shutdown(ends[1][0], SHUT_WR); /* FIN_WAIT2 and CLOSE_WAIT */
	if (protocol == IPPROTO_TCP)
		fill(ends[2][1]);
	/* TIME_WAIT, which has no file. */
	shutdown(ends[3][0], SHUT_RDWR);
	close(ends[3][0]);
	close(ends[3][1]);
	count -= 2;
	/* Not accepted. */
	connected(strchr(to, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, protocol, to, port);
}

static void open_internet(void)
{
	open_tcp(AF_INET, IPPROTO_TCP, "127.0.0.1", "127.0.0.1", PORT);
	open_tcp(AF_INET6, IPPROTO_TCP, "::1", "::1", PORT);
	open_tcp(AF_INET6, IPPROTO_TCP, "::", "::ffff:127.0.0.1", PORT + 1);
	open_tcp(AF_INET, IPPROTO_MPTCP, "127.0.0.1", "127.0.0.1", PORT + 2);
	listener(AF_INET, IPPROTO_TCP, "0.0.0.0", PORT + 3, false, 1);
	listener(AF_INET6, IPPROTO_TCP, "::", PORT + 4, true, 100);
	for (int protocol = IPPROTO_UDP; protocol <= IPPROTO_UDPLITE; protocol += IPPROTO_UDPLITE - IPPROTO_UDP) {
		int fd = bound(AF_INET, SOCK_DGRAM, protocol, "127.0.0.1", PORT, false);
		int to = connected(AF_INET, SOCK_DGRAM, protocol, "127.0.0.1", PORT);

		if (fd < 0)
			continue;
		need(send(to, RECEIVED, sizeof(RECEIVED), 0) > 0, "send UDP");
		bound(AF_INET, SOCK_DGRAM, protocol, "0.0.0.0", PORT + 1, false);
		bound(AF_INET6, SOCK_DGRAM, protocol, "::", PORT + 2, false);
		bound(AF_INET6, SOCK_DGRAM, protocol, "::", PORT + 3, true);
		bound(AF_INET6, SOCK_DGRAM, protocol, "::1", PORT + 4, false);
		connected(AF_INET6, SOCK_DGRAM, protocol, "::1", PORT + 4);
		connected(AF_INET6, SOCK_DGRAM, protocol, "::ffff:127.0.0.1", PORT);
	}
	open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	open_socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	open_socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	connected(AF_INET, SOCK_RAW, 89, "127.0.0.1", 0);
	bound(AF_INET, SOCK_DGRAM, IPPROTO_ICMP, "127.0.0.1", 77, false);
	bound(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, "::1", 78, false);
}

static socklen_t make_path(struct sockaddr_un *un, const char *dir, const char *name)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (dir)
		snprintf(un->sun_path, sizeof(un->sun_path), "%s/%d-%s", dir, (int)getpid(), name);
	else
		snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1, "%s", name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + !dir + strlen(un->sun_path + !dir) + (dir ? 1 : 0));
}

static void open_named(int type, const char *dir, const char *name)
{
	struct sockaddr_un un;
	socklen_t len = make_path(&un, dir, name);
	int fd = open_socket(AF_UNIX, type, 0), to;

	need(!bind(fd, (struct sockaddr *)&un, len), "bind unix");
	if (type != SOCK_DGRAM)
		need(!listen(fd, 5), "listen unix");
	for (int i = 0; i < 3; i++) {
		to = open_socket(AF_UNIX, type, 0);
		need(!connect(to, (struct sockaddr *)&un, len), "connect unix");
		if (type != SOCK_DGRAM && i < 2)
			accepted(fd);
	}
}

static void open_unix(const char *dir)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	static const char *const names[] = { "stream", "dgram", "seqpacket" };

	for (int i = 0; i < 3; i++) {
		char name[32];
		int ends[2];

		open_named(types[i], dir, names[i]);
		snprintf(name, sizeof(name), "abstract-%s", names[i]);
		open_named(types[i], NULL, name);
		need(!socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, ends), "socketpair");
		need(send(ends[0], RECEIVED, sizeof(RECEIVED), 0) > 0, "send unix");
		count += 2;
		open_socket(AF_UNIX, types[i], 0);
	}
}

static void open_others(void)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP) };
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd;

	ll.sll_ifindex = (int)if_nametoindex("lo");
	fd = open_socket(AF_PACKET, SOCK_DGRAM, 0);
	need(fd < 0 || !bind(fd, (struct sockaddr *)&ll, sizeof(ll)), "bind packet");
	open_socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	fd = open_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	need(!bind(fd, (struct sockaddr *)&nl, sizeof(nl)), "bind netlink");
	nl.nl_groups = 0;
	fd = open_socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	need(!bind(fd, (struct sockaddr *)&nl, sizeof(nl)), "bind netlink");
	/* As another user, and bound to a device. */
	fd = bound(AF_INET, SOCK_DGRAM, IPPROTO_UDP, "127.0.0.1", PORT + 9, false);
	need(!setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), "bind to device");
	need(!fchown(fd, OTHER, OTHER), "fchown");
}

static void serve(int lane, const char *dir)
{
	struct ready ready;

	prctl(PR_SET_NAME, MEDLEY_COMM);
	open_internet();
	open_unix(dir);
	open_others();
	ready.child = fork();
	need(ready.child >= 0, "fork");
	if (!ready.child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, MEDLEY_CHILD);
		pause();
		_exit(0);
	}
	/* Held once. */
	listener(AF_INET, IPPROTO_TCP, "127.0.0.1", PORT + 10, false, 3);
	ready.count = count;
	need(write(lane, &ready, sizeof(ready)) == sizeof(ready), "write");
	pause();
	_exit(0);
}

void medley__start(struct medley *m, int ns_fd, const char *dir)
{
	struct ready ready;
	int lane[2];

	ns__sysctl(ns_fd, "net/ipv4/ping_group_range", "0 0");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, lane), 0);
	m->pid = fork();
	assert_true(m->pid >= 0);
	if (!m->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(lane[0]);
		need(!setns(ns_fd, CLONE_NEWNET), "setns");
		serve(lane[1], dir);
	}
	close(lane[1]);
	m->lane = lane[0];
	m->uid = OTHER;
	assert_int_equal(read(m->lane, &ready, sizeof(ready)), sizeof(ready));
	m->child = ready.child;
	m->count = ready.count;
}

void medley__stop(struct medley *m)
{
	if (m->pid <= 0)
		return;
	/* Not by the end of the lane: a process that was forked later has our end of it too. */
	close(m->lane);
	kill(m->pid, SIGKILL);
	waitpid(m->pid, NULL, 0);
	m->pid = 0;
}
