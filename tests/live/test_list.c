/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: sockwatch list beside ss, netstat and /proc/net, over sockets of every family in three namespaces. */
#include "live/live.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "common/schema.h"
#include "live/medley.h"
#include "live/program.h"

#define NAMESPACES 3
#define LINES_MAX  1024
#define LINE_MAX_  512

struct world {
	int ns[NAMESPACES];
	uint32_t netns[NAMESPACES];
	struct medley medley[NAMESPACES];
	char dir[64];
};

static struct world world;

static int set_up(void **state)
{
	(void)state;
	strcpy(world.dir, "/tmp/sockwatch-list-XXXXXX");
	assert_non_null(mkdtemp(world.dir));
	for (int i = 0; i < NAMESPACES; i++) {
		world.ns[i] = ns__new();
		world.netns[i] = ns__inode(world.ns[i]);
		medley__start(&world.medley[i], world.ns[i], world.dir);
	}
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	for (int i = 0; i < NAMESPACES; i++) {
		medley__stop(&world.medley[i]);
		close(world.ns[i]);
	}
	snprintf(command, sizeof(command), "rm -rf '%s'", world.dir);
	return system(command);
}

/* ---- texts to compare */

struct lines {
	char text[LINES_MAX][LINE_MAX_];
	unsigned int count;
};

static int compare_lines(const void *a, const void *b)
{
	return strcmp(a, b);
}

static char *new_line(struct lines *l)
{
	assert_true(l->count < LINES_MAX);
	return l->text[l->count++];
}

static void assert_same(struct lines *ours, struct lines *theirs, const char *who)
{
	unsigned int i = 0, j = 0, bad = 0;

	qsort(ours->text, ours->count, LINE_MAX_, compare_lines);
	qsort(theirs->text, theirs->count, LINE_MAX_, compare_lines);
	while (i < ours->count || j < theirs->count) {
		int order = i == ours->count ? 1 : j == theirs->count ? -1 : strcmp(ours->text[i], theirs->text[j]);

		if (order && bad++ < 20)
			print_error("only %s: %s\n", order < 0 ? "sockwatch" : who,
				    order < 0 ? ours->text[i] : theirs->text[j]);
		i += order <= 0;
		j += order >= 0;
	}
	if (bad)
		fail_msg("%u lines differ between sockwatch and %s", bad, who);
}

/* What a command prints in the namespace. */
static void run_in(int ns, const char *command, struct lines *ret)
{
	char line[4096];
	FILE *pipe;
	int own = ns__own();

	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
	pipe = popen(command, "re");
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	close(own);
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(new_line(ret), LINE_MAX_, "%.500s", line);
	}
	pclose(pipe);
}

/* ---- sockwatch */

static json_t *run_json(const char *const *args)
{
	struct program *p = program__run(&(struct program_config){ .args = args }, 0);
	json_t *list = json_array(), *schema, *record;
	const char *path = getenv("SOCKWATCH_SCHEMA");
	char why[256];

	assert_int_equal(schema__load(path ? path : "src/data/sockwatch.schema.json", &schema), 0);
	for (char *line = p->out.text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		record = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(record);
		if (!schema__valid(schema, record, why, sizeof(why)))
			fail_msg("%s: %s", why, line);
		json_array_append_new(list, record);
	}
	program__free(p);
	return list;
}

static json_t *list_namespace(int i, const char *letters)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)world.medley[i].pid);
	return run_json(PROGRAM_ARGS("list", "--json", "-N", pid, letters));
}

static const char *text(const json_t *r, const char *key)
{
	return update__text(r, key);
}

static uint64_t number(const json_t *r, const char *key)
{
	return update__number(r, key);
}

static bool is(const json_t *r, const char *key, const char *value)
{
	return !strcmp(text(r, key), value);
}

