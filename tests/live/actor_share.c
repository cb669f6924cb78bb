/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an actor does with a socket that it shares: every way to read and write it, and to hand it on. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "live/actor.h"
#include "live/actor_child.h"

static int by_sendfile(int fd, const char *bytes, size_t len)
{
	_cleanup_close_ int file = memfd_create("bytes", MFD_CLOEXEC);
	off_t start = 0;

	if (file < 0 || write(file, bytes, len) != (ssize_t)len)
		return -1;
	return (int)sendfile(fd, file, &start, len);
}

static int by_splice(int fd, bool sends, char *bytes, size_t len)
{
	int ends[2];
	int result = -1;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	if (!sends)
		result = (int)splice(fd, NULL, ends[1], NULL, len, 0);
	else if (write(ends[1], bytes, len) == (ssize_t)len)
		result = (int)splice(ends[0], NULL, fd, NULL, len, 0);
	close(ends[0]);
	close(ends[1]);
	return result;
}

static int by_ring(int fd, bool sends, char *bytes, size_t len, bool async)
{
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	int result = io_uring_queue_init(4, &ring, 0);

	if (result >= 0) {
		sqe = io_uring_get_sqe(&ring);
		if (sends)
			io_uring_prep_send(sqe, fd, bytes, len, MSG_NOSIGNAL);
		else
			io_uring_prep_recv(sqe, fd, bytes, len, 0);
		if (async)
			io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
		result = io_uring_submit_and_wait(&ring, 1);
		if (result >= 0)
			result = io_uring_wait_cqe(&ring, &cqe);
		if (result >= 0)
			result = cqe->res;
		io_uring_queue_exit(&ring);
	}
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

int actor_share__transfer(const struct actor_command *c)
{
	char bytes[4096] = { 0 };
	size_t len = c->bytes < sizeof(bytes) ? c->bytes : sizeof(bytes);
	bool sends = c->op == ACTOR_SEND;

	switch (c->way) {
	case ACTOR_FILE:
		return (int)(sends ? write(c->fd, bytes, len) : read(c->fd, bytes, len));
	case ACTOR_SENDFILE:
		return by_sendfile(c->fd, bytes, len);
	case ACTOR_SPLICE:
		return by_splice(c->fd, sends, bytes, len);
	case ACTOR_URING:
	case ACTOR_URING_ASYNC:
		return by_ring(c->fd, sends, bytes, len, c->way == ACTOR_URING_ASYNC);
	default:
		errno = EINVAL;
		return -1;
	}
}

/* Where a process takes what is passed to it: an abstract name, which any namespace of the test's hosts but one has. */
static socklen_t meeting_point(struct sockaddr_un *address, uint32_t pid)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	return (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
	       (socklen_t)snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "sockwatch-test-%u", pid);
}

/* Room for one descriptor, aligned as the kernel wants it. */
union rights {
	struct cmsghdr head;
	char space[CMSG_SPACE(sizeof(int))];
};

static struct msghdr rights_message(union rights *rights, struct iovec *iov, struct sockaddr_un *address, socklen_t len)
{
	memset(rights, 0, sizeof(*rights));
	return (struct msghdr){
		.msg_name = address,
		.msg_namelen = len,
		.msg_iov = iov,
		.msg_iovlen = 1,
		.msg_control = rights,
		.msg_controllen = sizeof(*rights),
	};
}

int actor_share__pass(const struct actor_command *c)
{
	_cleanup_close_ int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct iovec iov = { .iov_base = "", .iov_len = 1 };
	struct sockaddr_un address;
	union rights rights;
	struct msghdr message = rights_message(&rights, &iov, &address, meeting_point(&address, c->pid));

	rights.head.cmsg_level = SOL_SOCKET;
	rights.head.cmsg_type = SCM_RIGHTS;
	rights.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&rights.head), &c->fd, sizeof(int));
	for (int tries = 0; tries < 5000; tries++) {
		if (sendmsg(out, &message, 0) == 1)
			return 0;
		if (errno != ECONNREFUSED) /* the other one is not there yet */
			return -1;
		usleep(1000);
	}
	return -1;
}

int actor_share__take(struct actor_reply *reply)
{
	_cleanup_close_ int in = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union rights rights;
	struct msghdr message = rights_message(&rights, &iov, NULL, 0);

	if (in < 0 || bind(in, (struct sockaddr *)&address, meeting_point(&address, (uint32_t)getpid())) ||
	    recvmsg(in, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	memcpy(&reply->fd, CMSG_DATA(&rights.head), sizeof(int));
	return reply->fd;
}

int actor_share__getfd(const struct actor_command *c, struct actor_reply *reply)
{
	_cleanup_close_ int process = (int)syscall(SYS_pidfd_open, (pid_t)c->pid, 0);

	reply->fd = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, c->fd, 0);
	return reply->fd;
}

int actor_share__exec(const struct actor_command *c, int lane)
{
	char again[12];

	snprintf(again, sizeof(again), "%d", lane);
	setenv(ACTOR_ENVIRONMENT, c->comm, 1);
	setenv(ACTOR_AGAIN, again, 1);
	if (c->fd >= 0)
		fcntl(c->fd, F_SETFD, 0);
	/* The other lanes are of no use to a new program: only this one stays. */
	fcntl(ACTOR_LANE_FD + lane, F_SETFD, 0);
	execl("/proc/self/exe", c->comm, (char *)NULL);
	return -1;
}
