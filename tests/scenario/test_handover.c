/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Scenario: when the process that listens leaves, its listener belongs to the one that it was handed to (trap T3): the
 * stream tells so, and a look that begins then says the same.
 */
#include "scenario/scenario.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scenario/handover.h"
#include "scenario/shown.h"

static const struct connection *listener(struct scenario *s)
{
	const struct connection *c = scenario__find(s, "listen", HANDOVER_PORT, 0);

	assert_non_null(c);
	return c;
}

/* A daemon's starter has listened, and left the listener to it before. */
static bool has_owner(struct scenario *s, void *ctx)
{
	const struct connection *c = listener(s);

	return c->owner_count && c->owners[c->owner_count - 1].pid == *(const uint32_t *)ctx;
}

static bool is_closed(struct scenario *s, void *ctx)
{
	(void)ctx;
	return listener(s)->close.count;
}

/* The old process has ended: the listener has gone to the new one. */
static void check_heir(struct scenario *s, pid_t new, const char *comm)
{
	const struct taken *heir;
	struct shown shown;

	scenario__wait(s, has_owner, &new, "the listener's new owner is told");
	heir = &listener(s)->owners[listener(s)->owner_count - 1];
	/* It was the old one's, or what started that one's, when all of it was quicker than a look. */
	assert_true(heir->prev_pid && heir->prev_pid != (uint32_t) new);
	assert_string_equal(heir->comm, comm);
	assert_string_equal(heir->attribution, "holder");
	shown__find(s, HANDOVER_PORT, 0, &shown);
	shown__assert_holders(&shown);
	assert_int_equal(shown.pid, new);
}

/* Of the new one, when it has ended too. */
static void check_end(struct scenario *s, pid_t new)
{
	scenario__wait(s, is_closed, NULL, "the listener is closed");
	scenario__stop_stream(s);
	assert_int_equal(listener(s)->close.count, 1);
	assert_int_equal(listener(s)->close.pid, new);
}

static void nginx_s_new_master_inherits_the_listener_T3(void **state)
{
	struct scenario *s = *state;
	struct request before, after;
	pid_t old, new;

	old = handover__start_nginx(s);
	handover__ask(s, &before);
	new = handover__upgrade_nginx(s, old, before.pid);
	handover__ask(s, &after);
	handover__quit_nginx(s, old);
	check_heir(s, new, "nginx");
	handover__quit_nginx(s, new);
	check_end(s, new);
}

static void haproxy_s_new_process_inherits_the_listener_T3(void **state)
{
	struct scenario *s = *state;
	struct request request;
	pid_t old, new;

	old = handover__start_haproxy(s);
	handover__ask(s, &request);
	new = handover__reload_haproxy(s, old);
	check_heir(s, new, "haproxy");
	kill(new, SIGUSR1); /* in good order: status 0 */
	scenario__join(s, new);
	check_end(s, new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nginx_s_new_master_inherits_the_listener_T3, scenario__setup,
						scenario__teardown),
		cmocka_unit_test_setup_teardown(haproxy_s_new_process_inherits_the_listener_T3, scenario__setup,
						scenario__teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
