/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Scenario: an ssh to a local sshd, seen on both sides. */
#include "scenario/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define SSHD	"/usr/sbin/sshd"
#define SSH	"/usr/bin/ssh"
#define KEYGEN	"/usr/bin/ssh-keygen"
#define PORT	2222
#define PAYLOAD 65536

static const char host_key[] = SCENARIO_DIR "/host";
static const char key[] = SCENARIO_DIR "/key";
static const char known_hosts[] = "UserKnownHostsFile=" SCENARIO_DIR "/known_hosts";
static const char config_path[] = SCENARIO_DIR "/sshd_config";
static const char config[] = "Port 2222\n"
			     "ListenAddress 127.0.0.1\n"
			     "HostKey " SCENARIO_DIR "/host\n"
			     "AuthorizedKeysFile " SCENARIO_DIR "/key.pub\n"
			     "PidFile " SCENARIO_DIR "/sshd.pid\n"
			     "UsePAM no\n"
			     "StrictModes no\n"
			     "PermitRootLogin prohibit-password\n"
			     "PasswordAuthentication no\n"
			     "KbdInteractiveAuthentication no\n"
			     "PrintMotd no\n"
			     "PrintLastLog no\n"
			     "UseDNS no\n";

static void make_key(struct scenario *s, const char *path)
{
	scenario__join(s, scenario__spawn(s, SCENARIO_ARGV(KEYGEN, "-q", "-t", "ed25519", "-N", "", "-f", path), NULL,
					  NULL));
}

static void write_payload(void)
{
	char *text = malloc(PAYLOAD + 1);

	assert_non_null(text);
	for (int i = 0; i < PAYLOAD; i++)
		text[i] = (char)('a' + i % 26);
	text[PAYLOAD] = '\0';
	scenario__write("payload", text);
	free(text);
}

static bool listens(struct scenario *s, void *ctx)
{
	const struct connection *c = scenario__find(s, "listen", PORT, 0);

	(void)ctx;
	return c && c->listen.count;
}

/* The number of closed ends of connections. */
static unsigned int count_closed(struct scenario *s)
{
	const struct connection *c;
	unsigned int closed = 0;
	size_t count;

	c = scenario__connections(s, &count);
	for (size_t i = 0; i < count; i++)
		closed += c[i].remote_port && c[i].close.count;
	return closed;
}

static bool both_are_closed(struct scenario *s, void *ctx)
{
	(void)ctx;
	return count_closed(s) >= 2;
}

static void assert_taken(const struct taken *t, pid_t pid, const char *comm, const char *attribution)
{
	assert_int_equal(t->count, 1);
	assert_int_equal(t->pid, pid);
	assert_string_equal(t->comm, comm);
	assert_string_equal(t->attribution, attribution);
}

static uint16_t client_port(struct scenario *s)
{
	const struct connection *c;
	size_t count;

	c = scenario__connections(s, &count);
	for (size_t i = 0; i < count; i++) {
		if (c[i].remote_port == PORT)
			return c[i].local_port;
	}
	fail_msg("the stream does not tell the connection of ssh");
	return 0;
}

static void check(struct scenario *s, pid_t sshd, pid_t ssh)
{
	uint16_t port = client_port(s);
	const struct connection *listener = scenario__find(s, "listen", PORT, 0);
	const struct connection *client = scenario__find(s, "out", port, PORT);
	const struct connection *server = scenario__find(s, "in", PORT, port);

	assert_true(listener && client && server);
	assert_taken(&listener->listen, sshd, "sshd", "listen");

	assert_taken(&client->connect, ssh, "ssh", "connect");
	assert_taken(&client->established, ssh, "ssh", "connect");
	assert_int_equal(client->close.count, 1);
	assert_int_equal(client->close.pid, ssh);

	/* The listening sshd accepts, and leaves the connection to a child. */
	assert_taken(&server->established, sshd, "sshd", "listener");
	assert_taken(&server->accept, sshd, "sshd", "accept");
	assert_int_equal(server->close.count, 1);
	assert_string_equal(server->close.comm, "sshd");

	assert_true(client->bytes_sent > PAYLOAD && client->bytes_received > PAYLOAD);
	assert_true(server->bytes_sent > PAYLOAD && server->bytes_received > PAYLOAD);
	/* What was sent last may have come after the other side closed. */
	assert_true(server->bytes_received <= client->bytes_sent && client->bytes_received <= server->bytes_sent);
}

static void both_sides_of_a_session_are_shown(void **state)
{
	struct scenario *s = *state;
	_cleanup_free_ char *sent = NULL, *received = NULL;
	pid_t sshd, ssh;

	scenario__need(SSHD);
	scenario__need(SSH);
	scenario__need(KEYGEN);
	assert_int_equal(mkdir("/run/sshd", 0755), 0);
	make_key(s, host_key);
	make_key(s, key);
	scenario__write("sshd_config", config);
	write_payload();
	sshd = scenario__spawn(s, SCENARIO_ARGV(SSHD, "-D", "-e", "-f", config_path), NULL, NULL);
	scenario__wait(s, listens, NULL, "sshd listens, and the stream says so");
	ssh = scenario__spawn(s,
			      SCENARIO_ARGV(SSH, "-F", "none", "-i", key, "-p", "2222", "-o", "IdentitiesOnly=yes",
					    "-o", "BatchMode=yes", "-o", known_hosts, "-o",
					    "StrictHostKeyChecking=accept-new", "root@127.0.0.1", "cat"),
			      "payload", "received");
	scenario__join(s, ssh);
	scenario__wait(s, both_are_closed, NULL, "both ends are closed");
	sent = scenario__read("payload");
	received = scenario__read("received");
	assert_non_null(received);
	assert_string_equal(received, sent);
	scenario__stop_stream(s);
	check(s, sshd, ssh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_sides_of_a_session_are_shown, scenario__setup, scenario__teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
