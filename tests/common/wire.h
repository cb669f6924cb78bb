/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records as the kernel side would send them. */
#ifndef SOCKWATCH_TESTS_WIRE_H
#define SOCKWATCH_TESTS_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "sockwatch/record.h"

#define WIRE_TICK_NS 10000000ULL /* ns_per_tick of the models under test */

union wire {
	struct sw_record base;
	struct sw_record_process process; /* with SW_F_CMDLINE */
	struct sw_record_close close;	  /* CLOSE */
};

/* What the kernel side sends of it. */
size_t wire__size(const union wire *w);
/* A valid record between 10.0.0.1:local_port and 10.0.0.2:remote_port, of nobody. The state is the usual one of kind. */
union wire wire__record(uint8_t kind, uint64_t cookie, uint64_t time_ns, uint16_t local_port, uint16_t remote_port);
struct sw_process wire__process(uint32_t pid, uint64_t start_ns, const char *comm);
/* Let the command line follow; of CONNECT, LISTEN, ACCEPT. */
void wire__set_cmdline(union wire *w, const void *cmdline, uint32_t len);
/* Give the record an owner. */
void wire__own(union wire *w, uint8_t attribution, const struct sw_process *process);

#endif
