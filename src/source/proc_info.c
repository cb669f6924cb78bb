/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/parse.h"

/* The fields of stat up to the start time are numbers of at most 20 digits, after 64 bytes of name. */
#define STAT_SIZE 1024
/* Uid is one of the first ten lines of status. */
#define STATUS_SIZE 1024
/* A line for each v1 hierarchy, each with a path, then the line of v2. */
#define CGROUP_SIZE (64 * 1024)

/* Fields of stat as proc(5) counts them. */
#define FIELD_STATE	 3
#define FIELD_PPID	 4
#define FIELD_START_TIME 22

/* The number that ends at the next space or newline; a number cut off by the end of the text is none. */
static int parse_field(const char *text, const char *end, uint64_t max, uint64_t *ret)
{
	const char *p = text;

	while (p < end && *p != ' ' && *p != '\n')
		p++;
	if (p == end)
		return -EBADMSG;
	return parse__u64n(text, (size_t)(p - text), 0, max, ret) ? -EBADMSG : 0;
}

/* The start of a field, given that text is the start of field FIELD_STATE; NULL: there are not so many. */
static const char *find_field(const char *text, const char *end, int number)
{
	int i;

	for (i = FIELD_STATE; text && i < number; i++) {
		text = memchr(text, ' ', (size_t)(end - text));
		if (text)
			text++;
	}
	return text;
}

int proc__parse_stat(const char *text, size_t len, struct proc_info *ret)
{
	const char *end = text + len;
	const char *left = len ? memchr(text, '(', len) : NULL;
	const char *right = len ? memrchr(text, ')', len) : NULL;
	const char *field;
	uint64_t ppid, start;
	size_t comm_len;

	/* The name may hold anything, also ") S 1 ("; behind it there are only numbers, so the last ')' ends it. */
	if (!left || !right || right < left || end - right < 3 || right[1] != ' ')
		return -EBADMSG;
	field = find_field(right + 2, end, FIELD_PPID);
	if (!field || parse_field(field, end, UINT32_MAX, &ppid))
		return -EBADMSG;
	field = find_field(right + 2, end, FIELD_START_TIME);
	if (!field || parse_field(field, end, UINT64_MAX, &start))
		return -EBADMSG;
	comm_len = (size_t)(right - left - 1);
	if (comm_len > SW_COMM_LEN)
		comm_len = SW_COMM_LEN;
	memset(ret->comm, 0, sizeof(ret->comm));
	memcpy(ret->comm, left + 1, comm_len);
	ret->ppid = (uint32_t)ppid;
	ret->start_ticks = start;
	return 0;
}

/* What follows prefix on the first line that starts with it; NULL: none does. */
static const char *find_line(const char *text, const char *end, const char *prefix)
{
	size_t n = strlen(prefix);

	while (text && (size_t)(end - text) >= n) {
		if (!memcmp(text, prefix, n))
			return text + n;
		text = memchr(text, '\n', (size_t)(end - text));
		if (text)
			text++;
	}
	return NULL;
}

int proc__parse_status_uid(const char *text, size_t len, uint32_t *ret_uid)
{
	const char *end = text + len, *p = find_line(text, end, "Uid:\t"), *tab;
	uint64_t uid;

	if (!p)
		return -EBADMSG;
	tab = memchr(p, '\t', (size_t)(end - p));
	if (!tab || parse__u64n(p, (size_t)(tab - p), 0, UINT32_MAX, &uid))
		return -EBADMSG;
	*ret_uid = (uint32_t)uid;
	return 0;
}

int proc__parse_cgroup(const char *text, size_t len, char **ret_path)
{
	/* No name of a v1 hierarchy or a path holds a newline: the kernel refuses to make such. */
	const char *end = text + len, *p = find_line(text, end, "0::/"), *newline;
	char *path;

	if (!p)
		return -EBADMSG;
	p--;
	newline = memchr(p, '\n', (size_t)(end - p));
	if (!newline)
		return -EBADMSG;
	path = strndup(p, (size_t)(newline - p));
	if (!path)
		return -ENOMEM;
	*ret_path = path;
	return 0;
}

