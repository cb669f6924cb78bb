/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The manual pages of src/data name what the program has, all of it and nothing else. They are mdoc(7). */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wordexp.h>

#include <cmocka.h>
#include <jansson.h>

#include "cmd/list_options.h"
#include "cmd/options.h"
#include "cmd/privileges.h"
#include "render/columns.h"
#include "render/forms.h"
#include "render/render.h"
#include "source/bpf.h"
#include "words.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const pages[] = { "sockwatch", "sockwatch-stream", "sockwatch-list", "sockwatch-doctor" };

static char *read_page(const char *page)
{
	char path[80], *text;
	FILE *f;

	snprintf(path, sizeof(path), "src/data/%s.8", page);
	f = fopen(path, "re");
	if (!f)
		fail_msg("%s: not there", path);
	text = words__slurp(f);
	fclose(f);
	return text;
}

/* A macro of mdoc that may stand within a line: Fl, Ar, Ns .. */
static bool is_macro(const char *word)
{
	return strlen(word) == 2 && isupper((unsigned char)word[0]) && islower((unsigned char)word[1]);
}

/* The arguments of each macro in a line; options of Fl as they are typed. */
static void add_arguments(char *line, const char *macro, struct words *ret)
{
	bool flags = !strcmp(macro, "Fl"), within = false;
	char *rest = NULL, option[WORD_MAX];

	for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		if (is_macro(word) || (*word == '.' && is_macro(word + 1))) {
			within = !strcmp(word + (*word == '.'), macro);
		} else if (within && !strchr(",|.:()", *word)) {
			snprintf(option, sizeof(option), "%s%s", flags ? "-" : "", word);
			if (!flags || *word == '-')
				words__add(ret, option, strlen(option));
			else
				for (const char *c = word; *c; c++)
					words__add(ret, (const char[]){ '-', *c }, 2);
		}
	}
}

/* What macro marks in a section of a page (NULL: in all); listed: only where it heads an item. */
static void marked(const char *page, const char *section, bool listed, const char *macro, struct words *ret)
{
	char *text = read_page(page), *rest = NULL;
	bool within = !section;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (section && !strncmp(line, ".Sh ", 4))
			within = !strcmp(line + 4, section);
		else if (within && *line == '.' && (!listed || !strncmp(line, ".It ", 4)))
			add_arguments(line, macro, ret);
	}
	free(text);
}

static void stream_page_has_every_option_and_no_other(void **state)
{
	struct words all, named = { 0 };

	(void)state;
	words__of_help(options__print_help, &all);
	marked("sockwatch-stream", "OPTIONS", true, "Fl", &named);
	words__check_same("sockwatch-stream(8)", &named, &all);
}

static void list_page_has_every_option_and_no_other(void **state)
{
	struct words all, named = { 0 };

	(void)state;
	words__of_help(list_options__print_help, &all);
	marked("sockwatch-list", "OPTIONS", true, "Fl", &named);
	words__check_same("sockwatch-list(8)", &named, &all);
}

/* In the synopsis and in sentences too. */
static void no_page_names_an_option_that_does_not_exist(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pages); i++) {
		bool list = !strcmp(pages[i], "sockwatch-list");
		struct words all, named = { 0 };

		words__of_help(list ? list_options__print_help : options__print_help, &all);
		marked(pages[i], NULL, false, "Fl", &named);
		words__check_within(pages[i], &named, &all);
	}
}

static void list_page_has_every_column(void **state)
{
	struct words all = { 0 }, named = { 0 };
	const struct column *c;

	(void)state;
	for (unsigned int i = 0; (c = columns__all(i)); i++)
		words__add(&all, c->name, strlen(c->name));
	marked("sockwatch-list", "COLUMNS", true, "Li", &named);
	words__check_same("sockwatch-list(8), COLUMNS", &named, &all);
}

static void stream_page_has_every_key_and_event(void **state)
{
	struct words keys = { 0 }, events = { 0 }, named = { 0 };
	const char *path = getenv("SOCKWATCH_SCHEMA");
	json_t *schema, *properties;

	(void)state;
	schema = json_load_file(path ? path : "src/data/sockwatch.schema.json", 0, NULL);
	assert_non_null(schema);
	properties = json_object_get(schema, "properties");
	for (void *i = json_object_iter(properties); i; i = json_object_iter_next(properties, i))
		words__add(&keys, json_object_iter_key(i), strlen(json_object_iter_key(i)));
	json_decref(schema);
	marked("sockwatch-stream", "KEYS", true, "Li", &named);
	marked("sockwatch-list", "KEYS", true, "Li", &named);
	words__check_same("KEYS", &named, &keys);

	for (unsigned int i = 0; i < EV_MAX; i++)
		words__add(&events, render__event_name(i), strlen(render__event_name(i)));
	named = (struct words){ 0 };
	marked("sockwatch-stream", "EVENTS", true, "Li", &named);
	words__check_same("EVENTS", &named, &events);
}

