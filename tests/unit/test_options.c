/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cmd/options: what is taken, what is refused and how that is said. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/options.h"
#include "source/bpf.h"

#define WORDS_MAX    8
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char why[200];

/* Words are separated by blanks; there is no quoting. */
static int parse(const char *line, struct options *ret)
{
	static char copy[200]; /* the options point into it */
	char *words[WORDS_MAX + 2] = { "sockwatch" }, *rest = NULL;
	int n = 1;

	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		assert_true(n <= WORDS_MAX);
		words[n++] = word;
	}
	why[0] = 0;
	return options__parse(n, words, ret, why, sizeof(why));
}

static void take(const char *line, struct options *ret)
{
	if (parse(line, ret))
		fail_msg("'%s' was refused: %s", line, why);
}

static void defaults(void **state)
{
	struct options o;

	(void)state;
	take("", &o);
	assert_int_equal(o.command, COMMAND_STREAM);
	assert_int_equal(o.ring_bytes, BPF_RING_DEFAULT);
	assert_false(o.json || o.ipv4 || o.ipv6 || o.listening || o.states || o.no_existing || o.verbose);
	assert_int_equal(o.duration_ns + o.count, 0);
	assert_true(!o.plan && !o.ring_given);
}

static void every_option_is_taken(void **state)
{
	struct options o;

	(void)state;
	take("-46ljv --states --no-existing", &o);
	assert_true(o.ipv4 && o.ipv6 && o.listening && o.json && o.verbose && o.states && o.no_existing);
	take("--ipv4 --ipv6 --listening --json --verbose", &o);
	assert_true(o.ipv4 && o.ipv6 && o.listening && o.json && o.verbose);
	take("--plan tracepoint --count 7", &o);
	assert_string_equal(o.plan, "tracepoint");
	assert_int_equal(o.count, 7);
	take("-F rules", &o);
	assert_string_equal(o.filter_file, "rules");
	take("--filter - dport = :80", &o);
	assert_string_equal(o.filter_file, "-");
	assert_int_equal(o.filter_words, 3);
	take("--plan none", &o);
	assert_string_equal(o.plan, "none");
}

static void command_words_and_options_mix(void **state)
{
	struct options o;

	(void)state;
	take("--json stream", &o);
	assert_int_equal(o.command, COMMAND_STREAM);
	take("doctor --json", &o);
	assert_true(o.command == COMMAND_DOCTOR && o.json);
	take("pin --plan kprobe --ring 64", &o);
	assert_true(o.command == COMMAND_PIN && o.ring_given);
	assert_string_equal(o.plan, "kprobe");
	take("-v unpin", &o);
	assert_int_equal(o.command, COMMAND_UNPIN);
	take("pin --help", &o);
	assert_int_equal(o.command, COMMAND_HELP);
	take("-h", &o);
	assert_int_equal(o.command, COMMAND_HELP);
	take("doctor --help", &o);
	assert_int_equal(o.command, COMMAND_HELP);
	take("--version", &o);
	assert_int_equal(o.command, COMMAND_VERSION);
}

static void other_words_are_the_filter(void **state)
{
	struct options o;

	(void)state;
	take("stream --json", &o);
	assert_int_equal(o.filter_words, 0);
	take("state established --json dport = :443", &o);
	assert_true(o.command == COMMAND_STREAM && o.json);
	assert_int_equal(o.filter_words, 5);
	assert_string_equal(o.filter[0], "state");
	assert_string_equal(o.filter[4], ":443");
	take("--json stream sport 22", &o);
	assert_int_equal(o.filter_words, 2);
	assert_string_equal(o.filter[0], "sport");
	take("stream stream", &o);
	assert_int_equal(o.filter_words, 1);
	take("-- comm = -bash", &o);
	assert_int_equal(o.filter_words, 3);
	assert_string_equal(o.filter[2], "-bash");
}

static void durations(void **state)
{
	static const struct {
		const char *line;
		uint64_t ns;
	} cases[] = {
		{ "--duration 2", 2000000000 },
		{ "--duration=0.5", 500000000 },
		{ "--duration 0.000000001", 1 },
		{ "--duration 3153600000", DURATION_MAX_S * 1000000000 },
	};
	struct options o;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		take(cases[i].line, &o);
		assert_true(o.duration_ns == cases[i].ns);
	}
}

static void numbers_at_their_limits(void **state)
{
	struct options o;

	(void)state;
	take("--count 18446744073709551615", &o);
	assert_true(o.count == UINT64_MAX);
	take("--ring 4", &o);
	assert_int_equal(o.ring_bytes, 4096);
	take("--ring 1048576", &o);
	assert_int_equal(o.ring_bytes, 1024 * 1024 * 1024);
}

