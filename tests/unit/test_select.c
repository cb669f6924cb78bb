/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cmd/select: which updates a filter lets through, from the first that matches to the close. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/select.h"
#include "filter_env.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct process owner = { .pid = 10,
				.uid = 33,
				.have_ids = true,
				.comm = "curl",
				.exe = "/usr/bin/curl",
				.cgroup = "/web",
				.cgroup_id = 500 };

static struct sock connection(uint64_t cookie, uint8_t state)
{
	return (struct sock){
		.cookie = cookie,
		.inode = 9,
		.netns = 100,
		.state = state,
		.owner = &owner,
		.ends = { .family = 4,
			  .local = { 10, 0, 0, 1 },
			  .remote = { 10, 0, 0, 2 },
			  .local_port = 40000,
			  .remote_port = 443 },
	};
}

static bool tell(struct select *s, enum event event, const struct sock *sock)
{
	return select__wants(s, &(struct update){ .event = event, .sock = sock });
}

static void with_filter(struct select *s, const char *text)
{
	select__init(s, filter_env__parse(text, 0));
}

static void done(struct select *s)
{
	filter__free((struct filter *)s->filter);
	select__free(s);
}

static void a_socket_is_told_from_its_first_match_to_its_close(void **state)
{
	struct sock sock = connection(1, STATE_SYN_SENT), other = connection(2, STATE_SYN_SENT);
	struct select s;

	(void)state;
	with_filter(&s, "state established");
	assert_false(tell(&s, EV_CONNECT, &sock));
	sock.state = STATE_ESTABLISHED;
	assert_true(tell(&s, EV_ESTABLISHED, &sock));
	sock.state = STATE_CLOSE_WAIT;
	assert_true(tell(&s, EV_STATE, &sock));
	assert_true(tell(&s, EV_OWNER, &sock));
	assert_false(tell(&s, EV_OWNER, &other));
	sock.state = STATE_CLOSE;
	assert_true(tell(&s, EV_CLOSE, &sock));
	assert_int_equal(s.told.count, 0);
	other.state = STATE_CLOSE;
	assert_false(tell(&s, EV_CLOSE, &other));

	/* A cookie that is used again is another socket's. */
	sock.state = STATE_SYN_SENT;
	assert_false(tell(&s, EV_CONNECT, &sock));
	done(&s);
}

static void a_time_wait_entry_is_told_to_its_end(void **state)
{
	struct sock sock = connection(1, STATE_ESTABLISHED);
	struct select s;

	(void)state;
	with_filter(&s, "state established");
	assert_true(tell(&s, EV_ESTABLISHED, &sock));
	sock.state = STATE_FIN_WAIT2;
	assert_true(tell(&s, EV_CLOSE, &sock));
	sock.closed = true;
	sock.state = STATE_TIME_WAIT;
	assert_true(tell(&s, EV_STATE, &sock));
	sock.state = STATE_CLOSE;
	assert_true(tell(&s, EV_STATE, &sock));
	assert_int_equal(s.told.count, 0);
	done(&s);
}

static void what_matches_only_at_its_end_leaves_nothing_behind(void **state)
{
	struct sock sock = connection(1, STATE_CLOSE);
	struct select s;

	(void)state;
	with_filter(&s, "dport = :443");
	assert_true(tell(&s, EV_CLOSE, &sock));
	assert_int_equal(s.told.count, 0);
	done(&s);
}

static void a_close_is_no_state(void **state)
{
	struct sock sock = connection(1, STATE_LISTEN);
	struct select s;

	(void)state;
	with_filter(&s, "not state listening");
	assert_false(tell(&s, EV_LISTEN, &sock));
	sock.state = STATE_CLOSE;
	assert_false(tell(&s, EV_CLOSE, &sock));
	done(&s);
}

static void many_sockets_come_and_go(void **state)
{
	struct select s;

	(void)state;
	with_filter(&s, "state established");
	for (uint64_t cookie = 1; cookie <= 5000; cookie++) {
		struct sock sock = connection(cookie, STATE_ESTABLISHED);

		assert_true(tell(&s, EV_ESTABLISHED, &sock));
	}
	assert_int_equal(s.told.count, 5000);
	for (uint64_t cookie = 1; cookie <= 5000; cookie++) {
		struct sock sock = connection(cookie, STATE_CLOSE);

		assert_true(tell(&s, EV_CLOSE, &sock));
	}
	assert_int_equal(s.told.count, 0);
	done(&s);
}

static void updates_about_no_socket_are_always_told(void **state)
{
	struct select s;

	(void)state;
	with_filter(&s, "exclude all");
	assert_true(tell(&s, EV_SYNC, NULL));
	assert_true(tell(&s, EV_LOST, NULL));
	assert_true(tell(&s, EV_SUMMARY, NULL));
	done(&s);
}

static void without_a_filter_everything_is_told(void **state)
{
	struct sock sock = connection(1, STATE_ESTABLISHED);
	struct select s;

	(void)state;
	select__init(&s, NULL);
	assert_true(tell(&s, EV_ESTABLISHED, &sock));
	assert_int_equal(s.told.count, 0);
	done(&s);
}

