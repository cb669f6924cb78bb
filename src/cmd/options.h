/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The command line as a const config. */
#ifndef SOCKWATCH_CMD_OPTIONS_H
#define SOCKWATCH_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum command { COMMAND_STREAM, COMMAND_DOCTOR, COMMAND_PIN, COMMAND_UNPIN, COMMAND_HELP, COMMAND_VERSION };

struct options {
	enum command command;
	bool json;
	bool ipv4, ipv6; /* neither: both */
	bool listening;
	bool states;
	bool no_existing;
	bool verbose;
	uint64_t duration_ns; /* 0: for ever */
	uint64_t count;	      /* 0: no limit */
	size_t ring_bytes;
	bool ring_given;
	const char *plan; /* NULL: choose */
	char **filter;	  /* words of the filter expression, of argv; see model/filter.h */
	int filter_words;
	const char *filter_file; /* more of them; NULL: none */
};

#define SOCKWATCH_VERSION "0.1.0"
#define DURATION_MAX_S	  (100ULL * 365 * 86400)

/*
 * Parse argv. 0, or -EINVAL with the reason, in one line, in why. Options are seen before and after the
 * command word; all other words are the filter.
 */
int options__parse(int argc, char **argv, struct options *ret, char *why, size_t why_size);
void options__print_help(void);
extern const char options_filter_help[]; /* of every command that takes a filter */

#endif
