/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* NDJSON and its schema: every line is parsed back, and checked against the schema that is shipped. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/schema.h"
#include "render/render.h"
#include "scene.h"

static json_t *schema;

static json_t *parse_line(const char *line)
{
	const char *end = strchr(line, '\n');
	char why[256] = "";
	json_error_t error;
	json_t *value;

	assert_non_null(end);
	assert_int_equal(end[1], '\0');
	value = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	if (!value)
		fail_msg("%s: %s", error.text, line);
	if (!schema__valid(schema, value, why, sizeof(why)))
		fail_msg("%s: %s", why, line);
	return value;
}

static void check_line(const struct update *u, const char *want)
{
	const char *line = scene__render(&scene_json, u);

	assert_string_equal(line, want);
	json_decref(parse_line(line));
}

#define AT_1_5S "\"time\":\"2026-09-21T14:13:21.623456789Z\""
#define SERVER                                                                    \
	"\"pid\":412,\"comm\":\"nginx\",\"uid\":33,\"ppid\":1,"                   \
	"\"exe\":\"/usr/sbin/nginx\",\"cmdline\":\"nginx: worker -c  /etc/a b\"," \
	"\"start_time\":\"2026-09-21T14:15:23.57Z\",\"cgroup\":\"/system.slice/nginx.service\","

static void ndjson_golden_sockets(void **state)
{
	const struct update existing = { .event = EV_EXISTING,
					 .time_ns = SCENE_TIME_NS,
					 .sock = &scene_listener,
					 .have_queues = true,
					 .send_queue = 511 };
	const struct update closed = {
		.event = EV_CLOSE,
		.time_ns = SCENE_TIME_NS,
		.sock = &scene_established,
		.close = { true, 1500, 1, UINT64_C(1) << 40, 3, 27, REASON_REMOTE },
	};
	const struct update waiting = { .event = EV_EXISTING, .time_ns = SCENE_TIME_NS, .sock = &scene_unowned };

	(void)state;
	check_line(&existing, "{\"v\":1,\"event\":\"existing\"," AT_1_5S ",\"cookie\":7,\"inode\":99,\"netns\":"
			      "4026531840,"
			      "\"family\":\"ipv6\",\"protocol\":\"tcp\",\"state\":\"LISTEN\",\"direction\":\"listen\","
			      "\"local_address\":\"::\",\"local_port\":80," SERVER "\"attribution\":\"holder\","
			      "\"holders\":"
			      "[{\"pid\":412,\"fd\":6,\"comm\":\"nginx\"},"
			      "{\"pid\":90210,\"fd\":1023,\"comm\":\"a\\\\xff\\\\\\\\\\\"\\u000a\xc3\xa4\"}],"
			      "\"recv_queue\":0,\"send_queue\":511}\n");
	check_line(&closed, "{\"v\":1,\"event\":\"close\"," AT_1_5S ",\"cookie\":4711,\"inode\":12345678901,"
			    "\"netns\":4026531840,\"family\":\"ipv4\",\"protocol\":\"tcp\",\"state\":\"ESTABLISHED\","
			    "\"direction\":\"in\",\"local_address\":\"192.0.2.1\",\"local_port\":443,"
			    "\"remote_address\":\"203.0.113.77\",\"remote_port\":51000," SERVER "\"attribution\":"
			    "\"accept\",\"duration_"
			    "us\":1500,\"bytes_"
			    "sent\":1,"
			    "\"bytes_received\":1099511627776,\"retransmits\":3,\"rtt_us\":27,\"reason\":\"remote\"}"
			    "\n");
	check_line(&waiting, "{\"v\":1,\"event\":\"existing\"," AT_1_5S ",\"cookie\":8,\"netns\":4026532000,"
			     "\"family\":\"ipv6\",\"protocol\":\"mptcp\",\"state\":\"TIME_WAIT\","
			     "\"local_address\":\"2001:db8::1\",\"local_port\":22,\"remote_address\":\"fe80::abcd\","
			     "\"remote_port\":40000,\"attribution\":\"none\"}\n");
}

