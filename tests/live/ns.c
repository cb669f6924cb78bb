/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

struct call {
	int ns_fd; /* -1: a new namespace */
	int (*fn)(void *ctx);
	void *ctx;
	int result;
};

struct sysctl {
	const char *name;
	const char *value;
};

static int lo_up(void *ctx)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)ctx;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return -errno;
	/* Not /proc/self: that is the main thread's namespace. */
	int ns_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return ns_fd < 0 ? -errno : ns_fd;
}

static int write_sysctl(void *ctx)
{
	const struct sysctl *sysctl = ctx;
	char path[256];

	snprintf(path, sizeof(path), "/proc/sys/%s", sysctl->name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, sysctl->value, strlen(sysctl->value)) < 0)
		return -errno;
	return 0;
}

static void *enter(void *ctx)
{
	struct call *call = ctx;
	int err = call->ns_fd < 0 ? unshare(CLONE_NEWNET) : setns(call->ns_fd, CLONE_NEWNET);

	call->result = err ? -errno : call->fn(call->ctx);
	return NULL;
}

static int run_inside(int ns_fd, int (*fn)(void *ctx), void *ctx)
{
	struct call call = { .ns_fd = ns_fd, .fn = fn, .ctx = ctx };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, enter, &call), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	return call.result;
}

int ns__new(void)
{
	int fd = run_inside(-1, lo_up, NULL);

	if (fd < 0)
		fail_msg("cannot make a network namespace: %s", strerror(-fd));
	return fd;
}

int ns__own(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

uint32_t ns__inode(int ns_fd)
{
	struct stat st;

	assert_int_equal(fstat(ns_fd, &st), 0);
	return (uint32_t)st.st_ino;
}

int ns__call(int ns_fd, int (*fn)(void *ctx), void *ctx)
{
	return run_inside(ns_fd, fn, ctx);
}

void ns__sysctl(int ns_fd, const char *name, const char *value)
{
	struct sysctl sysctl = { name, value };
	int err = run_inside(ns_fd, write_sysctl, &sysctl);

	if (err)
		fail_msg("cannot write %s to %s: %s", value, name, strerror(-err));
}
