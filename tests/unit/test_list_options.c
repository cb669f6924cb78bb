/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cmd/list_options: the letters people type for ss and netstat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "cmd/list_options.h"
#include "model/listed.h"

#define WORDS_MAX    12
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TCP	     CLASS_BIT(CLASS_TCP)
#define UDP	     (CLASS_BIT(CLASS_UDP) | CLASS_BIT(CLASS_UDPLITE))
#define WAITING	     (1U << STATE_LISTEN | 1U << STATE_CLOSE)
#define BOUND	     (1U << STATE_BOUND_INACTIVE)
#define ALL	     (0xffeU | BOUND)

static char why[200];

/* Words are separated by blanks; there is no quoting. */
static int parse(const char *line, struct list_options *ret)
{
	static char copy[200]; /* the options point into it */
	static char *words[WORDS_MAX + 2];
	char *rest = NULL;
	int n = 1;

	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	words[0] = (char *)"list";
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		assert_true(n <= WORDS_MAX);
		words[n++] = word;
	}
	words[n] = NULL;
	why[0] = 0;
	return list_options__parse(n, words, ret, why, sizeof(why));
}

static void take(const char *line, struct list_options *ret)
{
	if (parse(line, ret))
		fail_msg("'%s' was refused: %s", line, why);
}

static bool has(const struct list_options *o, const char *column)
{
	for (unsigned int i = 0; i < o->columns.count; i++) {
		if (!strcmp(o->columns.items[i]->name, column))
			return true;
	}
	return false;
}

static void sockets_that_letters_select(void **state)
{
	static const struct {
		const char *line;
		uint32_t classes, states;
	} cases[] = {
		{ "", CLASSES_INET, ALL },
		{ "-p", CLASSES_INET, ALL },
		{ "-4", CLASSES_INET, ALL },
		{ "-tulpn", TCP | UDP, WAITING },
		{ "-tanp", TCP, ALL },
		{ "-anp", CLASSES_ALL, ALL },
		{ "-a4", CLASSES_INET, ALL },
		{ "-lnp", CLASSES_ALL, WAITING },
		{ "-tuwx0 -a -p -e",
		  TCP | UDP | CLASS_BIT(CLASS_RAW) | CLASS_BIT(CLASS_ICMP) | CLASS_BIT(CLASS_UNIX) |
			  CLASS_BIT(CLASS_PACKET),
		  ALL },
		{ "--vsock --xdp --tipc --netlink -a",
		  CLASS_BIT(CLASS_VSOCK) | CLASS_BIT(CLASS_XDP) | CLASS_BIT(CLASS_TIPC) | CLASS_BIT(CLASS_NETLINK),
		  ALL },
		{ "-la", CLASSES_ALL, ALL },
		{ "-B", CLASSES_INET, BOUND },
		{ "-tB", TCP, BOUND },
		{ "-ta --bound-inactive", TCP, BOUND },
	};
	struct list_options o;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		take(cases[i].line, &o);
		if (o.classes != cases[i].classes || o.states != cases[i].states)
			fail_msg("'%s': classes %x, states %x", cases[i].line, o.classes, o.states);
	}
}

static void a_family_alone_shows_connected_sockets_as_ss_does(void **state)
{
	struct list_options o;

	(void)state;
	take("-t", &o);
	assert_true(o.states & 1U << STATE_ESTABLISHED && o.states & 1U << STATE_CLOSE_WAIT);
	assert_false(o.states & (WAITING | BOUND | 1U << STATE_TIME_WAIT | 1U << STATE_SYN_RECV));
}

static void letters_choose_columns(void **state)
{
	struct list_options o;

	(void)state;
	take("", &o);
	assert_true(has(&o, "local") && has(&o, "pid") && has(&o, "comm"));
	assert_false(has(&o, "holders") || has(&o, "inode") || has(&o, "timer") || o.chosen);
	take("-peomiZ", &o);
	assert_true(has(&o, "holders") && has(&o, "uid") && has(&o, "inode") && has(&o, "cookie"));
	assert_true(has(&o, "timer") && has(&o, "memory") && has(&o, "info") && has(&o, "context"));
	take("-O pid,Local,pid --sort -pid", &o);
	assert_true(o.chosen);
	assert_int_equal(o.columns.count, 2);
	assert_string_equal(o.columns.items[1]->name, "local");
	assert_string_equal(o.sort, "-pid");
}

static void the_set_of_osquery(void **state)
{
	static const char *const names[] = {
		"pid",	      "fd",	     "socket", "family", "protocol",	 "local_address", "remote_address",
		"local_port", "remote_port", "path",   "state",	 "net_namespace"
	};
	struct list_options o;

	(void)state;
	take("--columns osquery", &o);
	assert_true(o.columns.by_holder);
	assert_int_equal(o.columns.count, COUNT(names));
	for (size_t i = 0; i < COUNT(names); i++)
		assert_string_equal(o.columns.items[i]->name, names[i]);
}

static void the_other_options_are_taken(void **state)
{
	struct list_options o;

	(void)state;
	take("-H --wide --json -r -N blue -v", &o);
	assert_true(o.no_header && o.wide && o.json && o.resolve && o.verbose);
	assert_string_equal(o.netns, "blue");
	take("-rn", &o);
	assert_false(o.resolve);
	take("--csv -6 dport = :443", &o);
	assert_true(o.csv && o.ipv6 && !o.ipv4);
	assert_int_equal(o.filter_count, 3);
	assert_string_equal(o.filter[0], "dport");
	take("-h", &o);
	assert_true(o.help);
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *line, *named;
	} cases[] = {
		{ "-q", "-q" },
		{ "-tuq", "-q" },
		{ "--frob", "--frob" },
		{ "-N", "-N" },
		{ "-O", "-O" },
		{ "-O pid,,comm", "''" },
		{ "-O pid,frob,comm", "'frob'" },
		{ "--sort frob", "--sort frob" },
		{ "--json --csv", "--csv" },
		{ "--json=1", "--json=1" },
	};
	struct list_options o;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(parse(cases[i].line, &o), -EINVAL);
		if (!strstr(why, cases[i].named))
			fail_msg("'%s': '%s' does not name %s", cases[i].line, why, cases[i].named);
		assert_null(strchr(why, '\n'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_that_letters_select),
		cmocka_unit_test(a_family_alone_shows_connected_sockets_as_ss_does),
		cmocka_unit_test(letters_choose_columns),
		cmocka_unit_test(the_set_of_osquery),
		cmocka_unit_test(the_other_options_are_taken),
		cmocka_unit_test(what_is_wrong_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