static void ndjson_golden_notes(void **state)
{
	struct update u = { .event = EV_SYNC, .time_ns = SCENE_TIME_NS, .sync = { 12, 1, 23456, "tracepoint", NULL } };

	(void)state;
	check_line(&u, "{\"v\":1,\"event\":\"sync\"," AT_1_5S ",\"sockets\":12,\"unowned\":1,\"bootstrap_us\":23456,"
		       "\"plan\":\"tracepoint\"}\n");
	u.sync.plan = NULL;
	u.sync.missing_hooks = "accept, accept4";
	check_line(&u, "{\"v\":1,\"event\":\"sync\"," AT_1_5S ",\"sockets\":12,\"unowned\":1,\"bootstrap_us\":23456,"
		       "\"missing_hooks\":\"accept, accept4\"}\n");
	u = (struct update){ .event = EV_LOST, .time_ns = SCENE_TIME_NS, .lost = { 12, LOSS_HELPER } };
	check_line(&u, "{\"v\":1,\"event\":\"lost\"," AT_1_5S ",\"count\":12,\"where\":\"helper\"}\n");
	u = (struct update){ .event = EV_SUMMARY, .time_ns = SCENE_TIME_NS, .summary = { 100, 12 } };
	check_line(&u, "{\"v\":1,\"event\":\"summary\"," AT_1_5S ",\"updates\":100,\"lost\":12}\n");
}

static void ndjson_has_no_remote_end_for_a_listener_that_closes(void **state)
{
	struct sock closing = scene_listener;
	const struct update u = { .event = EV_CLOSE, .sock = &closing, .close = { .reason = REASON_LOCAL } };
	json_t *line;

	(void)state;
	closing.state = STATE_CLOSE;
	line = parse_line(scene__render(&scene_json, &u));
	assert_null(json_object_get(line, "remote_address"));
	assert_null(json_object_get(line, "remote_port"));
	json_decref(line);
}

static void want_text(json_t *want, const char *key, const char *text)
{
	if (text)
		assert_int_equal(json_object_set_new(want, key, json_string(text)), 0);
}

static void want_integer(json_t *want, const char *key, uint64_t n)
{
	assert_int_equal(json_object_set_new(want, key, json_integer((json_int_t)n)), 0);
}

static void want_time(json_t *want, const char *key, uint64_t boot_ns, unsigned int digits)
{
	char text[64];

	scene__format_time(boot_ns + SCENE_REALTIME_OF_BOOT, digits, text, sizeof(text));
	want_text(want, key, text);
}

static void want_owner(json_t *want, const struct scene *scene)
{
	const struct process *owner = scene->sock.owner;
	const char *value = scene->name->value;

	if (!owner)
		return;
	want_integer(want, "pid", owner->pid);
	if (scene->u.tid)
		want_integer(want, "tid", scene->u.tid);
	want_text(want, "comm", value);
	if (owner->have_ids) {
		want_integer(want, "uid", owner->uid);
		want_integer(want, "ppid", owner->ppid);
		want_text(want, "parent_comm", owner->parent_comm[0] ? value : NULL);
	}
	want_text(want, "exe", owner->exe ? value : NULL);
	want_text(want, "cmdline", owner->cmdline ? value : NULL);
	want_text(want, "cgroup", owner->cgroup ? value : NULL);
	want_time(want, "start_time", owner->start_ticks * 10000000, 2);
}

static void want_address(json_t *want, const char *key, const struct endpoints *ends, const uint8_t *address)
{
	char text[INET6_ADDRSTRLEN];

	want_text(want, key, inet_ntop(ends->family == 4 ? AF_INET : AF_INET6, address, text, sizeof(text)));
}

