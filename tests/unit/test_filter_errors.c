/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* model/filter: what is refused, what is said then, and the column it points at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "filter_env.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct filter_error refuse_words(int argc, char **argv)
{
	struct filter_env env = filter_env__new();
	struct filter_error error = { 0 };
	struct filter *f = NULL;
	int err = filter__parse(argc, argv, &env, &f, &error);

	if (err != -EINVAL)
		fail_msg("'%s': %d", argv[0], err);
	assert_null(f);
	return error;
}

static struct filter_error refuse(const char *text)
{
	char *word = (char *)text;

	return refuse_words(1, &word);
}

/* The mark under the text, as a user sees it, is the column. */
static const struct {
	const char *text, *mark, *message;
} mistakes[] = {
	{ "state established and dprt = :443", /**/
	  "                      ^", "unknown word 'dprt'" },
	{ "DPORT = :443", /**/
	  "^", "unknown word 'DPORT'" },
	{ "dport = :443 or", /**/
	  "               ^", "something is missing at the end" },
	{ "or dport = :443", /**/
	  "^", "something is missing before 'or'" },
	{ "dport = :1 or and dport = :2", /**/
	  "              ^", "something is missing before 'and'" },
	{ "not", /**/
	  "   ^", "something is missing at the end" },
	{ "( dport = :443", /**/
	  "^", "this parenthesis is not closed" },
	{ "dport = :443 )", /**/
	  "             ^", "no parenthesis is open before ')'" },
	{ "( )", /**/
	  "  ^", "something is missing before ')'" },
	{ "(dport = )", /**/
	  "         ^", "a value is missing" },
	{ "dport", /**/
	  "     ^", "a value is missing" },
	{ "dport =", /**/
	  "       ^", "a value is missing" },
	{ "dport = = 443", /**/
	  "        ^", "not a port or a service: '='" },
	{ "dport => 443", /**/
	  "       ^", "not a port or a service: '>'" },
	{ "state", /**/
	  "     ^", "the name of a state is missing" },
	{ "state established exclude", /**/
	  "                         ^", "the name of a state is missing" },
	{ "state estab", /**/
	  "      ^", "no state is called 'estab'" },
	{ "state established dport", /**/
	  "                       ^", "a value is missing" },
	{ "dport = :65536", /**/
	  "        ^", "not a port: '65536'" },
	{ "dport = :99x", /**/
	  "        ^", "not a port: '99x'" },
	{ "dport = :-1", /**/
	  "        ^", "not a port or a service: '-1'" },
	{ "dport = :sssh", /**/
	  "        ^", "not a port or a service: 'sssh'" },
	{ "dport = :twice", /**/
	  "        ^", "more than one port is called 'twice'" },
	{ "dport = 10.0.0.1:80", /**/
	  "        ^", "not a port: '10.0.0.1:80'" },
	{ "dport > *", /**/
	  "        ^", "< and > need a port" },
	{ "dport > unix:x", /**/
	  "        ^", "< and > need a port" },
	{ "src > 10.0.0.1", /**/
	  "    ^", "only = and != go with 'src'" },
	{ "comm < x", /**/
	  "     ^", "only = and != go with 'comm'" },
	{ "src 10.0.0.0/33", /**/
	  "    ^", "not an address with a prefix: '10.0.0.0/33'" },
	{ "src 10.0.0.0/255.0.255.0", /**/
	  "    ^", "not an address with a prefix: '10.0.0.0/255.0.255.0'" },
	{ "src ::1/129", /**/
	  "    ^", "not an address with a prefix: '::1/129'" },
	{ "src 10.0.0.256", /**/
	  "    ^", "not an address, and no such host: '10.0.0.256'" },
	{ "src 1.2.3.4.5", /**/
	  "    ^", "not an address, and no such host: '1.2.3.4.5'" },
	{ "src [::1", /**/
	  "    ^", "no ] behind the address: '[::1'" },
	{ "src [::1]80", /**/
	  "    ^", "neither a prefix nor a port: '80'" },
	{ "src inet6:10.0.0.1", /**/
	  "    ^", "not an address, and no such host: '10.0.0.1'" },
	{ "src many", /**/
	  "    ^", "too many addresses: 'many'" },
	{ "src netlink:nothing", /**/
	  "    ^", "no such protocol: 'nothing'" },
	{ "src link:*:eth9", /**/
	  "    ^", "no such device: 'eth9'" },
	{ "src vsock:x", /**/
	  "    ^", "not a context id: 'x'" },
	{ "src vsock:1:x", /**/
	  "    ^", "not a port: 'x'" },
	{ "dev = eth9", /**/
	  "      ^", "no such device: 'eth9'" },
	{ "user = nobody", /**/
	  "       ^", "no such user: 'nobody'" },
	{ "netns = red", /**/
	  "        ^", "no such network namespace: 'red'" },
	{ "cgroup = /nothing", /**/
	  "         ^", "no such cgroup: '/nothing'" },
	{ "pid = 1x", /**/
	  "      ^", "not a number: '1x'" },
	{ "pid = -1", /**/
	  "      ^", "not a number: '-1'" },
	{ "pid = 4294967296", /**/
	  "      ^", "not a number: '4294967296'" },
	{ "cookie = 18446744073709551616", /**/
	  "         ^", "not a number: '18446744073709551616'" },
	{ "fwmark = 1/", /**/
	  "         ^", "not a mark: '1/'" },
	{ "fwmark = 0x100000000", /**/
	  "         ^", "not a mark: '0x100000000'" },
	{ "autobound = 1", /**/
	  "          ^", "unknown word '='" },
};

