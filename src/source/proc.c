/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/parse.h"

/* Descriptors listed at most (256 MiB); processes that come after the limit are counted as unreadable. */
#define PROC_FDS_MAX (16u * 1024 * 1024)
/* What getdents64 fills at a time. A descriptor takes 24 bytes: one call does for 1 300 of them. */
#define DIRENTS_SIZE (32 * 1024)
/* "socket:[18446744073709551615]" is 29 bytes; a link that fills this is not one. */
#define LINK_SIZE 32

/* struct linux_dirent64, fs/readdir.c */
struct dirent64_head {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

struct walker {
	bool (*skip)(void *ctx, uint32_t pid);
	proc_socket_fn fn;
	void *ctx;
	struct proc_walk walk;
	char dirents[DIRENTS_SIZE] __attribute__((aligned(8)));
};

struct scanner {
	struct proc_scan scan;
	size_t size; /* of scan.fds */
};

/* Names of procfs are the kernel's: digits without sign or leading zero; anything else is not wanted. */
static bool parse_name(const char *name, uint32_t *ret)
{
	uint32_t n = 0;

	if (*name < '0' || *name > '9' || (name[0] == '0' && name[1]))
		return false;
	for (; *name >= '0' && *name <= '9'; name++) {
		if (n > (INT_MAX - 9) / 10)
			return false;
		n = n * 10 + (uint32_t)(*name - '0');
	}
	*ret = n;
	return !*name;
}

int proc__parse_socket_link(const char *text, size_t len, uint64_t *ret_inode)
{
	static const char prefix[] = "socket:[";
	const size_t n = sizeof(prefix) - 1;

	if (len < n + 2 || memcmp(text, prefix, n) || text[len - 1] != ']')
		return -EBADMSG;
	return parse__u64n(text + n, len - n - 1, 0, UINT64_MAX, ret_inode) ? -EBADMSG : 0;
}

static int take_link(struct walker *w, int dir, uint32_t pid, const char *name)
{
	char link[LINK_SIZE];
	uint64_t inode;
	uint32_t fd;
	ssize_t n;

	if (!parse_name(name, &fd))
		return 0;
	n = readlinkat(dir, name, link, sizeof(link));
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	if (n == sizeof(link) || proc__parse_socket_link(link, (size_t)n, &inode))
		return 0;
	return w->fn(w->ctx, dir, pid, (int)fd, inode);
}

static int take_links(struct walker *w, int dir, uint32_t pid)
{
	const struct dirent64_head *entry;
	long n, at;
	int err;

	while ((n = syscall(SYS_getdents64, dir, w->dirents, sizeof(w->dirents))) > 0) {
		for (at = 0; at < n; at += entry->reclen) {
			entry = (const struct dirent64_head *)(w->dirents + at);
			err = take_link(w, dir, pid, entry->name);
			if (err)
				return err;
		}
	}
	return n < 0 ? -errno : 0;
}

static int take_fds(struct walker *w, int proc, const char *name, uint32_t pid)
{
	_cleanup_close_ int dir = -1;
	char path[32];
	size_t len = strlen(name);

	memcpy(path, name, len);
	memcpy(path + len, "/fd", 4);
	dir = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return dir < 0 ? -errno : take_links(w, dir, pid);
}

static bool is_gone(int err)
{
	return err == -ENOENT || err == -ESRCH;
}

static int take_process(struct walker *w, int proc, const char *name)
{
	uint32_t pid;
	int err;

	if (!parse_name(name, &pid) || pid == 0 || (w->skip && w->skip(w->ctx, pid)))
		return 0;
	err = take_fds(w, proc, name, pid);
	/* A link of a process that has just ended may also say EACCES. */
	if (is_gone(err) || (err == -EACCES && faccessat(proc, name, F_OK, 0)))
		return 0;
	if (err == -ENOMEM || err == -EMFILE || err == -ENFILE)
		return err;
	w->walk.processes++;
	if (err)
		w->walk.unreadable++;
	return 0;
}

static int take_processes(struct walker *w, const char *proc)
{
	_cleanup_closedir_ DIR *dir = opendir(proc);
	const struct dirent *entry;
	int err;

	if (!dir)
		return -errno;
	while (errno = 0, entry = readdir(dir)) {
		err = take_process(w, dirfd(dir), entry->d_name);
		if (err)
			return err;
	}
	return -errno;
}

static struct walker *new_walker(bool (*skip)(void *ctx, uint32_t pid), proc_socket_fn fn, void *ctx)
{
	struct walker *w = malloc(sizeof(*w));

