/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: what was there before the program was started, and namespaces. */
#include "live/live.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PORT 7200

/* The one line a live socket has when the program finds it. */
static size_t expect_existing(struct live *l, const struct end *end, const struct actor *who, const char *state, int fd)
{
	size_t index =
		live_expect(l, 0, .event = "existing", .end = end, .who = who, .attribution = "holder", .state = state);
	const json_t *holder, *holders = json_object_get(stream__at(l->stream, index), "holders");

	assert_int_equal(json_array_size(holders), 1);
	holder = json_array_get(holders, 0);
	assert_int_equal(update__number(holder, "pid"), who->pid);
	assert_int_equal(update__number(holder, "fd"), fd);
	assert_string_equal(update__text(holder, "comm"), who->comm);
	return index;
}

static void open_before_and_closed_after(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	live__start(l, NULL);
	size_t sync = stream__wait_sync(l->stream, 0);
	assert_true(expect_existing(l, &p.listener.end, l->server, "LISTEN", p.listener.fd) < sync);
	assert_true(expect_existing(l, &p.client.end, l->client, "ESTABLISHED", p.client.fd) < sync);
	assert_true(expect_existing(l, &p.child.end, l->server, "ESTABLISHED", p.child.fd) < sync);
	live__close_pair(l, &p);
	live_expect(l, sync + 1, .event = "close", .end = &p.client.end, .who = l->client, .reason = "local");
	live_expect(l, sync + 1, .event = "close", .end = &p.child.end, .who = l->server, .reason = "remote");
	live_expect(l, sync + 1, .event = "close", .end = &p.listener.end, .who = l->server);
	live__assert_history(l, p.client.end.cookie, "existing close");
	live__assert_history(l, p.child.end.cookie, "existing close");
	live__assert_history(l, p.listener.end.cookie, "existing close");
	live__finish(l);
}

static void ipv6_and_dual_stack_before_T10(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "::1", PORT);
	struct actor_reply listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "::", .port = PORT + 1);
	struct actor_reply client =
		actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT + 1);
	struct actor_reply child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);

	live__start(l, NULL);
	expect_existing(l, &client.end, l->client, "ESTABLISHED", client.fd);
	expect_existing(l, &p.client.end, l->client, "ESTABLISHED", p.client.fd);
	expect_existing(l, &listener.end, l->server, "LISTEN", listener.fd);
	expect_existing(l, &child.end, l->server, "ESTABLISHED", child.fd);
	live__finish(l);
}

static void child_of_an_old_listener_is_the_listeners(void **state)
{
	struct live *l = *state;
	struct actor_reply listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);

	live__start(l, NULL);
	struct actor_reply client = actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
	size_t index = stream__wait_ports(l->stream, 0, "established", l->netns, PORT, client.end.local_port);
	live__check(l, stream__at(l->stream, index),
		    &(struct expect){ .who = l->server, .attribution = "listener", .direction = "in" });
	struct actor_reply child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);
	live_expect(l, index + 1, .event = "accept", .end = &child.end, .who = l->server, .tid = child.tid,
		    .attribution = "accept");
	live__finish(l);
}

static void child_nobody_accepted_before_is_the_listeners(void **state)
{
	struct live *l = *state;
	struct actor_reply listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	struct actor_reply client = actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);

	live__start(l, NULL);
	size_t index = stream__wait_ports(l->stream, 0, "existing", l->netns, PORT, client.end.local_port);
	live__check(l, stream__at(l->stream, index),
		    &(struct expect){ .who = l->server, .attribution = "listener", .state = "ESTABLISHED" });
	struct actor_reply child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);
	live_expect(l, index + 1, .event = "accept", .end = &child.end, .who = l->server, .tid = child.tid,
		    .attribution = "accept");
	live__finish(l);
}

static void accept_that_slept_before_attach_T5(void **state)
{
	struct live *l = *state;
	struct actor_reply listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	struct actor *worker = live__fork(l, l->server), *thread = live__thread(l, l->server);

	/* A forked worker takes the first connection, a thread of the listener's process the second. */
	actor_send(worker, .op = ACTOR_ACCEPT, .fd = listener.fd);
	actor__wait_blocked(worker, SYS_accept4);
	live__start(l, NULL);
	struct actor_reply client = actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
	struct actor_reply child = actor__reply(worker);
	live_expect(l, 0, .event = "accept", .end = &child.end, .who = worker, .tid = worker->tid,
		    .attribution = "accept", .direction = "in");

	actor_send(thread, .op = ACTOR_ACCEPT, .fd = listener.fd);
	actor__wait_blocked(thread, SYS_accept4);
	actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
	child = actor__reply(thread);
	live_expect(l, 0, .event = "accept", .end = &child.end, .who = l->server, .tid = thread->tid,
		    .attribution = "accept", .direction = "in");
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = client.fd);
	live__finish(l);
}

/* A connection whose client has closed in good order: the client's end is in TIME_WAIT. */
static struct pair time_wait(struct live *l)
{
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	actor_must(l->client, .op = ACTOR_SHUTDOWN, .fd = p.client.fd, .how = SHUT_WR);
	actor_must(l->server, .op = ACTOR_RECV, .fd = p.child.fd, .bytes = 1);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = p.child.fd);
	actor_must(l->client, .op = ACTOR_RECV, .fd = p.client.fd, .bytes = 1);
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
	return p;
}

