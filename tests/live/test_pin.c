/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: what happened while no sockwatch ran, told by one that is started later and joins what was pinned. */
#include "live/live.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "live/pinned.h"
#include "live/program.h"
#include "source/pin.h"

#define PORT 7500

static struct bpf_ids before, during;

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

/* The process of an actor of the test ends; what is known of it stays for the test to compare. */
static void end_process(struct live *l, struct actor *actor, struct actor *copy)
{
	*copy = *actor;
	for (unsigned int i = 0; i < l->more_count; i++) {
		if (l->more[i] == actor)
			l->more[i] = l->more[--l->more_count];
	}
	actor__free(actor);
}

/* The kernel moves on in its own time. */
static void wait_state(const struct live *l, uint64_t cookie, const char *state)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	bool there = false;

	for (int tries = 0; !there && tries < STREAM_TIMEOUT_MS / 2; tries++) {
		const struct live_table_entry *entry;
		struct live_table *kernel;

		assert_int_equal(live_table__kernel(l->ns, true, &kernel), 0);
		entry = live_table__find(kernel, cookie);
		there = entry && !strcmp(entry->state, state);
		live_table__free(kernel);
		nanosleep(&pause, NULL);
	}
	assert_true(there);
}

/* ---- owners */

static void connections_made_while_nothing_ran_have_their_owners(void **state)
{
	struct live *l = *state;

	pinned__pin(NULL);
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	live__start(l, NULL);
	live_expect(l, 0, .event = "existing", .end = &p.listener.end, .who = l->server, .attribution = "listen");
	live_expect(l, 0, .event = "existing", .end = &p.client.end, .who = l->client, .attribution = "connect",
		    .direction = "out");
	size_t child = live_expect(l, 0, .event = "existing", .end = &p.child.end, .who = l->server,
				   .attribution = "accept", .direction = "in");
	assert_int_equal(json_array_size(json_object_get(stream__at(l->stream, child), "holders")), 1);
	live__close_pair(l, &p);
	size_t close = live_expect(l, 0, .event = "close", .end = &p.client.end, .who = l->client);
	assert_true(update__number(stream__at(l->stream, close), "duration_us") > 0);
	live__assert_history(l, p.child.end.cookie, "existing close");
	live__finish(l);
}

/* `sockwatch list` too knows the last owner. */
static void assert_listed(const struct end *end, const struct actor *owner)
{
	char cookie[48], text[96];
	struct program *p;

	snprintf(cookie, sizeof(cookie), "cookie = %llu", (unsigned long long)end->cookie);
	p = program_run(0, .args = PROGRAM_ARGS("list", "-ta", "--json", cookie));
	snprintf(text, sizeof(text), "\"pid\":%u,", owner->pid);
	program__assert_out(p, text);
	program__assert_out(p, owner->comm);
	program__assert_out(p, "\"attribution\":\"last\"");
	program__free(p);
}

static void time_wait_made_while_nothing_ran_keeps_its_last_owner_T9(void **state)
{
	struct live *l = *state;
	struct actor client;

	pinned__pin(NULL);
	struct pair p = time_wait(l);
	end_process(l, l->client, &client);
	l->client = live__spawn(l, LIVE_CLIENT);
	live__start(l, NULL);
	live_expect(l, 0, .event = "existing", .end = &p.client.end, .who = &client, .state = "TIME_WAIT",
		    .attribution = "last");
	assert_listed(&p.client.end, &client);
	live__finish(l);
}

static void orphans_made_while_nothing_ran_keep_their_last_owner_T9(void **state)
{
	struct live *l = *state;
	struct actor gone;

	/* The server takes nothing in: what is sent stays with the client, and so does the socket. */
	ns__sysctl(l->ns, "net/ipv4/tcp_rmem", "4096 4096 4096");
	pinned__pin(NULL);
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	struct actor *client = live__spawn(l, "orphan");
	struct actor_reply full = actor_must(client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
	actor_must(l->server, .op = ACTOR_ACCEPT, .fd = p.listener.fd);
	actor_must(client, .op = ACTOR_SEND, .fd = full.fd, .bytes = 262144);
	end_process(l, client, &gone);
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
	wait_state(l, full.end.cookie, "FIN_WAIT1");
	wait_state(l, p.client.end.cookie, "FIN_WAIT2");
	live__start(l, NULL);
	live_expect(l, 0, .event = "existing", .end = &full.end, .who = &gone, .state = "FIN_WAIT1",
		    .attribution = "last");
	live_expect(l, 0, .event = "existing", .end = &p.client.end, .who = l->client, .state = "FIN_WAIT2",
		    .attribution = "last");
	stream__stop(l->stream);
}

static void sockets_from_before_the_pin_keep_their_owner_to_the_end(void **state)
{
	struct live *l = *state;
	struct actor client;
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	pinned__pin(NULL);
	/* Through the old listener, not accepted yet. */
	struct actor_reply waiting = actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
	actor_must(l->client, .op = ACTOR_SHUTDOWN, .fd = p.client.fd, .how = SHUT_WR);
	actor_must(l->server, .op = ACTOR_RECV, .fd = p.child.fd, .bytes = 1);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = p.child.fd);
	actor_must(l->client, .op = ACTOR_RECV, .fd = p.client.fd, .bytes = 1);
	end_process(l, l->client, &client);
	l->client = live__spawn(l, LIVE_CLIENT);
	live__start(l, NULL);
	live_expect(l, 0, .event = "existing", .end = &p.client.end, .who = &client, .state = "TIME_WAIT",
		    .attribution = "last");
	size_t index = stream__wait_ports(l->stream, 0, "existing", l->netns, PORT, waiting.end.local_port);
	live__check(l, stream__at(l->stream, index),
		    &(struct expect){ .who = l->server, .attribution = "listener", .direction = "in" });
	live__finish(l);
}

