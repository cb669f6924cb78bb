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
/* Without timers, which move. */
#define SS "ss -H -O -n -tuwx0M -a -p -e | sed 's/timer:[^ ]*//'"

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

static struct lines *new_lines(void)
{
	struct lines *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	return l;
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
	else if (v6 && any && local && !json_is_true(json_object_get(r, "v6only")))
		snprintf(to, size, "*%s:%s", device, port);
	else
		snprintf(to, size, v6 ? "[%s]%s:%s" : "%s%s:%s", address, device, port);
}

static void add_ends(const json_t *r, char *to, size_t size)
{
	char local[128], remote[128];

	if (is(r, "family", "unix")) {
		/* The other end by its inode: ss names it in some places only. */
		snprintf(to, size, "%s %" PRIu64 " %" PRIu64, *text(r, "path") ? text(r, "path") : "*",
			 number(r, "inode"), number(r, "peer_inode"));
	} else if (is(r, "family", "packet")) {
		const char *device = *text(r, "device") ? text(r, "device") : "*";

		if (number(r, "ethertype") == 3)
			snprintf(to, size, "*:%s none", device);
		else
			snprintf(to, size, "[%" PRIu64 "]:%s none", number(r, "ethertype"), device);
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
			snprintf(ends, sizeof(ends), "%s %s %s", local, ino, peer);
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

/* Queues may still move a little: what ss says before and after must be the same. */
static void list_at_rest(int i, struct lines *raw, json_t **ret)
{
	struct lines *after = new_lines();

	for (int looks = 0; looks < 100; looks++) {
		memset(raw, 0, sizeof(*raw));
		memset(after, 0, sizeof(*after));
		run_in(world.ns[i], SS, raw);
		*ret = list_namespace(i, "-tuwx0Mape");
		run_in(world.ns[i], SS, after);
		qsort(raw->text, raw->count, LINE_MAX_, compare_lines);
		qsort(after->text, after->count, LINE_MAX_, compare_lines);
		if (!memcmp(raw, after, sizeof(*raw))) {
			free(after);
			return;
		}
		json_decref(*ret);
	}
	fail_msg("the namespace does not come to rest");
}

static void every_row_equals_ss(void **state)
{
	(void)state;
	for (int i = 0; i < NAMESPACES; i++) {
		struct lines *ours = new_lines(), *raw = new_lines();
		struct lines *theirs = new_lines();
		json_t *list;

		list_at_rest(i, raw, &list);
		assert_true(json_array_size(list) >= 100);
		make_ours(list, ours);
		make_theirs(raw, theirs);
		assert_same(ours, theirs, "ss");
		json_decref(list);
		free(ours);
		free(raw);
		free(theirs);
	}
}

/* ---- netstat */

/* "unix  2      [ ACC ]     STREAM     LISTENING     46158362 2925/mixed           @abs" */
static void take_netstat_unix(const char *line, struct lines *ret)
{
	char flags[16] = "", type[16], rest[256], path[128] = "";
	unsigned int refs, pid = 0;
	uint64_t inode;
	int at = 0;

	assert_int_equal(sscanf(line, "unix %u [%15[A-Z ]] %15s %255[^\n]", &refs, flags, type, rest), 4);
	/* A socket without a connection has a blank in place of its state. */
	if (sscanf(rest, "%" SCNu64 " %u/%*s %n", &inode, &pid, &at) < 2)
		assert_true(sscanf(rest, "%*s %" SCNu64 " %u/%*s %n", &inode, &pid, &at) == 2);
	snprintf(path, sizeof(path), "%s", rest + at);
	snprintf(new_line(ret), LINE_MAX_, "%u %s %s %" PRIu64 " %s", refs, strstr(flags, "ACC") ? "ACC" : "-", type,
		 inode, path);
}

static void make_unix_ours(json_t *list, struct lines *ret)
{
	static const char *const types[][2] = { { "stream", "STREAM" },
						{ "dgram", "DGRAM" },
						{ "seqpacket", "SEQPACKET" } };
	size_t i;
	json_t *r;

	json_array_foreach(list, i, r) {
		const char *type = "?";

		if (!number(r, "inode")) /* netstat shows no process there, and the line has another form */
			continue;
		for (size_t t = 0; t < 3; t++)
			type = is(r, "type", types[t][0]) ? types[t][1] : type;
		snprintf(new_line(ret), LINE_MAX_, "%" PRIu64 " %s %s %" PRIu64 " %s", number(r, "references"),
			 is(r, "state", "LISTEN") ? "ACC" : "-", type, number(r, "inode"), text(r, "path"));
	}
}

static void unix_sockets_equal_netstat(void **state)
{
	struct lines *ours = new_lines(), *raw = new_lines();
	struct lines *theirs = new_lines();
	json_t *list = list_namespace(0, "-xape");

	(void)state;
	run_in(world.ns[0], "netstat -x -a -n -p | grep -E '^unix.* [0-9]+/'", raw);
	for (unsigned int i = 0; i < raw->count; i++)
		take_netstat_unix(raw->text[i], theirs);
	make_unix_ours(list, ours);
	assert_true(theirs->count > 20);
	assert_same(ours, theirs, "netstat");
	json_decref(list);
	free(ours);
	free(raw);
	free(theirs);
}

/* ---- /proc/net, for what ss does not list or does not name */

static const struct {
	const char *file, *protocol;
	int inode_field, uid_field; /* from 1; 0: none */
} proc_files[] = {
	{ "tcp", "tcp", 10, 8 },    { "tcp6", "tcp", 10, 8 },	     { "udp", "udp", 10, 8 },
	{ "udp6", "udp", 10, 8 },   { "udplite", "udplite", 10, 8 }, { "udplite6", "udplite", 10, 8 },
	{ "raw", "raw", 10, 8 },    { "raw6", "raw", 10, 8 },	     { "icmp", "icmp", 10, 8 },
	{ "icmp6", "icmp", 10, 8 }, { "packet", "packet", 9, 8 },
};

static const char *field(char *line, int number)
{
	char *rest = NULL, *word = strtok_r(line, " ", &rest);

	while (word && --number)
		word = strtok_r(NULL, " ", &rest);
	return word ? word : "";
}

static void take_proc(int i, size_t f, struct lines *ret)
{
	struct lines *raw = new_lines();
	char command[64];

	/* The shell of popen is in the namespace. */
	snprintf(command, sizeof(command), "tail -n +2 /proc/self/net/%s", proc_files[f].file);
	run_in(world.ns[i], command, raw);
	for (unsigned int n = 0; n < raw->count; n++) {
		char copy[LINE_MAX_];
		uint64_t inode, uid;

		strcpy(copy, raw->text[n]);
		inode = strtoull(field(copy, proc_files[f].inode_field), NULL, 10);
		strcpy(copy, raw->text[n]);
		uid = strtoull(field(copy, proc_files[f].uid_field), NULL, 10);
		if (inode)
			snprintf(new_line(ret), LINE_MAX_, "%s %" PRIu64 " %" PRIu64, proc_files[f].protocol, inode,
				 uid);
	}
	free(raw);
}

static void every_socket_of_proc_net_is_there(void **state)
{
	(void)state;
	for (int n = 0; n < NAMESPACES; n++) {
		struct lines *ours = new_lines(), *theirs = new_lines();
		json_t *list = list_namespace(n, "-tuw0a"), *r;
		size_t i;

		for (size_t f = 0; f < sizeof(proc_files) / sizeof(proc_files[0]); f++)
			take_proc(n, f, theirs);
		json_array_foreach(list, i, r) {
			if (number(r, "inode"))
				snprintf(new_line(ours), LINE_MAX_, "%s %" PRIu64 " %" PRIu64, text(r, "protocol"),
					 number(r, "inode"), number(r, "socket_uid"));
		}
		assert_same(ours, theirs, "/proc/net");
		json_decref(list);
		free(ours);
		free(theirs);
	}
}

/* ---- together */

static void all_namespaces_at_once_and_each_socket_once(void **state)
{
	json_t *list = run_json(PROGRAM_ARGS("list", "--json", "-a")), *r, *seen = json_object();
	unsigned int counts[NAMESPACES] = { 0 };
	size_t i;

	(void)state;
	json_array_foreach(list, i, r) {
		char key[64];

		snprintf(key, sizeof(key), "%s-%" PRIu64 "-%" PRIu64, text(r, "protocol"), number(r, "cookie"),
			 number(r, "inode"));
		if (number(r, "cookie") || number(r, "inode")) {
			assert_null(json_object_get(seen, key));
			json_object_set_new(seen, key, json_true());
		}
		for (int n = 0; n < NAMESPACES; n++)
			counts[n] += number(r, "netns") == world.netns[n] && is(r, "comm", MEDLEY_COMM);
	}
	/* Sockets that nobody accepted have the listener's owner, or (unix, MPTCP) none. */
	for (int n = 0; n < NAMESPACES; n++)
		assert_true(counts[n] + 12 >= world.medley[n].count && counts[n] >= 100);
	json_decref(seen);
	json_decref(list);
}

static void owners_are_those_of_the_stream(void **state)
{
	json_t *list = list_namespace(0, "-ta"), *r;
	unsigned int listeners = 0, waiting = 0;
	size_t i;

	(void)state;
	json_array_foreach(list, i, r) {
		if (is(r, "state", "TIME_WAIT")) {
			assert_string_equal(text(r, "attribution"), "none");
			continue;
		}
		if (!number(r, "inode") && is(r, "state", "ESTABLISHED") && is(r, "direction", "in")) {
			assert_string_equal(text(r, "attribution"), "listener");
			assert_int_equal(number(r, "pid"), world.medley[0].pid);
			waiting++;
		}
		if (!is(r, "state", "LISTEN"))
			continue;
		assert_string_equal(text(r, "attribution"), "holder");
		assert_string_equal(text(r, "comm"), MEDLEY_COMM); /* it started before its child */
		assert_int_equal(number(r, "pid"), world.medley[0].pid);
		listeners++;
	}
	assert_true(listeners >= 6);
	assert_true(waiting >= 3);
	json_decref(list);
}

static void facts_of_tcp_and_memory(void **state)
{
	json_t *list = list_namespace(1, "-taoim"), *r;
	unsigned int measured = 0, keepalive = 0;
	size_t i;

	(void)state;
	json_array_foreach(list, i, r) {
		keepalive += is(r, "timer", "keepalive") && number(r, "timer_ms");
		if (is(r, "state", "TIME_WAIT"))
			continue;
		assert_true(json_object_get(r, "cwnd") && *text(r, "congestion"));
		assert_true(number(r, "rmem_limit") > 0);
		measured += number(r, "rtt_us") > 0;
	}
	assert_true(measured > 10);
	assert_true(keepalive > 5);
	json_decref(list);
}

static void a_filter_picks_rows(void **state)
{
	char pid[16];
	json_t *list, *r;
	size_t i;

	(void)state;
	snprintf(pid, sizeof(pid), "%d", (int)world.medley[0].pid);
	list = run_json(
		PROGRAM_ARGS("list", "--json", "-N", pid, "-ta", "sport", "=", ":9000", "and", "state", "established"));
	assert_true(json_array_size(list) >= 10);
	json_array_foreach(list, i, r) {
		assert_int_equal(number(r, "local_port"), 9000);
		assert_string_equal(text(r, "state"), "ESTABLISHED");
		assert_int_equal(number(r, "pid"), world.medley[0].pid); /* of the unaccepted one as well */
	}
	json_decref(list);
	list = run_json(PROGRAM_ARGS("list", "--json", "-a", "comm", "=", MEDLEY_COMM, "and", "netns", "=", "1"));
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

#define list_test(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		list_test(every_row_equals_ss),
		list_test(unix_sockets_equal_netstat),
		list_test(every_socket_of_proc_net_is_there),
		list_test(all_namespaces_at_once_and_each_socket_once),
		list_test(owners_are_those_of_the_stream),
		list_test(facts_of_tcp_and_memory),
		list_test(a_filter_picks_rows),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
