/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Live: expressions give the same sockets as ss gives with the same words, and the same whether the kernel filters
 * first or not. In a namespace with sockets of both families in many states.
 */
#include "live/live.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "live/mixed.h"
#include "source/diag_filter.h"
#include "source/names.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PUSHABLE     (FILTER_MARK | FILTER_DEVICE | FILTER_CGROUP)

struct cookies {
	uint64_t items[SUBJECTS_MAX];
	size_t count;
};

static int compare_cookies(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void sort(struct cookies *c)
{
	qsort(c->items, c->count, sizeof(c->items[0]), compare_cookies);
}

static bool same(const struct cookies *a, const struct cookies *b)
{
	return a->count == b->count && !memcmp(a->items, b->items, a->count * sizeof(a->items[0]));
}

static void choose(const struct filter *f, const struct subjects *rows, struct cookies *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < rows->count; i++) {
		if (filter__matches(f, &rows->items[i]))
			ret->items[ret->count++] = rows->items[i].cookie;
	}
	sort(ret);
}

#define SS_WORDS 48

/* In the child: ss inside the namespace, its output into the pipe. */
static void become_ss(int ns, int out, char *expression)
{
	char *args[SS_WORDS + 8] = { "ss", "-H", "-tuane" }, *rest = NULL;
	size_t n = 3;

	for (char *word = strtok_r(expression, " ", &rest); word && n < SS_WORDS; word = strtok_r(NULL, " ", &rest))
		args[n++] = word;
	if (setns(ns, CLONE_NEWNET) || dup2(out, STDOUT_FILENO) < 0)
		_exit(126);
	execvp("ss", args);
	_exit(127);
}

static void run_ss(int ns, const char *text, struct cookies *ret)
{
	char expression[512], line[1024];
	int ends[2], status;
	pid_t pid;

	snprintf(expression, sizeof(expression), "%s", text);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		become_ss(ns, ends[1], expression);
	close(ends[1]);
	_cleanup_fclose_ FILE *out = fdopen(ends[0], "re");
	ret->count = 0;
	while (fgets(line, sizeof(line), out) && ret->count < SUBJECTS_MAX) {
		const char *at = strstr(line, " sk:");

		if (!at || sscanf(at, " sk:%" SCNx64, &ret->items[ret->count++]) != 1)
			fail_msg("ss prints no cookie: %s", line);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("ss %s: status 0x%x", text, status);
	sort(ret);
}

static struct filter *parse(const char *text)
{
	struct filter_error error;
	struct filter_env env;
	struct filter *f;
	char *word = (char *)text;

	names__env(&env);
	if (filter__parse(1, &word, &env, &f, &error))
		fail_msg("%s: %s", text, error.message);
	return f;
}

enum how {
	LIKE_SS = 1 << 0, /* ss knows these words */
	EXACT = 1 << 1,	  /* the kernel can say it all */
};

struct expression {
	const char *text;
	unsigned int how;
};

/* As a listing shows them: a dual-stack socket by its IPv4 address (trap T10). */
static void unmap(struct subjects *rows)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	for (size_t i = 0; i < rows->count; i++) {
		struct filter_subject *s = &rows->items[i];

		if (s->family != AF_INET6 || memcmp(s->local, mapped, sizeof(mapped)) != 0)
			continue;
		s->family = AF_INET;
		memmove(s->local, s->local + 12, 4);
		memmove(s->remote, s->remote + 12, 4);
	}
}

static void check_unmapped(const struct filter *f, const char *text, struct subjects *all, struct subjects *rows)
{
	struct cookies alone, pushed;

	unmap(all);
	unmap(rows);
	choose(f, all, &alone);
	choose(f, rows, &pushed);
	if (!same(&alone, &pushed))
		fail_msg("%s: %zu sockets, %zu with the kernel's filter, by their IPv4 addresses", text, alone.count,
			 pushed.count);
}