	if (!w)
		return NULL;
	w->skip = skip;
	w->fn = fn;
	w->ctx = ctx;
	w->walk = (struct proc_walk){ 0 };
	return w;
}

int proc__walk(const char *proc, bool (*skip)(void *ctx, uint32_t pid), proc_socket_fn fn, void *ctx,
	       struct proc_walk *ret)
{
	struct walker *w = new_walker(skip, fn, ctx);
	int err;

	if (!w)
		return -ENOMEM;
	err = take_processes(w, proc);
	if (!err)
		*ret = w->walk;
	free(w);
	return err;
}

static int add_fd(void *ctx, int dir, uint32_t pid, int fd, uint64_t inode)
{
	struct scanner *s = ctx;
	struct proc_scan *scan = &s->scan;

	(void)dir;
	if (scan->count == PROC_FDS_MAX)
		return -E2BIG;
	if (scan->count == s->size) {
		size_t size = s->size ? s->size * 2 : 1024;
		struct proc_fd *fds = reallocarray(scan->fds, size, sizeof(*fds));

		if (!fds)
			return -ENOMEM;
		scan->fds = fds;
		s->size = size;
	}
	scan->fds[scan->count++] = (struct proc_fd){ .inode = inode, .pid = pid, .fd = fd };
	return 0;
}

static int take_one(struct walker *w, const char *proc, uint32_t pid, uint64_t start_ticks)
{
	_cleanup_close_ int dir = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t ticks;
	char name[16];
	int err;

	if (dir < 0)
		return -errno;
	snprintf(name, sizeof(name), "%u", pid);
	err = take_fds(w, dir, name, pid);
	/* Afterwards: while it is there its pid is nobody else's. */
	if (!err)
		err = proc__start(proc, pid, &ticks);
	if (!err && ticks != start_ticks)
		err = -ESRCH;
	return is_gone(err) ? -ESRCH : err;
}

static int compare_fds(const void *a, const void *b)
{
	const struct proc_fd *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->fd > y->fd) - (x->fd < y->fd);
}

static int finish(struct scanner *s, int err, struct proc_scan *ret)
{
	if (err) {
		proc__scan_free(&s->scan);
		return err;
	}
	if (s->scan.count)
		qsort(s->scan.fds, s->scan.count, sizeof(*s->scan.fds), compare_fds);
	*ret = s->scan;
	return 0;
}

int proc__scan(const char *proc, struct proc_scan *ret)
{
	struct scanner s = { 0 };
	struct proc_walk walk = { 0 };
	int err = proc__walk(proc, NULL, add_fd, &s, &walk);

	s.scan.processes = walk.processes;
	s.scan.unreadable = walk.unreadable;
	return finish(&s, err, ret);
}

int proc__scan_one(const char *proc, uint32_t pid, uint64_t start_ticks, struct proc_scan *ret)
{
	struct scanner s = { 0 };
	struct walker *w = new_walker(NULL, add_fd, &s);
	int err;

	if (!w)
		return -ENOMEM;
	err = take_one(w, proc, pid, start_ticks);
	free(w);
	return finish(&s, err, ret);
}

void proc__scan_free(struct proc_scan *scan)
{
	free(scan->fds);
	*scan = (struct proc_scan){ 0 };
}

const struct proc_fd *proc__holders(const struct proc_scan *scan, uint64_t inode, size_t *ret_count)
{
	size_t low = 0, high = scan->count, end;

	/* 0 is the inode of sockets without a file (T15): it must never match. */
	*ret_count = 0;
	if (!inode)
		return NULL;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (scan->fds[mid].inode < inode)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < scan->count && scan->fds[end].inode == inode; end++)
		;
	*ret_count = end - low;
	return end > low ? &scan->fds[low] : NULL;
}
