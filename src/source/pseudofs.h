/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Kernel file systems that programs are attached through, also where they are not mounted. */
#ifndef SOCKWATCH_SOURCE_PSEUDOFS_H
#define SOCKWATCH_SOURCE_PSEUDOFS_H

#include <stdbool.h>

/*
 * A perf event of the tracepoint category:event, for a BPF program to be attached to. The descriptor, or -errno: -ENOENT
 * the kernel has no such tracepoint or no tracefs, -EPERM no privilege (CAP_PERFMON; CAP_SYS_ADMIN where tracefs is not
 * mounted).
 */
int pseudofs__open_tracepoint(const char *category, const char *event);

/* It is certain that the kernel has no such tracepoint. False also where tracefs cannot be read. */
bool pseudofs__lacks_tracepoint(const char *category, const char *event);

/* The root of the cgroup v2 hierarchy, O_PATH or better. The descriptor, or -errno (-ENOENT: the kernel has none). */
int pseudofs__open_cgroup2(void);

/* The kernel is locked down to confidentiality: even root must not read its memory. False also where that cannot be read. */
bool pseudofs__is_confidential(void);

#endif
