/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one stream told about the sockets of one namespace under a storm, kept by cookie while it is read. Holds, of each
 * update, that it replays (no ghost, no second opening); afterwards what was told is laid beside the storm's own log.
 */
#ifndef SOCKWATCH_TESTS_WITNESS_H
#define SOCKWATCH_TESTS_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "live/load.h"
#include "live/stream.h"
#include "live/table.h"

struct witness;

struct witness_config {
	int ns_fd;
	const char *const *args; /* of the program; with --states the table has time-wait entries too */
	bool pipe;		 /* not a spool: a witness that does not read holds the program's output up */
};

struct witness_count {
	uint64_t syncs;
	uint64_t losses;     /* lost updates */
	uint64_t lost_ring;  /* records told lost, where ring */
	uint64_t lost_other; /* elsewhere */
	uint64_t summary_lost;
	bool summary;	    /* was told; the last line */
	bool sync_was_last; /* of lost and sync */
};

/* The program is started, nothing is read yet. */
struct witness *witness__start(const struct witness_config *config);
void witness__free(struct witness *w);
struct stream *witness__stream(const struct witness *w);
const struct live_table *witness__table(const struct witness *w);
const struct witness_count *witness__count(const struct witness *w);

/* Read until that many sync updates came. */
void witness__wait_syncs(struct witness *w, uint64_t syncs, int timeout_ms);
/* Read until the table is the kernel's and no loss waits for its repair. */
void witness__wait_equal(struct witness *w, int timeout_ms);
/* Stop the program and read what it has still to tell; the losses that its summary tells are those that were told. */
void witness__stop(struct witness *w, int timeout_ms);
/*
 * Wait for the kernel to have no more than so many sockets in the namespace (time-wait entries aside), and stop the
 * program at once, however far it is read: when all is read the table is the kernel's.
 */
void witness__finish(struct witness *w, size_t open, int timeout_ms);

/* No owner that was told is wrong by the log. The number of ends of the log that were told with an owner. */
uint64_t witness__check_owners(const struct witness *w, const struct load *load);
/* Also: each end was told from its opening to its close with all there is to tell; and no end that is not in the log. */
void witness__check_all(const struct witness *w, const struct load *load, size_t others);

#endif
