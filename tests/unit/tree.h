/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A folder of its own for a test: setup, teardown, and what is put into it. Names are relative to it. */
#ifndef SOCKWATCH_TESTS_UNIT_TREE_H
#define SOCKWATCH_TESTS_UNIT_TREE_H

#include <limits.h>
#include <stddef.h>

extern char tree[PATH_MAX];

int make_tree(void **state);
int remove_tree(void **state);

#define in_a_tree(test) cmocka_unit_test_setup_teardown(test, make_tree, remove_tree)

const char *in_tree(const char *name); /* the path; valid until the next call */
void put_dir(const char *name);
void put_link(const char *name, const char *target);
void put_file(const char *name, const char *data, size_t len);
void put_text(const char *name, const char *text);

#endif
