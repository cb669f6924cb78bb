/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The command line of `sockwatch list`: the letters of ss and netstat, which mean other things than in the stream. */
#ifndef SOCKWATCH_CMD_LIST_OPTIONS_H
#define SOCKWATCH_CMD_LIST_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "render/columns.h"

struct list_options {
	uint32_t classes; /* CLASS_BIT */
	uint32_t states;  /* 1 << enum tcp_state */
	bool named;	  /* the user named the classes */
	bool ipv4, ipv6;  /* neither: both */
	bool resolve;
	bool no_header, wide, json, csv, verbose, help;
	const char *netns; /* name or pid; NULL: all */
	const char *sort;  /* name of a column, with - in front: the other way round; NULL: listening first */
	struct columns columns;
	bool chosen;	/* the user named the columns */
	uint32_t facts; /* COLUMN_MEMORY | COLUMN_TCP | COLUMN_REFS | COLUMN_CONTEXT, for JSON */
	char **filter;	/* words, of argv */
	int filter_count;
	const char *filter_file; /* more of them; NULL: none */
};

/*
 * argv[0] is "list". Options are seen before and after the words of the filter. 0, or -EINVAL with the reason, in one
 * line, in why.
 */
int list_options__parse(int argc, char **argv, struct list_options *ret, char *why, size_t why_size);
void list_options__print_help(void);

#endif
