/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A block of bytecode succeeds by running to its end and fails by jumping one operation (4 bytes) beyond it: that is how
 * the kernel tells a match from none (inet_diag_bc_run, net/ipv4/inet_diag.c), and what makes blocks fit together.
 * Every operation says in "yes" how long it is: the kernel checks jumps by walking these.
 */
#include "source/diag_filter.h"

#include <linux/inet_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "model/filter_ast.h"

#define OP_SIZE ((unsigned int)sizeof(struct inet_diag_bc_op))

/* What became of a part of the filter. May: it holds, or the kernel cannot say; then there is no code. */
enum outcome { NEVER, MAY, CODE };

struct compiler {
	const struct filter *f;
	uint32_t facts;
	struct buffer *out;
};

static void emit(struct compiler *c, unsigned char code, const void *argument, size_t size)
{
	const struct inet_diag_bc_op op = {
		.code = code,
		.yes = (unsigned char)(OP_SIZE + size),
		.no = (unsigned short)(2 * OP_SIZE + size),
	};

	buffer__add(c->out, &op, sizeof(op));
	buffer__add(c->out, argument, size);
}

/* JMP always takes "no". */
static void emit_jump(struct compiler *c, size_t distance)
{
	const struct inet_diag_bc_op op = { .code = INET_DIAG_BC_JMP, .yes = OP_SIZE, .no = (unsigned short)distance };

	buffer__add(c->out, &op, sizeof(op));
}

/* The failing jumps of the block from start to end shall go further by more. */
static void move_failures(struct compiler *c, size_t start, size_t end, size_t more)
{
	struct inet_diag_bc_op op;

	for (size_t at = start; at < end && !c->out->failed; at += op.yes) {
		memcpy(&op, c->out->data + at, sizeof(op));
		if (op.no != end - at + OP_SIZE)
			continue;
		op.no = (unsigned short)(op.no + more);
		memcpy(c->out->data + at, &op, sizeof(op));
	}
}

/* The block before is negated: its success jumps beyond the end, its failures land on the end. */
static void emit_not(struct compiler *c)
{
	emit_jump(c, (size_t)2 * OP_SIZE);
}

static void emit_port(struct compiler *c, unsigned char code, uint64_t port)
{
	const struct inet_diag_bc_op argument = { .no = (unsigned short)port };

	emit(c, code, &argument, sizeof(argument));
}

/* bits 0: any address of the family, which is AF_INET for a dual-stack socket too. */
static void emit_address(struct compiler *c, bool remote, uint16_t family, const uint8_t *bytes, uint8_t bits)
{
	const struct inet_diag_hostcond condition = { .family = (__u8)family, .prefix_len = bits, .port = -1 };
	char argument[sizeof(condition) + 16] = { 0 };
	size_t size = family == AF_INET ? 4 : 16;

	memcpy(argument, &condition, sizeof(condition));
	memcpy(argument + sizeof(condition), bytes, size);
	emit(c, remote ? INET_DIAG_BC_D_COND : INET_DIAG_BC_S_COND, argument, sizeof(condition) + size);
}

static void emit_compare(struct compiler *c, const struct filter_node *n)
{
	static const unsigned char codes[2][3] = {
		{ [FILTER_EQ] = INET_DIAG_BC_S_EQ, [FILTER_LE] = INET_DIAG_BC_S_LE, [FILTER_GE] = INET_DIAG_BC_S_GE },
		{ [FILTER_EQ] = INET_DIAG_BC_D_EQ, [FILTER_LE] = INET_DIAG_BC_D_LE, [FILTER_GE] = INET_DIAG_BC_D_GE },
	};

	emit_port(c, codes[n->remote][n->compare], n->number);
}

/* Both, one after the other. */
static void emit_range(struct compiler *c, const struct filter_node *n)
{
	size_t start = c->out->len, middle;

	emit_port(c, INET_DIAG_BC_S_GE, n->range.first);
	middle = c->out->len;
	emit_port(c, INET_DIAG_BC_S_LE, n->range.last);
	move_failures(c, start, middle, c->out->len - middle);
}

/*
 * The kernel takes an IPv4-mapped address for IPv6; a row may show it as IPv4 (trap T10), which no IPv6 prefix has. What
 * the kernel would leave out for that, it must not be asked to.
 */
