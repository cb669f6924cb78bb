/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: the command line of the real program, what it prints where, and its exit status. */
#include "live/live.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "live/program.h"

#define PORT 7300
#define ESC  '\033'

static const struct {
	const char *args[4];
	const char *named; /* what the message must name */
} wrong[] = {
	{ { "--frobnicate" }, "--frobnicate" },
	{ { "-Z" }, "-Z" },
	{ { "-4Z" }, "-Z" },
	{ { "--json=1" }, "--json" },
	{ { "--duration" }, "--duration" },
	{ { "--duration", "-1" }, "--duration -1" },
	{ { "--duration", "1e9x" }, "--duration 1e9x" },
	{ { "--duration", "99999999999999999999" }, "--duration 99999999999999999999" },
	{ { "--duration", "0" }, "--duration 0" },
	{ { "--duration", "" }, "--duration" },
	{ { "--duration", "." }, "--duration ." },
	{ { "--duration", "nan" }, "--duration nan" },
	{ { "--duration", "0.0000000001" }, "--duration 0.0000000001" },
	{ { "--count", "0" }, "--count 0" },
	{ { "--count", "-5" }, "--count -5" },
	{ { "--count", "0x10" }, "--count 0x10" },
	{ { "--count", "1 " }, "--count 1" },
	{ { "--count", "18446744073709551616" }, "--count 18446744073709551616" },
	{ { "--ring", "3" }, "--ring 3" },
	{ { "--ring", "0" }, "--ring 0" },
	{ { "--ring", "8k" }, "--ring 8k" },
	{ { "--ring", "4294967296" }, "--ring 4294967296" },
	{ { "--plan", "foo" }, "--plan foo" },
	{ { "frob" }, "frob" },
	{ { "stream", "doctor" }, "doctor" },
	{ { "--json", "doctor", "--frobnicate" }, "--frobnicate" },
};

static void wrong_usage_is_named_on_stderr_with_status_2(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *args[5] = { 0 };
		struct program *p;

		memcpy(args, wrong[i].args, sizeof(wrong[i].args));
		p = program_run(2, .args = args);
		program__assert_error(p, wrong[i].named);
		program__assert_error(p, "--help");
		assert_int_equal(p->out.len, 0);
		program__free(p);
	}
}

static void a_hostile_argument_is_escaped(void **state)
{
	static const char *const hostile[] = { "--\033[31mx", "\033]0;x\007", "--duration=\033[2J" };

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct program *p = program_run(2, .args = PROGRAM_ARGS(hostile[i]));

		assert_null(strchr(p->error.text, ESC));
		program__assert_error(p, "\\x1b");
		program__free(p);
	}
}

static const char *const options[] = {
	"-4, --ipv4", "-6, --ipv6", "-l, --listening", "-j, --json", "--states",      "--no-existing", "-F, --filter",
	"--duration", "--count",    "--plan",	       "--ring",     "-v, --verbose", "-h, --help",    "--version",
};

