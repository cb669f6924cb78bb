/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The answer to one sock_diag dump request, datagram by datagram. Private to diag.c and diag_parse.c. */
#ifndef SOCKWATCH_SOURCE_DIAG_PARSE_H
#define SOCKWATCH_SOURCE_DIAG_PARSE_H

#include "source/diag.h"

struct diag_answer {
	unsigned int seq;
	unsigned int portid;
	uint32_t netns;
	diag_row_fn fn;
	void *ctx;
	bool done;	  /* NLMSG_DONE was seen: out */
	bool interrupted; /* NLM_F_DUMP_INTR was seen: out */
};

struct nlmsghdr;

/* The row of a SOCK_DIAG_BY_FAMILY message, which must be whole. 0 or -EBADMSG. */
int diag_row__parse(const struct nlmsghdr *nlh, uint32_t netns, struct row *ret);

/* Take one datagram. 0, what fn returned, or as diag__dump. */
int diag_answer__take(struct diag_answer *answer, const void *data, size_t len);

#endif
