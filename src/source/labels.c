/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/labels.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/table.h"

#define NETNS_DIR     "/run/netns" /* ip-netns(8) */
#define CONTEXT_MAX   4096
#define FILEID_KERNFS 0xfe /* include/linux/exportfs.h: the handle is the 64-bit id */

enum kind { KIND_NETNS, KIND_DEVICE, KIND_CGROUP, KIND_CONTEXT };

struct entry {
	enum kind kind;
	uint32_t netns;
	uint64_t id;
	const char *name; /* NULL: it has none */
};

struct labels {
	const struct netns_list *namespaces;
	struct table table;
	struct arena arena;
	bool netns_read;
	int cgroup_fd; /* mount of cgroup v2; -1: not found, -2: not looked for */
	char cgroup_root[PATH_MAX];
};

static uint64_t hash(const void *item)
{
	const struct entry *e = item;

	return hash__mix(e->id ^ (uint64_t)e->netns << 32 ^ (uint64_t)e->kind << 60);
}

static bool equal(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->kind == y->kind && x->netns == y->netns && x->id == y->id;
}

struct labels *labels__new(const struct netns_list *namespaces)
{
	struct labels *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->namespaces = namespaces;
	n->cgroup_fd = -2;
	table__init(&n->table, hash, equal);
	return n;
}

void labels__free(struct labels *n)
{
	if (!n)
		return;
	cleanup_close(&n->cgroup_fd);
	table__free(&n->table);
	arena__free(&n->arena);
	free(n);
}

static const struct entry *find(const struct labels *n, enum kind kind, uint32_t netns, uint64_t id)
{
	const struct entry key = { .kind = kind, .netns = netns, .id = id };

	return table__find(&n->table, &key);
}

/* name NULL: it is known that there is none. Without memory it is looked up again. */
static const char *keep(struct labels *n, enum kind kind, uint32_t netns, uint64_t id, const char *name)
{
	struct entry *e = arena__alloc(&n->arena, sizeof(*e));

	if (!e)
		return NULL;
	*e = (struct entry){ .kind = kind, .netns = netns, .id = id };
	if (name)
		e->name = arena__copy(&n->arena, name, strlen(name));
	return table__add(&n->table, e) ? NULL : e->name;
}

/* ---- namespaces */

static void read_netns(struct labels *n)
{
	_cleanup_closedir_ DIR *dir = opendir(NETNS_DIR);
	const struct dirent *entry;
	struct stat st;

	n->netns_read = true;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (!find(n, KIND_NETNS, 0, st.st_ino))
			keep(n, KIND_NETNS, 0, st.st_ino, entry->d_name);
	}
}

const char *labels__netns(struct labels *n, uint32_t inode)
{
	const struct entry *e;

	if (!n->netns_read)
		read_netns(n);
	e = find(n, KIND_NETNS, 0, inode);
	return e ? e->name : NULL;
}

/* ---- devices */

struct device_query {
	uint32_t ifindex;
	char name[IF_NAMESIZE];
};

static int ask_device(void *ctx)
{
	struct device_query *q = ctx;

	return if_indextoname(q->ifindex, q->name) ? 0 : -errno;
}

const char *labels__device(struct labels *n, uint32_t netns, uint32_t ifindex)
{
	const struct entry *e = find(n, KIND_DEVICE, netns, ifindex);
	struct device_query q = { .ifindex = ifindex };
	int err = -ENOENT;

	if (e)
		return e->name;
	for (unsigned int i = 0; n->namespaces && i < n->namespaces->count; i++) {
		if (n->namespaces->items[i].inode == netns)
			err = netns__call(n->namespaces->items[i].fd, ask_device, &q);
	}
	return keep(n, KIND_DEVICE, netns, ifindex, err ? NULL : q.name);
}

/* ---- control groups */

/* The mount of cgroup v2 says which it is in mountinfo: " - cgroup2 ". */
static int open_cgroup_root(struct labels *n)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0) {
		char path[PATH_MAX];

		if (!strstr(line, " - cgroup2 ") || sscanf(line, "%*s %*s %*s %*s %4095s", path) != 1)
			continue;
		strcpy(n->cgroup_root, path);
		return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return -1;
}

const char *labels__cgroup(struct labels *n, uint64_t id)
{
	const struct entry *e = find(n, KIND_CGROUP, 0, id);
	char handle_space[sizeof(struct file_handle) + sizeof(id)] __attribute__((aligned(8)));
	struct file_handle *handle = (struct file_handle *)handle_space;
	_cleanup_close_ int fd = -1;
	char self[64], path[PATH_MAX];
	size_t root;
	ssize_t len;

	if (e)
		return e->name;
	if (n->cgroup_fd == -2)
		n->cgroup_fd = open_cgroup_root(n);
	if (n->cgroup_fd < 0)
		return NULL;
	handle->handle_bytes = sizeof(id);
	handle->handle_type = FILEID_KERNFS;
	memcpy(handle->f_handle, &id, sizeof(id));
	fd = open_by_handle_at(n->cgroup_fd, handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return keep(n, KIND_CGROUP, 0, id, NULL);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	len = readlink(self, path, sizeof(path) - 1);
	root = strlen(n->cgroup_root);
	if (len <= 0 || (size_t)len < root || memcmp(path, n->cgroup_root, root))
		return keep(n, KIND_CGROUP, 0, id, NULL);
	path[len] = '\0';
	return keep(n, KIND_CGROUP, 0, id, path[root] ? path + root : "/");
}

/* ---- security */

const char *labels__context(struct labels *n, uint32_t pid)
{
	const struct entry *e = find(n, KIND_CONTEXT, 0, pid);
	_cleanup_close_ int fd = -1;
	char path[64], text[CONTEXT_MAX];
	ssize_t len;

	if (e)
		return e->name;
	snprintf(path, sizeof(path), "/proc/%u/attr/current", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	while (len > 0 && (text[len - 1] == '\n' || !text[len - 1]))
		len--;
	if (len > 0)
		text[len] = '\0';
	return keep(n, KIND_CONTEXT, 0, pid, len > 0 ? text : NULL);
}
