/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/pin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sockwatch/record.h"

#define PIN_MODE 0700

static int open_root(void)
{
	int fd = open(PIN_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ENODEV : -errno;
	if (!fstatfs(fd, &fs) && fs.f_type == BPF_FS_MAGIC)
		return fd;
	close(fd);
	return -ENODEV;
}

int pin__check_directory(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && !st->st_uid && (st->st_mode & 07777) == PIN_MODE ? 0 : -EUCLEAN;
}

static int open_directory(int root)
{
	int fd = openat(root, PIN_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int err;

	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? -EUCLEAN : -errno;
	err = fstat(fd, &st) ? -errno : pin__check_directory(&st);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int pin__open(void)
{
	_cleanup_close_ int root = open_root();

	return root < 0 ? root : open_directory(root);
}

int pin__create(void)
{
	_cleanup_close_ int root = open_root();

	if (root < 0)
		return root;
	if (mkdirat(root, PIN_DIRECTORY, PIN_MODE))
		return -errno;
	return open_directory(root);
}

static int remove_files(DIR *dir)
{
	const struct dirent *entry;

	/* Every removal is followed by a look from the start: a directory that changes may be read unevenly. */
	do {
		rewinddir(dir);
		do {
			errno = 0;
			entry = readdir(dir);
		} while (entry && entry->d_name[0] == '.');
		if (entry && unlinkat(dirfd(dir), entry->d_name, 0))
			return -errno;
	} while (entry);
	return -errno;
}

int pin__remove(void)
{
	_cleanup_close_ int root = open_root();
	_cleanup_closedir_ DIR *dir = NULL;
	int fd = root < 0 ? root : open_directory(root);
	int err;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	err = remove_files(dir);
	if (!err && unlinkat(root, PIN_DIRECTORY, AT_REMOVEDIR))
		err = -errno;
	return err;
}

int pin__lock(int fd)
{
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

const char *pin__path(int fd, const char *name, char path[PIN_PATH_MAX])
{
	int len = snprintf(path, PIN_PATH_MAX, "/proc/self/fd/%d/", fd);

	snprintf(path + len, (size_t)(PIN_PATH_MAX - len), "%s", name);
	for (char *c = path + len; *c; c++) {
		if (*c == '/' ||
		    *c == '.') /* the file system has names without dots (bpf_lookup, kernel/bpf/inode.c) */
			*c = '_';
	}
	return path;
}

int pin__check_about(const struct pin_about *about, size_t size, uint64_t programs)
{
	if (size < sizeof(about->version))
		return -ESTALE;
	if (!about->version)
		return -ENODATA;
	if (size != sizeof(*about) || about->version != PIN_ABOUT_VERSION ||
	    about->record_version != SW_RECORD_VERSION || about->programs != programs ||
	    !memchr(about->plan, 0, sizeof(about->plan)))
		return -ESTALE;
	return 0;
}

uint64_t pin__hash(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	return hash;
}

const char *pin__why(int err)
{
	switch (err) {
	case -ENODEV:
		return "no BPF file system is mounted on " PIN_ROOT "; as root: mount -t bpf -o mode=700 bpf " PIN_ROOT;
	case -ENOENT:
		return "nothing is pinned";
	case -EUCLEAN:
		return PIN_PATH " is not a directory of root with mode 0700: it is left alone; look who made it, and "
				"remove it";
	case -ENODATA:
		return "the pin in " PIN_PATH " is not complete: 'sockwatch unpin' first";
	case -ESTALE:
		return "the pin in " PIN_PATH " was made by another version of sockwatch: 'sockwatch unpin' first";
	case -EBUSY:
		return "another sockwatch reads it";
	default:
		return strerror(-err);
	}
}
