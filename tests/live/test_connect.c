/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: connections as the connecting process makes them, and how they end. */
#include "live/live.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PORT 7000

static void both_ends_belong_to_their_processes_T4(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	size_t listening = live_expect(l, 0, .event = "listen", .end = &p.listener.end, .who = l->server,
				       .tid = p.listener.tid, .attribution = "listen", .direction = "listen",
				       .state = "LISTEN");
	size_t opened = live__expect_opening(l, listening + 1, &p);
	live__close_pair(l, &p);
	live_expect(l, opened + 1, .event = "close", .end = &p.client.end, .who = l->client, .direction = "out",
		    .attribution = "connect", .reason = "local");
	live_expect(l, opened + 1, .event = "close", .end = &p.child.end, .who = l->server, .direction = "in",
		    .attribution = "accept", .reason = "remote");
	live_expect(l, opened + 1, .event = "close", .end = &p.listener.end, .who = l->server, .direction = "listen",
		    .attribution = "listen");
	live__assert_history(l, p.client.end.cookie, "connect established close");
	live__assert_history(l, p.child.end.cookie, "established accept close");
	live__assert_history(l, p.listener.end.cookie, "listen close");
	live__finish(l);
}

static void close_tells_bytes_of_each_way(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	actor_must(l->client, .op = ACTOR_SEND, .fd = p.client.fd, .bytes = 1000);
	assert_int_equal(actor_must(l->server, .op = ACTOR_RECV, .fd = p.child.fd, .bytes = 1000).result, 1000);
	actor_must(l->server, .op = ACTOR_SEND, .fd = p.child.fd, .bytes = 30000);
	assert_int_equal(actor_must(l->client, .op = ACTOR_RECV, .fd = p.client.fd, .bytes = 30000).result, 30000);
	live__close_pair(l, &p);

	size_t client = live_expect(l, 0, .event = "close", .end = &p.client.end, .who = l->client);
	size_t child = live_expect(l, 0, .event = "close", .end = &p.child.end, .who = l->server);
	const json_t *update = stream__at(l->stream, client);
	assert_int_equal(update__number(update, "bytes_sent"), 1000);
	assert_int_equal(update__number(update, "bytes_received"), 30000);
	assert_true(update__number(update, "duration_us") > 0);
	update = stream__at(l->stream, child);
	assert_int_equal(update__number(update, "bytes_sent"), 30000);
	assert_int_equal(update__number(update, "bytes_received"), 1000);
	live__finish(l);
}

static void server_that_closes_first_is_the_local_one(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	actor_must(l->server, .op = ACTOR_CLOSE, .fd = p.child.fd);
	actor_must(l->client, .op = ACTOR_RECV, .fd = p.client.fd, .bytes = 1);
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
	live_expect(l, 0, .event = "close", .end = &p.child.end, .who = l->server, .reason = "local");
	live_expect(l, 0, .event = "close", .end = &p.client.end, .who = l->client, .reason = "remote");
	live__finish(l);
}

static void non_blocking_connect(void **state)
{
	struct live *l = *state;
	struct actor_reply listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	struct actor_reply client =
		actor_try(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT, .nonblock = true);

	actor_must(l->client, .op = ACTOR_CONNECTED, .fd = client.fd);
	client = actor_must(l->client, .op = ACTOR_DESCRIBE, .fd = client.fd);
	struct actor_reply child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);
	live__expect_opening(l, 0, &(struct pair){ listener, client, child });
	live__close_pair(l, &(struct pair){ listener, client, child });
	live__assert_history(l, client.end.cookie, "connect established close");
	live__finish(l);
}

static void connect_to_a_closed_port_is_refused_T13(void **state)
{
	struct live *l = *state;
	struct actor_reply client =
		actor_try(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT, .bind_port = 7001);

	assert_int_equal(client.result, -1);
	assert_int_equal(client.error, ECONNREFUSED);
	/* The failed call took the peer from the socket; the tracker must still tell who was asked. */
	client.end.remote_port = PORT;
	snprintf(client.end.remote, sizeof(client.end.remote), "127.0.0.1");
	size_t connect = live_expect(l, 0, .event = "connect", .end = &client.end, .who = l->client, .tid = client.tid,
				     .attribution = "connect", .direction = "out", .state = "SYN_SENT");
	live_expect(l, connect + 1, .event = "close", .end = &client.end, .who = l->client, .direction = "out",
		    .reason = "refused");
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = client.fd);
	live__assert_history(l, client.end.cookie, "connect close");
	live__finish(l);
}

static void close_with_linger_0_resets_the_peer(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	actor_must(l->client, .op = ACTOR_LINGER0, .fd = p.client.fd);
	live__close_pair(l, &p);
	live_expect(l, 0, .event = "close", .end = &p.client.end, .who = l->client, .state = "CLOSE",
		    .reason = "aborted");
	live_expect(l, 0, .event = "close", .end = &p.child.end, .who = l->server, .state = "CLOSE", .reason = "reset");
	live__assert_history(l, p.client.end.cookie, "connect established close");
	live__assert_history(l, p.child.end.cookie, "established accept close");
	live__finish(l);
}