static void help_names_every_option_on_stdout(void **state)
{
	static const char *const runs[][4] = {
		{ "--help" },
		{ "-h" },
		{ "doctor", "--help" },
		{ "-4", "--json", "--help" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		struct program *p = program_run(0, .args = runs[i]);

		assert_int_equal(p->error.len, 0);
		for (size_t j = 0; j < sizeof(options) / sizeof(options[0]); j++)
			program__assert_out(p, options[j]);
		program__assert_out(p, "doctor");
		program__assert_out(p, "Exit status");
		program__free(p);
	}
}

/* Whatever --help names is taken, so that the text and the table cannot part. */
static void every_option_of_help_is_known(void **state)
{
	struct program *help = program_run(0, .args = PROGRAM_ARGS("--help"));
	unsigned int count = 0;

	(void)state;
	for (const char *at = strstr(help->out.text, "Options:"); (at = strstr(at, "--")); at += 2) {
		char option[64] = "";
		bool wants_value, takes_any;
		struct program *p;

		if (sscanf(at, "%60[-a-z0-9]", option) != 1 || strlen(option) < 4)
			continue;
		wants_value = at[strlen(option)] == ' ' && at[strlen(option) + 1] >= 'A' &&
			      at[strlen(option) + 1] <= 'Z';
		takes_any = !wants_value || !strcmp(option, "--filter"); /* it may be the name of a file */
		strcat(option, wants_value ? "=?" : "");
		p = program__start(&(struct program_config){ .args = PROGRAM_ARGS(option, "--help") });
		assert_int_equal(program__join(p), takes_any ? 0 : 2);
		program__assert_error_lacks(p, "unknown option");
		program__free(p);
		count++;
	}
	program__free(help);
	assert_int_equal(count, sizeof(options) / sizeof(options[0]));
}

static void version_is_one_line_on_stdout(void **state)
{
	struct program *p = program_run(0, .args = PROGRAM_ARGS("--version"));

	(void)state;
	assert_int_equal(p->error.len, 0);
	assert_int_equal(strncmp(p->out.text, "sockwatch ", 10), 0);
	assert_ptr_equal(strchr(p->out.text, '\n'), p->out.text + p->out.len - 1);
	program__free(p);
}

/* ---- the end that was asked for */

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void duration_ends_the_stream(void **state)
{
	double start = seconds();
	struct program *p = program_run(0, .args = PROGRAM_ARGS("-l", "--no-existing", "--duration", "0.5", "--json"));

	(void)state;
	assert_true(seconds() - start >= 0.5);
	program__assert_out(p, "\"event\":\"summary\"");
	program__assert_error(p, "updates in");
	program__free(p);
}

static bool is_socket(const json_t *update, const void *ctx)
{
	(void)ctx;
	return json_object_get(update, "cookie") != NULL;
}

static void count_ends_the_stream_after_that_many_sockets(void **state)
{
	struct live *l = *state;

	for (uint16_t i = 0; i < 5; i++)
		actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT + i);
	l->stream = stream__start(&(struct stream_config){ .args = PROGRAM_ARGS("--count", "3") });
	assert_int_equal(stream__join(l->stream, STREAM_TIMEOUT_MS), 0);
	assert_int_equal(stream__matches(l->stream, is_socket, NULL), 3);
	assert_string_equal(update__text(stream__at(l->stream, stream__count(l->stream) - 1), "event"), "summary");
}

/* ---- filters */

struct wanted {
	uint32_t netns;
	const char *key, *value;
};

/* Of the namespace, and with another value than wanted. */
static bool is_other(const json_t *update, const void *ctx)
{
	const struct wanted *w = ctx;

	return is_socket(update, NULL) && update__number(update, "netns") == w->netns &&
	       strcmp(update__text(update, w->key), w->value) != 0;
}

static bool is_event(const json_t *update, const void *ctx)
{
	return !strcmp(update__text(update, "event"), ctx);
}

static size_t count_others(struct live *l, const char *key, const char *value)
{
	struct wanted w = { l->netns, key, value };

	return stream__matches(l->stream, is_other, &w);
}

/* A connection before and one after the start, of each family. The wanted family comes last: then the others are over. */
static struct pair open_both(struct live *l, const char *unwanted, const char *wanted, const char *option)
{
	struct pair p;

	live__pair(l, unwanted, PORT);
	live__pair(l, wanted, PORT + 1);
	live__start(l, PROGRAM_ARGS(option));
	p = live__pair(l, unwanted, PORT + 2);
	live__close_pair(l, &p);
	p = live__pair(l, wanted, PORT + 3);
	live__close_pair(l, &p);
	stream__wait_event(l->stream, 0, "close", p.listener.end.cookie);
	return p;
}

static void filter_4_shows_only_ipv4(void **state)
{
	struct live *l = *state;
	struct pair p = open_both(l, "::1", "127.0.0.1", "-4");
	char history[256];

	assert_int_equal(count_others(l, "family", "ipv4"), 0);
	assert_int_equal(count_others(l, "family", "ipv6"), 3 + 8); /* three that existed, and a history */
	assert_string_equal(stream__history(l->stream, p.client.end.cookie, history, sizeof(history)), "connect "
												       "established "
												       "close");
	stream__stop(l->stream);
}

