/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: sockwatch list beside ss, netstat and /proc/net, over sockets of every family in three namespaces. */
#include "live/listed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without timers, which move. */
#define SS "ss -H -O -n -tuwx0M -a -p -e | sed 's/timer:[^ ]*//'"

/* ss's name of a state. */
static const char *ss_state(const json_t *r)
{
	static const char *const names[][2] = {
		{ "ESTABLISHED", "ESTAB" },	{ "SYN_SENT", "SYN-SENT" },    { "SYN_RECV", "SYN-RECV" },
		{ "FIN_WAIT1", "FIN-WAIT-1" },	{ "FIN_WAIT2", "FIN-WAIT-2" }, { "TIME_WAIT", "TIME-WAIT" },
		{ "CLOSE_WAIT", "CLOSE-WAIT" }, { "LAST_ACK", "LAST-ACK" },    { "CLOSE", "UNCONN" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (listed__is(r, "state", names[i][0]))
			return names[i][1];
	}
	return update__text(r, "state");
}

static void add_address(const json_t *r, const char *side, char *to, size_t size)
{
	bool local = !strcmp(side, "local"), v6 = listed__is(r, "family", "ipv6"), any;
	char key[32], port[16] = "*", device[32] = "";
	const char *address;

	snprintf(key, sizeof(key), "%s_address", side);
	address = update__text(r, key);
	any = !strcmp(address, "::");
	snprintf(key, sizeof(key), "%s_port", side);
	if (update__number(r, key))
		snprintf(port, sizeof(port), "%" PRIu64, update__number(r, key));
	if (local && listed__is(r, "protocol", "raw"))
		snprintf(port, sizeof(port), "%" PRIu64, update__number(r, "ip_protocol"));
	if (local && *update__text(r, "device"))
		snprintf(device, sizeof(device), "%%%s", update__text(r, "device"));
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

	if (listed__is(r, "family", "unix")) {
		/* The other end by its inode: ss names it in some places only. */
		snprintf(to, size, "%s %" PRIu64 " %" PRIu64, *update__text(r, "path") ? update__text(r, "path") : "*",
			 update__number(r, "inode"), update__number(r, "peer_inode"));
	} else if (listed__is(r, "family", "packet")) {
		const char *device = *update__text(r, "device") ? update__text(r, "device") : "*";

		if (update__number(r, "ethertype") == 3)
			snprintf(to, size, "*:%s none", device);
		else
			snprintf(to, size, "[%" PRIu64 "]:%s none", update__number(r, "ethertype"), device);
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
		if (listed__is(r, "protocol", names[i][0]) && listed__is(r, "type", names[i][1]))
			return names[i][2];
	}
	return update__text(r, "protocol");
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
		snprintf(items[count++], sizeof(items[0]), "%" PRIu64 "/%" PRIu64, update__number(h, "pid"),
			 update__number(h, "fd"));
	}
	join_holders(items, count, to, size);
}

static void make_ours(json_t *list, struct lines *ret)
{
	size_t i;
	json_t *r;

	json_array_foreach(list, i, r) {
		char ends[320], holders[128];
		bool raw = listed__is(r, "protocol", "raw"); /* of /proc, where ss tells neither inode nor cookie */

		if (listed__is(r, "protocol", "icmp") ||
		    listed__is(r, "protocol", "udplite")) /* ss does not list them */
			continue;
		add_ends(r, ends, sizeof(ends));
		add_holders(r, holders, sizeof(holders));
		snprintf(lines__add(ret), LINE_SIZE,
			 "%s %s %" PRIu64 " %" PRIu64 " %s users:%s ino:%" PRIu64 " sk:%" PRIx64 " uid:%" PRIu64,
			 ss_protocol(r), ss_state(r), update__number(r, "recv_queue"), update__number(r, "send_queue"),
			 ends, holders, raw || listed__is(r, "family", "unix") ? 0 : update__number(r, "inode"),
			 raw || listed__is(r, "family", "unix") ? 0 : update__number(r, "cookie"),
			 raw || listed__is(r, "family", "unix") ? 0 : update__number(r, "socket_uid"));
	}
}

/* ---- ss */

static bool is_netid(const char *word)
{
	static const char *const others[] = { "tcp", "mptcp", "udp", "sctp", "dccp", "nl", "xdp", "ti", "tipc" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (!strcmp(word, others[i]))
			return true;
	}
	return !strncmp(word, "u_", 2) || !strncmp(word, "p_", 2) || !strncmp(word, "v_", 2);
}

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
		/* With raw_diag it is named by the number that its packets carry. */
		if (!is_netid(protocol))
			strcpy(protocol, "raw");
		if (!strcmp(protocol, "raw"))
			inode = cookie = uid = 0;
		snprintf(lines__add(ret), LINE_SIZE,
			 "%s %s %u %u %s users:%s ino:%" PRIu64 " sk:%" PRIx64 " uid:%" PRIu64, protocol, state, rq, sq,
			 ends, users, inode, cookie, uid);
	}
}