static void stream_page_has_every_reason_and_loss(void **state)
{
	struct words all = { 0 }, named = { 0 };

	(void)state;
	for (unsigned int i = REASON_UNKNOWN + 1; i < REASON_MAX; i++)
		words__add(&all, render__reason_name(i), strlen(render__reason_name(i)));
	for (unsigned int i = 0; i < LOSS_MAX; i++)
		words__add(&all, render__loss_name(i), strlen(render__loss_name(i)));
	marked("sockwatch-stream", "EVENTS", false, "Li", &named);
	words__check_within("EVENTS leaves out", &all, &named);
}

static void main_page_has_every_attribution_and_plan(void **state)
{
	struct words words = { 0 }, plans = { 0 }, named = { 0 };

	(void)state;
	for (unsigned int i = 0; i < SW_ATTR_MAX; i++)
		words__add(&words, render__attribution_name(i), strlen(render__attribution_name(i)));
	marked("sockwatch", "ATTRIBUTION", true, "Li", &named);
	words__check_same("ATTRIBUTION", &named, &words);

	for (unsigned int i = 0; i < BPF_PLANS; i++)
		words__add(&plans, bpf_plan__name(i), strlen(bpf_plan__name(i)));
	words__add(&plans, "none", strlen("none"));
	named = (struct words){ 0 };
	marked("sockwatch", "PLANS", true, "Li", &named);
	words__check_same("PLANS", &named, &plans);
}

static void main_page_has_exactly_the_capabilities(void **state)
{
	struct words all = { 0 }, named = { 0 };
	const struct privilege *privileges;
	size_t count;

	(void)state;
	privileges = privileges__look(&count);
	for (size_t i = 0; i < count; i++)
		words__add(&all, privileges[i].name, strlen(privileges[i].name));
	marked("sockwatch", "CAPABILITIES", true, "Dv", &named);
	words__check_same("CAPABILITIES", &named, &all);
}

static void main_page_has_the_terms_of_a_filter(void **state)
{
	struct words terms, named = { 0 };

	(void)state;
	words__of_filter_help(&terms);
	marked("sockwatch", "FILTER", true, "Cm", &named);
	words__check_within("FILTER leaves out", &terms, &named);
}

/* A line as a shell would split it. */
static void try_example(const char *line)
{
	char why[200] = "";
	wordexp_t words;
	int err;

	if (wordexp(line, &words, WRDE_NOCMD | WRDE_UNDEF))
		fail_msg("no shell takes: %s", line);
	assert_string_equal(words.we_wordv[0], "sockwatch");
	if (words.we_wordc > 1 && !strcmp(words.we_wordv[1], "list")) {
		struct list_options options;

		err = list_options__parse((int)words.we_wordc - 1, words.we_wordv + 1, &options, why, sizeof(why));
	} else {
		struct options options;

		err = options__parse((int)words.we_wordc, words.we_wordv, &options, why, sizeof(why));
	}
	if (err)
		fail_msg("%s: %s", line, why);
	wordfree(&words);
}

static void every_example_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pages); i++) {
		char *text = read_page(pages[i]), *rest = NULL;
		unsigned int tried = 0;

		for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			if (strncmp(line, ".Dl ", 4) != 0)
				continue;
			try_example(line + 4);
			tried++;
		}
		assert_true(tried > 0);
		free(text);
	}
}

static void groff_has_nothing_to_complain_about(void **state)
{
	char command[120];

	(void)state;
	if (system("command -v groff >/dev/null")) { /* NOLINT(cert-env33-c) */
		print_message("groff is not installed\n");
		skip();
	}
	for (size_t i = 0; i < COUNT(pages); i++) {
		char *said;
		FILE *f;

		snprintf(command, sizeof(command), "groff -mdoc -Tutf8 -ww -z src/data/%s.8 2>&1", pages[i]);
		f = popen(command, "r"); /* NOLINT(cert-env33-c) */
		said = words__slurp(f);
		assert_int_equal(pclose(f), 0);
		assert_string_equal(said, "");
		free(said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_page_has_every_option_and_no_other),
		cmocka_unit_test(list_page_has_every_option_and_no_other),
		cmocka_unit_test(no_page_names_an_option_that_does_not_exist),
		cmocka_unit_test(list_page_has_every_column),
		cmocka_unit_test(stream_page_has_every_key_and_event),
		cmocka_unit_test(stream_page_has_every_reason_and_loss),
		cmocka_unit_test(main_page_has_every_attribution_and_plan),
		cmocka_unit_test(main_page_has_exactly_the_capabilities),
		cmocka_unit_test(main_page_has_the_terms_of_a_filter),
		cmocka_unit_test(every_example_is_taken),
		cmocka_unit_test(groff_has_nothing_to_complain_about),
	};

	return cmocka_run_group_tests_name("man", tests, NULL, NULL);
}