static void check(const struct mixed *w, const char *text, unsigned int how)
{
	struct subjects *all = malloc(sizeof(*all));
	struct cookies alone, pushed, ss, kernel = { .count = 0 };
	struct filter *f = parse(text);
	struct subjects *rows = calloc(1, sizeof(*rows));
	struct buffer code;

	assert_true(rows && all);
	*all = w->everything;
	buffer__init(&code, DIAG_FILTER_MAX);
	choose(f, &w->everything, &alone);
	diag_filter__compile(f, PUSHABLE, &code);
	subjects__dump(w->ns, filter__states(f), &code, rows);
	choose(f, rows, &pushed);
	for (size_t i = 0; i < rows->count; i++)
		kernel.items[kernel.count++] = rows->items[i].cookie;
	sort(&kernel);
	if (!same(&alone, &pushed))
		fail_msg("%s: %zu sockets, %zu with the kernel's filter", text, alone.count, pushed.count);
	if (how & EXACT && !same(&alone, &kernel))
		fail_msg("%s: %zu sockets, the kernel gives %zu", text, alone.count, kernel.count);
	if (how & LIKE_SS) {
		run_ss(w->ns, text, &ss);
		if (!same(&alone, &ss))
			fail_msg("%s: %zu sockets, ss lists %zu", text, alone.count, ss.count);
	}
	check_unmapped(f, text, all, rows);
	buffer__free(&code);
	free(rows);
	free(all);
	filter__free(f);
}

static void check_all(const struct mixed *w, const struct expression *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check(w, table[i].text, table[i].how);
}

static void states(void **state)
{
	static const struct expression table[] = {
		{ "", LIKE_SS | EXACT },
		{ "state established", LIKE_SS | EXACT },
		{ "state time-wait", LIKE_SS | EXACT },
		{ "state syn-sent", LIKE_SS | EXACT },
		{ "state close-wait", LIKE_SS | EXACT },
		{ "state fin-wait-2", LIKE_SS | EXACT },
		{ "state listening", LIKE_SS | EXACT },
		{ "state unconnected", LIKE_SS | EXACT },
		{ "state connected", LIKE_SS | EXACT },
		{ "state synchronized", LIKE_SS | EXACT },
		{ "state bucket", LIKE_SS | EXACT },
		{ "state big", LIKE_SS | EXACT },
		{ "state all", LIKE_SS | EXACT },
		{ "exclude listening", LIKE_SS | EXACT },
		{ "excl connected", LIKE_SS | EXACT },
		{ "state established state listening", LIKE_SS | EXACT },
		{ "state connected exclude established dport = :22", LIKE_SS | EXACT },
		{ "state listening or dport = :22", 0 },
		{ "not state listening and not ( state established sport = :22 )", 0 },
	};

	check_all(*state, table, COUNT(table));
}

static void ports(void **state)
{
	static const struct expression table[] = {
		{ "sport = :22", LIKE_SS | EXACT },	 { "dport = :22", LIKE_SS | EXACT },
		{ "sport == 22", LIKE_SS | EXACT },	 { "dport eq :ssh", LIKE_SS | EXACT },
		{ "sport :https", LIKE_SS | EXACT },	 { "dport https", LIKE_SS | EXACT },
		{ "sport = 0x16", LIKE_SS | EXACT },	 { "sport != :22", LIKE_SS | EXACT },
		{ "dport ne 443", LIKE_SS | EXACT },	 { "sport > :1024", LIKE_SS | EXACT },
		{ "sport gt 5000", LIKE_SS | EXACT },	 { "sport >= 5000", LIKE_SS | EXACT },
		{ "sport geq :5001", LIKE_SS | EXACT },	 { "dport < :80", LIKE_SS | EXACT },
		{ "dport lt 80", LIKE_SS | EXACT },	 { "dport <= :80", LIKE_SS | EXACT },
		{ "dport leq 443", LIKE_SS | EXACT },	 { "dport = *", LIKE_SS | EXACT },
		{ "dport = :65535", LIKE_SS | EXACT },	 { "sport > 65535", EXACT },
		{ "sport = inet6:53", LIKE_SS | EXACT }, { "sport = inet:53", LIKE_SS },
		{ "autobound", LIKE_SS | EXACT },	 { "not autobound", EXACT },
	};

	check_all(*state, table, COUNT(table));
}

