/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FENCE_PORT	 65000
#define QUIET_TIMEOUT_MS scale__timeout(5000)

int live__setup_quiet(void **state)
{
	struct live *l = calloc(1, sizeof(*l));

	*state = l;
	if (!l)
		return -1;
	l->ns = ns__new();
	l->netns = ns__inode(l->ns);
	l->server = live__spawn(l, LIVE_SERVER);
	l->client = live__spawn(l, LIVE_CLIENT);
	return 0;
}

int live__setup(void **state)
{
	if (live__setup_quiet(state))
		return -1;
	live__start(*state, NULL);
	return 0;
}

int live__teardown(void **state)
{
	struct live *l = *state;

	stream__free(l->stream);
	while (l->more_count)
		actor__free(l->more[--l->more_count]);
	close(l->ns);
	free(l);
	return 0;
}

void live__start(struct live *l, const char *const *args)
{
	l->stream = stream__start(&(struct stream_config){ .args = args });
	stream__wait_sync(l->stream, 0);
}

void live__needs_hook(struct live *l, const char *hook)
{
	const json_t *sync = stream__at(l->stream, stream__wait_sync(l->stream, 0));
	const char *missing = update__text(sync, "missing_hooks");

	if (!strstr(missing, hook))
		return;
	print_message("this kernel lacks hooks of plan %s: %s\n", update__text(sync, "plan"), missing);
	skip();
}

struct actor *live__keep(struct live *l, struct actor *actor)
{
	assert_true(l->more_count < LIVE_ACTORS);
	l->more[l->more_count++] = actor;
	return actor;
}

struct actor *live__spawn(struct live *l, const char *comm)
{
	return live__keep(l, actor__spawn(&(struct actor_config){ .ns_fd = l->ns, .comm = comm }));
}

struct actor *live__thread(struct live *l, struct actor *actor)
{
	return live__keep(l, actor__thread(actor));
}

struct actor *live__fork(struct live *l, struct actor *actor)
{
	return live__keep(l, actor__fork(actor));
}

static void wrong(const struct live *l, const json_t *update, const char *key, const char *want)
{
	char *text = json_dumps(update, JSON_COMPACT | JSON_PRESERVE_ORDER);

	print_error("%s must be %s in\n%s\n", key, want, text ? text : "(?)");
	free(text);
	stream__print(l->stream);
	fail_msg("%s is not %s", key, want);
}

static void check_text(const struct live *l, const json_t *update, const char *key, const char *want)
{
	if (want && strcmp(update__text(update, key), want))
		wrong(l, update, key, want);
}

static void check_number(const struct live *l, const json_t *update, const char *key, uint64_t want)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)want);
	if (update__number(update, key) != want)
		wrong(l, update, key, text);
}

static void check_end(const struct live *l, const json_t *update, const struct end *end)
{
	const char *event = update__text(update, "event");

	check_number(l, update, "netns", l->netns);
	check_number(l, update, "cookie", end->cookie);
	check_text(l, update, "family", end->family == 4 ? "ipv4" : "ipv6");
	check_text(l, update, "local_address", end->local);
	/* A listener's wildcard is not told. */
	check_text(l, update, "remote_address", end->remote_port ? end->remote : "");
	check_number(l, update, "remote_port", end->remote_port);
	/* The kernel chooses the port after the state change that tells the connect. */
	if (strcmp(event, "connect") || update__number(update, "local_port"))
		check_number(l, update, "local_port", end->local_port);
	if (json_object_get(update, "inode"))
		check_number(l, update, "inode", end->inode);
}

void live__check(const struct live *l, const json_t *update, const struct expect *expect)
{
	check_text(l, update, "event", expect->event);
	check_text(l, update, "protocol", expect->protocol ? expect->protocol : "tcp");
	check_text(l, update, "attribution", expect->attribution);
	check_text(l, update, "direction", expect->direction);
	check_text(l, update, "state", expect->state);
	check_text(l, update, "reason", expect->reason);
	if (expect->who) {
		check_number(l, update, "pid", expect->who->pid);
		check_text(l, update, "comm", expect->who->comm);
	}
	if (expect->tid)
		check_number(l, update, "tid", expect->tid);
	if (expect->end)
		check_end(l, update, expect->end);
}

