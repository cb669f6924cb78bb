/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Network namespaces of the host, found through every process and through nsfs bind mounts (ip netns). */
#ifndef SOCKWATCH_SOURCE_NETNS_H
#define SOCKWATCH_SOURCE_NETNS_H

#include <stdint.h>

struct netns {
	uint32_t inode;
	int fd; /* nsfs descriptor, O_CLOEXEC; owned by the list */
};

struct netns_list {
	struct netns *items; /* items[0] is our own */
	unsigned int count;
	unsigned int unreadable; /* processes whose namespace could not be read (hidepid, ptrace rules) */
};

#define NETNS_MAX 65536 /* namespaces looked at; more is -E2BIG with the first ones listed */

/* proc is the root of procfs ("/proc"). 0, -E2BIG or -errno. */
int netns__list(const char *proc, struct netns_list *ret);
void netns__list_free(struct netns_list *list);

/*
 * Add the namespace of the socket that process pid holds as fd, when that is inode: a way into one that no process is
 * in. 0, -ENOENT (it is another one) or -errno (-EPERM: CAP_SYS_PTRACE is missing; -ENOSYS: before Linux 5.6).
 */
int netns__add_of_socket(struct netns_list *list, uint32_t pid, int fd, uint32_t inode);

/*
 * One namespace alone: a name of ip-netns(8) (below /run/netns), a pid, or a path. 0, -EINVAL (it is no network
 * namespace) or -errno.
 */
int netns__find(const char *proc, const char *name, struct netns_list *ret);

/*
 * Open a NETLINK_SOCK_DIAG socket inside the namespace ns_fd refers to. Done in a thread that is thrown away, so the
 * caller's namespace never changes. The descriptor or -errno (-EPERM: CAP_SYS_ADMIN is missing).
 */
int netns__open_diag(int ns_fd);
/* Run fn(ctx) in such a thread inside the namespace; its return value, or -errno. */
int netns__call(int ns_fd, int (*fn)(void *ctx), void *ctx);

#endif
