/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The fixtures of the live tests hold what they promise: they find what is wrong, and their actors are who they say. */
#include "live/live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PORT 7300

static json_t *socket_update(const char *event, uint64_t cookie, const char *state)
{
	return json_pack("{s:i,s:s,s:s,s:I,s:i,s:s,s:s,s:s,s:s,s:i,s:s,s:i,s:s}", "v", 1, "event", event, "time",
			 "2026-11-21T01:02:03.000000000Z", "cookie", (json_int_t)cookie, "netns", 7, "family", "ipv4",
			 "protocol", "tcp", "state", state, "local_address", "127.0.0.1", "local_port", 1,
			 "remote_address", "127.0.0.2", "remote_port", 2, "attribution", "none");
}

static int apply(struct live_table *t, const char *event, uint64_t cookie, const char *state)
{
	json_t *update = socket_update(event, cookie, state);
	char why[512];
	int err = live_table__apply(t, update, why, sizeof(why));

	json_decref(update);
	return err;
}

static void table_follows_a_connection(void **state)
{
	struct live_table *t = live_table__new(NULL);

	(void)state;
	assert_int_equal(apply(t, "connect", 5, "SYN_SENT"), 0);
	assert_int_equal(apply(t, "established", 5, "ESTABLISHED"), 0);
	assert_int_equal(apply(t, "existing", 6, "LISTEN"), 0);
	assert_int_equal(live_table__count(t), 2);
	assert_string_equal(live_table__find(t, 5)->state, "ESTABLISHED");
	assert_int_equal(apply(t, "close", 5, "CLOSE"), 0);
	assert_null(live_table__find(t, 5));
	assert_int_equal(live_table__count(t), 1);
	live_table__free(t);
}

static void table_refuses_ghosts_and_second_openings(void **state)
{
	struct live_table *t = live_table__new(NULL);

	(void)state;
	assert_int_equal(apply(t, "owner", 5, "ESTABLISHED"), -EPROTO);
	assert_int_equal(apply(t, "state", 5, "CLOSE_WAIT"), -EPROTO);
	assert_int_equal(apply(t, "close", 5, "CLOSE"), 0);
	/* Told after the close, it says whose the socket was, and opens nothing (T11). */
	assert_int_equal(apply(t, "accept", 5, "CLOSE"), 0);
	assert_int_equal(live_table__count(t), 0);
	assert_int_equal(apply(t, "established", 5, "ESTABLISHED"), 0);
	assert_int_equal(apply(t, "existing", 5, "ESTABLISHED"), -EPROTO);
	assert_int_equal(apply(t, "connect", 5, "SYN_SENT"), -EPROTO);
	assert_int_equal(apply(t, "listen", 5, "LISTEN"), -EPROTO);
	assert_int_equal(apply(t, "close", 5, "CLOSE"), 0);
	assert_int_equal(apply(t, "connect", 5, "SYN_SENT"), 0);
	live_table__free(t);
}

static void table_keeps_time_wait_when_asked(void **state)
{
	static const char *const states[] = { "TIME_WAIT", "FIN_WAIT2" };

	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		for (int i = 0; i < 2; i++) {
			struct live_table *t = live_table__new(&(struct live_table_config){ .keep_timewait = keep });

			assert_int_equal(apply(t, "established", 5, "ESTABLISHED"), 0);
			assert_int_equal(apply(t, "close", 5, states[i]), 0);
			assert_int_equal(live_table__count(t), keep);
			assert_int_equal(apply(t, "state", 5, "CLOSE"), 0);
			assert_int_equal(live_table__count(t), 0);
			assert_int_equal(apply(t, "state", 5, "CLOSE"), -EPROTO);
			live_table__free(t);
		}
	}
}

static void table_looks_at_its_namespace_only(void **state)
{
	struct live_table *t = live_table__new(&(struct live_table_config){ .netns = 8 });

	(void)state;
	assert_int_equal(apply(t, "owner", 5, "ESTABLISHED"), 0);
	assert_int_equal(apply(t, "established", 5, "ESTABLISHED"), 0);
	assert_int_equal(live_table__count(t), 0);
	live_table__free(t);
}

