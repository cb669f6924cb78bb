/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Scenario: PostgreSQL. The postmaster accepts, a process that it forks serves the connection: for each of 50 the owner
 * is the process that answers to pg_backend_pid() (traps T2, T3).
 */
#include "scenario/scenario.h"

#include <glob.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define SETPRIV "/usr/bin/setpriv"
#define PSQL	"/usr/bin/psql"
/* In Debian each major version has a folder. */
#define SERVERS "/usr/lib/postgresql/*/bin"
#define PORT	5432
#define CLIENTS 50

/* It refuses to run as root. */
#define AS_POSTGRES SETPRIV, "--reuid=postgres", "--regid=postgres", "--clear-groups"

static const char data[] = SCENARIO_DIR "/data";

struct server {
	char initdb[256], postgres[256];
};

static void find_server(struct server *ret_server)
{
	glob_t found;

	if (!glob(SERVERS, 0, NULL, &found)) {
		snprintf(ret_server->initdb, sizeof(ret_server->initdb), "%s/initdb", found.gl_pathv[0]);
		snprintf(ret_server->postgres, sizeof(ret_server->postgres), "%s/postgres", found.gl_pathv[0]);
		globfree(&found);
	} else {
		snprintf(ret_server->initdb, sizeof(ret_server->initdb), "%s/initdb", SERVERS);
	}
	scenario__need(ret_server->initdb);
}

static void make_cluster(struct scenario *s, const struct server *server)
{
	const struct passwd *user = getpwnam("postgres");

	assert_non_null(user);
	assert_int_equal(mkdir(data, 0700), 0);
	assert_int_equal(chown(data, user->pw_uid, user->pw_gid), 0);
	scenario__join(s, scenario__spawn(s,
					  SCENARIO_ARGV(AS_POSTGRES, server->initdb, "-D", data, "-N", "-A", "trust",
							"-U", "postgres", "--no-locale", "--no-instructions"),
					  NULL, NULL));
}

static bool is_ready(struct scenario *s, void *ctx)
{
	_cleanup_free_ char *log = scenario__read("setpriv.log");

	(void)s;
	(void)ctx;
	return log && strstr(log, "ready to accept connections");
}

static pid_t start_server(struct scenario *s, const struct server *server)
{
	pid_t pid = scenario__spawn(s,
				    SCENARIO_ARGV(AS_POSTGRES, server->postgres, "-D", data, "-c",
						  "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c",
						  "ssl=off", "-c", "autovacuum=off"),
				    NULL, NULL);

	scenario__wait(s, is_ready, NULL, "PostgreSQL accepts connections");
	return pid;
}

static void out_of(int client, char name[16])
{
	snprintf(name, 16, "psql.%d", client);
}

static void run_clients(struct scenario *s, pid_t pids[CLIENTS])
{
	char out[16];

	for (int i = 0; i < CLIENTS; i++) {
		out_of(i, out);
		pids[i] =
			scenario__spawn(s,
					SCENARIO_ARGV(PSQL, "-X", "-A", "-t", "-F", " ", "-h", "127.0.0.1", "-U",
						      "postgres", "-c", "select pg_backend_pid(), inet_client_port()"),
					NULL, out);
	}
	for (int i = 0; i < CLIENTS; i++)
		scenario__join(s, pids[i]);
}

static bool all_are_closed(struct scenario *s, void *ctx)
{
	const struct connection *c;
	size_t count, closed = 0;

	(void)ctx;
	c = scenario__connections(s, &count);
	for (size_t i = 0; i < count; i++)
		closed += c[i].remote_port && c[i].close.count;
	return closed >= (size_t)2 * CLIENTS;
}

/* It reads; or the postmaster has let go before it does, which may be told first. */
static void assert_first_use(const struct taken *t)
{
	assert_true(!strcmp(t->attribution, "io") || !strcmp(t->attribution, "holder"));
}

static void check_client(struct scenario *s, int i, pid_t postmaster, pid_t psql)
{
	const struct connection *client, *server;
	_cleanup_free_ char *answer = NULL;
	unsigned int backend, port;
	char out[16];

	out_of(i, out);
	answer = scenario__read(out);
	assert_non_null(answer);
	assert_int_equal(sscanf(answer, "%u %u", &backend, &port), 2);
	client = scenario__find(s, "out", (uint16_t)port, PORT);
	server = scenario__find(s, "in", PORT, (uint16_t)port);
	assert_true(client && server);

	assert_int_equal(client->connect.pid, psql);
	assert_int_equal(client->owner_count, 0);
	assert_int_equal(client->close.pid, psql);

	assert_int_equal(server->accept.pid, postmaster);
	assert_int_equal(server->owner_count, 1);
	assert_int_equal(server->owners[0].pid, backend);
	assert_int_equal(server->owners[0].prev_pid, postmaster);
	assert_string_equal(server->owners[0].comm, "postgres");
	assert_first_use(&server->owners[0]);
	assert_int_equal(server->close.count, 1);
	assert_int_equal(server->close.pid, backend);
	/* At its exit nobody holds the connection any more, which may be heard before the close. */
	assert_string_not_equal(server->close.attribution, "none");
}

static void the_owner_is_who_answers_to_pg_backend_pid_T3(void **state)
{
	struct scenario *s = *state;
	pid_t postmaster, psql[CLIENTS];
	struct server server;

	scenario__need(SETPRIV);
	scenario__need(PSQL);
	find_server(&server);
	make_cluster(s, &server);
	postmaster = start_server(s, &server);
	run_clients(s, psql);
	scenario__wait(s, all_are_closed, NULL, "all connections are closed");
	scenario__end(s, postmaster);
	scenario__stop_stream(s);
	for (int i = 0; i < CLIENTS; i++)
		check_client(s, i, postmaster, psql[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_owner_is_who_answers_to_pg_backend_pid_T3, scenario__setup,
						scenario__teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
