/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* render/: strings, addresses, times, whole lines, and the text form. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "render/address.h"
#include "render/json.h"
#include "render/render.h"
#include "scene.h"

/* ---- strings */

static json_t *parse_string(const char *bytes, size_t len, char *ret_raw, size_t size)
{
	struct buffer out;
	json_t *value;

	buffer__init(&out, 1 << 16);
	json__string(&out, bytes, len);
	assert_false(out.failed);
	value = json_loadb(out.data, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert_true(json_is_string(value));
	assert_true(out.len < size);
	memcpy(ret_raw, out.data, out.len);
	ret_raw[out.len] = '\0';
	buffer__free(&out);
	return value;
}

static void json_string_has_the_documented_value(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *written;
	} cases[] = {
		{ BYTES(""), "\"\"" },
		{ BYTES("nginx: worker/0"), "\"nginx: worker/0\"" },
		{ BYTES("\xc3\xa4\xf0\x9f\x98\x80"), "\"\xc3\xa4\xf0\x9f\x98\x80\"" },
		{ BYTES("a\"b"), "\"a\\\"b\"" },
		{ BYTES("a\\b"), "\"a\\\\\\\\b\"" },
		{ BYTES("\xff"), "\"\\\\xff\"" },
		{ BYTES("\\xff"), "\"\\\\\\\\xff\"" },
		{ BYTES("\xc0\xaf"), "\"\\\\xc0\\\\xaf\"" },
		{ BYTES("\xed\xa0\x80"), "\"\\\\xed\\\\xa0\\\\x80\"" },
		{ BYTES("\xe2\x82"), "\"\\\\xe2\\\\x82\"" },
		{ BYTES("\033[2J\n\t\x7f"), "\"\\u001b[2J\\u000a\\u0009\\u007f\"" },
		{ BYTES("\xc2\x9b\xc2\xa0"), "\"\\u009b\xc2\xa0\"" },
		{ BYTES("\0"), "\"\\u0000\"" },
	};
	char raw[256];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_decref(parse_string(cases[i].bytes, cases[i].len, raw, sizeof(raw)));
		assert_string_equal(raw, cases[i].written);
	}
}

/* The reader's way back, as the schema describes it. */
static size_t undo(const char *value, size_t len, char *bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char hex[3] = { 0 };

		if (value[i] != '\\') {
			bytes[n++] = value[i];
		} else if (value[i + 1] == '\\') {
			bytes[n++] = value[++i];
		} else {
			assert_int_equal(value[i + 1], 'x');
			memcpy(hex, value + i + 2, 2);
			bytes[n++] = (char)strtoul(hex, NULL, 16);
			i += 3;
		}
	}
	return n;
}

/* A way back from every value means that no two inputs share one. */
static void json_string_is_injective_for_any_bytes(void **state)
{
	char bytes[64], back[512], raw[512];

	(void)state;
	for (int round = 0; round < 50000; round++) {
		size_t len = scene__roll(sizeof(bytes));
		json_t *value;

		scene__random_bytes(bytes, len);
		value = parse_string(bytes, len, raw, sizeof(raw));
		assert_int_equal(undo(json_string_value(value), json_string_length(value), back), len);
		assert_memory_equal(back, bytes, len);
		for (size_t i = 0; raw[i]; i++)
			assert_true((unsigned char)raw[i] >= 0x20 && raw[i] != 0x7f);
		json_decref(value);
	}
}

/* ---- addresses and times */

static void addresses_are_those_of_inet_ntop(void **state)
{
	char got[ADDRESS_TEXT_MAX + 1], want[INET6_ADDRSTRLEN];

	(void)state;
	for (int round = 0; round < 100000; round++) {
		uint8_t address[16];
		uint8_t family = round % 4 ? 6 : 4;
		size_t len;

		for (size_t i = 0; i < sizeof(address); i++)
			address[i] = scene__roll(2) ? 0 : scene__roll(4) ? (uint8_t)scene__roll(256) : 0xff;
		for (size_t word = 0; word < 8; word++) { /* runs of zero words, inside and at the ends */
			if (scene__roll(2))
				memset(address + 2 * word, 0, 2);
		}
		if (!scene__roll(3))
			memset(address, 0, 10 + scene__roll(7));
		len = address__format(got, family, address);
		assert_true(len < sizeof(got));
		got[len] = '\0';
		assert_non_null(inet_ntop(family == 6 ? AF_INET6 : AF_INET, address, want, sizeof(want)));
		assert_string_equal(got, want);
	}
}

