/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* base/table: a set by open addressing, checked against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/table.h"

#define ITEMS 3000

struct item {
	uint64_t key;
	bool in;
};

static struct item items[ITEMS];

/* All items share few homes, so that runs are long and wrap around. */
static uint64_t hash_badly(const void *item)
{
	return ((const struct item *)item)->key % 7 - 3;
}

static uint64_t hash_well(const void *item)
{
	return hash__mix(((const struct item *)item)->key);
}

static bool equal(const void *a, const void *b)
{
	return ((const struct item *)a)->key == ((const struct item *)b)->key;
}

static void check(const struct table *t, size_t count, size_t used)
{
	size_t pos = 0, walked = 0;
	struct item *item;

	assert_int_equal(t->count, count);
	assert_true(t->count * 4 <= t->size * 3);
	for (size_t i = 0; i < used; i++)
		assert_ptr_equal(table__find(t, &items[i]), items[i].in ? &items[i] : NULL);
	while ((item = table__next(t, &pos))) {
		assert_true(item->in);
		walked++;
	}
	assert_int_equal(walked, count);
}

static void run(uint64_t (*hash)(const void *), size_t used, unsigned int steps, unsigned int check_every)
{
	uint64_t random = 1;
	struct table t;
	size_t count = 0;

	table__init(&t, hash, equal);
	memset(items, 0, sizeof(items));
	for (size_t i = 0; i < used; i++)
		items[i].key = i * 64;
	for (unsigned int i = 0; i < steps; i++) {
		struct item *item = &items[hash__mix(random++) % used];

		if (item->in) {
			table__remove(&t, item);
			count--;
		} else {
			assert_int_equal(table__add(&t, item), 0);
			count++;
		}
		item->in = !item->in;
		if (i % check_every == 0)
			check(&t, count, used);
	}
	check(&t, count, used);
	table__free(&t);
}

static void finds_what_is_in_under_collisions(void **state)
{
	(void)state;
	run(hash_badly, 40, 20000, 1);
}

static void finds_what_is_in_when_it_grows_and_shrinks(void **state)
{
	(void)state;
	run(hash_well, ITEMS, 60000, 1000);
}

static void removing_an_equal_item_removes_nothing(void **state)
{
	struct item one = { .key = 1 }, other = { .key = 1 };
	struct table t;

	(void)state;
	table__init(&t, hash_well, equal);
	table__remove(&t, &one);
	assert_null(table__find(&t, &one));
	assert_int_equal(table__add(&t, &one), 0);
	table__remove(&t, &other);
	assert_ptr_equal(table__find(&t, &other), &one);
	table__free(&t);
	assert_null(table__find(&t, &one));
}

static void gives_the_memory_of_a_storm_back(void **state)
{
	struct table t;
	size_t most;

	(void)state;
	table__init(&t, hash_well, equal);
	for (size_t i = 0; i < ITEMS; i++) {
		items[i] = (struct item){ .key = i, .in = true };
		assert_int_equal(table__add(&t, &items[i]), 0);
	}
	most = t.size;
	for (size_t i = 1; i < ITEMS; i++) {
		items[i].in = false;
		table__remove(&t, &items[i]);
	}
	assert_true(t.size <= most / 4);
	check(&t, 1, ITEMS);
	table__free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_is_in_under_collisions),
		cmocka_unit_test(finds_what_is_in_when_it_grows_and_shrinks),
		cmocka_unit_test(removing_an_equal_item_removes_nothing),
		cmocka_unit_test(gives_the_memory_of_a_storm_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
