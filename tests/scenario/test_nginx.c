/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Scenario: whom nginx and curl say they are, for each of 2 000 connections, is whom the stream says they are. */
#include "scenario/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define NGINX	 "/usr/sbin/nginx"
#define CURL	 "/usr/bin/curl"
#define WORKERS	 4
#define CLIENTS	 20
#define REQUESTS 100  /* of each client */
#define SHARED	 8080 /* one listener for all workers */
#define SPREAD	 8081 /* one each: SO_REUSEPORT */
#define PORTS	 65536

static const char config[] = "daemon off;\n"
			     "worker_processes 4;\n"
			     "pid " SCENARIO_DIR "/nginx.pid;\n"
			     "error_log " SCENARIO_DIR "/error.log notice;\n"
			     "events { worker_connections 256; }\n"
			     "http {\n"
			     "	log_format ends '$pid $server_port $remote_port $connection';\n"
			     "	access_log " SCENARIO_DIR "/access.log ends;\n"
			     "	client_body_temp_path " SCENARIO_DIR "/body;\n"
			     "	proxy_temp_path " SCENARIO_DIR "/proxy;\n"
			     "	fastcgi_temp_path " SCENARIO_DIR "/fastcgi;\n"
			     "	uwsgi_temp_path " SCENARIO_DIR "/uwsgi;\n"
			     "	scgi_temp_path " SCENARIO_DIR "/scgi;\n"
			     "	server {\n"
			     "		listen 127.0.0.1:8080;\n"
			     "		listen 127.0.0.1:8081 reuseport;\n"
			     "		location / { return 200 ok; }\n"
			     "	}\n"
			     "}\n";

/* By the client's port, for each of the two of the server: who accepted as nginx tells it, who connected as curl does. */
struct truth {
	unsigned int accepted_by[2][PORTS];
	unsigned int connected_by[2][PORTS];
	const struct connection *client[2][PORTS], *server[2][PORTS];
	unsigned int workers[2][WORKERS]; /* those that accepted */
};

static bool has_pid_file(struct scenario *s, void *ctx)
{
	_cleanup_free_ char *text = scenario__read("nginx.pid");

	(void)s;
	(void)ctx;
	return text && strchr(text, '\n');
}

static bool all_are_closed(struct scenario *s, void *ctx)
{
	const struct connection *c;
	size_t count, closed = 0;

	(void)ctx;
	c = scenario__connections(s, &count);
	for (size_t i = 0; i < count; i++)
		closed += c[i].remote_port && c[i].close.count;
	return closed >= (size_t)2 * CLIENTS * REQUESTS;
}

static void run_clients(struct scenario *s, pid_t *pids)
{
	char url[2][64], out[16];

	snprintf(url[0], sizeof(url[0]), "http://127.0.0.1:%d/[1-%d]", SHARED, REQUESTS);
	snprintf(url[1], sizeof(url[1]), "http://127.0.0.1:%d/[1-%d]", SPREAD, REQUESTS);
	for (int i = 0; i < CLIENTS; i++) {
		snprintf(out, sizeof(out), "curl.%d", i);
		pids[i] = scenario__spawn(s,
					  SCENARIO_ARGV(CURL, "-q", "-sS", "--noproxy", "*", "-H", "Connection: close",
							"-o", "/dev/null", "-w", "%{local_port} %{http_code}\\n",
							url[i % 2]),
					  NULL, out);
	}
	for (int i = 0; i < CLIENTS; i++)
		scenario__join(s, pids[i]);
}

static void note_worker(unsigned int workers[WORKERS], unsigned int pid)
{
	for (int i = 0; i < WORKERS; i++) {
		if (workers[i] == pid)
			return;
		if (!workers[i]) {
			workers[i] = pid;
			return;
		}
	}
	fail_msg("more than %d workers accepted", WORKERS);
}