static void filter_6_shows_only_ipv6(void **state)
{
	struct live *l = *state;

	open_both(l, "127.0.0.1", "::1", "-6");
	assert_int_equal(count_others(l, "family", "ipv6"), 0);
	assert_int_equal(count_others(l, "family", "ipv4"), 3 + 8);
	stream__stop(l->stream);
}

static void filter_l_shows_only_listeners(void **state)
{
	struct live *l = *state;

	open_both(l, "127.0.0.1", "::1", "-l");
	assert_int_equal(count_others(l, "direction", "listen"), 0);
	assert_int_equal(count_others(l, "direction", "none"), 2 + 2 * 2);
	stream__stop(l->stream);
}

static void no_existing_lists_nothing_but_follows_what_was_there(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	live__start(l, PROGRAM_ARGS("--no-existing"));
	assert_int_equal(update__number(stream__at(l->stream, stream__wait_sync(l->stream, 0)), "sockets") >= 3, 1);
	live__close_pair(l, &p);
	live_expect(l, 0, .event = "close", .end = &p.client.end, .who = l->client);
	live_expect(l, 0, .event = "close", .end = &p.child.end, .who = l->server);
	live_expect(l, 0, .event = "close", .end = &p.listener.end, .who = l->server);
	assert_int_equal(stream__matches(l->stream, is_event, "existing"), 0);
	stream__stop(l->stream);
}

/* Half closed, so that both sides pass through states that are told only on demand. */
static struct pair half_close(struct live *l)
{
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	actor_must(l->client, .op = ACTOR_SHUTDOWN, .fd = p.client.fd, .how = SHUT_WR);
	actor_must(l->server, .op = ACTOR_RECV, .fd = p.child.fd, .bytes = 1);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = p.child.fd);
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
	stream__wait_event(l->stream, 0, "close", p.child.end.cookie);
	stream__wait_event(l->stream, 0, "close", p.client.end.cookie);
	return p;
}

static bool is_state_of(const json_t *update, const void *ctx)
{
	const struct end *end = ctx;

	return !strcmp(update__text(update, "event"), "state") && update__number(update, "cookie") == end->cookie;
}

static void states_are_told_on_demand(void **state)
{
	struct live *l = *state;

	live__start(l, PROGRAM_ARGS("--states"));
	struct pair p = half_close(l);
	live_expect(l, 0, .event = "state", .end = &p.child.end, .state = "CLOSE_WAIT");
	live_expect(l, 0, .event = "state", .end = &p.client.end, .state = "FIN_WAIT1");
	assert_true(stream__matches(l->stream, is_state_of, &p.client.end) >= 2);
	stream__stop(l->stream);
}

static void states_are_not_told_otherwise(void **state)
{
	struct live *l = *state;

	live__start(l, NULL);
	struct pair p = half_close(l);
	assert_int_equal(stream__matches(l->stream, is_state_of, &p.client.end), 0);
	assert_int_equal(stream__matches(l->stream, is_state_of, &p.child.end), 0);
	stream__stop(l->stream);
}

/* ---- text on a terminal and in a pipe */

static int show_on_terminal(void *ctx)
{
	int fd = open(ctx, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd < 0 || dup2(fd, STDOUT_FILENO) < 0;
}

static int show_without_colour(void *ctx)
{
	return setenv("NO_COLOR", "1", 1) || show_on_terminal(ctx);
}

/* What one run prints on a terminal: has it an ESC? */
static bool has_colour(int (*prepare)(void *ctx))
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char name[64], text[4096];
	struct program *p;
	bool found = false;
	ssize_t n;

	assert_true(terminal >= 0 && !grantpt(terminal) && !unlockpt(terminal));
	assert_int_equal(ptsname_r(terminal, name, sizeof(name)), 0);
	p = program_start(.args = PROGRAM_ARGS("-l", "--no-existing", "--duration", "0.2"), .prepare = prepare,
			  .ctx = name);
	/* EIO: nobody has the other side open any more, or not yet. */
	program__wait_text(p, &p->error, "updates in");
	while ((n = read(terminal, text, sizeof(text))) > 0)
		found |= memchr(text, ESC, (size_t)n) != NULL;
	assert_int_equal(program__join(p), 0);
	program__free(p);
	close(terminal);
	return found;
}

