/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* First use takes over, whatever the way of reading or writing (traps T2, T3, T23). */
#include "live/live.h"

#include <string.h>
#include <sys/socket.h>

#define PORT 7300
/* Plan tracepoint knows no other for sends, and plan kprobe none from 5.11 on; the kernel has it from 6.3. */
#define SENDS "sock_send_length"

/* A connection that has been told, and a child of its accepter. */
struct shared {
	struct pair pair;
	struct actor *other;
	size_t from; /* updates before this one are about the opening */
};

static struct shared share(struct live *l)
{
	struct shared s;

	s.pair = live__pair(l, "127.0.0.1", PORT);
	s.from = live__expect_opening(l, 0, &s.pair) + 1;
	s.other = live__fork(l, l->server);
	return s;
}

static void send_to(struct live *l, const struct shared *s, enum actor_way way)
{
	actor_must(s->other, .op = ACTOR_SEND, .fd = s->pair.child.fd, .bytes = 10, .way = way);
	actor_must(l->client, .op = ACTOR_RECV, .fd = s->pair.client.fd, .bytes = 10);
}

static void receive_from(struct live *l, const struct shared *s, enum actor_way way)
{
	actor_must(l->client, .op = ACTOR_SEND, .fd = s->pair.client.fd, .bytes = 10);
	actor_must(s->other, .op = ACTOR_RECV, .fd = s->pair.child.fd, .bytes = 10, .way = way);
}

static size_t expect_owner(struct live *l, size_t from, const struct end *end, const struct actor *now,
			   const struct actor *before)
{
	size_t index = live_expect(l, from, .event = "owner", .end = end, .who = now, .attribution = "io",
				   .state = "ESTABLISHED");
	const json_t *u = stream__at(l->stream, index);

	assert_int_equal(update__number(u, "prev_pid"), before->pid);
	assert_string_equal(update__text(u, "prev_comm"), before->comm);
	return index;
}

/* The child takes the accepted connection over in that way, and nothing else is told. */
static void child_takes_over(struct live *l, enum actor_way way, bool sends)
{
	struct shared s = share(l);

	if (sends) {
		live__needs_hook(l, SENDS);
		send_to(l, &s, way);
	} else {
		receive_from(l, &s, way);
	}
	expect_owner(l, s.from, &s.pair.child.end, s.other, l->server);
	/* It stays so: what it does later is no news, nor is that the client is the client. */
	send_to(l, &s, ACTOR_CALL);
	receive_from(l, &s, ACTOR_CALL);
	live__assert_history(l, s.pair.child.end.cookie, "established accept owner");
	live__assert_history(l, s.pair.client.end.cookie, "connect established");
	actor_must(s.other, .op = ACTOR_CLOSE, .fd = s.pair.child.fd);
	live__close_pair(l, &s.pair);
	live_expect(l, s.from, .event = "close", .end = &s.pair.child.end, .who = s.other, .attribution = "io");
	live__finish(l);
}

static void child_takes_over_by_send_T3(void **state)
{
	child_takes_over(*state, ACTOR_CALL, true);
}

static void child_takes_over_by_recv_T3(void **state)
{
	child_takes_over(*state, ACTOR_CALL, false);
}

static void child_takes_over_by_write(void **state)
{
	child_takes_over(*state, ACTOR_FILE, true);
}

static void child_takes_over_by_read(void **state)
{
	child_takes_over(*state, ACTOR_FILE, false);
}

static void child_takes_over_by_sendfile_T23(void **state)
{
	child_takes_over(*state, ACTOR_SENDFILE, true);
}

static void child_takes_over_by_splice_to_it_T23(void **state)
{
	child_takes_over(*state, ACTOR_SPLICE, true);
}

static void child_takes_over_by_splice_from_it_T23(void **state)
{
	child_takes_over(*state, ACTOR_SPLICE, false);
}

static void child_takes_over_by_ring_send_T23(void **state)
{
	child_takes_over(*state, ACTOR_URING, true);
}

static void child_takes_over_by_ring_recv_T23(void **state)
{
	child_takes_over(*state, ACTOR_URING, false);
}

static void child_takes_over_by_ring_worker_send_T23(void **state)
{
	child_takes_over(*state, ACTOR_URING_ASYNC, true);
}

static void child_takes_over_by_ring_worker_recv_T23(void **state)
{
	child_takes_over(*state, ACTOR_URING_ASYNC, false);
}

