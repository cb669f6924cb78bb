/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: who accepted. */
#include "live/live.h"

#include <string.h>
#include <sys/syscall.h>

#define PORT	7100
#define WORKERS 3

static struct actor_reply listen_on(struct live *l, const char *address)
{
	struct actor_command c = { .op = ACTOR_LISTEN, .port = PORT };

	strcpy(c.address, address);
	return actor__must(l->server, &c);
}

static struct actor_reply connect_to(struct live *l)
{
	return actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
}

static void prefork_workers_own_what_they_accept_T4(void **state)
{
	struct live *l = *state;
	struct actor_reply listener = listen_on(l, "127.0.0.1"), client[WORKERS], child[WORKERS];
	struct actor *worker[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		worker[i] = live__fork(l, l->server);
	/* One connection at a time, so that the test says which worker takes it; the last worker first. */
	for (int i = WORKERS - 1; i >= 0; i--) {
		client[i] = connect_to(l);
		child[i] = actor_must(worker[i], .op = ACTOR_ACCEPT, .fd = listener.fd);
		assert_int_equal(child[i].pid, worker[i]->pid);
	}
	for (int i = 0; i < WORKERS; i++) {
		size_t told = live_expect(l, 0, .event = "established", .end = &child[i].end, .who = l->server,
					  .attribution = "listener", .direction = "in");
		live_expect(l, told + 1, .event = "accept", .end = &child[i].end, .who = worker[i],
			    .tid = worker[i]->pid, .attribution = "accept");
		actor_must(worker[i], .op = ACTOR_CLOSE, .fd = child[i].fd);
		actor_must(l->client, .op = ACTOR_CLOSE, .fd = client[i].fd);
		live_expect(l, told + 1, .event = "close", .end = &child[i].end, .who = worker[i],
			    .attribution = "accept");
		live_expect(l, told + 1, .event = "close", .end = &client[i].end, .who = l->client,
			    .attribution = "connect");
		live__assert_history(l, child[i].end.cookie, "established accept close");
	}
	live__finish(l);
}

static void thread_acts_for_its_process_T17(void **state)
{
	struct live *l = *state;
	struct actor *acceptor = live__thread(l, l->server), *connector = live__thread(l, l->client);
	struct actor_reply listener = listen_on(l, "127.0.0.1");
	struct actor_reply client = actor_must(connector, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
	struct actor_reply child = actor_must(acceptor, .op = ACTOR_ACCEPT, .fd = listener.fd);

	assert_int_equal(connector->pid, l->client->pid);
	assert_int_not_equal(connector->tid, l->client->pid);
	/* who: pid and comm of the leader. The threads call themselves otherwise. */
	size_t connect = live_expect(l, 0, .event = "connect", .end = &client.end, .who = l->client,
				     .tid = connector->tid, .attribution = "connect");
	live_expect(l, connect + 1, .event = "accept", .end = &child.end, .who = l->server, .tid = acceptor->tid,
		    .attribution = "accept");
	live__close_pair(l, &(struct pair){ listener, client, child });
	live_expect(l, connect + 1, .event = "close", .end = &client.end, .who = l->client);
	live_expect(l, connect + 1, .event = "close", .end = &child.end, .who = l->server);
	live__finish(l);
}

static void reuseport_listeners_are_two_sockets_T8(void **state)
{
	struct live *l = *state;
	struct actor *second = live__spawn(l, "live-second"), *owner[2] = { l->server, second };
	struct actor_reply listener[2], client, child;

	for (int i = 0; i < 2; i++)
		listener[i] = actor_must(owner[i], .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT,
					 .reuseport = true);
	assert_int_not_equal(listener[0].end.cookie, listener[1].end.cookie);
	for (int i = 0; i < 2; i++)
		live_expect(l, 0, .event = "listen", .end = &listener[i].end, .who = owner[i], .tid = owner[i]->pid,
			    .attribution = "listen");
	/* Closing the first must not take the second's place in any table. */
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = listener[0].fd);
	live_expect(l, 0, .event = "close", .end = &listener[0].end, .who = l->server);
	client = connect_to(l);
	child = actor_must(second, .op = ACTOR_ACCEPT, .fd = listener[1].fd);
	live_expect(l, 0, .event = "established", .end = &child.end, .who = second, .attribution = "listener");
	live_expect(l, 0, .event = "accept", .end = &child.end, .who = second, .attribution = "accept");
	actor_must(second, .op = ACTOR_CLOSE, .fd = child.fd);
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = client.fd);
	live__assert_history(l, listener[0].end.cookie, "listen close");
	live__assert_history(l, listener[1].end.cookie, "listen");
	live__finish(l);
}

static void accepted_socket_does_not_take_the_listener_along_T8(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	actor_must(l->server, .op = ACTOR_CLOSE, .fd = p.child.fd);
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
	live_expect(l, 0, .event = "close", .end = &p.child.end, .who = l->server);
	live__assert_history(l, p.listener.end.cookie, "listen");
	live__finish(l);
}

