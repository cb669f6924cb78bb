/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "source/pseudofs.h"

#define FILEID_KERNFS 0xfe /* include/linux/exportfs.h: the handle is the 64-bit id alone */

static int path_of(int fd, char *path, size_t size)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, size - 1);
	if (n < 0)
		return -errno;
	path[n] = 0;
	return 0;
}

int cgroup__path(uint64_t id, char **ret)
{
	union {
		struct file_handle head;
		char space[sizeof(struct file_handle) + sizeof(id)];
	} handle = { .head = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	_cleanup_close_ int root = pseudofs__open_cgroup2();
	_cleanup_close_ int fd = -1;
	char top[PATH_MAX], path[PATH_MAX];
	size_t len;
	int err;

	if (root < 0)
		return root;
	memcpy(handle.head.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(root, &handle.head, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = path_of(root, top, sizeof(top));
	if (!err)
		err = path_of(fd, path, sizeof(path));
	if (err)
		return err;
	/* Where cgroup v2 is not mounted the paths begin at its root; else at the mount point. */
	len = strcmp(top, "/") ? strlen(top) : 0;
	if (strncmp(path, top, len))
		return -EXDEV;
	*ret = strdup(path[len] ? path + len : "/");
	return *ret ? 0 : -ENOMEM;
}
