/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: sockwatch list over all namespaces, its owners, facts and filter, and sockets that come and go meanwhile. */
#include "live/listed.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live/program.h"

static void all_namespaces_at_once_and_each_socket_once(void **state)
{
	json_t *list = listed__run(PROGRAM_ARGS("list", "--json", "-a")), *r, *seen = json_object();
	unsigned int counts[NAMESPACES] = { 0 };
	size_t i;

	(void)state;
	json_array_foreach(list, i, r) {
		char key[64];

		snprintf(key, sizeof(key), "%s-%" PRIu64 "-%" PRIu64, update__text(r, "protocol"),
			 update__number(r, "cookie"), update__number(r, "inode"));
		if (update__number(r, "cookie") || update__number(r, "inode")) {
			assert_null(json_object_get(seen, key));
			json_object_set_new(seen, key, json_true());
		}
		for (int n = 0; n < NAMESPACES; n++)
			counts[n] += update__number(r, "netns") == medleys.netns[n] &&
				     listed__is(r, "comm", MEDLEY_COMM);
	}
	/* Sockets that nobody accepted have the listener's owner, or (unix, MPTCP) none. */
	for (int n = 0; n < NAMESPACES; n++)
		assert_true(counts[n] + 12 >= medleys.medley[n].count && counts[n] >= 100);
	json_decref(seen);
	json_decref(list);
}

static void owners_are_those_of_the_stream(void **state)
{
	json_t *list = medleys__list(0, "-ta"), *r;
	unsigned int listeners = 0, waiting = 0;
	size_t i;

	(void)state;
	json_array_foreach(list, i, r) {
		if (listed__is(r, "state", "TIME_WAIT")) {
			assert_string_equal(update__text(r, "attribution"), "none");
			continue;
		}
		if (!update__number(r, "inode") && listed__is(r, "state", "ESTABLISHED") &&
		    listed__is(r, "direction", "in")) {
			assert_string_equal(update__text(r, "attribution"), "listener");
			assert_int_equal(update__number(r, "pid"), medleys.medley[0].pid);
			waiting++;
		}
		if (!listed__is(r, "state", "LISTEN"))
			continue;
		assert_string_equal(update__text(r, "attribution"), "holder");
		assert_string_equal(update__text(r, "comm"), MEDLEY_COMM); /* it started before its child */
		assert_int_equal(update__number(r, "pid"), medleys.medley[0].pid);
		listeners++;
	}
	assert_true(listeners >= 6);
	assert_true(waiting >= 3);
	json_decref(list);
}

static void facts_of_tcp_and_memory(void **state)
{
	json_t *list = medleys__list(1, "-taoim"), *r;
	unsigned int measured = 0, keepalive = 0;
	size_t i;

	(void)state;
	json_array_foreach(list, i, r) {
		keepalive += listed__is(r, "timer", "keepalive") && update__number(r, "timer_ms");
		if (listed__is(r, "state", "TIME_WAIT"))
			continue;
		assert_true(json_object_get(r, "cwnd") && *update__text(r, "congestion"));
		assert_true(update__number(r, "rmem_limit") > 0);
		measured += update__number(r, "rtt_us") > 0;
	}
	assert_true(measured > 10);
	assert_true(keepalive > 5);
	json_decref(list);
}

static void a_filter_picks_rows(void **state)
{
	char pid[16];
	json_t *list, *r;
	size_t i;

	(void)state;
	snprintf(pid, sizeof(pid), "%d", (int)medleys.medley[0].pid);
	list = listed__run(
		PROGRAM_ARGS("list", "--json", "-N", pid, "-ta", "sport", "=", ":9000", "and", "state", "established"));
	assert_true(json_array_size(list) >= 10);
	json_array_foreach(list, i, r) {
		assert_int_equal(update__number(r, "local_port"), 9000);
		assert_string_equal(update__text(r, "state"), "ESTABLISHED");
		assert_int_equal(update__number(r, "pid"), medleys.medley[0].pid); /* of the unaccepted one as well */
	}
	json_decref(list);
	list = listed__run(PROGRAM_ARGS("list", "--json", "-a", "comm", "=", MEDLEY_COMM, "and", "netns", "=", "1"));
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

/* ---- while sockets come and go */

#define LOOKS 20

/* Opens, uses and closes sockets until it is killed; each process is ended by its parent. */
static void churn(int ns)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(9500) };
	socklen_t len = sizeof(in);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "churn");
	if (setns(ns, CLONE_NEWNET))
		_exit(1);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* One that stays: every look has something to show. */
	if (listen(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 1))
		_exit(1);
	for (;;) {
		int on = 1, server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), child = -1, pair[2];

		setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (!bind(server, (struct sockaddr *)&in, len) && !listen(server, 1) &&
		    !connect(client, (struct sockaddr *)&in, len))
			child = accept(server, NULL, NULL);
		if (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
			close(pair[0]);
			close(pair[1]);
		}
		/* A reset leaves no TIME_WAIT behind. */
		setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
		close(client);
		close(child);
		close(server);
	}
}

/*
 * What has a file is held by the only one who can, and nothing is there twice. In the middle of an accept or a close a
 * socket has a file and nobody who holds it; the kernel may be long about that when it is busy, but not from one look to
 * the next. The number of sockets with a file.
 */
static unsigned int check_look(json_t *list, pid_t child, json_t **unheld)
{
	json_t *seen = json_object(), *now = json_object(), *r;
	unsigned int shown = 0;
	size_t i;

	json_array_foreach(list, i, r) {
		char key[32];

		snprintf(key, sizeof(key), "%" PRIu64, update__number(r, "cookie"));
		assert_null(json_object_get(seen, key));
		json_object_set_new(seen, key, json_true());
		if (!update__number(r, "inode"))
			continue;
		shown++;
		if (update__number(r, "pid") == (uint64_t)child) {
			assert_true(listed__is(r, "comm", "churn"));
			continue;
		}
		assert_true(listed__is(r, "attribution", "none"));
		assert_null(json_object_get(*unheld, key));
		json_object_set_new(now, key, json_true());
	}
	assert_true(json_object_size(now) <= 2);
	json_decref(seen);
	json_decref(*unheld);
	*unheld = now;
	return shown;
}

static void a_socket_closed_meanwhile_is_not_half_shown(void **state)
{
	int ns = ns__new();
	pid_t child = fork();
	json_t *unheld = json_object();
	unsigned int shown = 0;
	char pid[16];

	(void)state;
	assert_true(child >= 0);
	if (!child)
		churn(ns);
	snprintf(pid, sizeof(pid), "%d", (int)child);
	for (int look = 0; look < LOOKS; look++) {
		json_t *list = listed__run(PROGRAM_ARGS("list", "--json", "-N", pid, "-tuxa"));

		shown += check_look(list, child, &unheld);
		json_decref(list);
	}
	json_decref(unheld);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(ns);
	assert_true(shown > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_namespaces_at_once_and_each_socket_once),
		cmocka_unit_test(owners_are_those_of_the_stream),
		cmocka_unit_test(facts_of_tcp_and_memory),
		cmocka_unit_test(a_filter_picks_rows),
		cmocka_unit_test(a_socket_closed_meanwhile_is_not_half_shown),
	};

	return cmocka_run_group_tests(tests, medleys__set_up, medleys__tear_down);
}