static void want_socket(json_t *want, const struct scene *scene)
{
	static const char *const directions[] = { NULL, "out", "in", "listen" };
	const struct sock *sock = &scene->sock;

	want_integer(want, "cookie", sock->cookie);
	if (sock->inode)
		want_integer(want, "inode", sock->inode);
	want_integer(want, "netns", sock->netns);
	want_text(want, "family", sock->ends.family == 4 ? "ipv4" : "ipv6");
	want_text(want, "protocol", sock->mptcp ? "mptcp" : "tcp");
	want_text(want, "state", render__state_name(sock->state));
	want_text(want, "direction", directions[sock->direction]);
	want_text(want, "attribution", render__attribution_name(sock->attribution));
	want_address(want, "local_address", &sock->ends, sock->ends.local);
	if (sock->ends.local_port) /* 0: not chosen yet */
		want_integer(want, "local_port", sock->ends.local_port);
	if (sock->direction != SW_DIR_LISTEN) {
		want_address(want, "remote_address", &sock->ends, sock->ends.remote);
		want_integer(want, "remote_port", sock->ends.remote_port);
	}
	want_owner(want, scene);
}

static void want_holders(json_t *want, const struct scene *scene)
{
	json_t *list;

	if (!scene->sock.holder_count)
		return;
	list = json_array();
	for (int i = 0; i < scene->sock.holder_count; i++) {
		json_t *holder = json_object();

		want_integer(holder, "pid", scene->holders[i].process->pid);
		want_integer(holder, "fd", (uint64_t)scene->holders[i].fd);
		want_text(holder, "comm", scene->name->value);
		assert_int_equal(json_array_append_new(list, holder), 0);
	}
	assert_int_equal(json_object_set_new(want, "holders", list), 0);
}

static void want_close(json_t *want, const struct update *u)
{
	if (u->close.duration_us)
		want_integer(want, "duration_us", u->close.duration_us);
	if (u->close.have_stats) {
		want_integer(want, "bytes_sent", u->close.bytes_sent);
		want_integer(want, "bytes_received", u->close.bytes_received);
		want_integer(want, "retransmits", u->close.retransmits);
	}
	if (u->close.rtt_us)
		want_integer(want, "rtt_us", u->close.rtt_us);
	want_text(want, "reason", render__reason_name(u->close.reason));
}

static void want_event(json_t *want, const struct scene *scene)
{
	static const char *const places[] = { "ring", "map", "dump", "helper" };
	const struct update *u = &scene->u;

	if (u->event == EV_EXISTING || u->event == EV_OWNER)
		want_holders(want, scene);
	if (u->event == EV_EXISTING && u->have_queues) {
		want_integer(want, "recv_queue", u->recv_queue);
		want_integer(want, "send_queue", u->send_queue);
	} else if (u->event == EV_OWNER && u->prev_owner) {
		want_integer(want, "prev_pid", u->prev_owner->pid);
		want_text(want, "prev_comm", scene->name->value);
	} else if (u->event == EV_CLOSE) {
		want_close(want, u);
	} else if (u->event == EV_SYNC) {
		want_integer(want, "sockets", u->sync.sockets);
		want_integer(want, "unowned", u->sync.unowned);
		want_integer(want, "bootstrap_us", u->sync.bootstrap_us);
		want_text(want, "plan", u->sync.plan);
		want_text(want, "missing_hooks", u->sync.missing_hooks);
	} else if (u->event == EV_LOST) {
		want_integer(want, "count", u->lost.count);
		want_text(want, "where", places[u->lost.where]);
	} else if (u->event == EV_SUMMARY) {
		want_integer(want, "updates", u->summary.updates);
		want_integer(want, "lost", u->summary.lost);
	}
}

