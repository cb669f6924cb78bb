/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The records that storm writes with --log-dir, one file a process: DIR/PID.storm, an array of these. */
#ifndef SOCKWATCH_TESTS_STORM_H
#define SOCKWATCH_TESTS_STORM_H

#include <stdint.h>

enum storm_role { STORM_CLIENT = 1, STORM_SERVER };

struct storm_record {
	uint64_t cookie;
	uint32_t pid;
	uint32_t address;    /* IPv4 address of the server's side, host order */
	uint16_t local_port; /* of this end */
	uint16_t remote_port;
	uint8_t role; /* enum storm_role */
	uint8_t pad[3];
};

_Static_assert(sizeof(struct storm_record) == 24, "storm_record layout");

#endif