static void addresses(void **state)
{
	static const struct expression table[] = {
		{ "src 127.0.0.1", LIKE_SS | EXACT },
		{ "dst = 127.0.0.1", LIKE_SS | EXACT },
		{ "src 127.0.0.1:22", LIKE_SS | EXACT },
		{ "dst 127.2.0.0/16", LIKE_SS | EXACT },
		{ "dst 127.0.0.0/8:443", LIKE_SS | EXACT },
		{ "src 10/8", LIKE_SS | EXACT },
		{ "src 10.1.2.0/23", LIKE_SS | EXACT },
		{ "src 10.1.2.0/255.255.254.0", LIKE_SS | EXACT },
		{ "src [::1]", LIKE_SS | EXACT },
		{ "src [::1]:53", LIKE_SS | EXACT },
		{ "dst [::1]:https", LIKE_SS | EXACT },
		{ "src 2001:db8::/32", LIKE_SS | EXACT },
		{ "src [2001:db8::1:2]:9001", LIKE_SS | EXACT },
		{ "src [2001:db8::/33]:9001", LIKE_SS | EXACT },
		{ "src fd00::/8", LIKE_SS | EXACT },
		{ "src *:53", LIKE_SS | EXACT },
		{ "src :53", LIKE_SS | EXACT },
		{ "src 0.0.0.0/0", LIKE_SS | EXACT },
		{ "src ::/0", LIKE_SS | EXACT },
		{ "not src ::/0", 0 },
		{ "not ( src ::/8 or sport = :22 )", 0 },
		{ "not src 0.0.0.0/0", EXACT },
		{ "src 0.0.0.0", LIKE_SS | EXACT },
		{ "src [::]", LIKE_SS | EXACT },
		{ "src any", LIKE_SS | EXACT },
		{ "not src 127.0.0.0/8", LIKE_SS | EXACT },
		{ "src != 127.0.0.0/8", EXACT },
		{ "src [::ffff:127.0.0.1]", EXACT },
		{ "dst inet:127.0.0.1", LIKE_SS },
		{ "src inet6:*", LIKE_SS | EXACT },
		{ "not src inet6:[::1]", LIKE_SS | EXACT },
		{ "not src inet:127.0.0.1", LIKE_SS },
		{ "src inet:* or src [::1]", 0 },
		{ "src unix:*", EXACT },
		{ "not src unix:*", EXACT },
		{ "src unix:* or sport = :22", EXACT },
		{ "src localhost", EXACT },
	};

	check_all(*state, table, COUNT(table));
}

static void facts(void **state)
{
	static const struct expression table[] = {
		{ "dev = lo", LIKE_SS | EXACT },
		{ "dev lo", LIKE_SS | EXACT },
		{ "dev != lo", LIKE_SS | EXACT },
		{ "dev = 1", LIKE_SS | EXACT },
		{ "fwmark = 0x11", LIKE_SS | EXACT },
		{ "fwmark 0x01/0x03", LIKE_SS | EXACT },
		{ "fwmark != 0x01/0x03", LIKE_SS | EXACT },
		{ "fwmark = 0/0x10", LIKE_SS | EXACT },
		{ "cookie > 0", 0 },
		{ "inode = 0", 0 },
		{ "not inode = 0 and sport = :22", 0 },
		{ "inode = 0 or sport = :22", 0 },
		{ "pid = 1", 0 }, /* of these rows not known */
		{ "not pid = 1", 0 },
		{ "not ( pid = 1 and sport = :22 )", 0 },
	};

	check_all(*state, table, COUNT(table));
}