static void apply_end(struct live_table *t, uint32_t netns, const struct end *end)
{
	json_t *update = socket_update("established", end->cookie, "ESTABLISHED");
	char why[512];

	json_object_set_new(update, "netns", json_integer(netns));
	json_object_set_new(update, "local_address", json_string(end->local));
	json_object_set_new(update, "local_port", json_integer(end->local_port));
	json_object_set_new(update, "remote_address", json_string(end->remote));
	json_object_set_new(update, "remote_port", json_integer(end->remote_port));
	assert_int_equal(live_table__apply(t, update, why, sizeof(why)), 0);
	json_decref(update);
}

static size_t difference(struct live *l, const struct live_table *t, char *report, size_t size)
{
	struct live_table *kernel;

	assert_int_equal(live_table__kernel(l->ns, false, &kernel), 0);
	size_t n = live_table__difference(t, kernel, report, size);
	live_table__free(kernel);
	return n;
}

static void actors_ends_are_what_sock_diag_lists(void **state)
{
	static const char *const addresses[] = { "127.0.0.1", "::1", "::ffff:127.0.0.1" };
	struct live *l = *state;
	struct live_table *t = live_table__new(NULL);
	char report[4096];
	struct pair p;

	for (int i = 0; i < 3; i++) {
		p = live__pair(l, addresses[i], (uint16_t)(PORT + i));
		apply_end(t, l->netns, &p.listener.end);
		apply_end(t, l->netns, &p.client.end);
		apply_end(t, l->netns, &p.child.end);
	}
	if (difference(l, t, report, sizeof(report)))
		fail_msg("%s", report);
	/* Missing on either side, and different, are told. */
	assert_int_equal(apply(t, "established", 1, "ESTABLISHED"), 0);
	assert_int_equal(difference(l, t, report, sizeof(report)), 1);
	assert_non_null(strstr(report, "only in the stream: cookie 1 "));
	assert_int_equal(apply(t, "close", 1, "CLOSE"), 0);
	assert_int_equal(apply(t, "close", p.listener.end.cookie, "CLOSE"), 0);
	assert_int_equal(difference(l, t, report, sizeof(report)), 1);
	assert_non_null(strstr(report, "only in the kernel: cookie "));
	p.listener.end.local_port++;
	apply_end(t, l->netns, &p.listener.end);
	assert_int_equal(difference(l, t, report, sizeof(report)), 1);
	assert_non_null(strstr(report, "kernel says: cookie "));
	live_table__free(t);
}

static void read_proc(uint32_t pid, uint32_t tid, const char *name, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/task/%u/%s", pid, tid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, text, size - 1);
	close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
}

static void actors_have_their_names(void **state)
{
	static const char *const argv[] = { "first", "second word", NULL };
	struct live *l = *state;
	struct actor *named = actor__spawn(&(struct actor_config){ .ns_fd = l->ns, .comm = "named", .argv = argv });
	struct actor *thread, *child;
	char text[256];
	struct stat st;

	live__keep(l, named);
	thread = live__thread(l, named);
	child = live__fork(l, named);
	read_proc(named->pid, named->pid, "comm", text, sizeof(text));
	assert_string_equal(text, "named\n");
	read_proc(named->pid, named->pid, "cmdline", text, sizeof(text));
	assert_memory_equal(text, "first\0second word\0", 19);
	assert_int_equal(thread->pid, named->pid);
	read_proc(thread->pid, thread->tid, "comm", text, sizeof(text));
	assert_string_equal(text, "not-the-leader\n");
	assert_int_not_equal(child->pid, named->pid);
	read_proc(child->pid, child->pid, "comm", text, sizeof(text));
	assert_string_equal(text, "named\n");
	snprintf(text, sizeof(text), "/proc/%u/ns/net", named->pid);
	assert_int_equal(stat(text, &st), 0);
	assert_int_equal(st.st_ino, l->netns);
	assert_int_not_equal(ns__inode(ns__own()), l->netns);
}

static void actor_sleeps_in_accept(void **state)
{
	struct live *l = *state;
	struct actor *thread = live__thread(l, l->server);
	struct actor_reply listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "::1", .port = PORT);

	actor_send(thread, .op = ACTOR_ACCEPT, .fd = listener.fd);
	actor__wait_blocked(thread, SYS_accept4);
	struct actor_reply client = actor_must(l->client, .op = ACTOR_CONNECT, .address = "::1", .port = PORT);
	struct actor_reply child = actor__reply(thread);
	assert_int_equal(child.tid, thread->tid);
	assert_int_equal(child.end.remote_port, client.end.local_port);
}