/* Up to size bytes of a file. Their number or -errno. */
static ssize_t read_file(int dir, const char *name, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (len < size) {
		n = read(fd, buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static int read_stat(int dir, struct proc_info *info)
{
	char buf[STAT_SIZE];
	ssize_t n = read_file(dir, "stat", buf, sizeof(buf));

	return n < 0 ? (int)n : proc__parse_stat(buf, (size_t)n, info);
}

static int read_uid(int dir, struct proc_info *info)
{
	char buf[STATUS_SIZE];
	ssize_t n = read_file(dir, "status", buf, sizeof(buf));

	return n < 0 ? (int)n : proc__parse_status_uid(buf, (size_t)n, &info->uid);
}

/* 0 or -ENOMEM: of what follows each piece may be missing, be it that it is refused or that a kernel thread has none. */
static int read_cmdline(int dir, struct proc_info *info)
{
	char buf[SW_CMDLINE_LEN];
	ssize_t n = read_file(dir, "cmdline", buf, sizeof(buf));

	while (n > 0 && !buf[n - 1])
		n--;
	if (n <= 0)
		return 0;
	info->cmdline = malloc((size_t)n + 1);
	if (!info->cmdline)
		return -ENOMEM;
	memcpy(info->cmdline, buf, (size_t)n);
	info->cmdline[n] = '\0';
	info->cmdline_len = (size_t)n;
	return 0;
}

static int read_exe(int dir, struct proc_info *info)
{
	char buf[PATH_MAX];
	ssize_t n = readlinkat(dir, "exe", buf, sizeof(buf));

	if (n <= 0 || n == sizeof(buf))
		return 0;
	info->exe = strndup(buf, (size_t)n);
	return info->exe ? 0 : -ENOMEM;
}

static int read_cgroup(int dir, struct proc_info *info)
{
	_cleanup_free_ char *buf = malloc(CGROUP_SIZE);
	ssize_t n;
	int err;

	if (!buf)
		return -ENOMEM;
	n = read_file(dir, "cgroup", buf, CGROUP_SIZE);
	if (n <= 0)
		return 0;
	err = proc__parse_cgroup(buf, (size_t)n, &info->cgroup);
	return err == -EBADMSG ? 0 : err;
}

static int read_all(int dir, struct proc_info *info)
{
	struct proc_info again = { 0 };
	int err = read_stat(dir, info);

	if (!err)
		err = read_uid(dir, info);
	if (!err)
		err = read_cmdline(dir, info);
	if (!err)
		err = read_exe(dir, info);
	if (!err)
		err = read_cgroup(dir, info);
	/* Only when it still is the same process are all pieces of one (T16). */
	if (!err)
		err = read_stat(dir, &again);
	if (!err && again.start_ticks != info->start_ticks)
		err = -ESRCH;
	return err == -ENOENT ? -ESRCH : err;
}

/* Whoever has its pid and is younger than the child is another process. */
static void read_parent(int root, struct proc_info *info)
{
	struct proc_info parent = { 0 };
	_cleanup_close_ int dir = -1;
	char name[16];

	snprintf(name, sizeof(name), "%u", info->ppid);
	dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir >= 0 && !read_stat(dir, &parent) && parent.start_ticks <= info->start_ticks)
		memcpy(info->parent_comm, parent.comm, sizeof(info->parent_comm));
}

int proc__info(const char *proc, uint32_t pid, struct proc_info *ret)
{
	struct proc_info info = { .pid = pid };
	_cleanup_close_ int root = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int dir = -1;
	char name[16];
	int err;

	if (root < 0)
		return -errno;
	snprintf(name, sizeof(name), "%u", pid);
	dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = read_all(dir, &info);
	if (err) {
		proc__info_free(&info);
		return err;
	}
	read_parent(root, &info);
	*ret = info;
	return 0;
}

int proc__info_at(int fds, uint32_t pid, bool whole, struct proc_info *ret)
{
	struct proc_info info = { .pid = pid };
	_cleanup_close_ int dir = openat(fds, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (dir < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = whole ? read_all(dir, &info) : read_stat(dir, &info);
	if (err) {
		proc__info_free(&info);
		return err == -ENOENT ? -ESRCH : err;
	}
	*ret = info;
	return 0;
}

int proc__start(const char *proc, uint32_t pid, uint64_t *ret_ticks)
{
	_cleanup_close_ int dir = -1;
	struct proc_info info = { .pid = pid };
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s/%u", proc, pid);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = read_stat(dir, &info);
	if (!err)
		*ret_ticks = info.start_ticks;
	return err == -ENOENT ? -ESRCH : err;
}

void proc__info_free(struct proc_info *info)
{
	free(info->cmdline);
	free(info->exe);
	free(info->cgroup);
	*info = (struct proc_info){ 0 };
}
