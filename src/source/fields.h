/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading the lines of /proc/net: fields from left to right; after the first that is wrong all that follow are too. */
#ifndef SOCKWATCH_SOURCE_FIELDS_H
#define SOCKWATCH_SOURCE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fields {
	const char *at, *end;
	bool bad;
};

void fields__init(struct fields *f, const char *line, size_t len);
/* Skip blanks. */
void fields__blanks(struct fields *f);
/* Exactly this byte. */
void fields__byte(struct fields *f, char c);
/* A number of that base (10 or 16), at least one digit and at most max; 0 when bad. Blanks before it are skipped. */
uint64_t fields__number(struct fields *f, unsigned int base, uint64_t max);
/* A field of anything but blanks is passed over. */
void fields__skip(struct fields *f);

#endif
