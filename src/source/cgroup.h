/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The path of a cgroup whose processes may be gone, from its id. */
#ifndef SOCKWATCH_SOURCE_CGROUP_H
#define SOCKWATCH_SOURCE_CGROUP_H

#include <stdint.h>

/*
 * The path below the root of cgroup v2, as in the "0::" line of /proc/PID/cgroup; malloc'ed. 0; -ESTALE: the cgroup is
 * gone; -EPERM: no CAP_DAC_READ_SEARCH; else -errno.
 */
int cgroup__path(uint64_t id, char **ret);

#endif
