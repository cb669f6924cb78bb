/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who holds a socket, and who owns it when the owner leaves (traps T2, T3). Nobody reads or writes here. */
#include "live/live.h"

#include <string.h>

#define PORT 7400

/* The next owner of that end, by hand-over to a holder. */
static size_t expect_heir(struct live *l, size_t from, const struct end *end, const struct actor *now,
			  const struct actor *before)
{
	size_t index = live_expect(l, from, .event = "owner", .end = end, .who = now, .attribution = "holder");

	assert_int_equal(update__number(stream__at(l->stream, index), "prev_pid"), before->pid);
	return index;
}

/* A child that stays when its parent ends. */
static struct actor *fork_survivor(struct live *l, struct actor *parent)
{
	struct actor *child = live__fork(l, parent);

	actor_must(child, .op = ACTOR_SURVIVE);
	return child;
}

static bool has_holder(const json_t *update, uint32_t pid)
{
	const json_t *holder;
	size_t i;

	json_array_foreach(json_object_get(update, "holders"), i, holder) {
		if (update__number(holder, "pid") == pid)
			return true;
	}
	return false;
}

static struct pair open_pair(struct live *l, size_t *ret_from)
{
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	*ret_from = live__expect_opening(l, 0, &p) + 1;
	return p;
}

/* inetd, PostgreSQL: accepted, handed to a child, closed. */
static void child_that_is_left_alone_owns_it_T3(void **state)
{
	struct live *l = *state;
	size_t from;
	struct pair p = open_pair(l, &from);
	struct actor *child = live__fork(l, l->server);

	actor_must(l->server, .op = ACTOR_CLOSE, .fd = p.child.fd);
	size_t index = expect_heir(l, from, &p.child.end, child, l->server);
	assert_true(has_holder(stream__at(l->stream, index), child->pid));
	assert_false(has_holder(stream__at(l->stream, index), l->server->pid));
	live__assert_history(l, p.child.end.cookie, "established accept owner");
	live__finish(l);
}

static void late_close_of_the_owners_copy_hands_over(void **state)
{
	struct live *l = *state;
	size_t from;
	struct pair p = open_pair(l, &from);
	struct actor *child = live__fork(l, l->client);

	/* The look that follows the fork finds both. */
	for (int i = 0; i < 10; i++)
		stream__read(l->stream, 100);
	live__assert_history(l, p.client.end.cookie, "connect established");
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
	expect_heir(l, from, &p.client.end, child, l->client);
	live__finish(l);
}

