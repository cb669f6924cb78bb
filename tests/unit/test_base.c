/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* base/: escapes of hostile bytes, buffers, checked numbers, log lines. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/parse.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A literal that may hold NUL, with its length. */
#define BYTES(text) (text), sizeof(text) - 1

struct escape_case {
	const char *bytes;
	size_t len;
	const char *shown;
};

static void check_escapes(const struct escape_case *cases, size_t count)
{
	char shown[256];

	for (size_t i = 0; i < count; i++) {
		size_t len = escape__terminal(shown, sizeof(shown), cases[i].bytes, cases[i].len);

		assert_string_equal(shown, cases[i].shown);
		assert_int_equal(len, strlen(cases[i].shown));
	}
}

static void terminal_keeps_printable_utf8(void **state)
{
	static const struct escape_case cases[] = {
		{ BYTES(""), "" },
		{ BYTES("nginx: worker"), "nginx: worker" },
		{ BYTES("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ BYTES("\xc2\xa0\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbd"), "\xc2\xa0\xed\x9f\xbf\xee\x80\x80\xf4\x8f"
									     "\xbf\xbd" },
	};

	(void)state;
	check_escapes(cases, COUNT(cases));
}

static void terminal_escapes_controls(void **state)
{
	static const struct escape_case cases[] = {
		{ BYTES("\033[2J"), "\\x1b[2J" },
		{ BYTES("a\nb\rc\td"), "a\\x0ab\\x0dc\\x09d" },
		{ BYTES("\x7f"), "\\x7f" },
		{ BYTES("\xc2\x9b"
			"31m"),
		  "\\xc2\\x9b31m" },
		{ BYTES("\xc2\x80\xc2\x9f"), "\\xc2\\x80\\xc2\\x9f" },
		{ BYTES("ls\0-l\0"), "ls -l " },
		{ BYTES("\\x1b"), "\\\\x1b" },
	};

	(void)state;
	check_escapes(cases, COUNT(cases));
}

static void terminal_escapes_what_turns_or_hides_text(void **state)
{
	static const struct escape_case cases[] = {
		{ BYTES("\xe2\x80\xae"
			"fdp"),
		  "\\xe2\\x80\\xaefdp" },			      /* U+202E right-to-left override */
		{ BYTES("\xe2\x81\xa6"), "\\xe2\\x81\\xa6" },	      /* U+2066 isolate */
		{ BYTES("\xd8\x9c"), "\\xd8\\x9c" },		      /* U+061C Arabic letter mark */
		{ BYTES("ss\xe2\x80\x8bhd"), "ss\\xe2\\x80\\x8bhd" }, /* U+200B zero width space */
		{ BYTES("\xe2\x80\xa8\xe2\x80\xa9"), "\\xe2\\x80\\xa8\\xe2\\x80\\xa9" }, /* line, paragraph separator */
		{ BYTES("\xef\xbb\xbf"), "\\xef\\xbb\\xbf" },				 /* U+FEFF */
		{ BYTES("\xf3\xa0\x80\xa1"), "\\xf3\\xa0\\x80\\xa1" },			 /* U+E0021 tag */
	};

	(void)state;
	check_escapes(cases, COUNT(cases));
}

static void terminal_escapes_ill_formed_utf8(void **state)
{
	static const struct escape_case cases[] = {
		{ BYTES("\x80"), "\\x80" },
		{ BYTES("\xff\xfe"), "\\xff\\xfe" },
		{ BYTES("\xc0\xaf"), "\\xc0\\xaf" },		       /* overlong '/' */
		{ BYTES("\xc1\xbf"), "\\xc1\\xbf" },		       /* overlong DEL */
		{ BYTES("\xe0\x9f\xbf"), "\\xe0\\x9f\\xbf" },	       /* overlong, three bytes */
		{ BYTES("\xf0\x8f\xbf\xbf"), "\\xf0\\x8f\\xbf\\xbf" }, /* overlong, four bytes */
		{ BYTES("\xed\xa0\x80"), "\\xed\\xa0\\x80" },	       /* surrogate U+D800 */
		{ BYTES("\xed\xbf\xbf"), "\\xed\\xbf\\xbf" },	       /* surrogate U+DFFF */
		{ BYTES("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80" }, /* above U+10FFFF */
		{ BYTES("\xf5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80" },
		{ BYTES("a\xe2\x82"), "a\\xe2\\x82" }, /* cut at the end */
		{ BYTES("\xe2\x82z"), "\\xe2\\x82z" }, /* cut in the middle */
		{ BYTES("\xf0\x9f\x98\xc3\xa4"), "\\xf0\\x9f\\x98\xc3\xa4" },
	};

	(void)state;
	check_escapes(cases, COUNT(cases));
}

static void terminal_never_splits_an_escape(void **state)
{
	char shown[8];

	(void)state;
	memset(shown, '#', sizeof(shown));
	assert_int_equal(escape__terminal(shown, 1, BYTES("abc")), 0);
	assert_string_equal(shown, "");
	assert_int_equal(shown[1], '#');
	assert_int_equal(escape__terminal(shown, 4, BYTES("abcdef")), 3);
	assert_string_equal(shown, "abc");
	assert_int_equal(escape__terminal(shown, 5, BYTES("ab\033")), 2);
	assert_string_equal(shown, "ab");
	assert_int_equal(escape__terminal(shown, 7, BYTES("ab\033")), 6);
	assert_string_equal(shown, "ab\\x1b");
	assert_int_equal(escape__terminal(shown, 2, BYTES("\\")), 0);
	assert_int_equal(escape__terminal(shown, 3, BYTES("\xe2\x82\xac")), 0);
	assert_int_equal(escape__terminal(shown, 4, BYTES("\xe2\x82\xac")), 3);
}

/* Encode code as UTF-8 of n bytes, whether that is right or not. */
static void encode(uint32_t code, size_t n, char out[4])
{
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n; i-- > 1; code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)(n == 1 ? code : lead[n] | code);
}

static size_t right_length(uint32_t code)
{
	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

static void utf8_sequence_takes_exactly_the_shortest_form(void **state)
{
	static const uint32_t limit[] = { 0, 0x80, 0x800, 0x10000, 0x200000 };
	char text[4];

	(void)state;
	for (size_t n = 1; n <= 4; n++) {
		for (uint32_t code = 0; code < limit[n]; code++) {
			size_t want = right_length(code) == n ? n : 0;

			encode(code, n, text);
			if (utf8__sequence(text, 4) != want)
				fail_msg("U+%04X in %zu bytes", code, n);
			if (n > 1 && utf8__sequence(text, n - 1))
				fail_msg("U+%04X in %zu bytes, cut", code, n);
		}
	}
	assert_int_equal(utf8__sequence("", 0), 0);
}

static void buffer_grows_to_its_maximum_and_not_past_it(void **state)
{
	struct buffer b;

	(void)state;
	buffer__init(&b, 1000);
	for (int i = 0; i < 1000; i++)
		buffer__addc(&b, 'x');
	assert_false(b.failed);
	assert_int_equal(b.len, 1000);
	assert_true(b.size <= 1000);
	buffer__addc(&b, 'y');
	assert_true(b.failed);
	assert_int_equal(b.len, 1000);
	buffer__free(&b);
	buffer__free(&b);
}

static void buffer_appends_all_or_nothing_until_reset(void **state)
{
	struct buffer b;

	(void)state;
	buffer__init(&b, 10);
	buffer__adds(&b, "1234567");
	buffer__adds(&b, "abcd");
	assert_true(b.failed);
	assert_int_equal(b.len, 7);
	buffer__addc(&b, 'z'); /* would fit, but would stand at a wrong place */
	assert_int_equal(b.len, 7);
	buffer__reset(&b);
	assert_false(b.failed);
	buffer__addf(&b, "%s-%d", "abcdefg", 42);
	assert_false(b.failed);
	assert_int_equal(b.len, 10);
	assert_memory_equal(b.data, "abcdefg-42", 10);
	buffer__free(&b);
}

static void buffer_formats_long_text(void **state)
{
	char text[5001];
	struct buffer b;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	buffer__init(&b, 1 << 20);
	buffer__addf(&b, "<%s>", text);
	assert_int_equal(b.len, 5002);
	assert_int_equal(b.data[0], '<');
	assert_int_equal(b.data[5001], '>');
	buffer__free(&b);
	buffer__init(&b, 5001);
	buffer__addf(&b, "<%s>", text);
	assert_true(b.failed);
	assert_int_equal(b.len, 0);
	buffer__free(&b);
}

static void buffer_writes_numbers_as_printf_does(void **state)
{
	static const uint64_t numbers[] = {
		0, 1, 9, 10, 99, 100, 4294967295u, 4294967296u, UINT64_MAX - 1, UINT64_MAX
	};
	char want[32];
	struct buffer b;

	(void)state;
	buffer__init(&b, 64);
	for (size_t i = 0; i < COUNT(numbers); i++) {
		buffer__reset(&b);
		buffer__addu(&b, numbers[i]);
		snprintf(want, sizeof(want), "%llu", (unsigned long long)numbers[i]);
		assert_int_equal(b.len, strlen(want));
		assert_memory_equal(b.data, want, b.len);
	}
	buffer__free(&b);
}

struct number_case {
	const char *text;
	uint64_t min, max;
	int err;
	uint64_t value;
};

static void parse_takes_whole_numbers_in_range_only(void **state)
{
	static const struct number_case cases[] = {
		{ "0", 0, 10, 0, 0 },
		{ "10", 0, 10, 0, 10 },
		{ "00010", 0, 10, 0, 10 },
		{ "11", 0, 10, -ERANGE, 0 },
		{ "4", 5, 10, -ERANGE, 0 },
		{ "5", 5, 10, 0, 5 },
		{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999999", 0, UINT64_MAX, -ERANGE, 0 },
		{ "", 0, 10, -EINVAL, 0 },
		{ " 1", 0, 10, -EINVAL, 0 },
		{ "1 ", 0, 10, -EINVAL, 0 },
		{ "1\n", 0, 10, -EINVAL, 0 },
		{ "+1", 0, 10, -EINVAL, 0 },
		{ "-1", 0, UINT64_MAX, -EINVAL, 0 },
		{ "1x", 0, 10, -EINVAL, 0 },
		{ "0x1", 0, 10, -EINVAL, 0 },
		{ "1e1", 0, 10, -EINVAL, 0 },
		{ "1.0", 0, 10, -EINVAL, 0 },
		{ "99999999999999999999999999x", 0, 10, -EINVAL, 0 },
		{ "\xd9\xa1", 0, 10, -EINVAL, 0 }, /* an Arabic digit one */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = 77;
		int err = parse__u64(cases[i].text, cases[i].min, cases[i].max, &value);

		if (err != cases[i].err || value != (err ? 77 : cases[i].value))
			fail_msg("\"%s\": %d, %llu", cases[i].text, err, (unsigned long long)value);
	}
}

static void parse_of_a_length_needs_no_end_and_reads_no_further(void **state)
{
	static const char text[] = { '1', '2', '3', 'x' };
	uint64_t value = 77;

	(void)state;
	assert_int_equal(parse__u64n(text, 3, 0, 1000, &value), 0);
	assert_int_equal(value, 123);
	assert_int_equal(parse__u64n(text, 4, 0, 1000, &value), -EINVAL);
	assert_int_equal(parse__u64n(text, 0, 0, 1000, &value), -EINVAL);
	assert_int_equal(parse__u64n(BYTES("1\0002"), 0, 1000, &value), -EINVAL);
	assert_int_equal(value, 123);
}

static void parse_seconds_with_fraction(void **state)
{
	static const struct number_case cases[] = {
		{ "2", 0, 10, 0, 2000000000u },
		{ "0.5", 0, 10, 0, 500000000u },
		{ "0.000000001", 0, 10, 0, 1 },
		{ "10", 0, 10, 0, 10000000000u },
		{ "10.0", 0, 10, 0, 10000000000u },
		{ "10.000000001", 0, 10, -ERANGE, 0 },
		{ "11", 0, 10, -ERANGE, 0 },
		{ "0", 0, 10, 0, 0 },
		{ "18446744073", 0, UINT64_MAX, 0, 18446744073000000000u },
		{ "18446744073.709551616", 0, UINT64_MAX, -ERANGE, 0 },
		{ "18446744074", 0, UINT64_MAX, -ERANGE, 0 },
		{ "0.0000000001", 0, 10, -EINVAL, 0 },
		{ "", 0, 10, -EINVAL, 0 },
		{ ".", 0, 10, -EINVAL, 0 },
		{ ".5", 0, 10, -EINVAL, 0 },
		{ "5.", 0, 10, -EINVAL, 0 },
		{ "1.2.3", 0, 10, -EINVAL, 0 },
		{ "-1", 0, 10, -EINVAL, 0 },
		{ "1.-5", 0, 10, -EINVAL, 0 },
		{ "1,5", 0, 10, -EINVAL, 0 },
		{ "2s", 0, 10, -EINVAL, 0 },
		{ "inf", 0, 10, -EINVAL, 0 },
		{ "1e3", 0, UINT64_MAX, -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t ns = 77;
		int err = parse__seconds(cases[i].text, cases[i].max, &ns);

		if (err != cases[i].err || ns != (err ? 77 : cases[i].value))
			fail_msg("\"%s\": %d, %llu", cases[i].text, err, (unsigned long long)ns);
	}
}

/* What log__print writes to stderr; the pipe keeps it, for it is short. */
static void capture_log(char *ret, size_t size, enum log_level level, const char *fmt, const char *arg)
{
	int kept = dup(STDERR_FILENO), ends[2];
	ssize_t len;

	assert_true(kept >= 0);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	errno = ENOENT;
	if (!strcmp(fmt, "%s"))
		log__print(level, "%s", arg);
	else
		log__print(level, "%m");
	assert_int_equal(errno, ENOENT);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	len = read(ends[0], ret, size - 1);
	ret[len < 0 ? 0 : len] = '\0';
	close(kept);
	close(ends[0]);
	close(ends[1]);
}

static void log_lines_are_marked_and_escaped(void **state)
{
	char shown[16384], *text;

	(void)state;
	capture_log(shown, sizeof(shown), LOG_ERROR, "%s", "cannot open \033]0;x\a\n");
	assert_string_equal(shown, "sockwatch: cannot open \\x1b]0;x\\x07\n");
	capture_log(shown, sizeof(shown), LOG_WARN, "%s", "one\nsockwatch: two\n");
	assert_string_equal(shown, "sockwatch: one\nsockwatch: | sockwatch: two\n");
	capture_log(shown, sizeof(shown), LOG_INFO, "%m", "");
	assert_string_equal(shown, "sockwatch: No such file or directory\n");
	capture_log(shown, sizeof(shown), LOG_INFO, "%s", "");
	assert_string_equal(shown, "sockwatch: \n");
	text = malloc(9001);
	assert_non_null(text);
	memset(text, 'a', 9000);
	text[9000] = '\0';
	capture_log(shown, sizeof(shown), LOG_INFO, "%s", text);
	free(text);
	assert_true(strlen(shown) <= 4096);
	assert_int_equal(shown[strlen(shown) - 1], '\n');
}

static void log_is_silent_above_its_level(void **state)
{
	char shown[256];

	(void)state;
	assert_int_equal(log__level(), LOG_INFO);
	capture_log(shown, sizeof(shown), LOG_VERBOSE, "%s", "x");
	assert_string_equal(shown, "");
	log__set_level(LOG_VERBOSE);
	capture_log(shown, sizeof(shown), LOG_VERBOSE, "%s", "x");
	assert_string_equal(shown, "sockwatch: x\n");
	log__set_level(LOG_ERROR);
	capture_log(shown, sizeof(shown), LOG_WARN, "%s", "x");
	assert_string_equal(shown, "");
	log__set_level(LOG_INFO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminal_keeps_printable_utf8),
		cmocka_unit_test(terminal_escapes_controls),
		cmocka_unit_test(terminal_escapes_what_turns_or_hides_text),
		cmocka_unit_test(terminal_escapes_ill_formed_utf8),
		cmocka_unit_test(terminal_never_splits_an_escape),
		cmocka_unit_test(utf8_sequence_takes_exactly_the_shortest_form),
		cmocka_unit_test(buffer_grows_to_its_maximum_and_not_past_it),
		cmocka_unit_test(buffer_appends_all_or_nothing_until_reset),
		cmocka_unit_test(buffer_formats_long_text),
		cmocka_unit_test(buffer_writes_numbers_as_printf_does),
		cmocka_unit_test(parse_takes_whole_numbers_in_range_only),
		cmocka_unit_test(parse_of_a_length_needs_no_end_and_reads_no_further),
		cmocka_unit_test(parse_seconds_with_fraction),
		cmocka_unit_test(log_lines_are_marked_and_escaped),
		cmocka_unit_test(log_is_silent_above_its_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