/* Exactly the keys that are known, each with its value: nothing else, nothing null. */
static void ndjson_of_any_update_parses_back_to_its_values(void **state)
{
	struct scene scene;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		json_t *want = json_object(), *line;
		const char *text;

		scene__random(&scene);
		text = scene__render(&scene_json, &scene.u);
		line = parse_line(text);
		want_integer(want, "v", 1);
		want_text(want, "event", render__event_name(scene.u.event));
		want_time(want, "time", scene.u.time_ns, 9);
		if (scene.u.sock)
			want_socket(want, &scene);
		want_event(want, &scene);
		if (!json_equal(want, line))
			fail_msg("%s is not\n%s", text, json_dumps(want, 0));
		json_decref(line);
		json_decref(want);
	}
}

/* ---- the schema itself */

static void schema_refuses_lines_that_break_the_format(void **state)
{
#define HEAD "{\"v\":1,\"time\":\"2026-09-21T14:13:21.623456789Z\",\"event\":"
#define SOCKET                                                                                   \
	"\"cookie\":1,\"netns\":1,\"family\":\"ipv4\",\"protocol\":\"tcp\",\"state\":\"CLOSE\"," \
	"\"local_address\":\"0.0.0.0\",\"attribution\":"
	static const char *const good[] = {
		HEAD "\"lost\",\"count\":1,\"where\":\"ring\"}",
		HEAD "\"open\"," SOCKET "\"none\"}",
		HEAD "\"open\"," SOCKET "\"io\",\"pid\":1,\"comm\":\"\"}",
	};
	static const char *const bad[] = {
		"[]",
		"{}",
		HEAD "\"lost\",\"count\":1}",
		HEAD "\"lost\",\"count\":0,\"where\":\"ring\"}",
		HEAD "\"lost\",\"count\":1.5,\"where\":\"ring\"}",
		HEAD "\"lost\",\"count\":\"1\",\"where\":\"ring\"}",
		HEAD "\"lost\",\"count\":1,\"where\":\"here\"}",
		HEAD "\"lost\",\"count\":1,\"where\":\"ring\",\"pid\":null}",
		HEAD "\"lost\",\"count\":1,\"where\":\"ring\",\"cookie\":1}",
		HEAD "\"lots\",\"count\":1,\"where\":\"ring\"}",
		"{\"v\":2,\"time\":\"2026-09-21T14:13:21.623456789Z\",\"event\":\"lost\",\"count\":1,\"where\":"
		"\"ring\"}",
		"{\"v\":1,\"time\":\"2026-09-21T14:13:21Z\",\"event\":\"lost\",\"count\":1,\"where\":\"ring\"}",
		HEAD "\"open\"," SOCKET "\"none\",\"colour\":1}",
		HEAD "\"open\"," SOCKET "\"none\",\"count\":1}",
		HEAD "\"open\"," SOCKET "\"guess\"}",
		HEAD "\"open\"," SOCKET "\"io\"}",
		HEAD "\"open\"," SOCKET "\"none\",\"pid\":1,\"comm\":\"\"}",
		HEAD "\"open\"," SOCKET "\"io\",\"pid\":0,\"comm\":\"\"}",
		HEAD "\"open\"," SOCKET "\"io\",\"pid\":1}",
		HEAD "\"open\"," SOCKET "\"none\",\"uid\":1}",
		HEAD "\"open\"," SOCKET "\"none\",\"reason\":\"local\"}",
		HEAD "\"open\"," SOCKET "\"none\",\"remote_port\":1}",
		HEAD "\"open\"," SOCKET "\"none\",\"holders\":[]}",
		HEAD "\"owner\"," SOCKET "\"none\",\"holders\":[{\"pid\":1,\"fd\":1}]}",
		HEAD "\"owner\"," SOCKET "\"none\",\"holders\":[{\"pid\":1,\"fd\":-1,\"comm\":\"\"}]}",
		HEAD "\"connect\"," SOCKET "\"none\"}",
		HEAD "\"open\",\"cookie\":1}",
	};
	char why[256];

	(void)state;
	for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
		bool want = i < COUNT(good);
		const char *text = want ? good[i] : bad[i - COUNT(good)];
		json_t *line = json_loads(text, 0, NULL);

		assert_non_null(line);
		strcpy(why, "");
		if (schema__valid(schema, line, why, sizeof(why)) != want)
			fail_msg("%s: %s", text, why);
		assert_true(want || why[0]);
		json_decref(line);
	}
}