/* ss's name of a state. */
static const char *ss_state(const json_t *r)
{
	static const char *const names[][2] = {
		{ "ESTABLISHED", "ESTAB" },	{ "SYN_SENT", "SYN-SENT" },    { "SYN_RECV", "SYN-RECV" },
		{ "FIN_WAIT1", "FIN-WAIT-1" },	{ "FIN_WAIT2", "FIN-WAIT-2" }, { "TIME_WAIT", "TIME-WAIT" },
		{ "CLOSE_WAIT", "CLOSE-WAIT" }, { "LAST_ACK", "LAST-ACK" },    { "CLOSE", "UNCONN" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (is(r, "state", names[i][0]))
			return names[i][1];
	}
	return text(r, "state");
}

static void add_address(const json_t *r, const char *side, char *to, size_t size)
{
	bool local = !strcmp(side, "local"), v6 = is(r, "family", "ipv6"), any;
	char key[32], port[16] = "*", device[32] = "";
	const char *address;

	snprintf(key, sizeof(key), "%s_address", side);
	address = text(r, key);
	any = !strcmp(address, "::");
	snprintf(key, sizeof(key), "%s_port", side);
	if (number(r, key))
		snprintf(port, sizeof(port), "%" PRIu64, number(r, key));
	if (local && is(r, "protocol", "raw"))
		snprintf(port, sizeof(port), "%" PRIu64, number(r, "ip_protocol"));
	if (local && *text(r, "device"))
		snprintf(device, sizeof(device), "%%%s", text(r, "device"));
	if (!*address) /* no other end: ss has its zeros */
		snprintf(to, size, "none");
	else if (v6 && any && local && !json_is_true(json_object_get(r, "v6only")) && !is(r, "protocol", "raw"))
		snprintf(to, size, "*%s:%s", device, port);
	else
		snprintf(to, size, v6 ? "[%s]%s:%s" : "%s%s:%s", address, device, port);
}

static void add_ends(const json_t *r, char *to, size_t size)
{
	char local[128], remote[128];

	if (is(r, "family", "unix")) {
		snprintf(to, size, "%s %" PRIu64 " %s %" PRIu64, *text(r, "path") ? text(r, "path") : "*",
			 number(r, "inode"), *text(r, "peer_path") ? text(r, "peer_path") : "*",
			 number(r, "peer_inode"));
	} else if (is(r, "family", "packet")) {
		const char *device = *text(r, "device") ? text(r, "device") : "*";
		uint64_t protocol = number(r, "ethertype");

		if (protocol == 3)
			snprintf(to, size, "*:%s none", device);
		else
			snprintf(to, size, "%s%" PRIu64 ":%s none", protocol == 0x806 ? "arp" : "",
				 protocol == 0x806 ? 0 : protocol, device);
	} else {
		add_address(r, "local", local, sizeof(local));
		add_address(r, "remote", remote, sizeof(remote));
		snprintf(to, size, "%s %s", local, remote);
	}
}

static const char *ss_protocol(const json_t *r)
{
	static const char *const names[][3] = {
		{ "unix", "stream", "u_str" }, { "unix", "dgram", "u_dgr" },   { "unix", "seqpacket", "u_seq" },
		{ "packet", "raw", "p_raw" },  { "packet", "dgram", "p_dgr" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (is(r, "protocol", names[i][0]) && is(r, "type", names[i][1]))
			return names[i][2];
	}
	return text(r, "protocol");
}

/* pid/fd of every holder, as numbers that sort. */
static int compare_numbers(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void join_holders(char (*items)[24], unsigned int count, char *to, size_t size)
{
	size_t len = 0;

	qsort(items, count, sizeof(items[0]), compare_numbers);
	*to = '\0';
	for (unsigned int i = 0; i < count && len < size; i++)
		len += (size_t)snprintf(to + len, size - len, "%s%s", i ? "," : "", items[i]);
}

static void add_holders(const json_t *r, char *to, size_t size)
{
	char items[16][24];
	unsigned int count = 0;
	size_t i;
	json_t *h;

	json_array_foreach(json_object_get(r, "holders"), i, h) {
		assert_true(count < 16);
		snprintf(items[count++], sizeof(items[0]), "%" PRIu64 "/%" PRIu64, number(h, "pid"), number(h, "fd"));
	}
	join_holders(items, count, to, size);
}

static void make_ours(json_t *list, struct lines *ret)
{
	size_t i;
	json_t *r;

	json_array_foreach(list, i, r) {
		char ends[320], holders[128];
		bool raw = is(r, "protocol", "raw"); /* of /proc, where ss tells neither inode nor cookie */

		if (is(r, "protocol", "icmp") || is(r, "protocol", "udplite")) /* ss does not list them */
			continue;
		add_ends(r, ends, sizeof(ends));
		add_holders(r, holders, sizeof(holders));
		snprintf(new_line(ret), LINE_MAX_,
			 "%s %s %" PRIu64 " %" PRIu64 " %s users:%s ino:%" PRIu64 " sk:%" PRIx64 " uid:%" PRIu64,
			 ss_protocol(r), ss_state(r), number(r, "recv_queue"), number(r, "send_queue"), ends, holders,
			 raw || is(r, "family", "unix") ? 0 : number(r, "inode"),
			 raw || is(r, "family", "unix") ? 0 : number(r, "cookie"),
			 raw || is(r, "family", "unix") ? 0 : number(r, "socket_uid"));
	}
}

/* ---- ss */

/* [::ffff:1.2.3.4]:5 is 1.2.3.4:5 here (T10), and the zeros of no other end are "none". */
static void normalise(char *end, bool remote)
{
	static const char mapped[] = "[::ffff:";
	char *bracket = strchr(end, ']');

	if (!strncmp(end, mapped, sizeof(mapped) - 1) && strchr(end, '.') && bracket) {
		memmove(bracket, bracket + 1, strlen(bracket));
		memmove(end, end + sizeof(mapped) - 1, strlen(end + sizeof(mapped) - 1) + 1);
	}
	if (remote && (!strcmp(end, "0.0.0.0:*") || !strcmp(end, "[::]:*") || !strcmp(end, "*:*") || !strcmp(end, "*")))
		strcpy(end, "none");
}

static void parse_users(const char *line, char *to, size_t size)
{
	const char *at = strstr(line, "users:((");
	char items[16][24];
	unsigned int count = 0, pid, fd;

	while (at && (at = strstr(at, "pid="))) {
		assert_int_equal(sscanf(at, "pid=%u,fd=%u", &pid, &fd), 2);
		snprintf(items[count++], sizeof(items[0]), "%u/%u", pid, fd);
		at++;
	}
	join_holders(items, count, to, size);
}

static uint64_t parse_field(const char *line, const char *name, int base)
{
	const char *at = strstr(line, name);

	return at ? strtoull(at + strlen(name), NULL, base) : 0;
}

static void make_theirs(const struct lines *ss, struct lines *ret)
{
	for (unsigned int i = 0; i < ss->count; i++) {
		const char *line = ss->text[i];
		char protocol[16], state[16], local[128], remote[128], ends[320], users[128];
		unsigned int rq, sq;
		int at = 0;
		uint64_t inode = 0, cookie = 0, uid = 0;

		assert_true(sscanf(line, "%15s %15s %u %u %n", protocol, state, &rq, &sq, &at) >= 4);
		if (!strncmp(protocol, "u_", 2)) {
			char ino[24], peer[24];

			assert_int_equal(sscanf(line + at, "%127s %23s %127s %23s", local, ino, remote, peer), 4);
			snprintf(ends, sizeof(ends), "%s %s %s %s", local, ino, remote, peer);
		} else {
			assert_true(sscanf(line + at, "%127s %127s", local, remote) == 2);
			normalise(local, false);
			normalise(remote, true);
			snprintf(ends, sizeof(ends), "%s %s", local, remote);
			inode = parse_field(line, " ino:", 10);
			cookie = parse_field(line, " sk:", 16);
			uid = parse_field(line, " uid:", 10);
		}
		parse_users(line, users, sizeof(users));
		if (!strcmp(protocol, "raw"))
			inode = cookie = uid = 0;
		snprintf(new_line(ret), LINE_MAX_,
			 "%s %s %u %u %s users:%s ino:%" PRIu64 " sk:%" PRIx64 " uid:%" PRIu64, protocol, state, rq, sq,
			 ends, users, inode, cookie, uid);
	}
}

static void every_row_equals_ss(void **state)
{
	(void)state;
	for (int i = 0; i < NAMESPACES; i++) {
		struct lines *ours = calloc(1, sizeof(*ours)), *raw = calloc(1, sizeof(*raw));
		struct lines *theirs = calloc(1, sizeof(*theirs));
		json_t *list = list_namespace(i, "-tuwx0Mape");

		assert_true(ours && raw && theirs);
		assert_true(json_array_size(list) >= 100);
		run_in(world.ns[i], "ss -H -O -n -tuwx0M -a -p -e", raw);
		make_ours(list, ours);
		make_theirs(raw, theirs);
		assert_same(ours, theirs, "ss");
		json_decref(list);
		free(ours);
		free(raw);
		free(theirs);
	}
}

#define list_test(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		list_test(every_row_equals_ss),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
