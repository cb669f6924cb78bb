/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A process that got the pid of one that is gone is another process (trap T16). */
#include "live/listed.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/program.h"

#define PORT 7900

/* What is of a process that ended, and the one that has its pid now. */
struct reuse {
	struct actor *second;
	uint32_t pid;
	struct actor_reply listener, old; /* old: of the first, held by who was left */
	char start_time[64];		  /* of the first */
};

static struct actor *spawn_as(struct live *l, const char *comm, uint32_t pid)
{
	return actor__spawn(&(struct actor_config){ .ns_fd = l->ns, .comm = comm, .pid = pid });
}

static struct actor_reply connect_as(struct actor *actor)
{
	return actor_must(actor, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
}

/* The first connects; a child of it, to which the connection is left, stays. A process of another name takes its pid. */
static struct reuse reuse_pid(struct live *l, struct actor **ret_heir)
{
	struct actor *first = spawn_as(l, "live-first", 0);
	struct reuse r = { .pid = first->pid };

	r.listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	r.old = connect_as(first);
	if (l->stream) {
		size_t at = live_expect(l, 0, .event = "connect", .end = &r.old.end, .who = first);

		snprintf(r.start_time, sizeof(r.start_time), "%s",
			 update__text(stream__at(l->stream, at), "start_time"));
	}
	*ret_heir = live__fork(l, first);
	actor_must(*ret_heir, .op = ACTOR_SURVIVE);
	actor_must(first, .op = ACTOR_EXIT);
	actor__free(first);
	r.second = live__keep(l, spawn_as(l, "live-second", r.pid));
	assert_int_equal(r.second->pid, r.pid);
	return r;
}

static void process_with_a_reused_pid_is_told_as_itself_T16(void **state)
{
	struct live *l = *state;
	struct actor *heir;
	struct reuse r = reuse_pid(l, &heir);
	struct actor_reply own = connect_as(r.second);
	size_t at = live_expect(l, 0, .event = "connect", .end = &own.end, .who = r.second);
	const json_t *u = stream__at(l->stream, at);

	assert_string_equal(update__text(u, "cmdline"), "live-second");
	assert_string_not_equal(update__text(u, "start_time"), r.start_time);
	/* It is not the first one's heir, nor anything else of it. */
	live_expect(l, 0, .event = "owner", .end = &r.old.end, .who = heir, .attribution = "holder");
	actor_must(heir, .op = ACTOR_CLOSE, .fd = r.old.fd);
	live_expect(l, 0, .event = "close", .end = &r.old.end, .who = heir);
	live__finish(l);
}

static bool is_owner_of(const json_t *u, const void *ctx)
{
	return update__number(u, "cookie") == *(const uint64_t *)ctx && !strcmp(update__text(u, "event"), "owner");
}

/* The same pid uses the socket that its namesake had opened: another owner all the same. */
static void process_with_a_reused_pid_takes_over_T16(void **state)
{
	struct live *l = *state;
	struct actor *heir;
	struct reuse r = reuse_pid(l, &heir);
	size_t from = live_expect(l, 0, .event = "owner", .end = &r.old.end, .who = heir);
	struct actor_reply got = actor_must(r.second, .op = ACTOR_GETFD, .fd = r.old.fd, .pid = heir->pid);

	/* Where users are told apart by a part of their pids, it may seem to have used the socket before. */
	for (int i = 0; i < 300 && stream__matches(l->stream, is_owner_of, &r.old.end.cookie) < 2; i++) {
		actor_must(r.second, .op = ACTOR_SEND, .fd = got.fd, .bytes = 1);
		stream__read(l->stream, 10);
	}
	live_expect(l, from + 1, .event = "owner", .end = &r.old.end, .who = r.second, .attribution = "io");
	live__finish(l);
}

static void list_does_not_mix_up_who_had_a_pid_T16(void **state)
{
	struct live *l = *state;
	struct actor *heir;
	struct reuse r = reuse_pid(l, &heir);
	struct actor_reply own = connect_as(r.second);
	json_t *list = listed__run(PROGRAM_ARGS("list", "--json", "-t", "-a")), *row;
	unsigned int found = 0;
	size_t i;

	json_array_foreach(list, i, row) {
		uint64_t cookie = update__number(row, "cookie");
		const struct actor *owner = cookie == own.end.cookie ? r.second : heir;

		if (cookie != own.end.cookie && cookie != r.old.end.cookie)
			continue;
		found++;
		assert_int_equal(update__number(row, "pid"), owner->pid);
		assert_string_equal(update__text(row, "comm"), owner->comm);
	}
	assert_int_equal(found, 2);
	json_decref(list);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		live_test(process_with_a_reused_pid_is_told_as_itself_T16),
		live_test(process_with_a_reused_pid_takes_over_T16),
		live_test_quiet(list_does_not_mix_up_who_had_a_pid_T16),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
