/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Scenario: servers that accept or listen for another program, which they start (traps T2, T3). What is told of a
 * connection does not depend on whether the look began before it or after.
 */
#include "scenario/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "scenario/shown.h"

#define TCPSERVER "/usr/bin/tcpserver"
#define ACTIVATE  "/usr/bin/systemd-socket-activate"
#define CAT	  "/bin/cat"
#define PORT	  1122

static bool listens(struct scenario *s, void *ctx)
{
	const struct connection *c = scenario__find(s, "listen", PORT, 0);

	(void)ctx;
	return c && c->listen.count;
}

/* The answer comes from whom the server started. */
static void echo(int fd)
{
	char byte = 0;

	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
}

static bool is_closed(struct scenario *s, void *ctx)
{
	const struct connection *c = scenario__find(s, "in", PORT, *(const uint16_t *)ctx);

	return c && c->close.count;
}

static bool is_held_once(struct scenario *s, void *ctx)
{
	struct holders holders;

	(void)s;
	shown__holders(*(const uint64_t *)ctx, &holders);
	return holders.count == 1;
}

/* The accepting server's connection belongs to its child, a cat, for a look that begins now too (scope#2647). */
static void check_listed(struct scenario *s, uint16_t port, pid_t server, struct shown *ret)
{
	shown__find(s, PORT, port, ret);
	/* The server closes its copy when it comes to it. */
	scenario__wait(s, is_held_once, &ret->inode, "only the child has the connection open");
	shown__find(s, PORT, port, ret);
	shown__assert_holders(ret);
	assert_int_equal(ret->holders.count, 1);
	assert_int_equal(ret->pid, ret->holders.pid[0]);
	assert_true(ret->pid != (uint32_t)server);
	assert_string_equal(ret->comm, "cat");
	assert_string_equal(ret->attribution, "holder");
}

static void check_told(struct scenario *s, uint16_t port, pid_t server, const char *server_comm, uint32_t cat)
{
	const struct connection *c = scenario__find(s, "in", PORT, port);

	assert_non_null(c);
	assert_int_equal(c->accept.pid, server);
	assert_string_equal(c->accept.comm, server_comm);
	assert_string_equal(c->accept.attribution, "accept");
	assert_int_equal(c->owner_count, 1);
	assert_int_equal(c->owners[0].pid, cat);
	assert_int_equal(c->owners[0].prev_pid, server);
	assert_string_equal(c->owners[0].comm, "cat");
	assert_string_equal(c->owners[0].attribution, "io");
	assert_int_equal(c->close.pid, cat);
	assert_string_equal(c->close.comm, "cat");
}

/* One session with a server that accepts and starts a cat for each connection. */
static void session_belongs_to_cat(struct scenario *s, const char *const *argv, const char *server_comm)
{
	struct shown shown;
	uint16_t port;
	pid_t server;
	int fd;

	server = scenario__spawn(s, argv, NULL, NULL);
	scenario__wait(s, listens, NULL, "the server listens, and the stream says so");
	fd = scenario__connect(PORT, &port);
	echo(fd);
	check_listed(s, port, server, &shown);
	close(fd);
	scenario__wait(s, is_closed, &port, "the server's end is closed");
	scenario__stop_stream(s);
	check_told(s, port, server, server_comm, shown.pid);
}

static void tcpserver_s_connection_is_its_child_s_before_and_after_start_T2_T3(void **state)
{
	scenario__need(TCPSERVER);
	session_belongs_to_cat(
		*state, SCENARIO_ARGV(TCPSERVER, "-H", "-R", "-l", "localhost", "127.0.0.1", "1122", CAT), "tcpserver");
}

static void systemd_s_connection_is_its_child_s_before_and_after_start_T2_T3(void **state)
{
	scenario__need(ACTIVATE);
	session_belongs_to_cat(*state, SCENARIO_ARGV(ACTIVATE, "-l", "127.0.0.1:1122", "-a", "--inetd", CAT),
			       "systemd-socket-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tcpserver_s_connection_is_its_child_s_before_and_after_start_T2_T3,
						scenario__setup, scenario__teardown),
		cmocka_unit_test_setup_teardown(systemd_s_connection_is_its_child_s_before_and_after_start_T2_T3,
						scenario__setup, scenario__teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