/* The other side of the same: the one who connected gives it to a child. */
static void child_takes_over_a_connection_that_was_made(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	size_t from = live__expect_opening(l, 0, &p) + 1;
	struct actor *other = live__fork(l, l->client);

	live__needs_hook(l, SENDS);
	actor_must(other, .op = ACTOR_SEND, .fd = p.client.fd, .bytes = 1);
	expect_owner(l, from, &p.client.end, other, l->client);
	live__assert_history(l, p.client.end.cookie, "connect established owner");
	live__finish(l);
}

/* A process that waits for it, asks about it or has closed its copy does not use it. */
static void watching_is_no_use(void **state)
{
	struct live *l = *state;
	struct shared s = share(l);

	actor_must(l->client, .op = ACTOR_SEND, .fd = s.pair.client.fd, .bytes = 1);
	actor_must(s.other, .op = ACTOR_POLL, .fd = s.pair.child.fd);
	actor_must(s.other, .op = ACTOR_DESCRIBE, .fd = s.pair.child.fd);
	actor_must(s.other, .op = ACTOR_CLOSE, .fd = s.pair.child.fd);
	live__assert_history(l, s.pair.child.end.cookie, "established accept");
	live__finish(l);
}

/* Both use it, one after the other, hundreds of times. Whoever comes new is told at once; then little is. */
static void two_users_in_turn_are_told_a_few_times(void **state)
{
	struct live *l = *state;
	struct shared s = share(l);
	char history[512];

	live__needs_hook(l, SENDS);
	for (int i = 0; i < 400; i++) {
		struct actor *user = i % 2 ? l->server : s.other;

		actor_must(user, .op = ACTOR_SEND, .fd = s.pair.child.fd, .bytes = 1);
	}
	expect_owner(l, s.from, &s.pair.child.end, s.other, l->server);
	live__assert_history(l, s.pair.client.end.cookie, "connect established");
	stream__history(l->stream, s.pair.child.end.cookie, history, sizeof(history));
	/* At most one a second, and this took no minute. */
	assert_true(strlen(history) < strlen("established accept owner") + 60 * strlen(" owner"));
	live__finish(l);
}

/* The one that goes on alone is told within about a second, though it had used the socket before. */
static bool is_owner_of(const json_t *update, const void *ctx)
{
	return update__number(update, "cookie") == *(const uint64_t *)ctx &&
	       !strcmp(update__text(update, "event"), "owner");
}

static void user_that_goes_on_alone_is_told(void **state)
{
	struct live *l = *state;
	struct shared s = share(l);
	size_t index = 0;

	live__needs_hook(l, SENDS);
	actor_must(s.other, .op = ACTOR_SEND, .fd = s.pair.child.fd, .bytes = 1);
	index = expect_owner(l, s.from, &s.pair.child.end, s.other, l->server);
	for (int i = 0; i < 300 && stream__matches(l->stream, is_owner_of, &s.pair.child.end.cookie) < 2; i++) {
		actor_must(l->server, .op = ACTOR_SEND, .fd = s.pair.child.fd, .bytes = 1);
		stream__read(l->stream, 10);
	}
	expect_owner(l, index + 1, &s.pair.child.end, l->server, s.other);
	live__finish(l);
}

static void passed_socket_is_its_users_T3(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	struct actor *other = live__spawn(l, "live-other");
	size_t from = live__expect_opening(l, 0, &p) + 1;

	live__needs_hook(l, SENDS);
	actor_send(other, .op = ACTOR_TAKE);
	actor_must(l->server, .op = ACTOR_PASS, .fd = p.child.fd, .pid = other->pid);
	struct actor_reply taken = actor__reply(other);
	assert_int_equal(taken.end.cookie, p.child.end.cookie);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = p.child.fd);
	actor_must(other, .op = ACTOR_SEND, .fd = taken.fd, .bytes = 1);
	expect_owner(l, from, &p.child.end, other, l->server);
	live__finish(l);
}

static void socket_got_by_pidfd_is_its_users_T3(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	struct actor *other = live__spawn(l, "live-other");
	size_t from = live__expect_opening(l, 0, &p) + 1;
	struct actor_reply got = actor_must(other, .op = ACTOR_GETFD, .fd = p.client.fd, .pid = l->client->pid);

	live__needs_hook(l, SENDS);
	actor_must(other, .op = ACTOR_SEND, .fd = got.fd, .bytes = 1);
	expect_owner(l, from, &p.client.end, other, l->client);
	live__finish(l);
}

/* The same process, though not the same program: no other owner. */
static void new_program_in_the_same_process_is_no_new_owner(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	live__expect_opening(l, 0, &p);
	actor_must(l->client, .op = ACTOR_SEND, .fd = p.client.fd, .bytes = 1);
	actor__exec(l->client, "live-after-exec", p.client.fd);
	actor_must(l->client, .op = ACTOR_SEND, .fd = p.client.fd, .bytes = 1);
	live__assert_history(l, p.client.end.cookie, "connect established");
	live__finish(l);
}