static void owner_that_exits_hands_over(void **state)
{
	struct live *l = *state;
	struct actor *maker = live__spawn(l, "live-maker");
	struct actor_reply listener = actor_must(maker, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	struct actor *child = fork_survivor(l, maker);

	size_t from = live_expect(l, 0, .event = "listen", .end = &listener.end, .who = maker) + 1;
	actor_must(maker, .op = ACTOR_EXIT);
	expect_heir(l, from, &listener.end, child, maker);
	live__assert_history(l, listener.end.cookie, "listen owner");
	actor_must(child, .op = ACTOR_CLOSE, .fd = listener.fd);
	live_expect(l, from, .event = "close", .end = &listener.end, .who = child);
	live__finish(l);
}

static void program_that_is_started_lets_go_T3(void **state)
{
	struct live *l = *state;
	size_t from;
	struct pair p = open_pair(l, &from);
	struct actor *child = live__fork(l, l->client);

	/* Its descriptor is closed on exec. */
	actor__exec(l->client, "live-other", -1);
	expect_heir(l, from, &p.client.end, child, l->client);
	live__finish(l);
}

static void program_that_is_started_keeps_what_it_is_to_keep(void **state)
{
	struct live *l = *state;
	size_t from;
	struct pair p = open_pair(l, &from);
	struct actor *child = live__fork(l, l->client);

	actor__exec(child, "live-kept", p.client.fd);
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
	/* With the new program's name. */
	expect_heir(l, from, &p.client.end, child, l->client);
	live__finish(l);
}

static void receiver_of_a_passed_socket_owns_it_when_the_giver_lets_go_T3(void **state)
{
	struct live *l = *state;
	struct actor *other = live__spawn(l, "live-other");
	size_t from;
	struct pair p = open_pair(l, &from);

	actor_send(other, .op = ACTOR_TAKE);
	actor_must(l->client, .op = ACTOR_PASS, .fd = p.client.fd, .pid = other->pid);
	actor__reply(other);
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
	expect_heir(l, from, &p.client.end, other, l->client);
	live__finish(l);
}

static void one_who_got_it_by_pidfd_owns_it_when_the_other_exits_T3(void **state)
{
	struct live *l = *state;
	struct actor *maker = live__spawn(l, "live-maker"), *other = live__spawn(l, "live-other");
	struct actor_reply listener = actor_must(maker, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);

	size_t from = live_expect(l, 0, .event = "listen", .end = &listener.end, .who = maker) + 1;
	actor_must(other, .op = ACTOR_GETFD, .fd = listener.fd, .pid = maker->pid);
	actor_must(maker, .op = ACTOR_EXIT);
	expect_heir(l, from, &listener.end, other, maker);
	live__finish(l);
}

static void one_of_two_copies_closed_changes_nothing(void **state)
{
	struct live *l = *state;
	size_t from;
	struct pair p = open_pair(l, &from);
	struct actor *child = live__fork(l, l->client);

	actor_must(l->client, .op = ACTOR_DUP, .fd = p.client.fd);
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
	actor_must(child, .op = ACTOR_CLOSE, .fd = p.client.fd);
	for (int i = 0; i < 10; i++)
		stream__read(l->stream, 100);
	live__assert_history(l, p.client.end.cookie, "connect established");
	live__finish(l);
}

/* Of three, the one that started first, then the next. */
static void heirs_follow_in_the_order_they_started(void **state)
{
	struct live *l = *state;
	struct actor *maker = live__spawn(l, "live-maker");
	struct actor_reply listener = actor_must(maker, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	struct actor *first = fork_survivor(l, maker), *second = fork_survivor(l, maker);

	size_t from = live_expect(l, 0, .event = "listen", .end = &listener.end, .who = maker) + 1;
	actor_must(maker, .op = ACTOR_EXIT);
	from = expect_heir(l, from, &listener.end, first, maker) + 1;
	actor_must(first, .op = ACTOR_CLOSE, .fd = listener.fd);
	expect_heir(l, from, &listener.end, second, first);
	live__finish(l);
}

static bool is_owners_return(const json_t *u, const void *ctx)
{
	const struct pair *p = ctx;

	return update__number(u, "cookie") == p->client.end.cookie && !strcmp(update__text(u, "event"), "owner") &&
	       update__number(u, "pid") == p->client.pid && !strcmp(update__text(u, "attribution"), "io");
}

/* The kernel side, which had it as the owner all the time, must hear of the heir. */
static void owner_that_left_and_uses_it_again_owns_it_again(void **state)
{
	struct live *l = *state;
	size_t from;
	struct pair p = open_pair(l, &from);
	struct actor *child = live__fork(l, l->client);

	actor_must(l->client, .op = ACTOR_SEND, .fd = p.client.fd, .bytes = 1);
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
	expect_heir(l, from, &p.client.end, child, l->client);
	struct actor_reply back = actor_must(l->client, .op = ACTOR_GETFD, .fd = p.client.fd, .pid = child->pid);
	/* It has used the socket before, so it takes it over at most a second later. */
	for (int i = 0; i < 300 && !stream__matches(l->stream, is_owners_return, &p); i++) {
		actor_must(l->client, .op = ACTOR_SEND, .fd = back.fd, .bytes = 1);
		stream__read(l->stream, 10);
	}
	assert_int_equal(stream__matches(l->stream, is_owners_return, &p), 1);
	live__assert_history(l, p.client.end.cookie, "connect established owner owner");
	live__finish(l);
}

static void wait_for_child(struct live *l, struct actor *client, const struct actor_reply *listener,
			   const struct actor *owner, struct end *ret_child)
{
	struct actor_reply made = actor_must(client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
	size_t at = stream__wait_ports(l->stream, 0, "established", l->netns, listener->end.local_port,
				       made.end.local_port);
	const json_t *u = stream__at(l->stream, at);

	live__check(l, u, &(struct expect){ .who = owner, .attribution = "listener" });
	*ret_child = (struct end){ .cookie = update__number(u, "cookie") };
}

/* A connection that nobody has accepted belongs to the listener's owner, also when that is an heir. */
static void connection_that_waits_goes_with_its_listener(void **state)
{
	struct live *l = *state;
	struct actor *maker = live__spawn(l, "live-maker");
	struct actor_reply listener = actor_must(maker, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	struct actor *heir = fork_survivor(l, maker);
	struct end first, second;

	wait_for_child(l, l->client, &listener, maker, &first);
	actor_must(maker, .op = ACTOR_EXIT);
	size_t at = stream__wait_event(l->stream, 0, "owner", first.cookie);
	live__check(l, stream__at(l->stream, at), &(struct expect){ .who = heir, .attribution = "listener" });
	wait_for_child(l, l->client, &listener, heir, &second);
	live__assert_history(l, first.cookie, "established owner");
	live__assert_history(l, second.cookie, "established");
	live__finish(l);
}

/* All of it of sockets that were there first. */
static void sockets_that_were_there_first_are_handed_over_too(void **state)
{
	struct live *l = *state;
	struct actor *maker = live__spawn(l, "live-maker");
	struct actor_reply listener = actor_must(maker, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	struct actor *first = fork_survivor(l, maker);

	live__start(l, NULL);
	size_t from = live_expect(l, 0, .event = "existing", .end = &listener.end, .who = maker) + 1;
	struct actor *second = fork_survivor(l, maker);
	actor_must(maker, .op = ACTOR_EXIT);
	from = expect_heir(l, from, &listener.end, first, maker) + 1;
	actor_must(first, .op = ACTOR_CLOSE, .fd = listener.fd);
	expect_heir(l, from, &listener.end, second, first);
	live__finish(l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		live_test(child_that_is_left_alone_owns_it_T3),
		live_test(late_close_of_the_owners_copy_hands_over),
		live_test(owner_that_exits_hands_over),
		live_test(program_that_is_started_lets_go_T3),
		live_test(program_that_is_started_keeps_what_it_is_to_keep),
		live_test(receiver_of_a_passed_socket_owns_it_when_the_giver_lets_go_T3),
		live_test(one_who_got_it_by_pidfd_owns_it_when_the_other_exits_T3),
		live_test(one_of_two_copies_closed_changes_nothing),
		live_test(heirs_follow_in_the_order_they_started),
		live_test(owner_that_left_and_uses_it_again_owns_it_again),
		live_test(connection_that_waits_goes_with_its_listener),
		live_test_quiet(sockets_that_were_there_first_are_handed_over_too),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
