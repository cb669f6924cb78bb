/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* source/resolve: names from this host's own files, and the deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/resolve.h"

#define PATIENCE_MS 10000

static const uint8_t loopback[4] = { 127, 0, 0, 1 };
/* TEST-NET-1 of RFC 5737: nobody has a name there. */
static const uint8_t nobody[4] = { 192, 0, 2, 1 };

static void what_has_a_name_gets_it_and_what_has_none_stays_a_number(void **state)
{
	struct resolver *r = resolver__new();

	(void)state;
	assert_non_null(r);
	resolver__want_user(r, 0);
	resolver__want_user(r, 4000000000U);
	resolver__want_host(r, 4, loopback);
	resolver__want_host(r, 4, loopback);
	resolver__want_service(r, "tcp", 1);
	assert_int_equal(resolver__run(r, PATIENCE_MS), 0);
	assert_string_equal(resolver__user(r, 0), "root");
	assert_null(resolver__user(r, 4000000000U));
	assert_non_null(resolver__host(r, 4, loopback));
	assert_null(resolver__host(r, 4, nobody)); /* was not asked for */
	assert_null(resolver__service(r, "udp", 1));
	resolver__free(r);
}

/* The answer comes to threads that outlive the resolver. */
static void nobody_waits_past_the_deadline(void **state)
{
	struct resolver *r = resolver__new();

	(void)state;
	assert_non_null(r);
	resolver__want_host(r, 4, nobody);
	assert_int_equal(resolver__run(r, 0), 0);
	resolver__free(r);
}

static void more_questions_than_are_asked(void **state)
{
	struct resolver *r = resolver__new();

	(void)state;
	assert_non_null(r);
	for (uint32_t i = 0; i < RESOLVE_MAX + 100; i++)
		resolver__want_user(r, 3000000000U + i);
	assert_int_equal(resolver__run(r, PATIENCE_MS), 0);
	assert_null(resolver__user(r, 3000000000U));
	resolver__free(r);
}

static void nothing_to_ask(void **state)
{
	struct resolver *r = resolver__new();

	(void)state;
	assert_non_null(r);
	assert_int_equal(resolver__run(r, PATIENCE_MS), 0);
	resolver__free(r);
	resolver__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_a_name_gets_it_and_what_has_none_stays_a_number),
		cmocka_unit_test(nobody_waits_past_the_deadline),
		cmocka_unit_test(more_questions_than_are_asked),
		cmocka_unit_test(nothing_to_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