/* Queues may still move a little: what ss says before and after must be the same. */
static void list_at_rest(int i, struct lines *raw, json_t **ret)
{
	struct lines *after = lines__new();

	for (int looks = 0; looks < 100; looks++) {
		memset(raw, 0, sizeof(*raw));
		memset(after, 0, sizeof(*after));
		lines__run_in(medleys.ns[i], SS, raw);
		*ret = medleys__list(i, "-tuwx0Mape");
		lines__run_in(medleys.ns[i], SS, after);
		qsort(raw->text, raw->count, LINE_SIZE, lines__compare);
		qsort(after->text, after->count, LINE_SIZE, lines__compare);
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
		struct lines *ours = lines__new(), *raw = lines__new();
		struct lines *theirs = lines__new();
		json_t *list;

		list_at_rest(i, raw, &list);
		assert_true(json_array_size(list) >= 100);
		make_ours(list, ours);
		make_theirs(raw, theirs);
		lines__assert_same(ours, theirs, "ss");
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
	snprintf(lines__add(ret), LINE_SIZE, "%u %s %s %" PRIu64 " %s", refs, strstr(flags, "ACC") ? "ACC" : "-", type,
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

		if (!update__number(r, "inode")) /* netstat shows no process there, and the line has another form */
			continue;
		for (size_t t = 0; t < 3; t++)
			type = listed__is(r, "type", types[t][0]) ? types[t][1] : type;
		snprintf(lines__add(ret), LINE_SIZE, "%" PRIu64 " %s %s %" PRIu64 " %s",
			 update__number(r, "references"), listed__is(r, "state", "LISTEN") ? "ACC" : "-", type,
			 update__number(r, "inode"), update__text(r, "path"));
	}
}

static void unix_sockets_equal_netstat(void **state)
{
	struct lines *ours = lines__new(), *raw = lines__new();
	struct lines *theirs = lines__new();
	json_t *list = medleys__list(0, "-xape");

	(void)state;
	lines__run_in(medleys.ns[0], "netstat -x -a -n -p | grep -E '^unix.* [0-9]+/'", raw);
	for (unsigned int i = 0; i < raw->count; i++)
		take_netstat_unix(raw->text[i], theirs);
	make_unix_ours(list, ours);
	assert_true(theirs->count > 20);
	lines__assert_same(ours, theirs, "netstat");
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
	struct lines *raw = lines__new();
	char command[64];

	/* The shell of popen is in the namespace. */
	snprintf(command, sizeof(command), "tail -n +2 /proc/self/net/%s", proc_files[f].file);
	lines__run_in(medleys.ns[i], command, raw);
	for (unsigned int n = 0; n < raw->count; n++) {
		char copy[LINE_SIZE];
		uint64_t inode, uid;

		strcpy(copy, raw->text[n]);
		inode = strtoull(field(copy, proc_files[f].inode_field), NULL, 10);
		strcpy(copy, raw->text[n]);
		uid = strtoull(field(copy, proc_files[f].uid_field), NULL, 10);
		if (inode)
			snprintf(lines__add(ret), LINE_SIZE, "%s %" PRIu64 " %" PRIu64, proc_files[f].protocol, inode,
				 uid);
	}
	free(raw);
}

static void every_socket_of_proc_net_is_there(void **state)
{
	(void)state;
	for (int n = 0; n < NAMESPACES; n++) {
		struct lines *ours = lines__new(), *theirs = lines__new();
		json_t *list = medleys__list(n, "-tuw0a"), *r;
		size_t i;

		for (size_t f = 0; f < sizeof(proc_files) / sizeof(proc_files[0]); f++)
			take_proc(n, f, theirs);
		json_array_foreach(list, i, r) {
			if (update__number(r, "inode"))
				snprintf(lines__add(ours), LINE_SIZE, "%s %" PRIu64 " %" PRIu64,
					 update__text(r, "protocol"), update__number(r, "inode"),
					 update__number(r, "socket_uid"));
		}
		lines__assert_same(ours, theirs, "/proc/net");
		json_decref(list);
		free(ours);
		free(theirs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_equals_ss),
		cmocka_unit_test(unix_sockets_equal_netstat),
		cmocka_unit_test(every_socket_of_proc_net_is_there),
	};

	return cmocka_run_group_tests(tests, medleys__set_up, medleys__tear_down);
}