static void shutdown_alone_ends_the_connection_with_open_descriptors(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	actor_must(l->client, .op = ACTOR_SHUTDOWN, .fd = p.client.fd, .how = SHUT_WR);
	actor_must(l->server, .op = ACTOR_RECV, .fd = p.child.fd, .bytes = 1);
	actor_must(l->server, .op = ACTOR_SHUTDOWN, .fd = p.child.fd, .how = SHUT_WR);
	live_expect(l, 0, .event = "close", .end = &p.client.end, .who = l->client, .state = "TIME_WAIT",
		    .reason = "local");
	live_expect(l, 0, .event = "close", .end = &p.child.end, .who = l->server, .reason = "remote");
	live__close_pair(l, &p);
	live__assert_history(l, p.client.end.cookie, "connect established close");
	live__assert_history(l, p.child.end.cookie, "established accept close");
	live__finish(l);
}

static void fast_open(void **state)
{
	struct live *l = *state;

	/* Data in SYN at both ends, without a cookie from an earlier connection. */
	ns__sysctl(l->ns, "net/ipv4/tcp_fastopen", "519");
	struct actor_reply listener =
		actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT, .fastopen = true);
	struct actor_reply client = actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT,
					       .fastopen = true, .bytes = 100);
	struct actor_reply child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);

	assert_int_equal(actor_must(l->server, .op = ACTOR_RECV, .fd = child.fd, .bytes = 100).result, 100);
	size_t connect = live_expect(l, 0, .event = "connect", .end = &client.end, .who = l->client, .tid = client.tid,
				     .attribution = "connect", .direction = "out");
	live_expect(l, connect + 1, .event = "established", .end = &client.end, .who = l->client,
		    .attribution = "connect");
	/* The child may be accepted before it is established. */
	live_expect(l, connect + 1, .event = "established", .end = &child.end, .who = l->server, .direction = "in");
	live_expect(l, connect + 1, .event = "accept", .end = &child.end, .who = l->server, .tid = child.tid,
		    .attribution = "accept", .direction = "in");
	live__close_pair(l, &(struct pair){ listener, client, child });
	live_expect(l, connect + 1, .event = "close", .end = &client.end, .who = l->client);
	live_expect(l, connect + 1, .event = "close", .end = &child.end, .who = l->server);
	live__finish(l);
}

static void self_connect(void **state)
{
	struct live *l = *state;
	struct actor_reply self =
		actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT, .bind_port = PORT);

	assert_int_equal(self.end.local_port, PORT);
	assert_int_equal(self.end.remote_port, PORT);
	size_t connect = live_expect(l, 0, .event = "connect", .end = &self.end, .who = l->client, .tid = self.tid,
				     .attribution = "connect", .direction = "out");
	size_t established = live_expect(l, connect + 1, .event = "established", .end = &self.end, .who = l->client,
					 .attribution = "connect", .direction = "out");
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = self.fd);
	live_expect(l, established + 1, .event = "close", .end = &self.end, .who = l->client);
	live__assert_history(l, self.end.cookie, "connect established close");
	live__finish(l);
}

static void process_of_a_millisecond_is_told_in_full_T17(void **state)
{
	struct live *l = *state;
	static const char *const argv[] = { "brief", "--said", "a b\n\x01", NULL };
	char exe[512] = { 0 };
	struct actor_reply listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	struct actor *brief = actor__spawn(&(struct actor_config){ .ns_fd = l->ns, .comm = "brief", .argv = argv });

	live__keep(l, brief);
	actor_send(brief, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
	actor_send(brief, .op = ACTOR_EXIT);
	struct actor_reply client = actor__reply(brief);
	assert_int_equal(client.result, 0);
	actor__reply(brief);
	struct actor_reply child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);

	size_t index = live_expect(l, 0, .event = "connect", .end = &client.end, .who = brief, .tid = brief->pid,
				   .attribution = "connect", .direction = "out");
	const json_t *update = stream__at(l->stream, index);
	assert_int_equal(update__number(update, "ppid"), getpid());
	assert_int_equal(update__number(update, "uid"), getuid());
	assert_non_null(strstr(update__text(update, "cmdline"), "brief"));
	assert_non_null(strstr(update__text(update, "cmdline"), "--said"));
	assert_true(strlen(update__text(update, "start_time")) > 0);
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	/* Only one that was still alive when it was looked at has it. */
	if (json_object_get(update, "exe"))
		assert_string_equal(update__text(update, "exe"), exe);
	live_expect(l, index + 1, .event = "close", .end = &client.end, .who = brief);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = child.fd);
	live__finish(l);
}

static void over(struct live *l, const char *address, int family)
{
	struct pair p = live__pair(l, address, PORT);

	assert_int_equal(p.client.end.family, family);
	size_t listening = live_expect(l, 0, .event = "listen", .end = &p.listener.end, .who = l->server,
				       .tid = p.listener.tid, .attribution = "listen", .direction = "listen");
	live__expect_opening(l, listening + 1, &p);
	live__close_pair(l, &p);
	live_expect(l, 0, .event = "close", .end = &p.client.end, .who = l->client, .reason = "local");
	live_expect(l, 0, .event = "close", .end = &p.child.end, .who = l->server, .reason = "remote");
	live__finish(l);
}

