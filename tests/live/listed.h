/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of sockwatch list share: three namespaces full of sockets, its records, and lines of text to compare. */
#ifndef SOCKWATCH_TESTS_LISTED_H
#define SOCKWATCH_TESTS_LISTED_H

#include <jansson.h>

#include "live/live.h"
#include "live/medley.h"

#define NAMESPACES 3
#define LINES_MAX  1024
#define LINE_SIZE  512

struct medleys {
	int ns[NAMESPACES];
	uint32_t netns[NAMESPACES];
	struct medley medley[NAMESPACES];
	char dir[64];
};

extern struct medleys medleys;

/* For cmocka, of a group. */
int medleys__set_up(void **state);
int medleys__tear_down(void **state);

/* The records of sockwatch list with these arguments, each valid by the schema. */
json_t *listed__run(const char *const *args);
/* Of one of the namespaces. */
json_t *medleys__list(int i, const char *letters);
bool listed__is(const json_t *r, const char *key, const char *value);

struct lines {
	char text[LINES_MAX][LINE_SIZE];
	unsigned int count;
};

struct lines *lines__new(void);
/* The next line, of LINE_SIZE bytes, to be written. */
char *lines__add(struct lines *l);
int lines__compare(const void *a, const void *b);
/* In any order. */
void lines__assert_same(struct lines *ours, struct lines *theirs, const char *who);
/* What a command prints in the namespace. */
void lines__run_in(int ns, const char *command, struct lines *ret);

#endif
