/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a listing looks like: columns, table, CSV, JSON and the order of lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <jansson.h>

#include "common/schema.h"
#include "render/csv.h"
#include "render/listed.h"
#include "render/order.h"
#include "render/table.h"

#define NETNS	4026531840u
#define HOSTILE "ev\033[31m\nil\\"

static struct listing *l;
static struct column_view view;
static struct buffer out, scratch;

static const char *name_device(void *ctx, uint32_t netns, uint32_t ifindex)
{
	(void)ctx;
	assert_int_equal(netns, NETNS);
	return ifindex == 1 ? "lo" : NULL;
}

static const struct column_names names = { .device = name_device };

static void add_inet(enum socket_class class, uint64_t inode, uint8_t state, int family, const char *local,
		     uint16_t local_port, const char *remote, uint16_t remote_port)
{
	struct listed row = {
		.class = (uint8_t) class,
		.type = SOCK_STREAM,
		.netns = NETNS,
		.cookie = inode,
		.inode = inode,
		.state = state,
		.recv_queue = 1,
		.send_queue = 128,
		.flags = LISTED_QUEUES | LISTED_HAS_UID,
		.ends = { .family = (uint8_t)family, .local_port = local_port, .remote_port = remote_port },
	};

	inet_pton(family == 6 ? AF_INET6 : AF_INET, local, row.ends.local);
	inet_pton(family == 6 ? AF_INET6 : AF_INET, remote, row.ends.remote);
	assert_int_equal(listing__add(l, &row, NULL), 0);
}

static void add_unix(uint64_t inode, const char *path, size_t len, uint64_t peer)
{
	struct listed row = { .class = CLASS_UNIX, .type = SOCK_STREAM, .netns = NETNS, .cookie = inode };

	row.inode = inode;
	row.state = peer ? STATE_ESTABLISHED : STATE_LISTEN;
	row.un.path = (struct name){ path, (uint16_t)len };
	row.un.peer_inode = peer;
	assert_int_equal(listing__add(l, &row, NULL), 0);
}

static int set_up(void **state)
{
	struct process *p, *q;
	bool fresh;

	(void)state;
	if (listing__new(NULL, &l))
		return -1;
	buffer__init(&out, 1 << 20);
	buffer__init(&scratch, 1 << 20);
	view = (struct column_view){ .listing = l, .names = &names, .ticks_per_second = 100 };
	add_inet(CLASS_TCP, 12, STATE_ESTABLISHED, 4, "10.0.0.1", 80, "10.0.0.2", 4242);
	add_inet(CLASS_UDP, 13, STATE_CLOSE, 6, "::1", 53, "::", 0);
	add_inet(CLASS_TCP, 11, STATE_LISTEN, 4, "0.0.0.0", 8080, "0.0.0.0", 0);
	add_unix(21, HOSTILE, sizeof(HOSTILE) - 1, 0);
	add_unix(22, "\0abs\0", 5, 21);
	p = process_table__get(listing__processes(l), 900, 100, &fresh);
	q = process_table__get(listing__processes(l), 1000, 200, &fresh);
	process__set_comm(p, "server", 6);
	process__set_comm(q, "\033[31m\"x,y", 9);
	assert_int_equal(listing__rows_end(l), 0);
	assert_int_equal(listing__hold(l, 11, p, 3), 0);
	assert_int_equal(listing__hold(l, 11, q, 4), 0);
	assert_int_equal(listing__hold(l, 12, q, 5), 0);
	return listing__finish(l);
}

static int tear_down(void **state)
{
	(void)state;
	buffer__free(&out);
	buffer__free(&scratch);
	listing__free(l);
	return 0;
}

static struct columns choose(const char *list)
{
	struct columns c = { 0 };
	const char *bad;
	size_t len;

	assert_int_equal(columns__parse(&c, list, &bad, &len), 0);
	return c;
}

static struct listed **order(const char *column, bool descending, size_t *ret_count)
{
	const struct column *c = column ? columns__find(column, strlen(column)) : NULL;
	struct listed **rows;

	assert_int_equal(order__rows(&view, c, descending, NULL, NULL, &rows, ret_count), 0);
	return rows;
}

static const char *text(void)
{
	buffer__addc(&out, '\0');
	assert_false(out.failed);
	return out.data;
}

static const char *cell(const char *column, uint64_t inode)
{
	buffer__reset(&out);
	view.socket = listing__by_inode(l, inode);
	columns__find(column, strlen(column))->text(&view, &out);
	return text();
}