static void ipv6(void **state)
{
	over(*state, "::1", 6);
}

static void ipv6_socket_to_a_mapped_address_is_ipv4_T10(void **state)
{
	over(*state, "::ffff:127.0.0.1", 4);
}

static void dual_stack_listener_has_ipv4_children_T10(void **state)
{
	struct live *l = *state;
	struct actor_reply listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "::", .port = PORT);
	struct actor_reply client = actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
	struct actor_reply child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);

	assert_int_equal(listener.end.family, 6);
	assert_int_equal(child.end.family, 4);
	live_expect(l, 0, .event = "listen", .end = &listener.end, .who = l->server, .attribution = "listen");
	live__expect_opening(l, 0, &(struct pair){ listener, client, child });
	live__close_pair(l, &(struct pair){ listener, client, child });
	live_expect(l, 0, .event = "close", .end = &child.end, .who = l->server);
	live__finish(l);
}

static bool has_netns_and_port(const json_t *update, const void *ctx)
{
	const struct live *l = ctx;

	return update__number(update, "netns") == l->netns && !strcmp(update__text(update, "event"), "connect") &&
	       update__number(update, "remote_port") == PORT;
}

static void mptcp_connection_is_shown_once(void **state)
{
	struct live *l = *state;
	struct actor_reply listener = actor_try(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT,
						.protocol = IPPROTO_MPTCP);

	if (listener.error == EPROTONOSUPPORT || listener.error == ENOPROTOOPT) {
		print_message("this kernel has no MPTCP, or net.mptcp.enabled is 0\n");
		skip();
	}
	assert_int_equal(listener.result, 0);
	struct actor_reply client = actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT,
					       .protocol = IPPROTO_MPTCP);
	struct actor_reply child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);
	/* SO_COOKIE is the parent's, which sock_diag does not list: the ports name the connection. */
	size_t index = stream__wait_ports(l->stream, 0, "established", l->netns, client.end.local_port, PORT);
	live__check(l, stream__at(l->stream, index),
		    &(struct expect){ .who = l->client, .attribution = "connect", .protocol = "mptcp" });
	index = stream__wait_ports(l->stream, 0, "accept", l->netns, PORT, client.end.local_port);
	live__check(l, stream__at(l->stream, index),
		    &(struct expect){ .who = l->server, .attribution = "accept", .protocol = "mptcp" });
	live__close_pair(l, &(struct pair){ listener, client, child });
	stream__wait_ports(l->stream, index, "close", l->netns, client.end.local_port, PORT);
	stream__wait_ports(l->stream, index, "close", l->netns, PORT, client.end.local_port);
	assert_int_equal(stream__matches(l->stream, has_netns_and_port, l), 1);
	live__finish(l);
}

static void connect_through_ring(struct live *l, enum actor_ring ring)
{
	struct actor_reply listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	struct actor_reply client =
		actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT, .ring = ring);
	struct actor_reply child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);
	/* A worker thread of the ring acts when asynchronous; its pid is nowhere, the group's is the owner. */
	size_t connect = live_expect(l, 0, .event = "connect", .end = &client.end, .who = l->client,
				     .tid = ring == ACTOR_RING_INLINE ? client.tid : 0, .attribution = "connect",
				     .direction = "out");

	live_expect(l, connect + 1, .event = "established", .end = &client.end, .who = l->client,
		    .attribution = "connect");
	live__close_pair(l, &(struct pair){ listener, client, child });
	live_expect(l, connect + 1, .event = "close", .end = &client.end, .who = l->client);
	live__assert_history(l, client.end.cookie, "connect established close");
	live__finish(l);
}

static void io_uring_connect_inline(void **state)
{
	connect_through_ring(*state, ACTOR_RING_INLINE);
}

static void io_uring_connect_by_a_worker(void **state)
{
	connect_through_ring(*state, ACTOR_RING_ASYNC);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		live_test(both_ends_belong_to_their_processes_T4),
		live_test(close_tells_bytes_of_each_way),
		live_test(server_that_closes_first_is_the_local_one),
		live_test(non_blocking_connect),
		live_test(connect_to_a_closed_port_is_refused_T13),
		live_test(close_with_linger_0_resets_the_peer),
		live_test(shutdown_alone_ends_the_connection_with_open_descriptors),
		live_test(fast_open),
		live_test(self_connect),
		live_test(process_of_a_millisecond_is_told_in_full_T17),
		live_test(ipv6),
		live_test(ipv6_socket_to_a_mapped_address_is_ipv4_T10),
		live_test(dual_stack_listener_has_ipv4_children_T10),
		live_test(mptcp_connection_is_shown_once),
		live_test(io_uring_connect_inline),
		live_test(io_uring_connect_by_a_worker),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
