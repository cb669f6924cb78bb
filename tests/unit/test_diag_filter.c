/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* source/diag_filter: what is left to the kernel and what is not. That it does the same is tested live, beside ss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/inet_diag.h>
#include <stdio.h>
#include <string.h>

#include "filter_env.h"
#include "source/diag_filter.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define EVERY_FACT   (FILTER_MARK | FILTER_DEVICE | FILTER_CGROUP)

static const char *const names[] = {
	[INET_DIAG_BC_JMP] = "jmp",	 [INET_DIAG_BC_S_GE] = "sge",	    [INET_DIAG_BC_S_LE] = "sle",
	[INET_DIAG_BC_D_GE] = "dge",	 [INET_DIAG_BC_D_LE] = "dle",	    [INET_DIAG_BC_S_EQ] = "seq",
	[INET_DIAG_BC_D_EQ] = "deq",	 [INET_DIAG_BC_S_COND] = "src",	    [INET_DIAG_BC_D_COND] = "dst",
	[INET_DIAG_BC_DEV_COND] = "dev", [INET_DIAG_BC_MARK_COND] = "mark", [INET_DIAG_BC_CGROUP_COND] = "cgroup",
};

/* The operations in order, each with the place a failure goes to: an operation's number, end, or out. */
static void disassemble(const struct buffer *code, char *text, size_t size)
{
	struct inet_diag_bc_op op;
	size_t n = 0;

	text[0] = '\0';
	for (size_t at = 0; at < code->len; at += op.yes) {
		size_t target = 0, number = 0;

		memcpy(&op, code->data + at, sizeof(op));
		assert_true(op.yes >= sizeof(op) && op.yes % 4 == 0 && at + op.yes <= code->len);
		assert_true(at + op.no <= code->len + sizeof(op) && op.no >= sizeof(op));
		n += (size_t)snprintf(text + n, size - n, "%s%s>", n ? " " : "", names[op.code]);
		for (; target < at + op.no && target < code->len; number++)
			target += ((const struct inet_diag_bc_op *)(const void *)(code->data + target))->yes;
		if (at + op.no > code->len)
			n += (size_t)snprintf(text + n, size - n, "out");
		else if (at + op.no == code->len)
			n += (size_t)snprintf(text + n, size - n, "end");
		else
			n += (size_t)snprintf(text + n, size - n, "%zu", number);
	}
}

static void filters_as_bytecode(void **state)
{
	static const struct {
		const char *text;
		uint32_t facts;
		const char *code;
	} table[] = {
		{ "", EVERY_FACT, "" },
		{ "dport = :443", 0, "deq>out" },
		{ "sport >= 1 dport <= 2", 0, "sge>out dle>out" },
		{ "sport > 1", 0, "sle>end jmp>out" },
		{ "sport = 1 or dport = 2", 0, "seq>2 jmp>end deq>out" },
		{ "not ( sport = 1 or dport = 2 )", 0, "seq>2 jmp>out deq>end jmp>out" },
		{ "src 10/8:80", 0, "src>out seq>out" },
		{ "src both", 0, "src>2 jmp>end src>out" },
		{ "not src inet:10/8", 0, "src>out src>end jmp>out" },
		{ "autobound", 0, "sge>out sle>out" },
		{ "dev = lo fwmark = 1 cgroup = /web", EVERY_FACT, "dev>out mark>out cgroup>out" },
		/* What the kernel cannot say, or may not be asked, could be true. */
		{ "dev = lo fwmark = 1 cgroup = /web", 0, "" },
		{ "cgroup = /web*", EVERY_FACT, "" },
		{ "not dev = lo", 0, "" },
		{ "pid = 1", EVERY_FACT, "" },
		{ "state established", EVERY_FACT, "" },
		{ "pid = 1 sport = 1", 0, "seq>out" },
		{ "sport = 1 pid = 1", 0, "seq>out" },
		{ "sport = 1 or pid = 1", 0, "" },
		{ "pid = 1 or sport = 1", 0, "" },
		{ "not ( sport = 1 and pid = 1 )", 0, "" },
		{ "not ( sport = 1 or pid = 1 )", 0, "seq>end jmp>out" },
		/* A dual-stack socket's row may have an IPv4 address (trap T10). */
		{ "src ::/0", 0, "src>out" },
		{ "not src ::/0", 0, "" },
		{ "not src ::/80", 0, "" },
		{ "not src inet6:::/0", 0, "src>out" },
		{ "not src ::fffe:0:0/95", 0, "" },
		{ "not src 2001::/16", 0, "src>end jmp>out" },
		{ "not src [::1]", 0, "src>end jmp>out" },
		{ "not src 0.0.0.0/0", 0, "src>end jmp>out" },
		/* No socket of these families can match. */
		{ "src unix:*", 0, "jmp>out" },
		{ "not src unix:*", 0, "jmp>out" },
		{ "sport = 1 and src vsock:1", 0, "jmp>out" },
		{ "src netlink:* sport = 1", 0, "jmp>out" },
		{ "sport = 1 or src link:*", 0, "seq>out" },
		{ "src link:* or sport = 1", 0, "seq>out" },
		{ "not dport = *", 0, "jmp>out" },
	};
	struct buffer code;
	char text[200];

	(void)state;
	buffer__init(&code, DIAG_FILTER_MAX);
	for (size_t i = 0; i < COUNT(table); i++) {
		struct filter *f = filter_env__parse(table[i].text, 0);

		diag_filter__compile(f, table[i].facts, &code);
		disassemble(&code, text, sizeof(text));
		if (strcmp(text, table[i].code) != 0)
			fail_msg("%s: %s", table[i].text, text);
		filter__free(f);
	}
	buffer__free(&code);
}

static void what_is_too_long_is_left_to_the_filter(void **state)
{
	struct filter *f = filter_env__parse("not src 10/8 and not src 11/8 and not src 12/8", 0);
	struct buffer code;

	(void)state;
	buffer__init(&code, 59); /* 60 are needed */
	diag_filter__compile(f, 0, &code);
	assert_int_equal(code.len, 0);
	buffer__free(&code);
	buffer__init(&code, 60);
	diag_filter__compile(f, 0, &code);
	assert_int_equal(code.len, 60);
	buffer__free(&code);
	filter__free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_as_bytecode),
		cmocka_unit_test(what_is_too_long_is_left_to_the_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