/* What the filter sees of a socket of the table. */
static void every_fact_of_the_table_is_seen(void **state)
{
	static const struct {
		const char *text;
		bool owned, unowned, connecting;
	} table[] = {
		{ "src 10.0.0.1:40000 dst 10.0.0.2:443", true, true, false },
		{ "dst inet:10.0.0.2", true, true, true },
		{ "src inet6:*", false, false, false },
		{ "sport != :80", true, true, false },
		{ "netns = 100 cookie = 1 inode = 9", true, true, true },
		{ "pid = 10 comm = curl exe = /usr/* uid = 33", true, false, true },
		{ "cgroup = /web", true, false, true },
		{ "pid != 11", true, false, true },
		{ "cgroup != /w*x", true, false, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct sock owned = connection(1, STATE_ESTABLISHED), unowned = owned, connecting = owned;
		struct select s;
		bool got[3];

		unowned.owner = NULL;
		connecting.ends.local_port = 0;
		with_filter(&s, table[i].text);
		got[0] = tell(&s, EV_CLOSE, &owned);
		table__free(&s.told);
		got[1] = tell(&s, EV_CLOSE, &unowned);
		table__free(&s.told);
		got[2] = tell(&s, EV_CLOSE, &connecting);
		if (got[0] != table[i].owned || got[1] != table[i].unowned || got[2] != table[i].connecting)
			fail_msg("%s: %d %d %d", table[i].text, got[0], got[1], got[2]);
		done(&s);
	}
}

/* What the words and a file with this text say of a connection from pid 10 to port 443. */
static int parse_file(const char *const *words, const char *text, size_t len, bool *ret_wanted)
{
	char path[] = "/tmp/sockwatch-filter-XXXXXX", *copies[8];
	struct filter_words all = { .words = copies, .file = path };
	struct sock sock = connection(1, STATE_ESTABLISHED);
	struct select s;
	struct filter *filter = NULL;
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
	for (; words[all.count]; all.count++)
		copies[all.count] = (char *)words[all.count];
	err = select__parse(&all, 0, 0, &filter);
	unlink(path);
	if (err)
		return err;
	select__init(&s, filter);
	*ret_wanted = tell(&s, EV_ESTABLISHED, &sock);
	done(&s);
	return 0;
}

static void a_filter_goes_on_in_a_file(void **state)
{
	static const char *const none[] = { NULL }, *const port[] = { "dport", "=", ":443", NULL },
				 *const open[] = { "(", "pid", "11", "or", NULL };
	static const struct {
		const char *const *words;
		const char *text;
		bool wanted;
	} cases[] = {
		{ none, "", true },
		{ none, " \n\t\r\n", true },
		{ none, "dport = :443", true },
		{ none, "dport = :444\n", false },
		{ none, "dport =\n:443\r\nand\tpid 10\n\n", true },
		{ port, "pid 10\n", true },
		{ port, "pid 11\n", false },
		{ open, "pid 10 )", true },
	};
	bool wanted = false;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(parse_file(cases[i].words, cases[i].text, strlen(cases[i].text), &wanted), 0);
		if (wanted != cases[i].wanted)
			fail_msg("case %zu", i);
	}
	assert_int_equal(parse_file(none, "dport = = =", 11, &wanted), -EINVAL);
	assert_int_equal(parse_file(none, "pid 10\0 or pid 11", 17, &wanted), -EILSEQ);
}

static void a_filter_file_that_cannot_be_read_is_told(void **state)
{
	const struct filter_words nowhere = { .file = "/nonexistent/filter" }, folder = { .file = "/" };
	static const char *const none[] = { NULL };
	struct filter *filter = NULL;
	char *much = malloc(SELECT_FILE_MAX);
	bool wanted;

	(void)state;
	assert_non_null(much);
	memset(much, ' ', SELECT_FILE_MAX);
	assert_int_equal(select__parse(&nowhere, 0, 0, &filter), -ENOENT);
	assert_int_equal(select__parse(&folder, 0, 0, &filter), -EISDIR);
	assert_int_equal(parse_file(none, much, SELECT_FILE_MAX, &wanted), -E2BIG);
	assert_int_equal(parse_file(none, much, SELECT_FILE_MAX - 1, &wanted), 0);
	free(much);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_is_told_from_its_first_match_to_its_close),
		cmocka_unit_test(a_time_wait_entry_is_told_to_its_end),
		cmocka_unit_test(what_matches_only_at_its_end_leaves_nothing_behind),
		cmocka_unit_test(a_close_is_no_state),
		cmocka_unit_test(many_sockets_come_and_go),
		cmocka_unit_test(updates_about_no_socket_are_always_told),
		cmocka_unit_test(without_a_filter_everything_is_told),
		cmocka_unit_test(every_fact_of_the_table_is_seen),
		cmocka_unit_test(a_filter_goes_on_in_a_file),
		cmocka_unit_test(a_filter_file_that_cannot_be_read_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
