/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A small world of names for the tests of filters. */
#ifndef SOCKWATCH_TESTS_FILTER_ENV_H
#define SOCKWATCH_TESTS_FILTER_ENV_H

#include "model/filter.h"

/*
 * Services ssh, http, https, and twice (ambiguous); hosts both (10.0.0.1 and 2001:db8::1), many (too many); users root,
 * www (33); devices lo (1), eth0 (2); cgroup /web (500); namespace blue (4026532000).
 */
struct filter_env filter_env__new(void);
struct filter_named {
	const char *name;
	const char *local, *remote; /* addresses */
	struct filter_subject subject;
};

/* One socket of each kind. */
const struct filter_named *filter_env__sockets(void);

/* Each row is an expression and the names of the sockets it matches, in order. */
void filter_env__check(const char *const (*table)[2], size_t count);

/* Parse one string; a refusal fails the test. */
struct filter *filter_env__parse(const char *text, uint16_t family);

#endif