static void times_are_those_of_gmtime(void **state)
{
	static const uint64_t edges[] = { 0,	      1,	   86399,	86400,	     68169599,	  68169600,
					  951782400,  951868799,   951868800,	4107542399,  4107542400u, 4102444799u,
					  1709164800, 13569465600, 16725225599, 18446744073u };
	char want[64];
	struct buffer out;

	(void)state;
	buffer__init(&out, 256);
	for (size_t i = 0; i < 100000; i++) {
		uint64_t ns = i < COUNT(edges) ? edges[i] * 1000000000u : scene__roll(UINT64_MAX);

		buffer__reset(&out);
		json__time(&out, ns, 9);
		scene__format_time(ns, 9, want, sizeof(want));
		assert_int_equal(out.len, strlen(want) + 2);
		assert_memory_equal(out.data + 1, want, strlen(want));
	}
	buffer__reset(&out);
	json__time(&out, 1999999999, 2);
	json__time(&out, 1999999999, 0);
	buffer__addc(&out, '\0');
	assert_string_equal(out.data, "\"1970-01-01T00:00:01.99Z\"\"1970-01-01T00:00:01Z\"");
	buffer__free(&out);
}

/* ---- lines */

static void update_that_does_not_fit_leaves_no_half_line(void **state)
{
	const struct update u = { .event = EV_CLOSE, .sock = &scene_established };
	const struct render_config *configs[] = { &scene_json, &scene_text };
	struct buffer out;

	(void)state;
	for (size_t i = 0; i < COUNT(configs); i++) {
		size_t len = strlen(scene__render(configs[i], &u));

		for (size_t max = len; max < 2 * len; max++) {
			buffer__init(&out, max);
			render__update(configs[i], &out, &u);
			assert_false(out.failed);
			render__update(configs[i], &out, &u);
			assert_true(out.failed);
			assert_int_equal(out.len, len);
			assert_int_equal(out.data[len - 1], '\n');
			buffer__free(&out);
		}
	}
}

/* ---- text */

static void check_text(const struct update *u, const char *want)
{
	assert_string_equal(scene__render(&scene_text, u), want);
}

static void text_header_stands_over_the_columns(void **state)
{
	struct buffer out;

	(void)state;
	buffer__init(&out, 4096);
	render__header(&scene_json, &out);
	assert_int_equal(out.len, 0);
	render__header(&scene_text, &out);
	buffer__addc(&out, '\0');
	assert_string_equal(out.data, "TIME         EVENT       PROTO STATE       LOCAL                 "
				      "REMOTE                PID     COMM            ATTRIBUTION\n");
	buffer__free(&out);
}

static void text_golden_sockets(void **state)
{
	struct sock moved = scene_established, wide = scene_unowned;
	struct update u = { .event = EV_EXISTING,
			    .time_ns = SCENE_TIME_NS,
			    .sock = &scene_listener,
			    .have_queues = true,
			    .recv_queue = 3,
			    .send_queue = 128 };

	(void)state;
	check_text(&u, "14:13:21.623 existing    tcp   LISTEN      [::]:80               "
		       "[::]:*                412     nginx           holder queue 3/128 2 holders\n");
	u = (struct update){ .event = EV_ACCEPT, .time_ns = SCENE_TIME_NS, .sock = &scene_established, .tid = 412 };
	check_text(&u, "14:13:21.623 accept      tcp   ESTABLISHED 192.0.2.1:443         "
		       "203.0.113.77:51000    412     nginx           accept\n");
	moved.owner = &scene_client;
	u = (struct update){
		.event = EV_OWNER, .time_ns = SCENE_TIME_NS, .sock = &moved, .tid = 90211, .prev_owner = &scene_server
	};
	check_text(&u, "14:13:21.623 owner       tcp   ESTABLISHED 192.0.2.1:443         "
		       "203.0.113.77:51000    90210   a\\xff\\\\\"\\x0a\xc3\xa4   accept was 412 nginx tid 90211\n");
	u = (struct update){
		.event = EV_EXISTING, .time_ns = SCENE_TIME_NS, .sock = &wide, .have_queues = true, .recv_queue = 5
	};
	memset(wide.ends.local, 0xab, 16);
	check_text(&u, "14:13:21.623 existing    mptcp TIME_WAIT   [abab:abab:abab:abab:abab:abab:abab:abab]:22 "
		       "[fe80::abcd]:40000    -       -               none unread 5\n");
}

#define CLOSE_LINE                                                          \
	"14:13:21.623 close       tcp   ESTABLISHED 192.0.2.1:443         " \
	"203.0.113.77:51000    412     nginx           accept"

