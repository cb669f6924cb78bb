/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The actor's own process: one loop a lane, one switch over the commands. */
#include "live/actor_child.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "live/actor.h"

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static void serve(int lane);

static socklen_t make_address(union address *a, const char *text, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (strchr(text, ':')) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		inet_pton(AF_INET6, text, &a->v6.sin6_addr);
		return sizeof(a->v6);
	}
	a->v4.sin_family = AF_INET;
	a->v4.sin_port = htons(port);
	inet_pton(AF_INET, text, &a->v4.sin_addr);
	return sizeof(a->v4);
}

/* 4 or 6, as the tracker should say. */
static int print_address(const union address *a, char text[INET6_ADDRSTRLEN], uint16_t *ret_port)
{
	if (a->any.sa_family == AF_INET) {
		*ret_port = ntohs(a->v4.sin_port);
		inet_ntop(AF_INET, &a->v4.sin_addr, text, INET6_ADDRSTRLEN);
		return 4;
	}
	*ret_port = ntohs(a->v6.sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr)) {
		inet_ntop(AF_INET, &a->v6.sin6_addr.s6_addr[12], text, INET6_ADDRSTRLEN);
		return 4;
	}
	inet_ntop(AF_INET6, &a->v6.sin6_addr, text, INET6_ADDRSTRLEN);
	return 6;
}

static void describe(int fd, struct end *end)
{
	union address a = { 0 };
	socklen_t len = sizeof(end->cookie);
	struct stat st;

	memset(end, 0, sizeof(*end));
	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &end->cookie, &len);
	if (fstat(fd, &st) == 0)
		end->inode = st.st_ino;
	len = sizeof(a);
	getsockname(fd, &a.any, &len);
	end->family = print_address(&a, end->local, &end->local_port);
	len = sizeof(a);
	if (getpeername(fd, &a.any, &len) == 0)
		print_address(&a, end->remote, &end->remote_port);
	else
		snprintf(end->remote, sizeof(end->remote), "%s", end->family == 4 ? "0.0.0.0" : "::");
}

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

/* The one request of a ring that is made for it. */
static int through_ring(const struct actor_command *c, int fd, const union address *peer, socklen_t len)
{
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	int result = io_uring_queue_init(4, &ring, 0);

	if (result < 0)
		goto out;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	if (peer)
		io_uring_prep_connect(sqe, fd, &peer->any, len);
	else
		io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	if (c->ring == ACTOR_RING_ASYNC)
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	result = io_uring_submit_and_wait(&ring, 1);
	if (result >= 0)
		result = io_uring_wait_cqe(&ring, &cqe);
	if (result >= 0)
		result = cqe->res;
	io_uring_queue_exit(&ring);
out:
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

static int do_listen(const struct actor_command *c, struct actor_reply *reply)
{
	union address a;
	socklen_t len = make_address(&a, c->address, c->port);
	int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, c->protocol);

	reply->fd = fd;
	if (fd < 0 || set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1))
		return -1;
	if (c->reuseport && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1))
		return -1;
	if (a.any.sa_family == AF_INET6 && set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, c->v6only))
		return -1;
	if (c->fastopen && set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, 16))
		return -1;
	if (bind(fd, &a.any, len))
		return -1;
	return listen(fd, c->backlog ? c->backlog : 64);
}

static int do_connect(const struct actor_command *c, struct actor_reply *reply)
{
	static const char payload[65536];
	union address peer, own;
	socklen_t len = make_address(&peer, c->address, c->port);
	int fd =
		socket(peer.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | (c->nonblock ? SOCK_NONBLOCK : 0), c->protocol);

	reply->fd = fd;
	if (fd < 0)
		return -1;
	if (c->bind_port) {
		make_address(&own, c->address, c->bind_port);
		if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) || bind(fd, &own.any, len))
			return -1;
	}
	if (c->fastopen)
		return (int)sendto(fd, payload, c->bytes, MSG_FASTOPEN, &peer.any, len);
	if (c->ring != ACTOR_SYSCALL)
		return through_ring(c, fd, &peer, len);
	return connect(fd, &peer.any, len);
}

static int do_connected(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);

	if (poll(&poll_fd, 1, 5000) != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -1;
	errno = error;
	return error ? -1 : 0;
}

static int do_transfer(const struct actor_command *c)
{
	char buffer[4096] = { 0 };
	uint32_t done = 0;

	if (c->way != ACTOR_CALL)
		return actor_share__transfer(c);
	while (done < c->bytes) {
		size_t want = c->bytes - done < sizeof(buffer) ? c->bytes - done : sizeof(buffer);
		ssize_t n = c->op == ACTOR_SEND ? send(c->fd, buffer, want, MSG_NOSIGNAL)
						: recv(c->fd, buffer, want, 0);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (uint32_t)n;
	}
	return (int)done;
}

