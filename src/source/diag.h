/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sock_diag (NETLINK_SOCK_DIAG, linux/inet_diag.h) through libmnl: a netlink socket opened inside a network namespace.
 * It keeps the namespace alive for as long as it is open: free it after the dump.
 */
#ifndef SOCKWATCH_SOURCE_DIAG_H
#define SOCKWATCH_SOURCE_DIAG_H

#include <stdint.h>

#include "model/types.h"

struct diag;

#define DIAG_ALL_STATES 0xfffu /* bits 1..11 (1 << TCP_*); never the bound-only pseudo state 13 of 6.12 */

/*
 * Take over fd, a NETLINK_SOCK_DIAG socket already opened in the namespace whose inode is netns (-1: open one in the
 * present namespace). 0 or -errno.
 */
int diag__new(int fd, uint32_t netns, struct diag **ret);
void diag__free(struct diag *d);

typedef int (*diag_row_fn)(void *ctx, const struct row *row);

/*
 * All TCP sockets of the namespace whose state bit is in states, IPv4 and IPv6, each given to fn (whose non-zero return
 * stops the dump and is returned). The row is valid during the call. Additional MPTCP subflows are given too, with
 * mptcp_join set. A dump that the kernel marks interrupted (NLM_F_DUMP_INTR) is done again, a bounded number of times:
 * rows may therefore be given more than once, and fn must take that.
 * 0; -EINTR: still interrupted after the last try (rows so far are true); -EBADMSG: the answer broke the protocol
 * (truncated, out of sequence, foreign sender, bad length); else the kernel's -errno, also from NLMSG_DONE.
 */
int diag__dump(struct diag *d, uint32_t states, diag_row_fn fn, void *ctx);

/*
 * The parser alone, for tests and fuzzing: one datagram of a dump with sequence number seq for port id portid.
 * 1: more to come; 0: NLMSG_DONE seen; -EINTR: interrupted flag seen on DONE or any message; else as diag__dump.
 */
int diag__parse(const void *data, size_t len, unsigned int seq, unsigned int portid, uint32_t netns, diag_row_fn fn,
		void *ctx);

#endif
