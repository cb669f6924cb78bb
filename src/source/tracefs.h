/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Classic tracepoints by name, also where tracefs is not mounted. */
#ifndef SOCKWATCH_SOURCE_TRACEFS_H
#define SOCKWATCH_SOURCE_TRACEFS_H

/*
 * A perf event of the tracepoint category:event, for a BPF program to be attached to. The descriptor, or -errno: -ENOENT
 * the kernel has no such tracepoint or no tracefs, -EPERM no privilege (CAP_PERFMON; CAP_SYS_ADMIN where tracefs is not
 * mounted).
 */
int tracefs__open_event(const char *category, const char *event);

#endif
