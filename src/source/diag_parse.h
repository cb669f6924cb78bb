/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The messages of a dump of inet_diag as rows. For source/ only. */
#ifndef SOCKWATCH_SOURCE_DIAG_PARSE_H
#define SOCKWATCH_SOURCE_DIAG_PARSE_H

#include <linux/inet_diag.h>

#include "source/diag.h"
#include "source/nldump.h"

struct diag_rows {
	uint32_t netns;
	diag_row_fn fn;
	void *ctx;
};

struct nlmsghdr;

/* The row of a SOCK_DIAG_BY_FAMILY message, which must be whole. 0 or -EBADMSG. */
int diag_row__parse(const struct nlmsghdr *nlh, uint32_t netns, struct row *ret);
/* An nldump_fn; ctx is a struct diag_rows. 0, what fn returned, or -EBADMSG. */
int diag_rows__take(void *ctx, const struct nlmsghdr *nlh);

/* Normalised: a dual-stack socket that speaks IPv4 counts as IPv4 (T10). */
void inet_diag__endpoints(struct endpoints *ends, const struct inet_diag_msg *msg);
/* A time-wait or request entry, as far as the message alone can tell: a child of fast open looks like a request. */
bool inet_diag__is_minisock(const struct inet_diag_msg *msg);

#endif
