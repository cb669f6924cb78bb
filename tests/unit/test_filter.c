/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* model/filter: what an expression matches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>

#include "filter_env.h"
#include "model/filter.h"
#include "model/types.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define INTERNET "out4 in6 dual listen wait udp"
#define OTHERS	 "unix nameless netlink packet vsock"

static struct filter *parse(const char *text)
{
	return filter_env__parse(text, AF_UNSPEC);
}

static void states(void **state)
{
	static const char *const table[][2] = {
		{ "state established", "out4 dual unix nameless" },
		{ "state ESTABLISHED", "out4 dual unix nameless" },
		{ "state TIME_WAIT", "wait" },
		{ "state time-wait", "wait" },
		{ "state CLOSE_WAIT state listening", "in6 listen vsock" },
		{ "state LISTEN", "listen vsock" },
		{ "state closed", "udp netlink packet" },
		{ "state unconnected", "udp netlink packet" },
		{ "state bound-inactive", "" },
		{ "state all", INTERNET " " OTHERS },
		{ "state connected", "out4 in6 dual wait unix nameless" },
		{ "state connected exclude established", "in6 wait" },
		{ "state synchronized", "out4 in6 dual wait unix nameless" },
		{ "state bucket", "wait" },
		{ "state big", "out4 in6 dual listen udp unix nameless netlink packet vsock" },
		{ "exclude connected", "listen udp netlink packet vsock" },
		{ "excl big", "wait" },
		{ "exclude all", "" },
		{ "state established state listening sport = :22", "dual listen" },
		{ "state established and sport = :22", "dual" },
		{ "sport = :22 state established", "dual" },
		{ "state listening or sport = :22", "dual listen vsock" },
		{ "not state connected", "listen udp netlink packet vsock" },
		{ "( state time-wait or state close-wait )", "in6 wait" },
	};

	(void)state;
	filter_env__check(table, COUNT(table));
}

static void ports(void **state)
{
	static const char *const table[][2] = {
		{ "dport = :443", "out4" },
		{ "dport == 443", "out4" },
		{ "dport eq :https", "out4" },
		{ "dport 443", "out4" },
		{ "dport :443", "out4" },
		{ "dport = 0x1bb", "out4" },
		{ "dport=:443", "out4" },
		{ "sport :ssh", "dual listen" },
		{ "sport ssh", "dual listen" },
		{ "sport < :68", "dual listen packet" },
		{ "sport lt :68", "dual listen packet" },
		{ "sport <= :68", "dual listen udp packet" },
		{ "sport le 68 and sport > 22", "udp" },
		{ "sport leq 68 sport gt 22", "udp" },
		{ "sport >= :50001", "wait" },
		{ "sport>=50001", "wait" },
		{ "sport ge 40000", "out4 wait" },
		{ "sport geq 40000", "out4 wait" },
		{ "sport != :22 and state connected", "out4 in6 wait unix nameless" },
		{ "dport ne :443 state established", "dual unix nameless" },
		{ "dport neq :443 state established", "dual unix nameless" },
		{ "dport = *", INTERNET " " OTHERS },
		{ "dport = :*", INTERNET " " OTHERS },
		{ "sport = inet:22", "" },
		{ "sport = inet6:22", "dual listen" },
		{ "sport = vsock:2000", "vsock" },
		{ "sport > vsock:1999", "vsock" },
		{ "sport = netlink:1234", "netlink" },
		{ "sport = link:eth0", "packet" },
	};

	(void)state;
	filter_env__check(table, COUNT(table));
}

static void addresses(void **state)
{
	static const char *const table[][2] = {
		{ "dst 10.9.0.2", "out4" },
		{ "dst = 10.9.0.2", "out4" },
		{ "dst 10.9.0.2:443", "out4" },
		{ "dst 10.9.0.2:https", "out4" },
		{ "dst 10.9.0.2:444", "" },
		{ "dst 10.0.0.0/8", "out4" },
		{ "dst 10/8", "out4" },
		{ "dst 10.8.0.0/15:443", "out4" },
		{ "dst 10.8.0.0/255.254.0.0", "out4" },
		{ "dst 10.10.0.0/15", "" },
		{ "dst != 10.0.0.0/8 state established", "dual unix nameless" },
		{ "src 0.0.0.0", "udp" },
		{ "src 0.0.0.0/0", "out4 dual wait udp" },
		{ "src 127.0.0.1", "dual wait" },
		{ "src [::ffff:127.0.0.1]", "dual wait" },
		{ "src inet6:[::ffff:127.0.0.1]", "dual" },
		{ "src ::/0", "in6 dual listen" },
		{ "src 2001:db8::1", "in6" },
		{ "src [2001:db8::1]", "in6" },
		{ "src [2001:db8::1]:80", "in6" },
		{ "src [2001:db8::]/32:80", "in6" },
		{ "src [2001:db8::/32]:80", "in6" },
		{ "src 2001:db8::1:80", "in6" },
		{ "src 2001:db8::/127", "in6" },
		{ "src 2001:db8::/128", "" },
		{ "src ::", "listen" },
		{ "src *:22", "dual listen" },
		{ "src :22", "dual listen" },
		{ "src *", INTERNET " " OTHERS },
		{ "src any", INTERNET " " OTHERS },
		{ "src both", "out4 in6" },
		{ "src both:80", "in6" },
		{ "src inet6:both", "in6" },
		{ "not src both state connected", "dual wait unix nameless" },
	};

	(void)state;
	filter_env__check(table, COUNT(table));
}