static void schema_with_an_unknown_keyword_is_an_error(void **state)
{
	static const char *const texts[] = {
		"{\"minLength\": 1}",
		"{\"properties\": {\"a\": {\"format\": \"date\"}}}",
		"{\"additionalProperties\": {}}",
		"{\"type\": [\"string\"]}",
		"{\"pattern\": \"[\"}",
		"{\"allOf\": [{\"not\": {}}]}",
		"[]",
	};
	json_t *unused = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_int_equal(schema__load_text(texts[i], &unused), -EINVAL);
	assert_int_equal(schema__load_text("{", &unused), -EBADMSG);
	assert_int_equal(schema__load("/nonexistent/schema", &unused), -ENOENT);
	assert_null(unused);
}

static void schema_knows_every_word(void **state)
{
	static const struct {
		const char *key;
		const char *(*name)(unsigned int n);
		unsigned int first, end;
	} words[] = {
		{ "state", render__state_name, STATE_ESTABLISHED, STATE_MAX },
		{ "attribution", render__attribution_name, SW_ATTR_NONE, SW_ATTR_MAX },
		{ "reason", render__reason_name, REASON_LOCAL, REASON_MAX },
	};
	json_t *properties = json_object_get(schema, "properties");

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		json_t *list = json_object_get(json_object_get(properties, words[i].key), "enum"), *word;
		size_t found = 0, at;

		for (unsigned int n = words[i].first; n < words[i].end; n++) {
			assert_non_null(words[i].name(n));
			json_array_foreach(list, at, word)
				found += !strcmp(json_string_value(word), words[i].name(n));
		}
		assert_int_equal(found, words[i].end - words[i].first);
		assert_null(words[i].name(words[i].end));
	}
	assert_int_equal(json_array_size(json_object_get(json_object_get(properties, "event"), "enum")), EV_MAX);
	assert_null(render__event_name(EV_MAX));
	assert_null(render__state_name(0));
	assert_null(render__reason_name(REASON_UNKNOWN));
}

static int load(void **state)
{
	const char *path = getenv("SOCKWATCH_SCHEMA");

	(void)state;
	return schema__load(path ? path : "src/data/sockwatch.schema.json", &schema);
}

static int unload(void **state)
{
	(void)state;
	json_decref(schema);
	return 0;
}

static void container_is_told_beside_its_cgroup(void **state)
{
	static char cgroup[] = "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct process owner = scene_server;
	struct sock sock = scene_established;
	struct update u = { .event = EV_ACCEPT, .time_ns = SCENE_TIME_NS, .sock = &sock };

	(void)state;
	owner.cgroup = cgroup;
	sock.owner = &owner;
	assert_non_null(strstr(scene__render(&scene_json, &u), "\",\"container\":\"0123456789abcdef0123456789abcdef"));
	owner.cgroup = scene_server.cgroup;
	assert_null(strstr(scene__render(&scene_json, &u), "container"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ndjson_golden_sockets),
		cmocka_unit_test(ndjson_golden_notes),
		cmocka_unit_test(ndjson_has_no_remote_end_for_a_listener_that_closes),
		cmocka_unit_test(ndjson_of_any_update_parses_back_to_its_values),
		cmocka_unit_test(schema_refuses_lines_that_break_the_format),
		cmocka_unit_test(schema_with_an_unknown_keyword_is_an_error),
		cmocka_unit_test(schema_knows_every_word),
		cmocka_unit_test(container_is_told_beside_its_cgroup),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