static void owner_that_let_go_gives_way_to_a_holder_T3(void **state)
{
	struct live *l = *state;

	pinned__pin(NULL);
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	struct actor *heir = live__fork(l, l->server);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = p.child.fd);
	live__start(l, NULL);
	live_expect(l, 0, .event = "existing", .end = &p.child.end, .who = heir, .attribution = "holder");
	live_expect(l, 0, .event = "existing", .end = &p.listener.end, .who = l->server, .attribution = "listen");
	live__finish(l);
}

/* ---- the joined stream */

static void joined_stream_tells_everything_without_a_second_set_of_programs(void **state)
{
	struct live *l = *state;

	pinned__pin(NULL);
	bpf_ids__look(&before);
	live__start(l, NULL);
	bpf_ids__look(&during);
	assert_int_equal(bpf_ids__new(&before, &during, BPF_PROGRAMS), 0);
	assert_int_equal(bpf_ids__new(&before, &during, BPF_LINKS), 0);
	assert_int_equal(bpf_ids__new(&before, &during, BPF_MAPS), 0);
	struct pair p = live__pair(l, "::1", PORT);
	live__expect_opening(l, 0, &p);
	live__close_pair(l, &p);
	live__assert_history(l, p.client.end.cookie, "connect established close");
	live__assert_history(l, p.child.end.cookie, "established accept close");
	live__assert_history(l, p.listener.end.cookie, "listen close");
	live__finish(l);
}

static bool is_lost(const json_t *update, const void *ctx)
{
	(void)ctx;
	return !strcmp(update__text(update, "event"), "lost");
}

static void connect_often(struct live *l)
{
	struct actor_reply listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);

	for (int i = 0; i < 50; i++) {
		struct actor_reply client =
			actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
		struct actor_reply child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);

		actor_must(l->client, .op = ACTOR_CLOSE, .fd = client.fd);
		actor_must(l->server, .op = ACTOR_CLOSE, .fd = child.fd);
	}
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = listener.fd);
}

/* How many bytes of records were ever made: the second page of the ring (kernel/bpf/ringbuf.c). */
static uint64_t records_made(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = bpf_obj_get(PIN_PATH "/ring");
	const uint64_t *producer;
	uint64_t made;

	assert_true(fd >= 0);
	producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)page);
	assert_true(producer != MAP_FAILED);
	made = *producer;
	munmap((void *)producer, page);
	close(fd);
	return made;
}

static void kill_stream(struct live *l)
{
	kill(stream__pid(l->stream), SIGKILL);
	assert_true(WIFSIGNALED(stream__join(l->stream, STREAM_TIMEOUT_MS)));
	stream__free(l->stream);
	l->stream = NULL;
}

/* Nothing is left to do for the next one: the kernel takes back that somebody reads. */
static void no_records_are_made_for_a_reader_that_was_killed(void **state)
{
	struct live *l = *state;
	uint64_t made;

	pinned__pin(NULL);
	live__start(l, NULL);
	made = records_made();
	connect_often(l);
	assert_true(records_made() > made);
	kill_stream(l);
	made = records_made();
	connect_often(l);
	assert_true(records_made() == made);
}

static void what_nobody_read_is_no_loss_and_no_news(void **state)
{
	static const char *const small[] = { "--ring", "4", NULL };
	struct live *l = *state;
	uint64_t made;

	pinned__pin(small);
	for (int run = 0; run < 2; run++) {
		made = records_made();
		connect_often(l);
		assert_true(records_made() == made);
		live__start(l, NULL);
		/* It dies behind a full ring. */
		kill(stream__pid(l->stream), SIGSTOP);
		connect_often(l);
		assert_true(records_made() > made);
		kill_stream(l);
	}
	live__start(l, NULL);
	size_t sync = stream__wait_sync(l->stream, 0);
	for (size_t i = 0; i < sync; i++)
		assert_string_equal(update__text(stream__at(l->stream, i), "event"), "existing");
	struct pair p = live__pair(l, "127.0.0.1", PORT + 1);
	live__expect_opening(l, 0, &p);
	live__close_pair(l, &p);
	live__finish(l);
	assert_int_equal(stream__matches(l->stream, is_lost, NULL), 0);
}

