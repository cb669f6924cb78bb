/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* src/data/sockwatch.bash, asked as bash asks it: what it offers is what the program takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/list_options.h"
#include "cmd/options.h"
#include "filter_env.h"
#include "render/columns.h"
#include "source/bpf.h"
#include "words.h"

/* What is offered for the last word of line; "" is an empty one, there are no single quotes. */
static void complete(const char *line, struct words *ret)
{
	char command[600], *text, *rest = NULL;
	FILE *f;

	snprintf(command, sizeof(command),
		 "exec bash --norc --noprofile -c '. src/data/sockwatch.bash && complete -p sockwatch >/dev/null && "
		 "COMP_WORDS=(%s) && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && "
		 "{ _sockwatch; printf \"%%s\\n\" \"${COMPREPLY[@]}\"; }'",
		 line);
	f = popen(command, "r"); /* NOLINT(cert-env33-c): bash is what is tested */
	text = words__slurp(f);
	assert_int_equal(pclose(f), 0);
	*ret = (struct words){ 0 };
	for (char *word = strtok_r(text, "\n", &rest); word; word = strtok_r(NULL, "\n", &rest))
		words__add(ret, word, strlen(word));
	free(text);
}

static void add_all(struct words *w, const char *const *items)
{
	for (; *items; items++)
		words__add(w, *items, strlen(*items));
}

/* What is offered is exactly this, ended by NULL. */
static void check(const char *line, const char *const *want)
{
	struct words offered, wanted = { 0 };

	complete(line, &offered);
	add_all(&wanted, want);
	words__check_same(line, &offered, &wanted);
}

#define CHECK(line, ...) check(line, (const char *const[]){ __VA_ARGS__, NULL })

static void offers_every_option_of_the_stream_and_no_other(void **state)
{
	struct words offered, all;

	(void)state;
	words__of_help(options__print_help, &all);
	complete("sockwatch -", &offered);
	words__check_same("completion", &offered, &all);
	complete("sockwatch --json stream state listening -", &offered);
	words__check_same("completion of stream", &offered, &all);
}

static void offers_every_option_of_list_and_no_other(void **state)
{
	struct words offered, all;

	(void)state;
	words__of_help(list_options__print_help, &all);
	complete("sockwatch list -tu -", &offered);
	words__check_same("completion of list", &offered, &all);
}

static void offers_no_unknown_option_of_the_other_commands(void **state)
{
	static const char *const lines[] = { "sockwatch doctor -", "sockwatch pin -", "sockwatch unpin -" };
	struct words offered, all;

	(void)state;
	words__of_help(options__print_help, &all);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		complete(lines[i], &offered);
		words__check_within(lines[i], &offered, &all);
	}
}

static void offers_every_column_and_no_other(void **state)
{
	struct words offered, all = { 0 };
	const struct column *c;

	(void)state;
	for (unsigned int i = 0; (c = columns__all(i)); i++)
		words__add(&all, c->name, strlen(c->name));
	complete("sockwatch list --sort \"\"", &offered);
	words__check_same("--sort", &offered, &all);
	words__add(&all, "osquery", strlen("osquery"));
	complete("sockwatch list -O \"\"", &offered);
	words__check_same("-O", &offered, &all);
	CHECK("sockwatch list -O local,peer", "local,peer_inode");
	CHECK("sockwatch list --columns = pid,local,peer", "pid,local,peer_inode");
	CHECK("sockwatch list --sort -peer", "-peer_inode");
}

static void offers_every_plan(void **state)
{
	struct words offered, all = { 0 };

	(void)state;
	for (unsigned int i = 0; i < BPF_PLANS; i++)
		words__add(&all, bpf_plan__name(i), strlen(bpf_plan__name(i)));
	complete("sockwatch pin --plan \"\"", &offered);
	words__check_same("pin --plan", &offered, &all);
	words__add(&all, "none", strlen("none"));
	complete("sockwatch --plan \"\"", &offered);
	words__check_same("--plan", &offered, &all);
	CHECK("sockwatch --plan = k", "kprobe");
	CHECK("sockwatch --json --plan =", "fentry", "kprobe", "tracepoint", "none");
}

static void offers_the_commands_first(void **state)
{
	struct words offered;

	(void)state;
	CHECK("sockwatch l", "list");
	CHECK("sockwatch un", "unpin");
	complete("sockwatch \"\"", &offered);
	assert_true(words__has(&offered, "stream") && words__has(&offered, "doctor") && words__has(&offered, "pin"));
	complete("sockwatch list \"\"", &offered);
	assert_false(words__has(&offered, "doctor"));
	assert_true(words__has(&offered, "dport"));
	complete("sockwatch doctor \"\"", &offered);
	assert_int_equal(offered.count, 0);
}

static void offers_terms_that_a_filter_knows(void **state)
{
	struct words offered, terms, joining = { 0 };

	(void)state;
	words__of_filter_help(&terms);
	assert_true(terms.count > 10);
	complete("sockwatch list not \"\"", &offered);
	words__check_within("completion leaves out", &terms, &offered);
	add_all(&joining, (const char *const[]){ "and", "or", "not", NULL });
	for (size_t i = 0; i < offered.count; i++) {
		struct filter_env env = filter_env__new();
		char *word = offered.items[i];
		struct filter_error error = { 0 };
		struct filter *filter = NULL;

		if (words__has(&joining, word))
			continue;
		/* A term by itself wants more, but is known. */
		if (filter__parse(1, &word, &env, &filter, &error) && strstr(error.message, "unknown word"))
			fail_msg("no filter knows %s", word);
		filter__free(filter);
	}
}

static void offers_states_that_a_filter_knows(void **state)
{
	struct words offered;
	char text[60];

	(void)state;
	complete("sockwatch exclude \"\"", &offered);
	assert_int_equal(offered.count, 17); /* 12 states and 5 groups */
	for (size_t i = 0; i < offered.count; i++) {
		snprintf(text, sizeof(text), "state %s", offered.items[i]);
		filter__free(filter_env__parse(text, 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offers_every_option_of_the_stream_and_no_other),
		cmocka_unit_test(offers_every_option_of_list_and_no_other),
		cmocka_unit_test(offers_no_unknown_option_of_the_other_commands),
		cmocka_unit_test(offers_every_column_and_no_other),
		cmocka_unit_test(offers_every_plan),
		cmocka_unit_test(offers_the_commands_first),
		cmocka_unit_test(offers_terms_that_a_filter_knows),
		cmocka_unit_test(offers_states_that_a_filter_knows),
	};

	return cmocka_run_group_tests_name("completion", tests, NULL, NULL);
}