/* A family word asks for the family, in the negation too: ss then lists no other. */
static void family_words(void **state)
{
	static const char *const table[][2] = {
		{ "src inet:*", "out4 wait udp" },
		{ "src inet6:*", "in6 dual listen" },
		{ "not src inet:127.0.0.1", "out4 udp" },
		{ "src != inet6:[::]", "in6 dual" },
		{ "src unix:/run/*", "unix" },
		{ "src unix:/RUN/app/sock", "unix" },
		{ "src unix:", "nameless" },
		{ "not src unix:/run/*", "nameless" },
		{ "dst unix:@*", "unix" },
		{ "sport = unix:*sock", "unix" },
		{ "src netlink:*", "netlink" },
		{ "src netlink:uevent", "netlink" },
		{ "src netlink:15:1234", "netlink" },
		{ "src netlink:route", "" },
		{ "src netlink:*:1234", "netlink" },
		{ "dst netlink:*:kernel", "netlink" },
		{ "src link:*", "packet" },
		{ "src link:ip:eth0", "packet" },
		{ "src packet:0x800", "packet" },
		{ "src link:*:lo", "" },
		{ "src vsock:2:2000", "vsock" },
		{ "src vsock:2", "vsock" },
		{ "src vsock:*:2000", "vsock" },
		{ "dst vsock:7", "vsock" },
		{ "not dst vsock:7", "" },
		{ "src unix:* or dport = :443", "out4 unix nameless" },
	};

	(void)state;
	filter_env__check(table, COUNT(table));
}

static void facts(void **state)
{
	static const char *const table[][2] = {
		{ "pid = 10", "out4" },
		{ "pid 10", "out4" },
		{ "pid < 10", "dual listen" },
		{ "pid >= 50", "netlink vsock" },
		{ "comm = nginx", "in6" },
		{ "comm = [cn]*", "out4 in6" },
		{ "comm = (sd-pam)", "dual" },
		{ "( comm = (sd-pam) )", "dual" },
		{ "(comm = curl)", "out4" },
		{ "comm = \\(sd-pam\\)", "dual" },
		{ "exe = /usr/*", "out4 in6 listen" },
		{ "exe = */nginx", "in6" },
		{ "uid = 33", "out4" },
		{ "uid > 0", "out4" },
		{ "user = www", "out4" },
		{ "user www", "out4" },
		{ "user = 33", "out4" },
		{ "netns = 4026532000", "in6" },
		{ "netns = blue", "in6" },
		{ "netns != 100", "in6" },
		{ "inode = 9001", "out4" },
		{ "inode = 0", "wait" },
		{ "cookie = 5005", "wait" },
		{ "cookie = 0x138d", "wait" },
		{ "cookie <= 5002", "out4 in6" },
		{ "dev = eth0", "out4" },
		{ "dev 2", "out4" },
		{ "dev != eth0 state connected", "in6 dual wait unix nameless" },
		{ "fwmark = 0x11", "out4" },
		{ "fwmark 0x01/0x03", "out4" },
		{ "fwmark = 1", "" },
		{ "fwmark != 0x01/0x03 state connected", "in6 dual unix nameless" },
		{ "cgroup = /web", "out4" },
		{ "cgroup = web", "out4" },
		{ "cgroup = /mnt/web/a", "in6" },
		{ "cgroup = /web/*", "in6" },
		{ "cgroup = /web*", "out4 in6" },
		{ "cgroup != /web state connected", "in6 dual wait unix nameless" },
		{ "autobound", "out4 wait nameless vsock" },
		{ "not autobound state connected", "in6 dual unix" },
	};

	(void)state;
	filter_env__check(table, COUNT(table));
}