static void hello(int lane)
{
	struct actor_reply reply = { .fd = -1, .pid = (uint32_t)getpid(), .tid = (uint32_t)gettid() };

	send(ACTOR_LANE_FD + lane, &reply, sizeof(reply), MSG_NOSIGNAL);
}

static void *run_thread(void *arg)
{
	int lane = (int)(intptr_t)arg;

	/* Unlike the leader's, so that a tracker that shows a thread's comm is found out (T17). */
	prctl(PR_SET_NAME, "not-the-leader");
	hello(lane);
	serve(lane);
	close(ACTOR_LANE_FD + lane);
	return NULL;
}

static int do_thread(int lane)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, run_thread, (void *)(intptr_t)lane);
	return errno ? -1 : pthread_detach(thread);
}

static int do_fork(int lane)
{
	pid_t pid = fork();

	if (pid) {
		close(ACTOR_LANE_FD + lane);
		return pid < 0 ? -1 : 0;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The others' lanes must end when they do. */
	for (int i = 0; i < ACTOR_LANES; i++)
		if (i != lane)
			close(ACTOR_LANE_FD + i);
	hello(lane);
	serve(lane);
	_exit(0);
}

static int do_poll(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 5000) == 1 ? 0 : -1;
}

static int act(const struct actor_command *c, struct actor_reply *reply, int lane)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	switch (c->op) {
	case ACTOR_LISTEN:
		return do_listen(c, reply);
	case ACTOR_CONNECT:
		return do_connect(c, reply);
	case ACTOR_CONNECTED:
		return do_connected(c->fd);
	case ACTOR_ACCEPT:
		reply->fd = c->ring == ACTOR_SYSCALL ? accept4(c->fd, NULL, NULL, SOCK_CLOEXEC)
						     : through_ring(c, c->fd, NULL, 0);
		return reply->fd;
	case ACTOR_SEND:
	case ACTOR_RECV:
		return do_transfer(c);
	case ACTOR_SHUTDOWN:
		return shutdown(c->fd, c->how);
	case ACTOR_LINGER0:
		return setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	case ACTOR_CLOSE:
		reply->fd = -1;
		return close(c->fd);
	case ACTOR_THREAD:
		return do_thread(c->lane);
	case ACTOR_FORK:
		return do_fork(c->lane);
	case ACTOR_DUP:
		reply->fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
		return reply->fd;
	case ACTOR_PASS:
		return actor_share__pass(c);
	case ACTOR_TAKE:
		return actor_share__take(reply);
	case ACTOR_GETFD:
		return actor_share__getfd(c, reply);
	case ACTOR_EXEC:
		return actor_share__exec(c, lane);
	case ACTOR_POLL:
		return do_poll(c->fd);
	case ACTOR_SURVIVE:
		return prctl(PR_SET_PDEATHSIG, 0);
	case ACTOR_DESCRIBE:
	case ACTOR_EXIT:
		return 0;
	}
	errno = ENOSYS;
	return -1;
}

static void serve(int lane)
{
	struct actor_command command;

	while (recv(ACTOR_LANE_FD + lane, &command, sizeof(command), 0) == sizeof(command)) {
		struct actor_reply reply = { .fd = command.fd };

		errno = 0;
		reply.result = act(&command, &reply, lane);
		reply.error = reply.result < 0 ? errno : 0;
		reply.pid = (uint32_t)getpid();
		reply.tid = (uint32_t)gettid();
		if (reply.fd > 2)
			describe(reply.fd, &reply.end);
		if (command.op == ACTOR_EXIT && lane == 0) {
			send(ACTOR_LANE_FD, &reply, sizeof(reply), MSG_NOSIGNAL);
			_exit(0);
		}
		send(ACTOR_LANE_FD + lane, &reply, sizeof(reply), MSG_NOSIGNAL);
		if (command.op == ACTOR_EXIT)
			return;
	}
}

bool actor__is_one(void)
{
	return getenv(ACTOR_ENVIRONMENT) != NULL;
}

int actor__main(void)
{
	prctl(PR_SET_NAME, getenv(ACTOR_ENVIRONMENT));
	signal(SIGCHLD, SIG_IGN);
	const char *again = getenv(ACTOR_AGAIN);
	int lane = again ? atoi(again) : 0;

	for (int i = 0; i < ACTOR_LANES; i++)
		fcntl(ACTOR_LANE_FD + i, F_SETFD, FD_CLOEXEC);
	if (again)
		hello(lane);
	serve(lane);
	return 0;
}