static void mistakes_are_pointed_at(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(mistakes); i++) {
		struct filter_error e = refuse(mistakes[i].text);

		if (strcmp(e.message, mistakes[i].message) != 0)
			fail_msg("%s: '%s'", mistakes[i].text, e.message);
		if (strcmp(e.text, mistakes[i].text) != 0 || e.column != strlen(mistakes[i].mark) - 1)
			fail_msg("%s: column %u of '%s'", mistakes[i].text, e.column, e.text);
	}
}

static void words_are_shown_as_one_line(void **state)
{
	char *words[] = { "state", "established", "and", "dprt", "=", ":443" };
	struct filter_error e = refuse_words(COUNT(words), words);

	(void)state;
	assert_string_equal(e.text, "state established and dprt = :443");
	assert_int_equal(e.column, strlen("state established and "));
}

/* What a script passed on from elsewhere must not reach the terminal as it is. */
static void hostile_bytes_are_escaped(void **state)
{
	struct filter_error e = refuse("pid = 1 \x1b[31mx\xff");

	(void)state;
	assert_string_equal(e.text, "pid = 1 \\x1b[31mx\\xff");
	assert_string_equal(e.message, "unknown word '\\x1b[31mx\\xff'");
	assert_int_equal(e.column, 8);

	e = refuse("comm = \x1b\x1b dprt");
	assert_string_equal(e.text, "comm = \\x1b\\x1b dprt");
	assert_int_equal(e.column, strlen("comm = \\x1b\\x1b "));

	e = refuse("comm = m\xc3\xbcller dprt");
	assert_string_equal(e.text, "comm = m\xc3\xbcller dprt");
	assert_int_equal(e.column, strlen("comm = mxller "));
}

static void of_a_long_filter_the_place_is_shown(void **state)
{
	char text[2000] = "";
	struct filter_error e;

	(void)state;
	for (int i = 0; i < 80; i++)
		strcat(text, i == 40 ? "dprt = :443 " : "dport = :443 ");
	e = refuse(text);
	assert_memory_equal(e.text, "...", 3);
	assert_memory_equal(e.text + e.column, "dprt = :443", 11);
	assert_string_equal(e.text + strlen(e.text) - 3, "...");
	assert_true(strlen(e.text) < 80);
}

