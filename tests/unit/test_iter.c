/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* source/iter: what the iterator of holders gives, parsed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "source/iter.h"

struct reading {
	struct sw_holder first;
	struct sw_held fds[2];
	struct sw_holder second;
	struct sw_held fd;
};

static const struct reading whole = {
	.first = { .pid = 7, .comm = "one" },
	.fds = { { .inode = 100, .pid = 7, .fd = 3 }, { .inode = 1ULL << 40, .pid = 7, .fd = 4 } },
	.second = { .pid = 9, .comm = "two" },
	.fd = { .inode = 100, .pid = 9, .fd = 0 },
};

struct taken {
	unsigned int count;
	int stop_with;
	uint32_t pids[4];
	int fds[4];
	uint64_t inodes[4];
};

static int take(void *ctx, const struct sw_holder *holder, int fd, uint64_t inode)
{
	struct taken *t = ctx;

	assert_true(t->count < 4);
	t->pids[t->count] = holder->pid;
	t->fds[t->count] = fd;
	t->inodes[t->count++] = inode;
	return t->stop_with;
}

static void each_descriptor_has_its_process(void **state)
{
	struct taken t = { 0 };

	(void)state;
	assert_int_equal(iter__parse(&whole, sizeof(whole), take, &t), 0);
	assert_int_equal(t.count, 3);
	assert_int_equal(t.pids[0], 7);
	assert_int_equal(t.pids[1], 7);
	assert_int_equal(t.inodes[1], 1ULL << 40);
	assert_int_equal(t.pids[2], 9);
	assert_int_equal(t.fds[2], 0);
}

static void callers_no_ends_the_parsing(void **state)
{
	struct taken t = { .stop_with = -ENOMEM };

	(void)state;
	assert_int_equal(iter__parse(&whole, sizeof(whole), take, &t), -ENOMEM);
	assert_int_equal(t.count, 1);
}

/* In memory of exactly that size, so that a sanitizer sees a read behind it. */
static int parse_copy(const void *data, size_t len)
{
	struct taken t = { 0 };
	void *copy = malloc(len ? len : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, data, len);
	err = iter__parse(copy, len, take, &t);
	free(copy);
	return err;
}

static void reading_that_ends_within_a_record_is_refused_T14(void **state)
{
	static const size_t ends[] = { 0, 48, 64, 80, 128 }; /* after each record */
	size_t at = 0;

	(void)state;
	for (size_t len = 0; len < sizeof(whole); len++) {
		bool whole_records = at < sizeof(ends) / sizeof(ends[0]) && len == ends[at];

		at += whole_records;
		assert_int_equal(parse_copy(&whole, len), whole_records ? 0 : -EBADMSG);
	}
}

static void descriptor_without_its_process_is_refused(void **state)
{
	struct reading r = whole;

	(void)state;
	assert_int_equal(parse_copy(&r.fd, sizeof(r.fd)), -EBADMSG);
	r.fds[1].pid = 9;
	assert_int_equal(parse_copy(&r, sizeof(r)), -EBADMSG);
	r = whole;
	r.fds[1].fd = 1U << 31;
	assert_int_equal(parse_copy(&r, sizeof(r)), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_descriptor_has_its_process),
		cmocka_unit_test(callers_no_ends_the_parsing),
		cmocka_unit_test(reading_that_ends_within_a_record_is_refused_T14),
		cmocka_unit_test(descriptor_without_its_process_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
