/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A filter as the kernel's own filter of a sock_diag dump (INET_DIAG_REQ_BYTECODE, linux/inet_diag.h). What the kernel
 * cannot ask for is left out, so that it gives the rows that match and possibly more, never fewer: the filter itself is
 * still applied to every row. For dumps of TCP, MPTCP, UDP and UDP-Lite, whose rows show what the bytecode looks at.
 */
#ifndef SOCKWATCH_SOURCE_DIAG_FILTER_H
#define SOCKWATCH_SOURCE_DIAG_FILTER_H

#include "base/buffer.h"
#include "model/filter.h"

#define DIAG_FILTER_MAX 16384 /* bytes of bytecode; a filter that would need more is not translated */

/*
 * Replace what is in ret, born with DIAG_FILTER_MAX, by the bytecode: the payload of the attribute. Empty (also when
 * memory ran out): leave the attribute out. facts says what the kernel may be asked for besides addresses and ports:
 *   FILTER_MARK    with CAP_NET_ADMIN over the namespace, else the kernel refuses the dump with EPERM;
 *   FILTER_DEVICE  where the filter's device numbers mean the same devices as in the namespace of the dump;
 *   FILTER_CGROUP  when a socket counts by the kernel's cgroup id alone, never by that of its owner (from 5.9 on).
 * A kernel that does not know a condition refuses the dump with EINVAL.
 */
void diag_filter__compile(const struct filter *f, uint32_t facts, struct buffer *ret);

#endif