static void cgroups(void **state)
{
	struct mixed *w = *state;
	static const struct expression table[] = {
		{ "cgroup = %s", LIKE_SS | EXACT },
		{ "cgroup != %s", LIKE_SS | EXACT },
		{ "not cgroup %s and sport = :443", LIKE_SS | EXACT },
		{ "cgroup = %s*", 0 },
	};
	char text[256];

	for (size_t i = 0; i < COUNT(table); i++) {
		snprintf(text, sizeof(text), table[i].text, w->cgroup);
		check(w, text, table[i].how);
	}
}

static void combinations(void **state)
{
	static const struct expression table[] = {
		{ "sport = :22 or dport = :22", LIKE_SS | EXACT },
		{ "sport = :22 and dport = :1000", LIKE_SS | EXACT },
		{ "sport = :22 dport = :1000", LIKE_SS | EXACT },
		{ "sport = :22 or sport = :80 and dport = :1000", LIKE_SS | EXACT },
		{ "sport = :22 or ( sport = :80 and dport = :1000 )", LIKE_SS | EXACT },
		{ "sport = :22 | sport = :53 & src [::1]", LIKE_SS | EXACT },
		{ "sport = :22 || sport = :53 && src [::1]", LIKE_SS | EXACT },
		{ "sport = :53 src [::1] or sport = :22", LIKE_SS | EXACT },
		{ "! sport = :22", LIKE_SS | EXACT },
		{ "not not sport = :22", LIKE_SS | EXACT },
		{ "not sport = :22 or dport = :1000", LIKE_SS | EXACT },
		{ "not ( sport = :22 or dport = :22 )", LIKE_SS | EXACT },
		{ "not ( sport = :22 and dport = :1000 )", LIKE_SS | EXACT },
		{ "not ( not sport = :22 and not dport = :22 )", LIKE_SS | EXACT },
		{ "state established ( dport = :22 or sport = :443 ) and not src [::1]", LIKE_SS | EXACT },
		{ "( ( sport ge 5000 and sport le 5005 ) or fwmark = 1 ) and not dst [::1]", LIKE_SS | EXACT },
		{ "( dev = lo or fwmark = 0x21 or src 10/8 ) and not ( sport lt 9000 and not dport = :22 )",
		  LIKE_SS | EXACT },
		{ "not ( ( src 127/8 or src [::1] ) and ( dst 127/8 or dst [::1] ) )", LIKE_SS | EXACT },
		{ "state time-wait state close-wait ( src 127/8 or sport = :5005 )", LIKE_SS | EXACT },
		{ "sport = :1 and pid = 1 or sport = :22", 0 },
		{ "sport = :22 or ( pid = 1 and dport = :22 )", 0 },
		{ "( sport = :22 or uid = 0 ) and dport = :1000", 0 },
		{ "not ( sport = :22 or netns = 1 ) or dport = :22", 0 },
		{ "not ( sport = :22 and src unix:x )", EXACT },
	};

	check_all(*state, table, COUNT(table));
}

static void check_many(const struct mixed *w, unsigned int count, const char *joint, const char *term)
{
	char *text = calloc(1, FILTER_TEXT_MAX);

	assert_non_null(text);
	for (unsigned int i = 0; i < count; i++)
		sprintf(text + strlen(text), "%s%s%x", i ? joint : "", term, i + 1);
	check(w, text, 0);
	free(text);
}

/* Of the longest ones the last is too long to be translated. */
static void long_filters(void **state)
{
	check_many(*state, 500, " or ", "sport = 0x");
	check_many(*state, 340, " and ", "sport != 0x");
	check_many(*state, 340, " and ", "not src ::");
	check_many(*state, 340, " and ", "not src inet6:::");
}

static int setup(void **state)
{
	*state = mixed__new();
	return 0;
}

static int teardown(void **state)
{
	mixed__free(*state);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(states),	cmocka_unit_test(ports),   cmocka_unit_test(addresses),
		cmocka_unit_test(facts),	cmocka_unit_test(cgroups), cmocka_unit_test(combinations),
		cmocka_unit_test(long_filters),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, setup, teardown);
}