static void every_column_has_a_name_and_says_what_it_is(void **state)
{
	const struct column *c;
	unsigned int i;

	(void)state;
	for (i = 0; (c = columns__all(i)); i++) {
		assert_non_null(c->text);
		assert_true(*c->title && *c->help);
		assert_ptr_equal(columns__find(c->name, strlen(c->name)), c);
		assert_int_equal(strspn(c->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(c->name));
		/* None trips over any socket. */
		for (uint64_t inode = 11; inode <= 22; inode++) {
			if (listing__by_inode(l, inode))
				cell(c->name, inode);
		}
	}
	assert_true(i > 30);
}

static void ends_as_people_write_them(void **state)
{
	(void)state;
	assert_string_equal(cell("local", 12), "10.0.0.1:80");
	assert_string_equal(cell("remote", 12), "10.0.0.2:4242");
	assert_string_equal(cell("local", 13), "[::1]:53");
	assert_string_equal(cell("remote", 13), "*");
	assert_string_equal(cell("local", 22), "@abs@ 22");
	assert_string_equal(cell("remote", 22), HOSTILE " 21");
	assert_string_equal(cell("state", 13), "UNCONN");
	assert_string_equal(cell("proto", 22), "u_str");
	assert_string_equal(cell("holders", 11), "server/900/3,\033[31m\"x,y/1000/4");
	assert_string_equal(cell("pid", 11), "900");
	assert_string_equal(cell("pid", 13), "");
}

static void what_listens_comes_first_then_by_port(void **state)
{
	size_t count;
	struct listed **rows = order(NULL, false, &count);

	(void)state;
	assert_int_equal(count, 5);
	assert_int_equal(rows[0]->inode, 11);
	assert_int_equal(rows[1]->inode, 13); /* UDP without a connection waits too */
	assert_int_equal(rows[2]->inode, 21);
	assert_int_equal(rows[3]->inode, 12);
	free(rows);
}

static void sorted_by_a_number_or_a_text_with_empty_ones_last(void **state)
{
	static const uint64_t by_pid[] = { 11, 12 }, from_the_highest[] = { 12, 11 };
	size_t count;
	struct listed **rows = order("pid", false, &count);

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(rows[i]->inode, by_pid[i]);
	free(rows);
	rows = order("pid", true, &count);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(rows[i]->inode, from_the_highest[i]);
	free(rows);
	rows = order("local", false, &count);
	assert_int_equal(rows[0]->inode, 11); /* "0.0.0.0:8080" before "10.0.0.1:80" */
	free(rows);
}

static void csv_is_as_rfc_4180_has_it(void **state)
{
	const struct columns c = choose("proto,comm,path,recvq");

	(void)state;
	buffer__reset(&out);
	csv__header(&c, &out);
	view.socket = listing__by_inode(l, 12);
	csv__line(&c, &view, &scratch, &out);
	view.socket = listing__by_inode(l, 21);
	csv__line(&c, &view, &scratch, &out);
	assert_string_equal(text(), "proto,comm,path,recvq\r\n"
				    "tcp,\"\\x1b[31m\"\"x,y\",,1\r\n"
				    "u_str,,\"ev\\x1b[31m\nil\\\\\",\r\n");
}

static void csv_fields(void **state)
{
	static const struct {
		const char *value, *field;
	} cases[] = {
		{ "", "" },	      { "a b", "a b" },		  { " a", "\" a\"" },
		{ "a,b", "\"a,b\"" }, { "\"", "\"\"\"\"" },	  { "a\r\nb", "\"a\r\nb\"" },
		{ "\xff", "\\xff" },  { "\xc3\xa9", "\xc3\xa9" }, { "\\x41", "\\\\x41" },
		{ "\t", "\\x09" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buffer__reset(&out);
		csv__field(&out, cases[i].value, strlen(cases[i].value));
		assert_string_equal(text(), cases[i].field);
	}
}

static const char *print_table(const char *columns, unsigned int width, bool chosen, bool header)
{
	struct sheet_config config = {
		.columns = choose(columns),
		.header = header,
		.chosen = chosen,
		.width = width,
	};
	struct listed **rows = order(NULL, false, &config.rows);
	struct sheet *sheet;

	buffer__reset(&out);
	assert_int_equal(sheet__new(&config, &sheet), 0);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < config.rows; i++) {
			view.socket = rows[i];
			if (pass)
				assert_int_equal(sheet__line(sheet, &view, &out), 0);
			else
				sheet__measure(sheet, &view);
		}
	}
	assert_int_equal(sheet__end(sheet, &out), 0);
	sheet__free(sheet);
	free(rows);
	return text();
}

static size_t widest(const char *lines)
{
	size_t most = 0;

	while (*lines) {
		size_t len = strcspn(lines, "\n");

		most = len > most ? len : most;
		lines += len + (lines[len] == '\n');
	}
	return most;
}