/* What was told to a reader that is gone is told again: nobody else could know it of a process that is gone too. */
static void every_reader_is_told_command_lines(void **state)
{
	static const char *const argv[] = { "a-command", "--line", NULL };
	struct live *l = *state;
	struct actor *client =
		live__keep(l, actor__spawn(&(struct actor_config){ .ns_fd = l->ns, .comm = "brief", .argv = argv }));
	struct actor gone;

	pinned__pin(NULL);
	actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	live__start(l, NULL);
	struct actor_reply first = actor_must(client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
	live_expect(l, 0, .event = "connect", .end = &first.end, .who = client);
	stream__stop(l->stream);
	stream__free(l->stream);
	actor_must(client, .op = ACTOR_LINGER0, .fd = first.fd); /* nothing of it stays that would be listed */
	actor_must(client, .op = ACTOR_CLOSE, .fd = first.fd);

	live__start(l, NULL);
	kill(stream__pid(l->stream), SIGSTOP);
	struct actor_reply second = actor_must(client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
	end_process(l, client, &gone);
	kill(stream__pid(l->stream), SIGCONT);
	size_t index = live_expect(l, 0, .event = "connect", .end = &second.end, .who = &gone);
	assert_string_equal(update__text(stream__at(l->stream, index), "cmdline"), "a-command --line");
	stream__stop(l->stream);
}

static void states_are_told_to_who_asks_for_them(void **state)
{
	static const char *const states[] = { "--states", NULL };
	struct live *l = *state;

	pinned__pin(NULL);
	for (int run = 0; run < 2; run++) {
		live__start(l, run ? NULL : states);
		struct pair p = live__pair(l, "127.0.0.1", PORT);
		actor_must(l->server, .op = ACTOR_CLOSE, .fd = p.child.fd);
		actor_must(l->client, .op = ACTOR_LINGER0, .fd = p.client.fd);
		actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
		actor_must(l->server, .op = ACTOR_CLOSE, .fd = p.listener.fd);
		live__assert_history(l, p.client.end.cookie,
				     run ? "connect established close" : "connect established state close");
		stream__stop(l->stream);
		stream__free(l->stream);
		l->stream = NULL;
	}
}

static void second_stream_has_programs_of_its_own_and_the_same_memory(void **state)
{
	struct live *l = *state;
	struct live other;

	pinned__pin(NULL);
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	live__start(l, NULL);
	other = *l;
	bpf_ids__look(&before);
	live__start(&other, NULL);
	bpf_ids__look(&during);
	assert_true(bpf_ids__new(&before, &during, BPF_PROGRAMS) > 0);
	live_expect(&other, 0, .event = "existing", .end = &p.child.end, .who = l->server, .attribution = "accept");
	struct pair q = live__pair(l, "127.0.0.1", PORT + 1);
	live__expect_opening(l, 0, &q);
	live__expect_opening(&other, 0, &q);
	live__close_pair(l, &q);
	live__finish(&other);
	stream__free(other.stream);
	live__finish(l);
	bpf_ids__wait_gone(&before, &during);
}

/* ---- the end */

static void stream_that_joined_goes_on_after_unpin_and_leaves_nothing(void **state)
{
	struct live *l = *state;

	bpf_ids__look(&before);
	pinned__pin(NULL);
	live__start(l, NULL);
	bpf_ids__look(&during);
	pinned__unpin();
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	live__expect_opening(l, 0, &p);
	live__finish(l);
	bpf_ids__wait_gone(&before, &during);
}

static void unpin_leaves_nothing(void **state)
{
	(void)state;
	bpf_ids__look(&before);
	pinned__pin(NULL);
	bpf_ids__look(&during);
	pinned__unpin();
	bpf_ids__wait_gone(&before, &during);
}

static void stream_without_a_pin_leaves_nothing_also_when_it_is_killed(void **state)
{
	static const int how[] = { SIGINT, SIGKILL };
	struct live *l = *state;

	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		bpf_ids__look(&before);
		live__start(l, NULL);
		bpf_ids__look(&during);
		kill(stream__pid(l->stream), how[i]);
		stream__join(l->stream, STREAM_TIMEOUT_MS);
		bpf_ids__wait_gone(&before, &during);
		stream__free(l->stream);
		l->stream = NULL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pinned_test(connections_made_while_nothing_ran_have_their_owners),
		pinned_test(time_wait_made_while_nothing_ran_keeps_its_last_owner_T9),
		pinned_test(orphans_made_while_nothing_ran_keep_their_last_owner_T9),
		pinned_test(sockets_from_before_the_pin_keep_their_owner_to_the_end),
		pinned_test(owner_that_let_go_gives_way_to_a_holder_T3),
		pinned_test(joined_stream_tells_everything_without_a_second_set_of_programs),
		pinned_test(no_records_are_made_for_a_reader_that_was_killed),
		pinned_test(what_nobody_read_is_no_loss_and_no_news),
		pinned_test(every_reader_is_told_command_lines),
		pinned_test(states_are_told_to_who_asks_for_them),
		pinned_test(second_stream_has_programs_of_its_own_and_the_same_memory),
		pinned_test(stream_that_joined_goes_on_after_unpin_and_leaves_nothing),
		pinned_test(unpin_leaves_nothing),
		pinned_test(stream_without_a_pin_leaves_nothing_also_when_it_is_killed),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