static size_t expect_child(struct live *l, const struct actor_reply *client)
{
	size_t index = stream__wait_ports(l->stream, 0, "established", l->netns, PORT, client->end.local_port);

	live__check(l, stream__at(l->stream, index),
		    &(struct expect){ .who = l->server, .attribution = "listener", .direction = "in" });
	return index;
}

static void child_nobody_accepted_is_the_listeners(void **state)
{
	struct live *l = *state;
	struct actor_reply listener = listen_on(l, "127.0.0.1"), client = connect_to(l);
	size_t child = expect_child(l, &client);
	uint64_t cookie = update__number(stream__at(l->stream, child), "cookie");

	assert_null(json_object_get(stream__at(l->stream, child), "inode"));
	live__assert_history(l, cookie, "established");
	/* The other end goes; the accept comes after. */
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = client.fd);
	struct actor_reply accepted = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);
	assert_int_equal(accepted.end.cookie, cookie);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = accepted.fd);
	live_expect(l, child + 1, .event = "accept", .end = &accepted.end, .who = l->server, .attribution = "accept");
	live__assert_history(l, cookie, "established accept close");
	live__finish(l);
}

static void listener_closes_with_children_nobody_accepted_T13(void **state)
{
	struct live *l = *state;
	struct actor_reply listener = listen_on(l, "127.0.0.1"), client[2] = { connect_to(l), connect_to(l) };
	uint64_t cookie[2];

	for (int i = 0; i < 2; i++)
		cookie[i] = update__number(stream__at(l->stream, expect_child(l, &client[i])), "cookie");
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = listener.fd);
	live_expect(l, 0, .event = "close", .end = &listener.end, .who = l->server, .reason = "local");
	for (int i = 0; i < 2; i++) {
		size_t index = stream__wait_event(l->stream, 0, "close", cookie[i]);

		/* The listener went away: no failure of the network. */
		live__check(l, stream__at(l->stream, index), &(struct expect){ .who = l->server, .reason = "aborted" });
		live_expect(l, 0, .event = "close", .end = &client[i].end, .who = l->client, .reason = "reset");
		live__assert_history(l, cookie[i], "established close");
	}
	live__finish(l);
}

/* By a worker, which is not the listener's owner. */
static void accept_by_ring(struct live *l, enum actor_ring ring, bool wait)
{
	/* Plan tracepoint has a hook of its own for it, which kernels before 6.0 do not offer as it needs it. */
	live__needs_hook(l, "io_uring");
	struct actor_reply listener = listen_on(l, "127.0.0.1"), client, child;
	struct actor *worker = live__fork(l, l->server);

	if (wait) {
		actor_send(worker, .op = ACTOR_ACCEPT, .fd = listener.fd, .ring = ring);
		actor__wait_blocked(worker, SYS_io_uring_enter);
		client = connect_to(l);
		child = actor__reply(worker);
	} else {
		client = connect_to(l);
		child = actor_must(worker, .op = ACTOR_ACCEPT, .fd = listener.fd, .ring = ring);
	}
	assert_true(child.result >= 0);
	/* First I/O, where the accept itself cannot be seen. */
	actor_must(l->client, .op = ACTOR_SEND, .fd = client.fd, .bytes = 10);
	actor_must(worker, .op = ACTOR_RECV, .fd = child.fd, .bytes = 10);
	size_t told = live_expect(l, 0, .event = "established", .end = &child.end, .who = l->server,
				  .attribution = "listener", .direction = "in");
	size_t accept = live_expect(l, told + 1, .event = "accept", .end = &child.end, .who = worker,
				    .attribution = "accept", .direction = "in");
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = client.fd);
	actor_must(worker, .op = ACTOR_CLOSE, .fd = child.fd);
	live_expect(l, accept + 1, .event = "close", .end = &child.end, .who = worker, .attribution = "accept");
	live__finish(l);
}

static void io_uring_accept_of_a_waiting_connection(void **state)
{
	accept_by_ring(*state, ACTOR_RING_INLINE, false);
}

static void io_uring_accept_that_waits(void **state)
{
	accept_by_ring(*state, ACTOR_RING_INLINE, true);
}

static void io_uring_accept_by_a_worker(void **state)
{
	accept_by_ring(*state, ACTOR_RING_ASYNC, true);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		live_test(prefork_workers_own_what_they_accept_T4),
		live_test(thread_acts_for_its_process_T17),
		live_test(reuseport_listeners_are_two_sockets_T8),
		live_test(accepted_socket_does_not_take_the_listener_along_T8),
		live_test(child_nobody_accepted_is_the_listeners),
		live_test(listener_closes_with_children_nobody_accepted_T13),
		live_test(io_uring_accept_of_a_waiting_connection),
		live_test(io_uring_accept_that_waits),
		live_test(io_uring_accept_by_a_worker),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
