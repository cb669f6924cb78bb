/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>

#include "base/cleanup.h"
#include "base/parse.h"

struct finder {
	struct netns_list list;
	unsigned int size; /* of list.items */
	uint32_t *seen;	   /* inodes looked at, sorted */
	size_t seen_count;
	size_t seen_size;
	uint32_t last; /* the inode of the process before: most share one */
};

/* Where inode is in seen, or belongs. */
static size_t seen_position(const struct finder *f, uint32_t inode)
{
	size_t low = 0, high = f->seen_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->seen[mid] < inode)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_seen(const struct finder *f, uint32_t inode)
{
	size_t i;

	if (f->last == inode)
		return true;
	i = seen_position(f, inode);
	return i < f->seen_count && f->seen[i] == inode;
}

static int add_seen(struct finder *f, uint32_t inode)
{
	size_t i = seen_position(f, inode);

	if (f->seen_count == f->seen_size) {
		size_t size = f->seen_size ? f->seen_size * 2 : 64;
		uint32_t *seen = reallocarray(f->seen, size, sizeof(*seen));

		if (!seen)
			return -ENOMEM;
		f->seen = seen;
		f->seen_size = size;
	}
	memmove(&f->seen[i + 1], &f->seen[i], (f->seen_count - i) * sizeof(*f->seen));
	f->seen[i] = inode;
	f->seen_count++;
	return 0;
}

/* Takes fd over, also on failure. */
static int add_netns(struct finder *f, uint32_t inode, int fd)
{
	struct netns_list *list = &f->list;
	int err = 0;

	if (list->count == NETNS_MAX) {
		err = -E2BIG;
	} else if (list->count == f->size) {
		unsigned int size = f->size ? f->size * 2 : 16;
		struct netns *items = reallocarray(list->items, size, sizeof(*items));

		if (items) {
			list->items = items;
			f->size = size;
		} else {
			err = -ENOMEM;
		}
	}
	if (!err)
		err = add_seen(f, inode);
	if (err) {
		close(fd);
		return err;
	}
	list->items[list->count++] = (struct netns){ .inode = inode, .fd = fd };
	return 0;
}

/* The inode of the network namespace fd refers to; -EINVAL: it is no such thing. */
static int check_netns(int fd, uint32_t *ret_inode)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) || fstat(fd, &st))
		return -errno;
	if (fs.f_type != NSFS_MAGIC || st.st_ino == 0 || st.st_ino > UINT32_MAX)
		return -EINVAL;
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return -EINVAL;
	*ret_inode = (uint32_t)st.st_ino;
	return 0;
}

/* Out of descriptors: the same as too many namespaces, for that is what it means. */
static int open_error(void)
{
	return errno == EMFILE || errno == ENFILE ? -E2BIG : -errno;
}

/* Open path, which follows a link of procfs, and list what it leads to unless it is listed. */
static int take_path(struct finder *f, int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	uint32_t inode = 0; /* gcc 12 for arm64 does not see that it is set */
	int err;

	if (fd < 0)
		return open_error();
	err = check_netns(fd, &inode);
	if (err || is_seen(f, inode)) {
		close(fd);
		return err;
	}
	return add_netns(f, inode, fd);
}

/* 0, -E2BIG or -ENOMEM. */
static int take_process(struct finder *f, int proc, const char *pid)
{
	char path[32];
	struct stat st;
	int err;

	snprintf(path, sizeof(path), "%.10s/ns/net", pid);
	if (fstatat(proc, path, &st, 0)) {
		err = -errno;
	} else if (st.st_ino <= UINT32_MAX && is_seen(f, (uint32_t)st.st_ino)) {
		f->last = (uint32_t)st.st_ino;
		return 0;
	} else {
		err = take_path(f, proc, path);
	}
	if (err == -E2BIG || err == -ENOMEM)
		return err;
	if (err && err != -ENOENT && err != -ESRCH)
		f->list.unreadable++;
	return 0;
}

static int take_processes(struct finder *f, int proc)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	uint64_t pid;
	int fd, err;

	fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return open_error();
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (errno = 0, entry = readdir(dir)) {
		if (parse__u64(entry->d_name, 1, INT_MAX, &pid))
			continue;
		err = take_process(f, proc, entry->d_name);
		if (err)
			return err;
	}
	return -errno;
}

/* Undo the escapes of mountinfo (\040 and the like) in place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* The mount point and inode of a line of mountinfo that is a network namespace; NULL: it is none. */
static char *parse_mount(char *line, uint32_t *ret_inode)
{
	char *field[5], *save = NULL, *tail;
	uint64_t inode;
	size_t len;
	int i;

	/* " - " ends the optional fields and is in no other: spaces in paths are escaped. */
	tail = strstr(line, " - nsfs ");
	if (!tail)
		return NULL;
	*tail = '\0';
	for (i = 0; i < 5; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return NULL;
	}
	len = strlen(field[3]);
	if (strncmp(field[3], "net:[", 5) || field[3][len - 1] != ']')
		return NULL;
	if (parse__u64n(field[3] + 5, len - 6, 1, UINT32_MAX, &inode))
		return NULL;
	unescape(field[4]);
	*ret_inode = (uint32_t)inode;
	return field[4];
}

