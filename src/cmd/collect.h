/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Brings the rows of all namespaces and their holders into a listing. */
#ifndef SOCKWATCH_CMD_COLLECT_H
#define SOCKWATCH_CMD_COLLECT_H

#include "model/listing.h"
#include "source/netns.h"
#include "source/sockets.h"

struct collect;

struct iter;

/*
 * A source of rows and one of holders. Both report to the listing of the collect; which of them know what is said at
 * listing.h.
 */
struct collect_source {
	/* All classes that are asked for, of all namespaces; of a second look those that somebody should hold. */
	int (*rows)(struct collect *c, bool again);
	int (*holders)(struct collect *c, bool again);
};

/* sock_diag with /proc, and sock_diag with the BPF iterator of holders, for which iter is needed. */
extern const struct collect_source collect_netlink, collect_iterator;

struct collect {
	/* in */
	const struct collect_source *source;
	const char *proc;
	struct netns_list *namespaces;
	const struct netns *own; /* of them; NULL: not among them */
	struct sockets_ask ask;
	bool holders; /* wanted */
	bool whole;   /* of the holders everything, not only their names */
	struct listing *listing;
	struct iter *iter; /* NULL: none; the caller frees it */
	/* out */
	uint32_t missing; /* classes of which the kernel has no list */
	unsigned int failed;
	int failed_error; /* -errno of the last namespace that could not be read */
	unsigned int processes, unreadable;
	/* while it runs */
	uint32_t pid;
	struct process *process;
	uint32_t *seen; /* pids of the first walk, ascending */
	size_t seen_count, seen_size;
	bool again;
};

/*
 * Set source, and iter, to what takes less time on this host, and let it begin with what needs neither rows nor the
 * namespaces.
 */
void collect__choose(struct collect *c);
/* Fill in what /proc alone knows of a process. */
void collect__describe(const struct collect *c, struct process *p);
/* 0 or -errno; the listing is finished. */
int collect__run(struct collect *c);

#endif
