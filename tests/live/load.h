/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One run of the storm (tests/load/storm.c) in a namespace of the test, and what its processes wrote down about their
 * ends. $BUILD/load/storm is the program (default build). A failure fails the test.
 */
#ifndef SOCKWATCH_TESTS_LOAD_H
#define SOCKWATCH_TESTS_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load/storm.h"

#define LOAD_CLIENT "storm-client"
#define LOAD_SERVER "storm-server"
#define LOAD_ENDS   2 /* of a connection: two records */

struct load;

struct load_config {
	int ns_fd;
	uint64_t connections;
	uint64_t rate; /* a second; 0: as fast as it goes */
};

/* Two clients, three prefork servers on one listener. They run when it returns. */
struct load *load__start(const struct load_config *config);
/* Kills what still runs. Takes NULL. */
void load__free(struct load *load);

/* Between the two none of its processes runs; what it had under way stays as it is. */
void load__pause(const struct load *load);
void load__resume(const struct load *load);
/* The clients make no further connection. */
void load__stop(const struct load *load);
/* Wait for the end, which must be a good one; how many seconds the clients took. */
double load__join(struct load *load, int timeout_ms);

/* After join. */
uint64_t load__connections(const struct load *load);
const struct storm_record *load__record(const struct load *load, size_t index); /* by cookie; NULL: no more */

/* The process that made the listener, before any server was there. */
uint32_t load__listener_pid(const struct load *load);

#endif