static void a_table_is_aligned_and_escaped(void **state)
{
	(void)state;
	assert_string_equal(print_table("proto,recvq,local,comm", 0, false, true),
			    "PROTO RECV-Q LOCAL                 COMM\n"
			    "tcp        1 0.0.0.0:8080          server\n"
			    "udp        1 [::1]:53              -\n"
			    "u_str      - ev\\x1b[31m\\x0ail\\\\ 21 -\n"
			    "tcp        1 10.0.0.1:80           \\x1b[31m\"x,y\n"
			    "u_str      - @abs@ 22              -\n");
	assert_null(strchr(print_table("path", 0, false, false), '\033'));
}

static void a_narrow_terminal_loses_what_is_missed_least(void **state)
{
	static const char all[] = "proto,state,recvq,sendq,local,remote,pid,comm,holders,inode,cookie";
	const char *narrow;

	(void)state;
	for (unsigned int width = 40; width < 140; width += 10) {
		narrow = print_table(all, width, false, true);
		if (widest(narrow) > width)
			fail_msg("%u columns:\n%s", width, narrow);
		assert_non_null(strstr(narrow, "LOCAL"));
		assert_non_null(strstr(narrow, "PID"));
		assert_null(strchr(narrow, '\033'));
	}
	narrow = print_table(all, 60, false, true);
	assert_null(strstr(narrow, "SEND-Q"));
	/* What was asked for by name stays. */
	assert_non_null(strstr(print_table(all, 60, true, true), "SEND-Q"));
	/* An address that is broken is whole: nothing of it is lost. */
	narrow = print_table("local,comm", 20, true, false);
	assert_non_null(strstr(narrow, "21"));
}

static void an_empty_table_is_a_header(void **state)
{
	struct sheet_config config = { .columns = choose("proto,pid"), .header = true, .width = 80 };
	struct sheet *sheet;

	(void)state;
	buffer__reset(&out);
	assert_int_equal(sheet__new(&config, &sheet), 0);
	assert_int_equal(sheet__end(sheet, &out), 0);
	sheet__free(sheet);
	assert_string_equal(text(), "PROTO PID\n");
}

static void json_is_the_streams_existing_record(void **state)
{
	const struct render_config config = { .json = true, .ticks_per_second = 100 };
	json_t *schema, *record;
	char why[200];

	(void)state;
	assert_int_equal(schema__load("src/data/sockwatch.schema.json", &schema), 0);
	for (uint64_t inode = 11; inode <= 22; inode++) {
		view.socket = listing__by_inode(l, inode);
		if (!view.socket)
			continue;
		buffer__reset(&out);
		listed__json(&config, &view, 5000000000, &out);
		record = json_loads(text(), JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(record);
		if (!schema__valid(schema, record, why, sizeof(why)))
			fail_msg("%s: %s", why, out.data);
		assert_string_equal(json_string_value(json_object_get(record, "event")), "existing");
		assert_int_equal(json_integer_value(json_object_get(record, "inode")), inode);
		json_decref(record);
	}
	json_decref(schema);
}

static void json_of_chosen_columns(void **state)
{
	const struct columns c = choose("pid,comm,state,recvq,path");

	(void)state;
	buffer__reset(&out);
	view.socket = listing__by_inode(l, 12);
	listed__json_columns(&c, &view, &scratch, &out);
	assert_string_equal(text(), "{\"pid\":1000,\"comm\":\"\\u001b[31m\\\"x,y\",\"state\":\"ESTABLISHED\",\"recvq\":"
				    "1}\n");
}

static void osquery_has_a_line_for_each_holder(void **state)
{
	const struct columns c = choose("osquery");
	struct holder one;
	size_t count;

	(void)state;
	assert_true(c.by_holder);
	view.socket = listing__by_inode(l, 11);
	one = listing__holders(l, view.socket, &count)[1];
	view.holder = &one;
	buffer__reset(&out);
	csv__line(&c, &view, &scratch, &out);
	view.holder = NULL;
	view.socket = listing__by_inode(l, 13);
	csv__line(&c, &view, &scratch, &out);
	assert_string_equal(text(), "1000,4,11,2,6,0.0.0.0,0.0.0.0,8080,0,,LISTEN,4026531840\r\n"
				    "-1,-1,13,10,17,::1,::,53,0,,UNCONN,4026531840\r\n");
}

#define render_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		render_test(every_column_has_a_name_and_says_what_it_is),
		render_test(ends_as_people_write_them),
		render_test(what_listens_comes_first_then_by_port),
		render_test(sorted_by_a_number_or_a_text_with_empty_ones_last),
		render_test(csv_is_as_rfc_4180_has_it),
		render_test(csv_fields),
		render_test(a_table_is_aligned_and_escaped),
		render_test(a_narrow_terminal_loses_what_is_missed_least),
		render_test(an_empty_table_is_a_header),
		render_test(json_is_the_streams_existing_record),
		render_test(json_of_chosen_columns),
		render_test(osquery_has_a_line_for_each_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
