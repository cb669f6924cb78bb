/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The part of the simulated host that the programs of bpf/ see: transitions, and what is sent about them. */
#ifndef SOCKWATCH_TESTS_HOST_WIRE_H
#define SOCKWATCH_TESTS_HOST_WIRE_H

#include "base/table.h"
#include "common/host.h"

/* s goes to state. life is the caller of connect and listen. */
void host_wire__state(struct host *h, struct host_sock *s, uint8_t state, int life);
/* The same to CLOSE. timewait: the entry in the socket's place, or NULL. */
void host_wire__close(struct host *h, struct host_sock *s, struct host_sock *timewait);
/* s becomes a full socket in SYN_RECV, a child of l. */
void host_wire__clone(struct host_sock *s, const struct host_sock *l);
void host_wire__accept(struct host *h, struct host_sock *s, int life);
/* life reads or writes. */
void host_wire__use(struct host *h, struct host_sock *s, int life);

#endif
