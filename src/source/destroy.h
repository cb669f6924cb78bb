/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sock_diag multicast groups SKNLGRP_INET_TCP_DESTROY and SKNLGRP_INET6_TCP_DESTROY (linux/sock_diag.h): the kernel
 * tells of every TCP socket that it frees, with cookie and addresses, but without its file or owner. A time-wait entry does
 * not delay that, and its own end is not told. The groups are of one network namespace, and a socket that listens to
 * them keeps that namespace alive: close it when nobody else is in there.
 */
#ifndef SOCKWATCH_SOURCE_DESTROY_H
#define SOCKWATCH_SOURCE_DESTROY_H

#include <stddef.h>
#include <stdint.h>

#include "source/diag.h"

/*
 * A socket that hears both groups of the namespace ns_fd refers to (-1: the present one); never blocks. The descriptor,
 * or -errno (-EPERM: entering another namespace takes CAP_SYS_ADMIN).
 */
int destroy__open(int ns_fd);

/*
 * Give what waits to fn, as rows in state CLOSE: at most max datagrams. The number of them, or -errno: what fn returned, or
 * -EBADMSG when what came cannot be read. Messages of other senders than the kernel are passed over.
 */
int destroy__receive(int fd, uint32_t netns, unsigned int max, diag_row_fn fn, void *ctx);

/* Messages that the socket's buffer had no room for, since it was opened. */
uint64_t destroy__lost(int fd);

/* The parser alone, for tests and fuzzing: one datagram. 0, what fn returned, or -EBADMSG. */
int destroy__parse(const void *data, size_t len, uint32_t netns, diag_row_fn fn, void *ctx);

#endif