/* No comparison with something that is not known is true, and neither is its negation. */
static void what_is_not_known_does_not_match(void **state)
{
	static const char *const table[][2] = {
		{ "sport = :50001", "wait" },
		{ "sport = :50001 pid = 10", "" },
		{ "sport = :50001 pid != 10", "" },
		{ "sport = :50001 and not pid = 10", "" },
		{ "sport = :50001 and not ( not pid = 10 )", "" },
		{ "sport = :50001 and not ( pid = 10 and dport = :22 )", "" },
		{ "sport = :50001 and not ( pid = 10 and dport = :23 )", "wait" },
		{ "sport = :50001 and not ( pid = 10 or dport = :23 )", "" },
		{ "sport = :50001 ( pid = 10 or dport = :22 )", "wait" },
		{ "sport = :50001 comm != *", "" },
		{ "sport = :50001 exe != x", "" },
		{ "sport = :50001 uid != 7", "" },
		{ "sport = :50001 fwmark != 7", "" },
		{ "exe != /x pid = 30", "" }, /* NULL */
		{ "cgroup != /web pid = 30", "udp packet" },
	};

	(void)state;
	filter_env__check(table, COUNT(table));
}

/* As in ss: from left to right, "and" and "or" bind alike, "not" takes one term. */
static void precedence(void **state)
{
	static const char *const table[][2] = {
		{ "sport = :22 or sport = :80 and state close-wait", "in6" },
		{ "sport = :22 or ( sport = :80 and state close-wait )", "in6 dual listen" },
		{ "sport = :80 and state close-wait or sport = :22", "in6 dual listen" },
		{ "sport = :22 | sport = :80 & state close-wait", "in6" },
		{ "sport = :22 || sport = :80 && state close-wait", "in6" },
		{ "sport = :22 or sport = :80 state close-wait", "in6" },
		{ "sport = :22 state established", "dual" },
		{ "not sport = :22 state established", "out4 unix nameless" },
		{ "! sport = :22 state established", "out4 unix nameless" },
		{ "!sport = :22 state established", "out4 unix nameless" },
		{ "not ( sport = :22 state established ) state listening", "listen vsock" },
		{ "not not sport = :22", "dual listen" },
		{ "((sport = :22))", "dual listen" },
		{ "(sport = :22)or(sport = :80)", "in6 dual listen" },
	};

	(void)state;
	filter_env__check(table, COUNT(table));
}

static void words_may_come_one_by_one_or_together(void **state)
{
	static char *const one[] = { "state established dport = :443" };
	static char *const many[] = { "state", "established", "dport", "=", ":443" };
	static char *const mixed[] = { "state established", "", " dport\t= ", ":443" };
	static const struct {
		int argc;
		char *const *argv;
	} forms[] = { { 1, one }, { 5, many }, { 4, mixed } };
	struct filter_env env = filter_env__new();
	struct filter_error error;
	struct filter *f;

	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		assert_int_equal(filter__parse(forms[i].argc, (char **)forms[i].argv, &env, &f, &error), 0);
		assert_true(filter__matches(f, &filter_env__sockets()[0].subject));
		assert_false(filter__matches(f, &filter_env__sockets()[2].subject));
		filter__free(f);
	}
}

static void no_word_matches_everything(void **state)
{
	struct filter *f = parse("  ");

	(void)state;
	assert_null(f);
	assert_true(filter__matches(f, &filter_env__sockets()[0].subject));
	assert_int_equal(filter__states(f), FILTER_STATES);
	assert_int_equal(filter__families(f), FILTER_FAMILIES);
	assert_int_equal(filter__needs(f), 0);
	assert_false(filter__names_states(f));
	filter__free(f);
}

static void a_port_that_is_not_known_yet(void **state)
{
	static const char *const none[] = { "sport < :1024", "sport != :22", "not autobound", "autobound" };
	struct filter_subject s = filter_env__sockets()[0].subject;
	struct filter *f;

	(void)state;
	s.local_port = 0;
	s.local_port_unknown = true;
	for (size_t i = 0; i < COUNT(none); i++) {
		f = parse(none[i]);
		assert_false(filter__matches(f, &s));
		filter__free(f);
	}
	f = parse("dport < :1024");
	assert_true(filter__matches(f, &s));
	filter__free(f);
}

static void a_family_without_a_word(void **state)
{
	struct filter *f = filter_env__parse("src /run/*", AF_UNIX);

	(void)state;
	assert_true(filter__matches(f, &filter_env__sockets()[6].subject));
	assert_false(filter__matches(f, &filter_env__sockets()[0].subject));
	filter__free(f);
}