static bool covers_mapped(const struct filter_node *n)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned int bits = n->address.bits;

	if (n->op != FILTER_ADDRESS || n->address.family != AF_INET6 || bits > 96)
		return false;
	return !memcmp(n->address.bytes, mapped, bits / 8) &&
	       (bits % 8 == 0 || !((n->address.bytes[bits / 8] ^ mapped[bits / 8]) >> (8 - bits % 8)));
}

/* The condition of a leaf without its family. False: the kernel cannot say, and nothing was added. */
static bool emit_condition(struct compiler *c, const struct filter_node *n)
{
	const struct inet_diag_markcond mark = { .mark = n->mark.value, .mask = n->mark.mask };
	uint32_t number = (uint32_t)n->number;

	if (n->fact & ~c->facts)
		return false;
	switch (n->op) {
	case FILTER_AUTOBOUND:
		emit_range(c, n);
		return true;
	case FILTER_ADDRESS:
		emit_address(c, n->remote, n->address.family, n->address.bytes, n->address.bits);
		return true;
	case FILTER_PORT:
		emit_compare(c, n);
		return true;
	case FILTER_MARKED:
		emit(c, INET_DIAG_BC_MARK_COND, &mark, sizeof(mark));
		return true;
	case FILTER_IN_CGROUP:
		if (n->number)
			emit(c, INET_DIAG_BC_CGROUP_COND, &n->number, sizeof(n->number));
		return n->number != 0;
	case FILTER_NUMBER:
		if (n->fact == FILTER_DEVICE)
			emit(c, INET_DIAG_BC_DEV_COND, &number, sizeof(number));
		return n->fact == FILTER_DEVICE;
	default:
		return false;
	}
}

/* A family word holds in the negation too. */
static enum outcome compile_leaf(struct compiler *c, const struct filter_node *n, bool negated)
{
	static const uint8_t any[16];
	size_t start = c->out->len, middle;

	if ((n->op == FILTER_ANY && negated) ||
	    (n->family != AF_UNSPEC && n->family != AF_INET && n->family != AF_INET6))
		return NEVER;
	if (n->family != AF_UNSPEC)
		emit_address(c, false, n->family, any, 0);
	middle = c->out->len;
	if (!(negated && covers_mapped(n)) && emit_condition(c, n) && negated)
		emit_not(c);
	move_failures(c, start, middle, c->out->len - middle);
	return c->out->len > start ? CODE : MAY;
}

static enum outcome compile(struct compiler *c, unsigned int at, bool negated)
{
	const struct filter_node *n = &c->f->nodes[at];
	bool both = (n->op == FILTER_AND) != negated;
	size_t start = c->out->len, middle;
	enum outcome left, right;

	if (n->op == FILTER_NOT)
		return compile(c, n->left, !negated);
	if (n->op != FILTER_AND && n->op != FILTER_OR)
		return compile_leaf(c, n, negated);
	left = compile(c, n->left, negated);
	if (left == (both ? NEVER : MAY))
		return left;
	if (left == (both ? MAY : NEVER))
		return compile(c, n->right, negated);
	middle = c->out->len;
	if (!both)
		emit_jump(c, 0); /* over what is to come */
	right = compile(c, n->right, negated);
	if (c->out->failed)
		return MAY;
	if (right == (both ? NEVER : MAY)) {
		c->out->len = start;
		return right;
	}
	if (right == (both ? MAY : NEVER)) {
		c->out->len = middle;
		return CODE;
	}
	if (both) {
		move_failures(c, start, middle, c->out->len - middle);
	} else {
		struct inet_diag_bc_op jump = { .code = INET_DIAG_BC_JMP, .yes = OP_SIZE };

		jump.no = (unsigned short)(c->out->len - middle);
		memcpy(c->out->data + middle, &jump, sizeof(jump));
	}
	return CODE;
}

void diag_filter__compile(const struct filter *f, uint32_t facts, struct buffer *ret)
{
	struct compiler c = { .f = f, .facts = facts, .out = ret };

	buffer__reset(ret);
	if (f && compile(&c, f->root, false) == NEVER)
		emit_jump(&c, (size_t)2 * OP_SIZE);
	if (ret->failed)
		buffer__reset(ret);
}