static void text_golden_close(void **state)
{
	static const struct {
		bool have_stats;
		uint64_t duration_us, sent, received;
		uint32_t retransmits, rtt_us;
		enum close_reason reason;
		const char *details;
	} cases[] = {
		{ false, 0, 0, 0, 0, 0, REASON_UNKNOWN, "" },
		{ true, 1500, 1229, 34 * 1024 + 1023, 0, 0, REASON_LOCAL, " ↑1.2K ↓34K 1.5ms local" },
		{ true, 999, 0, 1023, 2, 31, REASON_RESET, " ↑0 ↓1023 999µs reset rtt 31µs retransmits 2" },
		{ true, 999999, 10 * 1024 - 1, UINT64_MAX, 0, 0, REASON_REMOTE, " ↑9.9K ↓15E 999ms remote" },
		{ false, 59999999, 0, 0, 0, 0, REASON_TIMEOUT, " 59.9s timeout" },
		{ false, 60000000, 0, 0, 0, 0, REASON_ABORTED, " 1m00s aborted" },
		{ false, 3600000000u + 60000000, 0, 0, 0, 0, REASON_EXPIRED, " 1h01m expired" },
		{ false, 86400000000u * 9, 0, 0, 0, 0, REASON_UNSEEN, " 9d00h unseen" },
	};
	char want[512];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct update u = {
			.event = EV_CLOSE,
			.time_ns = SCENE_TIME_NS,
			.sock = &scene_established,
			.close = { cases[i].have_stats, cases[i].duration_us, cases[i].sent, cases[i].received,
				   cases[i].retransmits, cases[i].rtt_us, cases[i].reason },
		};

		snprintf(want, sizeof(want), "%s%s\n", CLOSE_LINE, cases[i].details);
		check_text(&u, want);
	}
}

static void text_golden_notes(void **state)
{
	struct update u = { .event = EV_SYNC, .sync = { 12, 1, 23999, "tracepoint", NULL } };

	(void)state;
	check_text(&u, "-- in sync: 12 sockets, 1 unowned, plan tracepoint, 23 ms --\n");
	u.sync.sockets = 1;
	u.sync.missing_hooks = "sys_exit_accept";
	check_text(&u, "-- in sync: 1 socket, 1 unowned, plan tracepoint, 23 ms, missing hooks: sys_exit_accept "
		       "--\n");
	u = (struct update){ .event = EV_LOST, .lost = { 12, LOSS_RING } };
	check_text(&u, "-- lost 12 records (ring): looking again --\n");
	u = (struct update){ .event = EV_SUMMARY, .summary = { 1, 0 } };
	check_text(&u, "-- 1 update, 0 lost --\n");
}

static void text_colours_only_when_asked(void **state)
{
	struct render_config config = scene_text;
	struct update u = { .event = EV_CLOSE,
			    .time_ns = SCENE_TIME_NS,
			    .sock = &scene_established,
			    .close = { .reason = REASON_RESET } };

	(void)state;
	for (int event = 0; event < EV_MAX; event++) {
		u.event = (enum event)event;
		u.sock = event < EV_SYNC ? &scene_established : NULL;
		assert_null(strchr(scene__render(&scene_text, &u), '\033'));
	}
	config.colour = true;
	u.event = EV_CLOSE;
	u.sock = &scene_established;
	assert_non_null(strstr(scene__render(&config, &u), " \033[31mclose\033[0m       tcp "));
	u.close.reason = REASON_LOCAL;
	assert_non_null(strstr(scene__render(&config, &u), " \033[33mclose\033[0m       tcp "));
	u = (struct update){ .event = EV_LOST, .lost = { 2, LOSS_RING } };
	assert_string_equal(scene__render(&config, &u), "\033[1;31m-- lost 2 records (ring): looking again "
							"--\033[0m\n");
}

/* Whatever the names are: one line, no control byte, nothing a terminal obeys. */
static void text_of_any_update_is_one_harmless_line(void **state)
{
	struct scene scene;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		const char *line;

		scene__random(&scene);
		scene__random_bytes(scene.owner.comm, SW_COMM_LEN);
		line = scene__render(&scene_text, &scene.u);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		for (const char *p = line; p[1]; p++)
			assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
	}
}

static int use_utc(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_string_has_the_documented_value),
		cmocka_unit_test(json_string_is_injective_for_any_bytes),
		cmocka_unit_test(addresses_are_those_of_inet_ntop),
		cmocka_unit_test(times_are_those_of_gmtime),
		cmocka_unit_test(update_that_does_not_fit_leaves_no_half_line),
		cmocka_unit_test(text_header_stands_over_the_columns),
		cmocka_unit_test(text_golden_sockets),
		cmocka_unit_test(text_golden_close),
		cmocka_unit_test(text_golden_notes),
		cmocka_unit_test(text_colours_only_when_asked),
		cmocka_unit_test(text_of_any_update_is_one_harmless_line),
	};

	return cmocka_run_group_tests(tests, use_utc, NULL);
}