size_t live__expect(struct live *l, size_t from, const struct expect *expect)
{
	size_t index = stream__wait_event(l->stream, from, expect->event, expect->end->cookie);

	live__check(l, stream__at(l->stream, index), expect);
	return index;
}

struct pair live__pair(struct live *l, const char *address, uint16_t port)
{
	struct pair p;
	struct actor_command listen = { .op = ACTOR_LISTEN, .port = port };
	struct actor_command connect = { .op = ACTOR_CONNECT, .port = port };

	snprintf(listen.address, sizeof(listen.address), "%s", address);
	snprintf(connect.address, sizeof(connect.address), "%s", address);
	p.listener = actor__must(l->server, &listen);
	p.client = actor__must(l->client, &connect);
	p.child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = p.listener.fd);
	return p;
}

void live__close_pair(struct live *l, const struct pair *pair)
{
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = pair->client.fd);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = pair->child.fd);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = pair->listener.fd);
}

size_t live__expect_opening(struct live *l, size_t from, const struct pair *pair)
{
	size_t connect = live_expect(l, from, .event = "connect", .end = &pair->client.end, .who = l->client,
				     .tid = pair->client.tid, .attribution = "connect", .direction = "out",
				     .state = "SYN_SENT");
	size_t client = live_expect(l, connect + 1, .event = "established", .end = &pair->client.end, .who = l->client,
				    .attribution = "connect", .direction = "out", .state = "ESTABLISHED");
	size_t child = live_expect(l, client + 1, .event = "established", .end = &pair->child.end, .who = l->server,
				   .attribution = "listener", .direction = "in", .state = "ESTABLISHED");

	return live_expect(l, child + 1, .event = "accept", .end = &pair->child.end, .who = l->server,
			   .tid = pair->child.tid, .attribution = "accept", .direction = "in");
}

/* Records are told in order: when the closes of a last connection are there, so is all that came before. */
static void fence(struct live *l)
{
	struct pair pair = live__pair(l, "127.0.0.1", FENCE_PORT);

	live__close_pair(l, &pair);
	stream__wait_event(l->stream, 0, "close", pair.client.end.cookie);
	stream__wait_event(l->stream, 0, "close", pair.child.end.cookie);
	stream__wait_event(l->stream, 0, "close", pair.listener.end.cookie);
}

void live__assert_history(struct live *l, uint64_t cookie, const char *events)
{
	char history[512];

	fence(l);
	if (strcmp(stream__history(l->stream, cookie, history, sizeof(history)), events)) {
		stream__print(l->stream);
		fail_msg("cookie %llu has the events \"%s\" instead of \"%s\"", (unsigned long long)cookie, history,
			 events);
	}
}

static void replay(const struct live *l, struct live_table *t, size_t *at)
{
	char why[2048];

	for (; *at < stream__count(l->stream); ++*at) {
		if (live_table__apply(t, stream__at(l->stream, *at), why, sizeof(why))) {
			stream__print(l->stream);
			fail_msg("update #%zu: %s", *at, why);
		}
	}
}

/* The kernel's table and the stream's are looked at one after the other: wait until nothing moves between. */
static void wait_equal(struct live *l)
{
	struct live_table *told = live_table__new(&(struct live_table_config){ .netns = l->netns });
	char report[4096];
	size_t at = 0, differences = 1;

	for (int waited = 0; differences && waited < QUIET_TIMEOUT_MS; waited += 50) {
		struct live_table *kernel;

		assert_int_equal(live_table__kernel(l->ns, false, &kernel), 0);
		stream__read(l->stream, 50);
		replay(l, told, &at);
		differences = live_table__difference(told, kernel, report, sizeof(report));
		live_table__free(kernel);
	}
	live_table__free(told);
	if (differences) {
		stream__print(l->stream);
		fail_msg("the stream's table is not the kernel's:\n%s", report);
	}
}

void live__finish(struct live *l)
{
	fence(l);
	live__finish_polls(l);
}

void live__finish_polls(struct live *l)
{
	struct live_table *host = live_table__new(NULL);
	size_t at = 0;

	replay(l, host, &at);
	live_table__free(host);
	wait_equal(l);
	stream__stop(l->stream);
}
