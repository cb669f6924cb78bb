/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/witness.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/table.h"
#include "live/ns.h"

#define ATTRIBUTIONS  10
#define REPORT_BYTES  4096
#define MARK_BITS     3 /* of a history */
#define MARKS_MAX     10
#define READ_MS	      25 /* a batch of the program */
#define WRONG_PRINTED 5

/* What a history is made of, the last lowest. */
enum mark { EXISTING = 1, CONNECT, ESTABLISHED, ACCEPT, CLOSE, OTHER };

#define HISTORY(first, second, third) ((first) << 2 * MARK_BITS | (second) << MARK_BITS | (third))

/* An end as it was told. */
struct told {
	uint64_t cookie;
	uint32_t history;
	uint32_t pids[ATTRIBUTIONS];   /* the last by that attribution; 0: none */
	uint32_t others[ATTRIBUTIONS]; /* another before it */
	uint32_t tid;		       /* of connect or accept */
	uint32_t address;	       /* the server's, as in the log */
	uint16_t local_port, remote_port;
	char comm[16]; /* of connect or accept */
};

struct witness {
	struct stream *stream;
	struct live_table *table;
	struct table told; /* struct told by cookie */
	struct witness_count count;
	int ns_fd;
	uint32_t netns;
	bool states;
};

static const char *const attributions[ATTRIBUTIONS] = { "none",	  "connect", "listen", "bind",	   "socket",
							"accept", "io",	     "holder", "listener", "last" };

static uint64_t hash_told(const void *item)
{
	return hash__mix(((const struct told *)item)->cookie);
}

static bool equal_told(const void *a, const void *b)
{
	return ((const struct told *)a)->cookie == ((const struct told *)b)->cookie;
}

static struct told *find(const struct witness *w, uint64_t cookie)
{
	return table__find(&w->told, &(struct told){ .cookie = cookie });
}

static struct told *find_or_add(struct witness *w, uint64_t cookie)
{
	struct told *t = find(w, cookie);

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	assert_non_null(t);
	t->cookie = cookie;
	assert_int_equal(table__add(&w->told, t), 0);
	return t;
}

static int attribution_index(const char *word)
{
	for (int i = 0; i < ATTRIBUTIONS; i++)
		if (!strcmp(attributions[i], word))
			return i;
	fail_msg("unknown attribution: %s", word);
	return 0;
}

static void note_owner(struct told *t, const json_t *update)
{
	uint32_t pid = (uint32_t)update__number(update, "pid");
	int i = attribution_index(update__text(update, "attribution"));

	if (pid && t->pids[i] && t->pids[i] != pid)
		t->others[i] = t->pids[i];
	if (pid)
		t->pids[i] = pid;
}

static enum mark mark_of(const char *event)
{
	static const char *const events[] = { "existing", "connect", "established", "accept", "close" };