static void time_wait_before_has_no_owner_T9(void **state)
{
	struct live *l = *state;
	struct pair p = time_wait(l);

	live__start(l, NULL);
	size_t index = live_expect(l, 0, .event = "existing", .end = &p.client.end, .state = "TIME_WAIT",
				   .attribution = "none");
	assert_null(json_object_get(stream__at(l->stream, index), "pid"));
	assert_null(json_object_get(stream__at(l->stream, index), "inode"));
	live__assert_history(l, p.client.end.cookie, "existing");
	live__finish(l);
}

static void time_wait_after_keeps_its_last_owner_T9(void **state)
{
	struct live *l = *state;

	live__start(l, NULL);
	struct pair p = time_wait(l);
	live_expect(l, 0, .event = "close", .end = &p.client.end, .who = l->client, .state = "TIME_WAIT");
	live__assert_history(l, p.client.end.cookie, "connect established close");
	live__finish(l);
}

static void start_without_existing_rows(void **state)
{
	static const char *const args[] = { "--no-existing", NULL };
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	live__start(l, args);
	live__close_pair(l, &p);
	live_expect(l, 0, .event = "close", .end = &p.client.end, .who = l->client);
	live_expect(l, 0, .event = "close", .end = &p.child.end, .who = l->server);
	live__assert_history(l, p.client.end.cookie, "close");
	stream__stop(l->stream);
}

/* The same addresses and ports in a second namespace, on both ends. */
static struct live *twin_of(void)
{
	void *state = NULL;

	assert_int_equal(live__setup_quiet(&state), 0);
	return state;
}

static void two_namespaces_with_the_same_ports_T8(void **state)
{
	struct live *l = *state, *twin = twin_of();
	struct live *both[2] = { l, twin };
	struct pair pairs[2];

	live__start(l, NULL);
	twin->stream = l->stream;
	for (int i = 0; i < 2; i++) {
		struct live *here = both[i];

		pairs[i].listener = actor_must(here->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
		pairs[i].client = actor_must(here->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT,
					     .bind_port = PORT + 1);
		pairs[i].child = actor_must(here->server, .op = ACTOR_ACCEPT, .fd = pairs[i].listener.fd);
	}
	/* Each end is told with its own namespace and process. */
	for (int i = 0; i < 2; i++)
		live__expect_opening(both[i], 0, &pairs[i]);
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = pairs[0].client.fd);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = pairs[0].child.fd);
	live_expect(l, 0, .event = "close", .end = &pairs[0].client.end, .who = l->client);
	live_expect(l, 0, .event = "close", .end = &pairs[0].child.end, .who = l->server);
	/* The twin's are as they were. */
	live__assert_history(l, pairs[1].client.end.cookie, "connect established");
	live__assert_history(l, pairs[1].child.end.cookie, "established accept");
	twin->stream = NULL;
	live__finish(l);
	void *gone = twin;
	live__teardown(&gone);
}

static void two_namespaces_before_T8(void **state)
{
	struct live *l = *state, *twin = twin_of();
	struct pair here = live__pair(l, "127.0.0.1", PORT), there = live__pair(twin, "127.0.0.1", PORT);

	live__start(l, NULL);
	twin->stream = l->stream;
	expect_existing(l, &here.listener.end, l->server, "LISTEN", here.listener.fd);
	expect_existing(twin, &there.listener.end, twin->server, "LISTEN", there.listener.fd);
	expect_existing(l, &here.client.end, l->client, "ESTABLISHED", here.client.fd);
	expect_existing(twin, &there.client.end, twin->client, "ESTABLISHED", there.client.fd);
	twin->stream = NULL;
	live__finish(l);
	void *gone = twin;
	live__teardown(&gone);
}

static void namespace_made_after_sync(void **state)
{
	struct live *l = *state;

	live__start(l, NULL);
	struct live *later = twin_of();
	later->stream = l->stream;
	struct pair p = live__pair(later, "127.0.0.1", PORT);
	live__expect_opening(later, 0, &p);
	live__close_pair(later, &p);
	live_expect(later, 0, .event = "close", .end = &p.client.end, .who = later->client);
	live_expect(later, 0, .event = "close", .end = &p.child.end, .who = later->server);
	later->stream = NULL;
	live__finish(l);
	void *gone = later;
	live__teardown(&gone);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		live_test_quiet(open_before_and_closed_after),
		live_test_quiet(ipv6_and_dual_stack_before_T10),
		live_test_quiet(child_of_an_old_listener_is_the_listeners),
		live_test_quiet(child_nobody_accepted_before_is_the_listeners),
		live_test_quiet(accept_that_slept_before_attach_T5),
		live_test_quiet(time_wait_before_has_no_owner_T9),
		live_test_quiet(time_wait_after_keeps_its_last_owner_T9),
		live_test_quiet(start_without_existing_rows),
		live_test_quiet(two_namespaces_with_the_same_ports_T8),
		live_test_quiet(two_namespaces_before_T8),
		live_test_quiet(namespace_made_after_sync),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
