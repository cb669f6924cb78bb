/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Holders and process facts from procfs. The root is injectable. Every value is another user's: lengths are bounded,
 * names are bytes, a process may vanish at any read (then it is left out, and that is no error).
 */
#ifndef SOCKWATCH_SOURCE_PROC_H
#define SOCKWATCH_SOURCE_PROC_H

#include <stdint.h>

#include "model/types.h"

/* One descriptor of one socket, as the scan saw it. */
struct proc_fd {
	uint64_t inode;
	uint32_t pid;
	int fd;
};

struct proc_scan {
	struct proc_fd *fds; /* sorted by inode, then pid, then fd */
	size_t count;
	unsigned int processes;	 /* looked at */
	unsigned int unreadable; /* processes whose fd directory was refused (EACCES, EPERM): holders may be missing */
};

/* All socket descriptors of all processes below proc. Threads are not repeated. 0 or -errno (proc cannot be read). */
int proc__scan(const char *proc, struct proc_scan *ret);
void proc__scan_free(struct proc_scan *scan);
/*
 * The socket descriptors of one process, if it is the one that started at start_ticks. 0; -ESRCH: that one is gone (T16);
 * else -errno.
 */
int proc__scan_one(const char *proc, uint32_t pid, uint64_t start_ticks, struct proc_scan *ret);
/* The descriptors of one inode: pointer into scan->fds and their number (0: none). */
const struct proc_fd *proc__holders(const struct proc_scan *scan, uint64_t inode, size_t *ret_count);

/*
 * The same without a list: fn with every descriptor as it is found, process by process; dir is the process's directory
 * of descriptors, for proc__info_at. A failure of fn with another number than -ENOMEM, -EMFILE and -ENFILE leaves the
 * rest of the process out and counts it as unreadable; these three end the walk.
 */
typedef int (*proc_socket_fn)(void *ctx, int dir, uint32_t pid, int fd, uint64_t inode);
struct proc_walk {
	unsigned int processes, unreadable; /* as in struct proc_scan */
};
/* Processes that skip (NULL: none) says so of are passed over; it is asked once for each. */
int proc__walk(const char *proc, bool (*skip)(void *ctx, uint32_t pid), proc_socket_fn fn, void *ctx,
	       struct proc_walk *ret);

/* Facts of one process that can be read cheaply; strings are malloc'ed, NULL when not readable. */
struct proc_info {
	uint32_t pid, ppid, uid;
	uint64_t start_ticks;
	char comm[SW_COMM_LEN + 1];
	char *cmdline; /* at most SW_CMDLINE_LEN bytes, NUL between arguments, none at the end */
	size_t cmdline_len;
	char *exe;
	char *cgroup;			   /* path of the "0::" line of /proc/PID/cgroup */
	char parent_comm[SW_COMM_LEN + 1]; /* only by proc__info; "" when not readable */
};

/* In ticks since boot. 0; -ESRCH: there is no such process; else -errno. */
int proc__start(const char *proc, uint32_t pid, uint64_t *ret_ticks);
/* 0; -ESRCH: gone (also when the start time changed between the first and the last read); else -errno. */
int proc__info(const char *proc, uint32_t pid, struct proc_info *ret);
/*
 * Of the process whose directory of descriptors is open as dir, and of no other that got its pid since. Not whole: only
 * comm, ppid and the start time, for a third of the cost.
 */
int proc__info_at(int dir, uint32_t pid, bool whole, struct proc_info *ret);
void proc__info_free(struct proc_info *info);

/* Parsers alone, for tests and fuzzing. stat is parsed from the last ')'. 0 or -EBADMSG. */
int proc__parse_stat(const char *text, size_t len, struct proc_info *ret);	/* comm, ppid, start_ticks */
int proc__parse_status_uid(const char *text, size_t len, uint32_t *ret_uid);	/* real uid of the Uid: line */
int proc__parse_socket_link(const char *text, size_t len, uint64_t *ret_inode); /* "socket:[123]" */
int proc__parse_cgroup(const char *text, size_t len, char **ret_path);

#endif