static void dup_is_no_other_user(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	struct actor_reply copy = actor_must(l->client, .op = ACTOR_DUP, .fd = p.client.fd);

	actor_must(l->client, .op = ACTOR_SEND, .fd = copy.fd, .bytes = 1);
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
	actor_must(l->client, .op = ACTOR_SEND, .fd = copy.fd, .bytes = 1);
	live__assert_history(l, p.client.end.cookie, "connect established");
	live__finish(l);
}

static void thread_uses_for_its_process_T17(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	struct actor *thread = live__thread(l, l->client);

	actor_must(thread, .op = ACTOR_SEND, .fd = p.client.fd, .bytes = 1);
	live__assert_history(l, p.client.end.cookie, "connect established");
	live__finish(l);
}

/* Opened and shared before anybody looked: the dump finds two holders, the use says which of them it is. */
static void connection_older_than_the_stream_is_its_users_T1(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	struct actor *other = live__fork(l, l->client);
	size_t from;

	live__start(l, NULL);
	live__needs_hook(l, SENDS);
	from = live_expect(l, 0, .event = "existing", .end = &p.client.end, .who = l->client, .attribution = "holder");
	actor_must(l->client, .op = ACTOR_SEND, .fd = p.client.fd, .bytes = 1);
	actor_must(other, .op = ACTOR_SEND, .fd = p.client.fd, .bytes = 1);
	expect_owner(l, from + 1, &p.client.end, other, l->client);
	live__assert_history(l, p.client.end.cookie, "existing owner");
	actor_must(other, .op = ACTOR_CLOSE, .fd = p.client.fd);
	live__close_pair(l, &p);
	live_expect(l, from + 1, .event = "close", .end = &p.client.end, .who = other, .attribution = "io");
	live__finish(l);
}

/* Every hook sees the connection itself, the records the first subflow; a use by the owner must not be told. */
static void mptcp_connection_is_its_users(void **state)
{
	struct live *l = *state;
	struct actor_reply listener, client, child;
	struct actor *other;

	listener = actor_try(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT,
			     .protocol = IPPROTO_MPTCP);
	if (listener.result < 0) {
		print_message("this kernel has no MPTCP, or net.mptcp.enabled is 0\n");
		skip();
	}
	live__needs_hook(l, SENDS);
	client = actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT,
			    .protocol = IPPROTO_MPTCP);
	child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);
	size_t accept = stream__wait_ports(l->stream, 0, "accept", l->netns, PORT, client.end.local_port);
	uint64_t cookie = update__number(stream__at(l->stream, accept), "cookie");
	actor_must(l->server, .op = ACTOR_SEND, .fd = child.fd, .bytes = 1);
	other = live__fork(l, l->server);
	actor_must(other, .op = ACTOR_SEND, .fd = child.fd, .bytes = 1);
	size_t told = stream__wait_event(l->stream, accept, "owner", cookie);
	live__check(l, stream__at(l->stream, told),
		    &(struct expect){ .who = other, .attribution = "io", .protocol = "mptcp" });
	assert_int_equal(update__number(stream__at(l->stream, told), "prev_pid"), l->server->pid);
	live__assert_history(l, cookie, "established accept owner");
	live__finish(l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		live_test(child_takes_over_by_send_T3),
		live_test(child_takes_over_by_recv_T3),
		live_test(child_takes_over_by_write),
		live_test(child_takes_over_by_read),
		live_test(child_takes_over_by_sendfile_T23),
		live_test(child_takes_over_by_splice_to_it_T23),
		live_test(child_takes_over_by_splice_from_it_T23),
		live_test(child_takes_over_by_ring_send_T23),
		live_test(child_takes_over_by_ring_recv_T23),
		live_test(child_takes_over_by_ring_worker_send_T23),
		live_test(child_takes_over_by_ring_worker_recv_T23),
		live_test(child_takes_over_a_connection_that_was_made),
		live_test(watching_is_no_use),
		live_test(two_users_in_turn_are_told_a_few_times),
		live_test(user_that_goes_on_alone_is_told),
		live_test(passed_socket_is_its_users_T3),
		live_test(socket_got_by_pidfd_is_its_users_T3),
		live_test(new_program_in_the_same_process_is_no_new_owner),
		live_test(dup_is_no_other_user),
		live_test(thread_uses_for_its_process_T17),
		live_test_quiet(connection_older_than_the_stream_is_its_users_T1),
		live_test(mptcp_connection_is_its_users),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
