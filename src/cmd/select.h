/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which updates of the stream the user's filter lets through: those of a socket from the first one that matches until
 * its close, so that a filter on the state does not hide how it ends. Updates about no socket always.
 */
#ifndef SOCKWATCH_CMD_SELECT_H
#define SOCKWATCH_CMD_SELECT_H

#include "base/table.h"
#include "cmd/options.h"
#include "model/filter.h"
#include "model/types.h"

#define SELECT_STREAM_UNKNOWN (FILTER_DEVICE | FILTER_MARK) /* no record tells it */

#define SELECT_FILE_MAX (64 * 1024) /* of a filter in a file */

/* Where a filter is written. */
struct filter_words {
	char **words; /* of argv */
	int count;
	const char *file; /* more words, behind these, separated by blanks and newlines; "-": stdin; NULL: none */
};

/*
 * The filter that the words say; NULL for none. family (AF_*, AF_UNSPEC) is that of addresses without one; unknown are
 * the facts (enum filter_fact) that the command never knows. A mistake is printed to stderr: -EINVAL; so is a file that
 * cannot be read: another -errno.
 */
int select__parse(const struct filter_words *words, uint16_t family, uint32_t unknown, struct filter **ret);
/* AF_INET or AF_INET6 when only one was asked for. */
uint16_t select__family(bool ipv4, bool ipv6);

struct select {
	const struct filter *filter; /* the caller's; NULL: everything */
	struct table told;	     /* cookies of sockets that have matched and are open */
};

void select__init(struct select *s, const struct filter *filter);
void select__free(struct select *s);
/* Every update must pass here, also those that are not shown for another reason. */
bool select__wants(struct select *s, const struct update *u);

#endif