/*
 * What is mounted at path now need not be what mountinfo said: look first without opening (a FIFO or a device must not
 * be), then open exactly what was looked at.
 */
static int take_mount(struct finder *f, const char *path)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char self[64];
	struct statfs fs;

	if (fd < 0)
		return open_error();
	if (fstatfs(fd, &fs))
		return -errno;
	if (fs.f_type != NSFS_MAGIC)
		return -EINVAL;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return take_path(f, AT_FDCWD, self);
}

/*
 * Only our own mount namespace. Paths of others are not followed: they lead through trees an unprivileged user may have
 * built. A namespace kept alive by such a mount alone, or by nothing but a descriptor or a socket, is not found.
 */
static int take_mounts(struct finder *f, int proc)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	uint32_t inode;
	char *path;
	int fd, err;

	fd = openat(proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return open_error();
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	while (getline(&line, &size, file) > 0) {
		path = parse_mount(line, &inode);
		if (!path || is_seen(f, inode))
			continue;
		err = take_mount(f, path);
		if (err == -E2BIG || err == -ENOMEM)
			return err;
		if (err == -EACCES || err == -EPERM)
			f->list.unreadable++;
	}
	return ferror(file) ? -EIO : 0;
}

int netns__list(const char *proc, struct netns_list *ret)
{
	_cleanup_close_ int fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct finder f = { 0 };
	int err;

	if (fd < 0)
		return -errno;
	err = take_path(&f, fd, "self/ns/net");
	if (!err)
		err = take_processes(&f, fd);
	if (!err)
		err = take_mounts(&f, fd);
	free(f.seen);
	/* Without even our own namespace a limit is a failure like any other. */
	if (err == -E2BIG && !f.list.count)
		err = -EMFILE;
	if (err && err != -E2BIG) {
		netns__list_free(&f.list);
		return err;
	}
	*ret = f.list;
	return err;
}

/* The descriptor of another process's descriptor (pidfd_getfd(2)), or -errno. */
static int borrow(uint32_t pid, int fd)
{
	_cleanup_close_ int process = (int)syscall(SYS_pidfd_open, pid, 0);
	int mine;

	if (process < 0)
		return -errno;
	mine = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	return mine < 0 ? -errno : mine;
}

int netns__add_of_socket(struct netns_list *list, uint32_t pid, int fd, uint32_t inode)
{
	struct netns *grown = reallocarray(list->items, list->count + 1, sizeof(*grown));
	_cleanup_close_ int socket = borrow(pid, fd);
	struct stat st;
	int ns, err;

	if (!grown)
		return -ENOMEM;
	list->items = grown;
	if (socket < 0)
		return socket;
	ns = ioctl(socket, SIOCGSKNS);
	if (ns < 0)
		return -errno;
	err = fstat(ns, &st) ? -errno : 0;
	if (!err && st.st_ino != inode)
		err = -ENOENT;
	if (err)
		close(ns);
	else
		list->items[list->count++] = (struct netns){ .inode = inode, .fd = ns };
	return err;
}

int netns__find(const char *proc, const char *name, struct netns_list *ret)
{
	struct finder f = { 0 };
	char path[PATH_MAX];
	uint64_t pid;
	int err;

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return -ENOENT;
	snprintf(path, sizeof(path), strchr(name, '/') ? "%s" : "/run/netns/%s", name);
	err = take_path(&f, AT_FDCWD, path);
	if (err == -ENOENT && !parse__u64(name, 1, INT_MAX, &pid)) {
		snprintf(path, sizeof(path), "%s/%u/ns/net", proc, (unsigned int)pid);
		err = take_path(&f, AT_FDCWD, path);
	}
	free(f.seen);
	if (err)
		return err;
	*ret = f.list;
	return 0;
}

void netns__list_free(struct netns_list *list)
{
	unsigned int i;

	for (i = 0; i < list->count; i++)
		close(list->items[i].fd);
	free(list->items);
	*list = (struct netns_list){ 0 };
}

struct visit {
	int ns_fd;
	int (*fn)(void *ctx);
	void *ctx;
	int result;
};

static void *visit(void *arg)
{
	struct visit *v = arg;

	v->result = setns(v->ns_fd, CLONE_NEWNET) ? -errno : v->fn(v->ctx);
	return NULL;
}

int netns__call(int ns_fd, int (*fn)(void *ctx), void *ctx)
{
	struct visit v = { .ns_fd = ns_fd, .fn = fn, .ctx = ctx };
	sigset_t all, old;
	pthread_t thread;
	int err;

	/* No handler of the program shall run in the foreign namespace. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, NULL, visit, &v);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;
	err = pthread_join(thread, NULL);
	return err ? -err : v.result;
}

static int open_socket(void *ctx)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	(void)ctx;
	return fd < 0 ? -errno : fd;
}

int netns__open_diag(int ns_fd)
{
	return netns__call(ns_fd, open_socket, NULL);
}
