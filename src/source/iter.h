/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Holders of sockets from a BPF iterator (iter/task_file, Linux 5.8): all descriptors of all processes of our pid
 * namespace in one reading, without a system call for each. It takes some 15 ms to load, so /proc is faster where there
 * are few. What it cannot show, /proc cannot either: descriptors of a thread with a table of its own.
 */
#ifndef SOCKWATCH_SOURCE_ITER_H
#define SOCKWATCH_SOURCE_ITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sockwatch/holder.h"

#define ITER_BYTES_MAX (1024UL * 1024 * 1024) /* of one reading: 64 million descriptors; more is -E2BIG */

struct iter;

int iter__new(struct iter **ret);
void iter__free(struct iter *it); /* what is being read is given up */

/*
 * Read everything in a thread of its own; the first time the program is loaded there as well. What the reading before
 * found, which was waited for, stays until this one is. 0 or -errno of the thread.
 */
int iter__start(struct iter *it);
bool iter__is_running(const struct iter *it); /* started, and not waited for */
/* Wait for it. 0, -E2BIG or -errno (-EPERM: privilege; -ENOENT, -ESRCH, -EINVAL: a kernel without it). */
int iter__wait(struct iter *it);
/* What is being read is not needed any more. */
void iter__stop(struct iter *it);

/* A descriptor; the same process has the same holder, which is valid as long as the reading. Not 0 stops. */
typedef int (*iter_fd_fn)(void *ctx, const struct sw_holder *holder, int fd, uint64_t inode);
/* fn with what was read, process by process. 0, -EBADMSG or what fn returned. */
int iter__each(const struct iter *it, iter_fd_fn fn, void *ctx);
/* The reading is not needed any more. */
void iter__forget(struct iter *it);

/* The parser alone, for tests and fuzzing; data is aligned for __u64. */
int iter__parse(const void *data, size_t len, iter_fd_fn fn, void *ctx);

#endif