	for (unsigned int i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (!strcmp(events[i], event))
			return EXISTING + i;
	return OTHER;
}

static uint32_t ipv4(const json_t *update, const char *key)
{
	struct in_addr address = { 0 };

	return inet_pton(AF_INET, update__text(update, key), &address) == 1 ? ntohl(address.s_addr) : 0;
}

static void note_socket(struct witness *w, const json_t *update, uint64_t cookie)
{
	struct told *t = find_or_add(w, cookie);
	enum mark mark = mark_of(update__text(update, "event"));
	bool out = !strcmp(update__text(update, "direction"), "out");

	assert_true(t->history < 1U << MARK_BITS * (MARKS_MAX - 1));
	t->history = t->history << MARK_BITS | mark;
	note_owner(t, update);
	if (mark == CONNECT || mark == ACCEPT) {
		t->tid = (uint32_t)update__number(update, "tid");
		snprintf(t->comm, sizeof(t->comm), "%s", update__text(update, "comm"));
	}
	if (mark == CLOSE) {
		t->address = ipv4(update, out ? "remote_address" : "local_address");
		t->local_port = (uint16_t)update__number(update, "local_port");
		t->remote_port = (uint16_t)update__number(update, "remote_port");
	}
}

static void note_loss(struct witness_count *c, const json_t *update)
{
	uint64_t count = update__number(update, "count");

	c->losses++;
	c->sync_was_last = false;
	if (!strcmp(update__text(update, "where"), "ring"))
		c->lost_ring += count;
	else
		c->lost_other += count;
}

static void note(void *ctx, const json_t *update)
{
	struct witness *w = ctx;
	const char *event = update__text(update, "event");
	uint64_t cookie = update__number(update, "cookie");
	char why[2048];

	assert_false(w->count.summary);
	if (live_table__apply(w->table, update, why, sizeof(why))) {
		const struct told *t = find(w, cookie);

		stream__print(w->stream);
		fail_msg("%s\nhistory so far: %o", why, t ? t->history : 0);
	}
	if (cookie) {
		note_socket(w, update, cookie);
	} else if (!strcmp(event, "sync")) {
		w->count.syncs++;
		w->count.sync_was_last = true;
	} else if (!strcmp(event, "lost")) {
		note_loss(&w->count, update);
	} else if (!strcmp(event, "summary")) {
		w->count.summary = true;
		w->count.summary_lost = update__number(update, "lost");
	}
}

static bool has_states(const char *const *args)
{
	while (args && *args && strcmp(*args, "--states"))
		args++;
	return args && *args;
}

struct witness *witness__start(const struct witness_config *config)
{
	struct witness *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->ns_fd = config->ns_fd;
	w->netns = ns__inode(config->ns_fd);
	w->states = has_states(config->args);
	w->table = live_table__new(&(struct live_table_config){ .netns = w->netns, .keep_timewait = w->states });
	assert_non_null(w->table);
	table__init(&w->told, hash_told, equal_told);
	w->stream = stream__start(&(struct stream_config){ .args = config->args,
							   .on_update = note,
							   .ctx = w,
							   .discard = true,
							   .spool = !config->pipe,
							   .netns = w->netns });
	return w;
}

void witness__free(struct witness *w)
{
	struct told *t;
	size_t pos = 0;

	if (!w)
		return;
	stream__free(w->stream);
	live_table__free(w->table);
	while ((t = table__next(&w->told, &pos)))
		free(t);
	table__free(&w->told);
	free(w);
}

struct stream *witness__stream(const struct witness *w)
{
	return w->stream;
}

const struct live_table *witness__table(const struct witness *w)
{
	return w->table;
}

const struct witness_count *witness__count(const struct witness *w)
{
	return &w->count;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void read_more(struct witness *w)
{
	if (stream__read(w->stream, READ_MS))
		return;
	stream__print(w->stream);
	fail_msg("the program ended");
}

void witness__wait_syncs(struct witness *w, uint64_t syncs, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;

	while (w->count.syncs < syncs) {
		if (now_ms() > deadline) {
			stream__print(w->stream);
			fail_msg("%llu instead of %llu sync updates within %d ms", (unsigned long long)w->count.syncs,
				 (unsigned long long)syncs, timeout_ms);
		}
		read_more(w);
	}
}

/* What was told of the sockets that the report of a difference names. */
static void print_histories(const struct witness *w, const char *report)
{
	static const char mark[] = "cookie ";

	while ((report = strstr(report, mark))) {
		uint64_t cookie = strtoull(report + strlen(mark), NULL, 10);
		const struct told *t = find(w, cookie);

		print_error("cookie %llu was told as %o\n", (unsigned long long)cookie, t ? t->history : 0);
		report += strlen(mark);
	}
}

static void differ(const struct witness *w, const char *report)
{
	stream__print(w->stream);
	print_histories(w, report);
	fail_msg("the table is not the kernel's, or a loss is not repaired:\n%s", report);
}

static void compare_tables(struct witness *w, const struct live_table *kernel)
{
	char report[REPORT_BYTES];

	if (live_table__difference(w->table, kernel, report, sizeof(report)))
		differ(w, report);
}

void witness__wait_equal(struct witness *w, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;
	char report[REPORT_BYTES] = "";

	for (;;) {
		struct live_table *kernel;

		read_more(w);
		assert_int_equal(live_table__kernel(w->ns_fd, w->states, &kernel), 0);
		size_t differences = live_table__difference(w->table, kernel, report, sizeof(report));
		live_table__free(kernel);
		if (!differences && w->count.sync_was_last)
			return;
		if (now_ms() > deadline)
			break;
	}
	differ(w, report);
}

void witness__stop(struct witness *w, int timeout_ms)
{
	const struct witness_count *c = &w->count;

	kill(stream__pid(w->stream), SIGINT);
	int status = stream__join(w->stream, timeout_ms);
	if (status) {
		stream__print(w->stream);
		fail_msg("the program ended with wait status %#x", (unsigned int)status);
	}
	assert_true(c->summary);
	assert_int_equal(c->summary_lost, c->lost_ring + c->lost_other);
}

/* What the storm left half closed ends by itself. */
static void wait_still(const struct witness *w, size_t open)
{
	int64_t deadline = now_ms() + STREAM_TIMEOUT_MS;
	struct live_table *t;

	for (;;) {
		assert_int_equal(live_table__kernel(w->ns_fd, false, &t), 0);
		size_t count = live_table__count(t);
		live_table__free(t);
		if (count == open)
			return;
		if (now_ms() > deadline)
			fail_msg("there are %zu sockets, not %zu", count, open);
	}
}

void witness__finish(struct witness *w, size_t open, int timeout_ms)
{
	struct live_table *kernel;

	wait_still(w, open);
	assert_int_equal(live_table__kernel(w->ns_fd, w->states, &kernel), 0);
	witness__stop(w, timeout_ms);
	compare_tables(w, kernel);
	live_table__free(kernel);
}

/* Did that process accept any of the connections? */
static bool is_server(const struct load *load, uint32_t pid)
{
	const struct storm_record *r;

	for (size_t i = 0; (r = load__record(load, i)); i++)
		if (r->role == STORM_SERVER && r->pid == pid)
			return true;
	return false;
}

/*
 * Of a listener's attribution is a child that nobody has accepted yet: whose it will be, nobody knows. The listener is its
 * maker's, or, when that has gone, one of the servers'.
 */
static bool is_right(const struct load *load, const struct storm_record *r, int attribution, uint32_t pid)
{
	const char *word = attributions[attribution];

	if (!strcmp(word, "listener"))
		return r->role == STORM_SERVER && (pid == load__listener_pid(load) || is_server(load, pid));
	if (!strcmp(word, r->role == STORM_SERVER ? "connect" : "accept") || !strcmp(word, "listen"))
		return false;
	return pid == r->pid;
}

static void print_wrong(const struct told *t, const struct storm_record *r)
{
	print_error("cookie %llu, %s, pid %u, ports %u > %u: told as %o, comm %s, tid %u, ports %u > %u",
		    (unsigned long long)r->cookie, r->role == STORM_SERVER ? "server" : "client", r->pid, r->local_port,
		    r->remote_port, t->history, t->comm, t->tid, t->local_port, t->remote_port);
	for (int i = 0; i < ATTRIBUTIONS; i++)
		if (t->pids[i])
			print_error(", %s %u %u", attributions[i], t->pids[i], t->others[i]);
	print_error("\n");
}

static bool owners_are_right(const struct load *load, const struct storm_record *r, const struct told *t, bool *ret_any)
{
	bool right = true;

	*ret_any = false;
	for (int i = 0; i < ATTRIBUTIONS; i++) {
		*ret_any |= t->pids[i] != 0;
		right &= !t->pids[i] || is_right(load, r, i, t->pids[i]);
		right &= !t->others[i] || is_right(load, r, i, t->others[i]);
	}
	return right;
}

uint64_t witness__check_owners(const struct witness *w, const struct load *load)
{
	const struct storm_record *r;
	uint64_t owned = 0, wrong = 0;

	for (size_t i = 0; (r = load__record(load, i)); i++) {
		const struct told *t = find(w, r->cookie);
		bool any;

		if (!t)
			continue;
		if (!owners_are_right(load, r, t, &any) && wrong++ < WRONG_PRINTED)
			print_wrong(t, r);
		owned += any;
	}
	if (wrong)
		fail_msg("%llu ends have a wrong owner", (unsigned long long)wrong);
	return owned;
}

static bool is_complete(const struct storm_record *r, const struct told *t)
{
	bool server = r->role == STORM_SERVER;
	const char *comm = server ? LOAD_SERVER : LOAD_CLIENT;
	uint32_t taken = t->pids[attribution_index(server ? "accept" : "connect")];

	return t->history == (server ? HISTORY(ESTABLISHED, ACCEPT, CLOSE) : HISTORY(CONNECT, ESTABLISHED, CLOSE)) &&
	       taken == r->pid && t->tid == r->pid && !strcmp(t->comm, comm) && t->local_port == r->local_port &&
	       t->remote_port == r->remote_port && t->address == r->address;
}

void witness__check_all(const struct witness *w, const struct load *load, size_t others)
{
	uint64_t owned = witness__check_owners(w, load), wrong = 0;
	const struct storm_record *r;
	size_t n = 0;

	for (; (r = load__record(load, n)); n++) {
		const struct told *t = find(w, r->cookie);

		if (t && is_complete(r, t))
			continue;
		if (wrong++ < WRONG_PRINTED)
			print_wrong(t ? t : &(struct told){ 0 }, r);
	}
	if (wrong)
		fail_msg("%llu of %zu ends are not told in full", (unsigned long long)wrong, n);
	assert_int_equal(owned, n);
	assert_int_equal(w->told.count, n + others);
}
