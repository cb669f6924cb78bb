/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Scenario: an ssh to a local sshd, seen on both sides; and a user's session, whose connection goes from the listening
 * sshd to the privileged one to the user's own (traps T2, T3).
 */
#include "scenario/scenario.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "scenario/shown.h"

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

static pid_t start_sshd(struct scenario *s)
{
	pid_t sshd;

	scenario__need(SSHD);
	scenario__need(SSH);
	scenario__need(KEYGEN);
	assert_int_equal(mkdir("/run/sshd", 0755), 0);
	make_key(s, host_key);
	make_key(s, key);
	scenario__write("sshd_config", config);
	sshd = scenario__spawn(s, SCENARIO_ARGV(SSHD, "-D", "-e", "-f", config_path), NULL, NULL);
	scenario__wait(s, listens, NULL, "sshd listens, and the stream says so");
	return sshd;
}

static pid_t start_ssh(struct scenario *s, const char *destination, const char *command, const char *in)
{
	return scenario__spawn(s,
			       SCENARIO_ARGV(SSH, "-F", "none", "-i", key, "-p", "2222", "-o", "IdentitiesOnly=yes",
					     "-o", "BatchMode=yes", "-o", known_hosts, "-o",
					     "StrictHostKeyChecking=accept-new", destination, command),
			       in, "received");
}

static void both_sides_of_a_session_are_shown(void **state)
{
	struct scenario *s = *state;
	_cleanup_free_ char *sent = NULL, *received = NULL;
	pid_t sshd, ssh;

	sshd = start_sshd(s);
	write_payload();
	ssh = start_ssh(s, "root@127.0.0.1", "cat", "payload");
	scenario__join(s, ssh);
	scenario__wait(s, both_are_closed, NULL, "both ends are closed");
	sent = scenario__read("payload");
	received = scenario__read("received");
	assert_non_null(received);
	assert_string_equal(received, sent);
	scenario__stop_stream(s);
	check(s, sshd, ssh);
}

/* ---- a user's session */

#define USER_NAME "sockwatch-scenario"
#define USER_ID	  61234

/* In the mount namespace of the test alone. */
static void make_user(void)
{
	scenario__write("passwd", "root:*:0:0::/:/bin/sh\n"
				  "sshd:*:61235:61235::/run/sshd:/bin/false\n" USER_NAME ":*:61234:61234::/:/bin/sh\n");
	assert_int_equal(mount(SCENARIO_DIR "/passwd", "/etc/passwd", NULL, MS_BIND, NULL), 0);
}

/* The remote shell has told its parent, the process of sshd that runs as the user. */
static bool has_told(struct scenario *s, void *ctx)
{
	_cleanup_free_ char *text = scenario__read("received");

	(void)s;
	return text && strchr(text, '\n') && sscanf(text, "%u", (unsigned int *)ctx) == 1;
}

static unsigned int status_of(unsigned int pid, const char *key_format)
{
	char path[64], line[256];
	unsigned int value;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, key_format, &value) == 1) {
			fclose(f);
			return value;
		}
	}
	fclose(f);
	fail_msg("%s has no %s", path, key_format);
	return 0;
}

static void check_owners(const struct connection *c, pid_t sshd, unsigned int privileged, unsigned int user)
{
	const struct taken *first = &c->owners[0], *last = &c->owners[c->owner_count - 1];

	assert_int_equal(c->accept.pid, sshd);
	assert_true(c->owner_count >= 2);
	assert_int_equal(first->prev_pid, sshd);
	assert_int_equal(first->pid, privileged);
	assert_int_equal(last->pid, user);
	assert_string_equal(last->attribution, "io");
	for (unsigned int i = 0; i < c->owner_count; i++) {
		assert_string_equal(c->owners[i].comm, "sshd");
		assert_true(!i || c->owners[i].prev_pid == c->owners[i - 1].pid);
	}
}

struct session {
	uint16_t port;
	unsigned int user;
};

static bool belongs_to_user(struct scenario *s, void *ctx)
{
	const struct session *session = ctx;
	const struct connection *c = scenario__find(s, "in", PORT, session->port);

	return c && c->owner_count && c->owners[c->owner_count - 1].pid == session->user;
}

static void a_session_goes_from_the_listener_to_the_user_T2_T3(void **state)
{
	struct scenario *s = *state;
	struct session session = { 0 };
	unsigned int privileged;
	struct shown shown;
	pid_t sshd, ssh;
	int input;

	make_user();
	sshd = start_sshd(s);
	/* Nothing is said until the look is over. */
	assert_int_equal(mkfifo(SCENARIO_DIR "/input", 0600), 0);
	ssh = start_ssh(s, USER_NAME "@127.0.0.1", "echo $PPID; exec cat", "input");
	input = open(SCENARIO_DIR "/input", O_WRONLY | O_CLOEXEC);
	assert_true(input >= 0);
	scenario__wait(s, has_told, &session.user, "the session has begun");
	session.port = client_port(s);
	scenario__wait(s, belongs_to_user, &session, "the connection is the user's");

	assert_int_equal(status_of(session.user, "Uid: %u"), USER_ID);
	privileged = status_of(session.user, "PPid: %u");
	assert_int_equal(status_of(privileged, "PPid: %u"), sshd);
	check_owners(scenario__find(s, "in", PORT, session.port), sshd, privileged, session.user);
	shown__find(s, PORT, session.port, &shown);
	shown__assert_holders(&shown);
	assert_int_equal(shown.holders.count, 2);

	close(input);
	scenario__join(s, ssh);
	scenario__wait(s, both_are_closed, NULL, "both ends are closed");
	scenario__stop_stream(s);
	umount("/etc/passwd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_sides_of_a_session_are_shown, scenario__setup, scenario__teardown),
		cmocka_unit_test_setup_teardown(a_session_goes_from_the_listener_to_the_user_T2_T3, scenario__setup,
						scenario__teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
