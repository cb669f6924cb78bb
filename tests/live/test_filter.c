/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: a stream with a filter tells exactly the sockets that were asked for, from their first match to their close. */
#include "live/live.h"

#include <stdio.h>

#include "live/program.h"

#define PORT  7500
#define OTHER 7501

static bool is_about_a_socket(const json_t *update, const void *ctx)
{
	(void)ctx;
	return update__number(update, "cookie") != 0;
}

/* Both pairs are over; what was told of the whole host is of the sockets wanted. */
static void assert_told(struct live *l, size_t count)
{
	stream__stop(l->stream);
	assert_int_equal(stream__matches(l->stream, is_about_a_socket, NULL), count);
}

static void assert_history(struct live *l, const struct end *end, const char *events)
{
	char text[200];

	assert_string_equal(stream__history(l->stream, end->cookie, text, sizeof(text)), events);
}

static void only_the_port_asked_for(void **state)
{
	struct live *l = *state;
	struct pair wanted, other;
	char netns[32];

	snprintf(netns, sizeof(netns), "%u", l->netns);
	live__start(l, (const char *const[]){ "netns", "=", netns, "and", "( sport = :7500 or dport = :7500 )", NULL });
	other = live__pair(l, "127.0.0.1", OTHER);
	wanted = live__pair(l, "127.0.0.1", PORT);
	live__close_pair(l, &other);
	live__close_pair(l, &wanted);
	stream__wait_event(l->stream, 0, "close", wanted.listener.end.cookie);
	assert_told(l, 8);
	assert_history(l, &wanted.client.end, "connect established close");
	assert_history(l, &wanted.child.end, "established accept close");
	assert_history(l, &wanted.listener.end, "listen close");
}

static void a_state_shows_what_reaches_it_until_the_close(void **state)
{
	struct live *l = *state;
	struct pair p;
	char filter[64];

	snprintf(filter, sizeof(filter), "state established netns = %u", l->netns);
	live__start(l, PROGRAM_ARGS(filter));
	p = live__pair(l, "127.0.0.1", PORT);
	live__close_pair(l, &p);
	stream__wait_event(l->stream, 0, "close", p.child.end.cookie);
	assert_told(l, 5);
	assert_history(l, &p.client.end, "established close");
	assert_history(l, &p.child.end, "established accept close");
	assert_history(l, &p.listener.end, "");
}

static void existing_sockets_of_a_process(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "::1", PORT);
	char filter[64];

	snprintf(filter, sizeof(filter), "pid = %u comm = live-* and not state listening", l->server->pid);
	live__start(l, PROGRAM_ARGS(filter));
	live__close_pair(l, &p);
	stream__wait_event(l->stream, 0, "close", p.child.end.cookie);
	assert_told(l, 2);
	assert_history(l, &p.child.end, "existing close");
}

static void a_filter_that_matches_nothing_still_tells_sync(void **state)
{
	struct live *l = *state;
	struct pair p;

	live__start(l, PROGRAM_ARGS("exclude all"));
	p = live__pair(l, "127.0.0.1", PORT);
	live__close_pair(l, &p);
	assert_told(l, 0);
}

static void a_mistake_is_pointed_at(void **state)
{
	struct program *p = program_run(2, .args = PROGRAM_ARGS("state", "established", "and", "dprt", "=", ":443"));

	(void)state;
	assert_int_equal(p->out.len, 0);
	program__assert_error(p, "sockwatch: filter: unknown word 'dprt'\n"
				 "  state established and dprt = :443\n"
				 "                        ^\n");
	program__free(p);
}

static void what_a_stream_cannot_know_is_refused(void **state)
{
	struct program *p = program_run(2, .args = PROGRAM_ARGS("fwmark = 1"));

	(void)state;
	program__assert_error(p, "here nothing is known of 'fwmark'");
	program__free(p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		live_test_quiet(only_the_port_asked_for),
		live_test_quiet(a_state_shows_what_reaches_it_until_the_close),
		live_test_quiet(existing_sockets_of_a_process),
		live_test_quiet(a_filter_that_matches_nothing_still_tells_sync),
		cmocka_unit_test(a_mistake_is_pointed_at),
		cmocka_unit_test(what_a_stream_cannot_know_is_refused),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
