/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: connections of protocols that not every kernel has, each of whose sockets has one row in a list. */
#include "live/live.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "live/listed.h"
#include "live/program.h"

#define PORT 7900

static struct pair connect_pair(struct live *l, int protocol, const char *name)
{
	struct pair p;

	p.listener =
		actor_try(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT, .protocol = protocol);
	if (p.listener.error == EPROTONOSUPPORT || p.listener.error == ENOPROTOOPT) {
		print_message("this kernel has no %s, or its module is not loaded\n", name);
		skip();
	}
	assert_int_equal(p.listener.result, 0);
	p.client =
		actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT, .protocol = protocol);
	p.child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = p.listener.fd);
	return p;
}

static json_t *list_class(const struct live *l, const char *letters)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)l->server->pid);
	return listed__run(PROGRAM_ARGS("list", "--json", "-N", pid, letters));
}

/* Of the sockets with this inode there is one row, and it says so. */
static void assert_one(const json_t *list, const struct actor_reply *socket, const struct actor *who,
		       const char *protocol, const char *state)
{
	const json_t *r, *found = NULL;
	size_t i;

	json_array_foreach(list, i, r) {
		if (update__number(r, "inode") != socket->end.inode || !listed__is(r, "protocol", protocol))
			continue;
		assert_null(found);
		found = r;
	}
	assert_non_null(found);
	assert_string_equal(update__text(found, "state"), state);
	assert_string_equal(update__text(found, "local_address"), "127.0.0.1");
	assert_int_equal(update__number(found, "local_port"), socket->end.local_port);
	assert_int_equal(update__number(found, "remote_port"), socket->end.remote_port);
	assert_int_equal(update__number(found, "pid"), who->pid);
	assert_string_equal(update__text(found, "comm"), who->comm);
}

static void assert_pair(const struct live *l, const json_t *list, const struct pair *p, const char *protocol)
{
	assert_one(list, &p->listener, l->server, protocol, "LISTEN");
	assert_one(list, &p->client, l->client, protocol, "ESTABLISHED");
	assert_one(list, &p->child, l->server, protocol, "ESTABLISHED");
}

static void sctp_sockets_are_listed_with_their_owners(void **state)
{
	struct live *l = *state;
	struct pair p = connect_pair(l, IPPROTO_SCTP, "SCTP");
	json_t *list = list_class(l, "-San");

	assert_pair(l, list, &p, "sctp");
	assert_int_equal(json_array_size(list), 3);
	json_decref(list);
}

/* Each is two sockets of the kernel, the connection and what carries it, with one inode. */
static void mptcp_connections_and_their_subflows_are_listed_once(void **state)
{
	struct live *l = *state;
	struct pair p = connect_pair(l, IPPROTO_MPTCP, "MPTCP");
	json_t *list = list_class(l, "-tMan");

	assert_pair(l, list, &p, "mptcp");
	assert_pair(l, list, &p, "tcp");
	assert_int_equal(json_array_size(list), 6);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		live_test_quiet(sctp_sockets_are_listed_with_their_owners),
		live_test_quiet(mptcp_connections_and_their_subflows_are_listed_once),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
