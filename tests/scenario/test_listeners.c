/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Scenario: listeners that one process hands to another: nginx's upgrade of its binary (inherited), haproxy's seamless
 * reload (SCM_RIGHTS), socket activation (exec). Who accepts is who the program says it is (trap T3).
 */
#include "scenario/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scenario/handover.h"
#include "scenario/shown.h"

/* The end of the one who accepted a request, as the stream tells it. */
static void check_request(struct scenario *s, const struct request *r, const char *comm)
{
	const struct connection *c = scenario__find(s, "in", HANDOVER_PORT, r->port);

	assert_non_null(c);
	assert_int_equal(c->accept.count, 1);
	assert_int_equal(c->accept.pid, r->pid);
	assert_string_equal(c->accept.comm, comm);
	assert_string_equal(c->accept.attribution, "accept");
	assert_int_equal(c->owner_count, 0);
	assert_int_equal(c->close.pid, r->pid);
}

/* What a look that begins now says of the listener. */
static void check_listener(struct scenario *s, pid_t owner, const char *comm, unsigned int holders)
{
	struct shown shown;

	shown__find(s, HANDOVER_PORT, 0, &shown);
	shown__assert_holders(&shown);
	assert_int_equal(shown.holders.count, holders);
	assert_int_equal(shown.pid, owner);
	assert_string_equal(shown.comm, comm);
	assert_string_equal(shown.attribution, "holder");
}

static void nginx_upgrades_its_binary_T3(void **state)
{
	struct scenario *s = *state;
	struct request before, after;
	pid_t old, new;

	old = handover__start_nginx(s);
	handover__ask(s, &before);
	new = handover__upgrade_nginx(s, old, before.pid);
	handover__ask(s, &after);
	assert_true(after.pid != before.pid);
	check_listener(s, old, "nginx", 3); /* two masters, and the worker that answered */
	handover__quit_nginx(s, old);
	check_listener(s, new, "nginx", 2);
	handover__quit_nginx(s, new);
	scenario__stop_stream(s);
	check_request(s, &before, "nginx");
	check_request(s, &after, "nginx");
}

static void haproxy_reloads_seamlessly_T3(void **state)
{
	struct scenario *s = *state;
	struct request before, after;
	pid_t old, new;

	old = handover__start_haproxy(s);
	handover__ask(s, &before);
	assert_int_equal(before.pid, old);
	new = handover__reload_haproxy(s, old);
	handover__ask(s, &after);
	assert_int_equal(after.pid, new);
	check_listener(s, new, "haproxy", 1);
	scenario__stop_stream(s);
	check_request(s, &before, "haproxy");
	check_request(s, &after, "haproxy");
}

/* The process that listened becomes another program when somebody connects. */
static void an_activated_service_accepts_T3(void **state)
{
	struct scenario *s = *state;
	struct request request;
	pid_t pid;

	pid = handover__activate_haproxy(s);
	check_listener(s, pid, "systemd-socket-", 1);
	handover__ask(s, &request);
	assert_int_equal(request.pid, pid);
	check_listener(s, pid, "haproxy", 1);
	scenario__stop_stream(s);
	check_request(s, &request, "haproxy");
	assert_string_equal(scenario__find(s, "listen", HANDOVER_PORT, 0)->listen.comm, "systemd-socket-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nginx_upgrades_its_binary_T3, scenario__setup, scenario__teardown),
		cmocka_unit_test_setup_teardown(haproxy_reloads_seamlessly_T3, scenario__setup, scenario__teardown),
		cmocka_unit_test_setup_teardown(an_activated_service_accepts_T3, scenario__setup, scenario__teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