static void read_access_log(struct truth *t)
{
	_cleanup_free_ char *log = scenario__read("access.log");
	unsigned int pid, server, client, lines = 0;
	char *save = NULL;

	assert_non_null(log);
	for (char *line = strtok_r(log, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		assert_int_equal(sscanf(line, "%u %u %u", &pid, &server, &client), 3);
		assert_true((server == SHARED || server == SPREAD) && client < PORTS);
		/* A port that is used twice would make the answer ambiguous. */
		assert_int_equal(t->accepted_by[server - SHARED][client], 0);
		t->accepted_by[server - SHARED][client] = pid;
		note_worker(t->workers[server - SHARED], pid);
		lines++;
	}
	assert_int_equal(lines, CLIENTS * REQUESTS);
}

static void read_client(struct truth *t, int i, pid_t pid)
{
	_cleanup_free_ char *out = NULL;
	unsigned int port, status, lines = 0;
	char name[16], *save = NULL;

	snprintf(name, sizeof(name), "curl.%d", i);
	out = scenario__read(name);
	assert_non_null(out);
	for (char *line = strtok_r(out, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		assert_int_equal(sscanf(line, "%u %u", &port, &status), 2);
		assert_true(port < PORTS);
		assert_int_equal(status, 200);
		assert_int_equal(t->connected_by[i % 2][port], 0);
		t->connected_by[i % 2][port] = (unsigned int)pid;
		lines++;
	}
	assert_int_equal(lines, REQUESTS);
}

/* By port; two of the same ports are one too many. */
static void index_connections(struct scenario *s, struct truth *t)
{
	size_t count;
	const struct connection *c = scenario__connections(s, &count);

	for (size_t i = 0; i < count; i++) {
		bool out = !strcmp(c[i].direction, "out");
		unsigned int server = (out ? c[i].remote_port : c[i].local_port) - (unsigned int)SHARED;
		const struct connection **at;

		if (!c[i].remote_port)
			continue;
		assert_true(server < 2);
		at = out ? &t->client[server][c[i].local_port] : &t->server[server][c[i].remote_port];
		assert_null(*at);
		*at = &c[i];
	}
}

static void assert_taken(const struct taken *t, unsigned int pid, const char *comm, const char *attribution)
{
	assert_int_equal(t->count, 1);
	assert_int_equal(t->pid, pid);
	assert_string_equal(t->comm, comm);
	assert_string_equal(t->attribution, attribution);
}

static void assert_connection(const struct truth *t, int server, int port)
{
	const struct connection *client = t->client[server][port], *child = t->server[server][port];

	if (!client || !child) {
		fail_msg("port %d > %d: the stream lacks %s", port, SHARED + server,
			 client ? "the server's" : "the client's");
		return;
	}
	assert_taken(&client->connect, t->connected_by[server][port], "curl", "connect");
	assert_string_equal(client->direction, "out");
	assert_int_equal(client->established.count, 1);
	assert_int_equal(client->close.count, 1);
	assert_taken(&child->accept, t->accepted_by[server][port], "nginx", "accept");
	assert_string_equal(child->direction, "in");
	assert_int_equal(child->established.count, 1);
	assert_int_equal(child->close.count, 1);
	assert_true(client->bytes_sent > 0 && client->bytes_received > 0);
	assert_int_equal(client->bytes_sent, child->bytes_received);
	assert_int_equal(client->bytes_received, child->bytes_sent);
}

static void check(const struct truth *t)
{
	unsigned int checked = 0;

	for (int server = 0; server < 2; server++) {
		for (int port = 0; port < PORTS; port++) {
			if (!t->accepted_by[server][port]) {
				assert_null(t->client[server][port]);
				assert_null(t->server[server][port]);
				continue;
			}
			assert_connection(t, server, port);
			checked++;
		}
	}
	assert_int_equal(checked, CLIENTS * REQUESTS);
	/* With a listener each the kernel spreads by hash: all have worked. */
	assert_int_not_equal(t->workers[1][WORKERS - 1], 0);
}

static void every_request_has_the_worker_and_the_client_it_names(void **state)
{
	struct scenario *s = *state;
	pid_t nginx, clients[CLIENTS];
	struct truth *t;

	scenario__need(NGINX);
	scenario__need(CURL);
	scenario__write("nginx.conf", config);
	nginx = scenario__spawn(s,
				SCENARIO_ARGV(NGINX, "-p", SCENARIO_DIR, "-c", SCENARIO_DIR "/nginx.conf", "-e",
					      SCENARIO_DIR "/error.log"),
				NULL, NULL);
	scenario__wait(s, has_pid_file, NULL, "nginx listens");
	run_clients(s, clients);
	scenario__wait(s, all_are_closed, NULL, "both ends of every connection are closed");
	scenario__end(s, nginx);
	scenario__stop_stream(s);

	t = calloc(1, sizeof(*t));
	assert_non_null(t);
	read_access_log(t);
	for (int i = 0; i < CLIENTS; i++)
		read_client(t, i, clients[i]);
	index_connections(s, t);
	check(t);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_request_has_the_worker_and_the_client_it_names, scenario__setup,
						scenario__teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