static void colours_are_for_terminals_that_want_them(void **state)
{
	struct program *p = program_run(0, .args = PROGRAM_ARGS("-l", "--no-existing", "--duration", "0.2"));

	(void)state;
	program__assert_out(p, "in sync");
	assert_null(strchr(p->out.text, ESC));
	program__free(p);
	assert_true(has_colour(show_on_terminal));
	assert_false(has_colour(show_without_colour));
}

#define HOSTILE "\033[31mx"

static void a_hostile_name_is_escaped_in_text_and_whole_in_json(void **state)
{
	struct live *l = *state;
	const char *const argv[] = { HOSTILE, "\xff\033]0;y\007", NULL };
	struct actor *evil =
		live__keep(l, actor__spawn(&(struct actor_config){ .ns_fd = l->ns, .comm = HOSTILE, .argv = argv }));
	struct actor_reply old = actor_must(evil, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	struct program *text = program_start(.args = PROGRAM_ARGS("-l"));

	live__start(l, NULL);
	program__wait_text(text, &text->out, "in sync");
	struct actor_reply new = actor_must(evil, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT + 1);
	size_t at = live_expect(l, 0, .event = "existing", .end = &old.end, .who = evil);
	assert_string_equal(update__text(stream__at(l->stream, at), "cmdline"), HOSTILE " \\xff\033]0;y\007");
	at = live_expect(l, 0, .event = "listen", .end = &new.end, .who = evil);
	assert_string_equal(update__text(stream__at(l->stream, at), "cmdline"), HOSTILE " \\xff\033]0;y\007");
	stream__stop(l->stream);

	program__wait_text(text, &text->out, "127.0.0.1:7301");
	kill(text->pid, SIGTERM);
	assert_int_equal(program__join(text), 0);
	program__assert_out(text, "\\x1b[31mx");
	assert_null(strchr(text->out.text, ESC));
	program__free(text);
}

/*
 * What the kernel refuses is replaced without a word: a program that it refuses by mistake would go unnoticed. Here the
 * release may be asked; the program itself only tries.
 */
static void stand_ins_are_for_kernels_before_5_12(void **state)
{
	struct program *p = program_run(0, .args = PROGRAM_ARGS("doctor"));
	struct utsname kernel;
	unsigned int major, minor;

	(void)state;
	assert_int_equal(uname(&kernel), 0);
	assert_int_equal(sscanf(kernel.release, "%u.%u", &major, &minor), 2);
	assert_int_equal(!!strstr(p->out.text, "cgroup/sock_create"), major < 5 || (major == 5 && minor < 12));
	program__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_usage_is_named_on_stderr_with_status_2),
		cmocka_unit_test(a_hostile_argument_is_escaped),
		cmocka_unit_test(help_names_every_option_on_stdout),
		cmocka_unit_test(every_option_of_help_is_known),
		cmocka_unit_test(version_is_one_line_on_stdout),
		cmocka_unit_test(duration_ends_the_stream),
		live_test_quiet(count_ends_the_stream_after_that_many_sockets),
		live_test_quiet(filter_4_shows_only_ipv4),
		live_test_quiet(filter_6_shows_only_ipv6),
		live_test_quiet(filter_l_shows_only_listeners),
		live_test_quiet(no_existing_lists_nothing_but_follows_what_was_there),
		live_test_quiet(states_are_told_on_demand),
		live_test_quiet(states_are_not_told_otherwise),
		cmocka_unit_test(stand_ins_are_for_kernels_before_5_12),
		cmocka_unit_test(colours_are_for_terminals_that_want_them),
		live_test_quiet(a_hostile_name_is_escaped_in_text_and_whole_in_json),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