static char *canned(const char *lines, const char *end)
{
	char *path = strdup("/tmp/canned-XXXXXX");
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	dprintf(fd, "#!/bin/sh\ntrap 'exit 0' INT\ncat <<'END'\n%sEND\n%s\n", lines, end);
	fchmod(fd, 0700);
	close(fd);
	return path;
}

#define SOCKET_LINE(event, cookie, state)                                                                         \
	"{\"v\":1,\"event\":\"" event "\",\"time\":\"2026-11-21T01:02:03.000000000Z\",\"cookie\":" cookie         \
	",\"netns\":7,\"family\":\"ipv4\",\"protocol\":\"tcp\",\"state\":\"" state                                \
	"\",\"local_address\":\"127.0.0.1\",\"local_port\":1,\"remote_address\":\"127.0.0.2\",\"remote_port\":2," \
	"\"attribution\":\"none\"}\n"
#define SYNC_LINE                                                                                              \
	"{\"v\":1,\"event\":\"sync\",\"time\":\"2026-11-21T01:02:03.000000000Z\",\"sockets\":1,\"unowned\":1," \
	"\"bootstrap_us\":5}\n"

static struct stream *start_canned(const struct stream_config *config, const char *lines, const char *end)
{
	char *path = canned(lines, end), *before = getenv("SOCKWATCH");
	char *saved = before ? strdup(before) : NULL;

	setenv("SOCKWATCH", path, 1);
	struct stream *s = stream__start(config);
	stream__wait_sync(s, 0);
	unlink(path);
	if (saved)
		setenv("SOCKWATCH", saved, 1);
	else
		unsetenv("SOCKWATCH");
	free(saved);
	free(path);
	return s;
}

static void read_in_order(const struct stream_config *config)
{
	struct stream *s = start_canned(config,
					SOCKET_LINE("existing", "5", "ESTABLISHED")
						SYNC_LINE SOCKET_LINE("established", "18446744073709551", "ESTABLISHED")
							SOCKET_LINE("close", "5", "CLOSE"),
					"while :; do sleep 0.01; done");
	char history[64];

	assert_int_equal(stream__wait_event(s, 0, "existing", 5), 0);
	assert_int_equal(stream__wait_event(s, 1, "close", 5), 3);
	assert_int_equal(stream__wait_event(s, 0, "established", 18446744073709551), 2);
	assert_int_equal(stream__wait_ports(s, 1, "established", 7, 1, 2), 2);
	assert_string_equal(stream__history(s, 5, history, sizeof(history)), "existing close");
	stream__stop(s);
	assert_int_equal(stream__count(s), 4);
	stream__free(s);
}

static void stream_is_read_in_order(void **state)
{
	(void)state;
	read_in_order(NULL);
}

static void spooled_stream_is_read_in_order(void **state)
{
	(void)state;
	read_in_order(&(struct stream_config){ .spool = true, .netns = 7 });
}

static void stream_passes_over_other_namespaces(void **state)
{
	static const struct stream_config config = { .spool = true, .netns = 77 };
	struct stream *s = start_canned(&config, SOCKET_LINE("existing", "5", "ESTABLISHED") SYNC_LINE, "exit 0");

	(void)state;
	assert_int_equal(stream__join(s, STREAM_TIMEOUT_MS), 0);
	assert_int_equal(stream__count(s), 1);
	stream__free(s);
}

static void stream_tells_the_exit_status(void **state)
{
	struct stream *s = start_canned(NULL, SYNC_LINE, "exit 3");

	(void)state;
	assert_int_equal(WEXITSTATUS(stream__join(s, STREAM_TIMEOUT_MS)), 3);
	stream__free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_follows_a_connection),
		cmocka_unit_test(table_refuses_ghosts_and_second_openings),
		cmocka_unit_test(table_keeps_time_wait_when_asked),
		cmocka_unit_test(table_looks_at_its_namespace_only),
		live_test_quiet(actors_ends_are_what_sock_diag_lists),
		live_test_quiet(actors_have_their_names),
		live_test_quiet(actor_sleeps_in_accept),
		cmocka_unit_test(stream_is_read_in_order),
		cmocka_unit_test(spooled_stream_is_read_in_order),
		cmocka_unit_test(stream_passes_over_other_namespaces),
		cmocka_unit_test(stream_tells_the_exit_status),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
