/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/pseudofs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"

/* Below /sys and /proc, where no other user can put anything. */
static int open_mounted(const char *path, long magic)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return -errno;
	if (!fstatfs(fd, &fs) && fs.f_type == magic)
		return fd;
	close(fd);
	return -ENOENT;
}

/* A mount of our own that is in no namespace and vanishes with its descriptor (fsopen(2), Linux 5.2). */
static int open_detached(const char *type)
{
	_cleanup_close_ int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return errno == ENODEV ? -ENOENT : -errno;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_fs(const char *type, long magic, const char *first, const char *second)
{
	int fd = open_mounted(first, magic);

	if (fd < 0)
		fd = open_mounted(second, magic);
	return fd < 0 ? open_detached(type) : fd;
}

int pseudofs__open_cgroup2(void)
{
	_cleanup_close_ int path = open_fs("cgroup2", CGROUP2_SUPER_MAGIC, "/sys/fs/cgroup", "/sys/fs/cgroup/unified");
	int fd;

	if (path < 0)
		return path;
	fd = openat(path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_tracefs(void)
{
	return open_fs("tracefs", TRACEFS_MAGIC, "/sys/kernel/tracing", "/sys/kernel/debug/tracing");
}

bool pseudofs__lacks_tracepoint(const char *category, const char *event)
{
	_cleanup_close_ int root = open_tracefs();
	char path[128];

	snprintf(path, sizeof(path), "events/%s/%s", category, event);
	return root >= 0 && faccessat(root, path, F_OK, 0) && errno == ENOENT;
}

static int read_id(const char *category, const char *event, uint64_t *ret)
{
	_cleanup_close_ int root = open_tracefs();
	_cleanup_close_ int fd = -1;
	char path[128], text[32];
	ssize_t n;

	if (root < 0)
		return root;
	snprintf(path, sizeof(path), "events/%s/%s/id", category, event);
	fd = openat(root, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return -errno;
	if (n && text[n - 1] == '\n')
		n--;
	return parse__u64n(text, n, 0, UINT32_MAX, ret);
}

int pseudofs__open_tracepoint(const char *category, const char *event)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .sample_period = 1 };
	uint64_t id = 0;
	int fd, err;

	err = read_id(category, event, &id);
	if (err)
		return err;
	attr.config = id;
	/* Any CPU number will do: a BPF program on a tracepoint event runs on all of them. */
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool pseudofs__is_confidential(void)
{
	_cleanup_close_ int root =
		open_fs("securityfs", SECURITYFS_MAGIC, "/sys/kernel/security", "/sys/kernel/security");
	_cleanup_close_ int fd = root < 0 ? -1 : openat(root, "lockdown", O_RDONLY | O_CLOEXEC);
	char text[64];
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "[confidentiality]");
}