/* The longest text an error can hold: every byte shown is an escape. */
static void a_long_hostile_filter_is_shown_in_bounds(void **state)
{
	char text[512];
	struct filter_error e;

	(void)state;
	memset(text, 0x1b, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "comm = ", 7);
	text[200] = ' ';
	e = refuse(text);
	assert_memory_equal(e.text + e.column, "\\x1b", 4);
	assert_string_equal(e.text + strlen(e.text) - 3, "...");
}

static char *repeat(const char *what, size_t times, const char *end)
{
	char *text = calloc(1, strlen(what) * times + strlen(end) + 1);

	assert_non_null(text);
	for (size_t i = 0; i < times; i++)
		memcpy(text + i * strlen(what), what, strlen(what));
	strcat(text, end);
	return text;
}

static void depth_is_bounded(void **state)
{
	_cleanup_free_ char *deep = repeat("( ", FILTER_DEPTH_MAX, "autobound");
	_cleanup_free_ char *negated = repeat("!", FILTER_DEPTH_MAX, "autobound");
	_cleanup_free_ char *allowed = repeat("!", FILTER_DEPTH_MAX - 1, "autobound");

	(void)state;
	assert_string_equal(refuse(deep).message, "too deep");
	assert_string_equal(refuse(negated).message, "too deep");
	filter__free(filter_env__parse(allowed, 0));
}

static void size_is_bounded(void **state)
{
	_cleanup_free_ char *terms = repeat("autobound ", FILTER_NODES_MAX / 2 + 1, "");
	_cleanup_free_ char *allowed = repeat("autobound ", FILTER_NODES_MAX / 2, "");
	_cleanup_free_ char *bytes = repeat(" ", FILTER_TEXT_MAX, "");
	struct filter_subject s = { .family = 2, .local_port = 40000 };
	struct filter *f;

	(void)state;
	assert_string_equal(refuse(terms).message, "too many terms");
	assert_string_equal(refuse(bytes).message, "longer than 16384 bytes");
	f = filter_env__parse(allowed, 0);
	assert_true(filter__matches(f, &s));
	filter__free(f);
}

static void without_callbacks_only_numbers_are_taken(void **state)
{
	static const char *const names[] = { "dport = :ssh", "src both",     "user = root",
					     "dev = lo",     "netns = blue", "cgroup = /web" };
	char *numbers = "dport = :22 src ::1 user = 0 dev = 1 netns = 1 cgroup = /web*";
	const struct filter_env env = { 0 };
	struct filter_error error;
	struct filter *f;

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		char *word = (char *)names[i];

		assert_int_equal(filter__parse(1, &word, &env, &f, &error), -EINVAL);
	}
	assert_int_equal(filter__parse(1, &numbers, &env, &f, &error), 0);
	filter__free(f);
}

static void facts_that_are_never_known_are_refused(void **state)
{
	char *word = "dport = :443 fwmark = 1";
	struct filter_env env = filter_env__new();
	struct filter_error error;
	struct filter *f;

	(void)state;
	env.unknown = FILTER_MARK;
	assert_int_equal(filter__parse(1, &word, &env, &f, &error), -EINVAL);
	assert_string_equal(error.message, "here nothing is known of 'fwmark'");
	assert_int_equal(error.column, strlen("dport = :443 "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_pointed_at),
		cmocka_unit_test(words_are_shown_as_one_line),
		cmocka_unit_test(hostile_bytes_are_escaped),
		cmocka_unit_test(of_a_long_filter_the_place_is_shown),
		cmocka_unit_test(a_long_hostile_filter_is_shown_in_bounds),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(size_is_bounded),
		cmocka_unit_test(facts_that_are_never_known_are_refused),
		cmocka_unit_test(without_callbacks_only_numbers_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