static void what_is_refused_says_why_in_one_line(void **state)
{
	static const struct {
		const char *line, *names;
	} cases[] = {
		{ "--count 0", "--count 0" },
		{ "--count -1", "--count -1" },
		{ "--count +1", "--count" },
		{ "--count 1x", "--count 1x" },
		{ "--count 0x10", "--count 0x10" },
		{ "--count 1.5", "--count 1.5" },
		{ "--count 18446744073709551616", "--count" },
		{ "--count=", "--count" },
		{ "--count", "--count" },
		{ "--duration 0", "--duration 0" },
		{ "--duration 0.0", "--duration 0.0" },
		{ "--duration -1", "--duration -1" },
		{ "--duration 1e3", "--duration 1e3" },
		{ "--duration .5", "--duration .5" },
		{ "--duration 1.", "--duration 1." },
		{ "--duration 1s", "--duration 1s" },
		{ "--duration inf", "--duration inf" },
		{ "--duration 0.0000000001", "--duration" },
		{ "--duration 3153600001", "--duration" },
		{ "--duration 3153600000.1", "--duration" },
		{ "--duration 99999999999999999999", "--duration" },
		{ "--ring 0", "--ring 0" },
		{ "--ring 2", "--ring 2" },
		{ "--ring 6", "--ring 6" },
		{ "--ring 2097152", "--ring" },
		{ "--ring 18446744073709551616", "--ring" },
		{ "--plan kprobes", "kprobes" },
		{ "--plan", "--plan" },
		{ "-x", "-x" },
		{ "-jx", "-x" },
		{ "--nonsense", "--nonsense" },
		{ "--json=1", "--json=1" },
		{ "doctor stream", "stream" },
		{ "doctor dport 5", "dport" },
		{ "pin unpin", "unpin" },
	};
	const struct options before = { .count = 77 };
	struct options o = before;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (parse(cases[i].line, &o) != -EINVAL)
			fail_msg("'%s' was taken", cases[i].line);
		if (!strstr(why, cases[i].names) || strchr(why, '\n'))
			fail_msg("'%s' is refused with '%s'", cases[i].line, why);
		assert_memory_equal(&o, &before, sizeof(o));
	}
}

static void a_command_refuses_options_that_mean_nothing_to_it(void **state)
{
	static const char *const refused[] = {
		"-4",	  "-6",		  "-l",	       "--states",	"--no-existing",
		"--json", "--duration 1", "--count 1", "--plan fentry", "--ring 64",
		"-F f",
	};
	static const struct {
		const char *word, *taken[5];
	} commands[] = {
		{ "doctor", { "--json", NULL } },
		{ "pin", { "--plan fentry", "--ring 64", NULL } },
		{ "unpin", { NULL } },
	};
	struct options o;
	char line[64];

	(void)state;
	for (size_t c = 0; c < COUNT(commands); c++) {
		for (size_t i = 0; i < COUNT(refused); i++) {
			bool taken = false;

			for (size_t t = 0; commands[c].taken[t]; t++)
				taken |= !strcmp(commands[c].taken[t], refused[i]);
			snprintf(line, sizeof(line), "%s %s", commands[c].word, refused[i]);
			if (parse(line, &o) != (taken ? 0 : -EINVAL))
				fail_msg("'%s' was %s", line, taken ? "refused" : "taken");
			if (!taken && !strstr(why, commands[c].word))
				fail_msg("'%s' is refused with '%s'", line, why);
		}
		snprintf(line, sizeof(line), "%s -v", commands[c].word);
		take(line, &o);
		snprintf(line, sizeof(line), "%s --states --help", commands[c].word);
		take(line, &o);
		assert_int_equal(o.command, COMMAND_HELP);
	}
	assert_int_equal(parse("--count 5 unpin", &o), -EINVAL);
	assert_string_equal(why, "unpin has no --count");
}

static void last_value_counts_and_parsing_starts_anew(void **state)
{
	struct options o;

	(void)state;
	take("--count 1 --count 2", &o);
	assert_int_equal(o.count, 2);
	assert_int_equal(parse("--nonsense --json", &o), -EINVAL);
	take("--states", &o);
	assert_true(o.states);
	assert_int_equal(o.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_option_is_taken),
		cmocka_unit_test(command_words_and_options_mix),
		cmocka_unit_test(other_words_are_the_filter),
		cmocka_unit_test(durations),
		cmocka_unit_test(numbers_at_their_limits),
		cmocka_unit_test(what_is_refused_says_why_in_one_line),
		cmocka_unit_test(a_command_refuses_options_that_mean_nothing_to_it),
		cmocka_unit_test(last_value_counts_and_parsing_starts_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
