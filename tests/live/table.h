/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of sockets that the updates of a stream tell, replayed, and the same table as sock_diag tells it. A test
 * holds that the first never lists a ghost or a socket twice, and that both are equal at a quiet moment.
 */
#ifndef SOCKWATCH_TESTS_TABLE_H
#define SOCKWATCH_TESTS_TABLE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct live_table;

struct live_table_entry {
	uint64_t cookie;
	uint64_t inode;
	uint32_t netns;
	uint32_t pid; /* 0: none; a kernel's table knows none */
	uint16_t local_port, remote_port;
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
	char state[16], protocol[8], attribution[12];
	bool minisock; /* closed with a time-wait entry left; seen only with keep_timewait */
};

struct live_table_config {
	uint32_t netns;	    /* updates of other namespaces are passed over; 0: all are taken */
	bool keep_timewait; /* TIME_WAIT and orphaned FIN_WAIT2 entries count as sockets */
};

struct live_table *live_table__new(const struct live_table_config *config);
void live_table__free(struct live_table *t);

/*
 * 0; or -EPROTO, with why: a ghost (an update of a socket that is not open, and does not open it) or a second opening.
 */
int live_table__apply(struct live_table *t, const json_t *update, char *why, size_t why_size);

/* What sock_diag lists in the namespace. 0 or -errno. */
int live_table__kernel(int ns_fd, bool keep_timewait, struct live_table **ret);

size_t live_table__count(const struct live_table *t);
/* NULL: not listed. */
const struct live_table_entry *live_table__find(const struct live_table *t, uint64_t cookie);

/*
 * The number of cookies that are in one table only or have other addresses or ports; each is told, up to a few, in
 * report (NUL-terminated). States are not compared: the stream tells few of them. A left out (0) local port of the
 * stream's side, told at connect, is no difference.
 */
size_t live_table__difference(const struct live_table *stream, const struct live_table *kernel, char *report,
			      size_t report_size);

#endif