/* Of a process found in /proc the path is known and the id is not. */
static void a_cgroup_is_found_by_id_or_by_path(void **state)
{
	struct filter_subject id = { .known = FILTER_CGROUP, .family = AF_INET, .cgroup_id = 501 };
	struct filter_subject path = { .known = FILTER_CGROUP, .family = AF_INET, .cgroup = "/web/a" };
	struct filter *f = parse("cgroup = /mnt/web/a");

	(void)state;
	assert_true(filter__matches(f, &id));
	assert_true(filter__matches(f, &path));
	filter__free(f);
	f = parse("cgroup = /web");
	assert_false(filter__matches(f, &id));
	assert_false(filter__matches(f, &path));
	filter__free(f);
	f = parse("cgroup != /web*"); /* of the id alone a glob knows nothing */
	assert_false(filter__matches(f, &id));
	assert_false(filter__matches(f, &path));
	filter__free(f);
}

/* A request entry of the kernel's table is SYN_RECV. */
static void requests_are_syn_recv(void **state)
{
	struct filter_subject s = { .family = AF_INET, .state = STATE_NEW_SYN_RECV };
	struct filter *f = parse("state syn-recv");

	(void)state;
	assert_true(filter__matches(f, &s));
	filter__free(f);
}

#define UNCONNECTED (1 << STATE_CLOSE | 1 << STATE_LISTEN | 1 << STATE_BOUND_INACTIVE)

static void what_a_filter_needs(void **state)
{
	static const struct {
		const char *text;
		uint32_t needs, states, families;
	} table[] = {
		{ "sport = :22", 0, FILTER_STATES, FILTER_FAMILIES },
		{ "pid = 1 or comm = x exe = y", FILTER_OWNER, FILTER_STATES, FILTER_FAMILIES },
		{ "user = root", FILTER_UID, FILTER_STATES, FILTER_FAMILIES },
		{ "cgroup = /* dev lo fwmark 1", FILTER_CGROUP | FILTER_DEVICE | FILTER_MARK, FILTER_STATES,
		  FILTER_FAMILIES },
		{ "inode = 1 cookie = 1 netns = 1", FILTER_INODE | FILTER_COOKIE | FILTER_NETNS, FILTER_STATES,
		  FILTER_FAMILIES },
		{ "state established sport = :22", 0, 1 << STATE_ESTABLISHED, FILTER_FAMILIES },
		{ "state established or sport = :22", 0, FILTER_STATES, FILTER_FAMILIES },
		{ "state established or state listening", 0, 1 << STATE_ESTABLISHED | 1 << STATE_LISTEN,
		  FILTER_FAMILIES },
		{ "not state connected", 0, UNCONNECTED, FILTER_FAMILIES },
		{ "not ( state connected or sport = :22 )", 0, UNCONNECTED, FILTER_FAMILIES },
		{ "state bound-inactive", 0, 1 << STATE_BOUND_INACTIVE, FILTER_FAMILIES },
		{ "not ( state connected sport = :22 )", 0, FILTER_STATES, FILTER_FAMILIES },
		{ "state established and state listening", 0, 0, FILTER_FAMILIES },
		{ "src 10/8", 0, FILTER_STATES, FILTER_INET | FILTER_INET6 },
		{ "src ::1", 0, FILTER_STATES, FILTER_INET6 },
		{ "not src ::1", 0, FILTER_STATES, FILTER_FAMILIES },
		{ "src inet:*", 0, FILTER_STATES, FILTER_INET },
		{ "not src inet:10/8", 0, FILTER_STATES, FILTER_INET },
		{ "src unix:x or sport = vsock:1", 0, FILTER_STATES, FILTER_UNIX | FILTER_VSOCK },
		{ "src link:* or src netlink:*", 0, FILTER_STATES, FILTER_PACKET | FILTER_NETLINK },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct filter *f = parse(table[i].text);

		if (filter__needs(f) != table[i].needs || filter__states(f) != table[i].states ||
		    filter__families(f) != table[i].families)
			fail_msg("%s: needs 0x%x, states 0x%x, families 0x%x", table[i].text, filter__needs(f),
				 filter__states(f), filter__families(f));
		assert_int_equal(filter__names_states(f), strstr(table[i].text, "state") != NULL);
		filter__free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states),
		cmocka_unit_test(ports),
		cmocka_unit_test(addresses),
		cmocka_unit_test(family_words),
		cmocka_unit_test(facts),
		cmocka_unit_test(what_is_not_known_does_not_match),
		cmocka_unit_test(precedence),
		cmocka_unit_test(words_may_come_one_by_one_or_together),
		cmocka_unit_test(no_word_matches_everything),
		cmocka_unit_test(a_port_that_is_not_known_yet),
		cmocka_unit_test(a_family_without_a_word),
		cmocka_unit_test(a_cgroup_is_found_by_id_or_by_path),
		cmocka_unit_test(requests_are_syn_recv),
		cmocka_unit_test(what_a_filter_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
