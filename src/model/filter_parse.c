/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The grammar of filters. The words and their meaning are those of ss (ss(8), misc/ssfilter.y of iproute2). */
#include "model/filter_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "model/types.h"

#define BIT(state) (1u << STATE_##state)

static const struct filter_field fields[] = {
	{ .name = "src", .value = filter_value__host },
	{ .name = "dst", .value = filter_value__host, .remote = true },
	{ .name = "sport", .value = filter_value__host, .is_port = true, .ordered = true },
	{ .name = "dport", .value = filter_value__host, .is_port = true, .ordered = true, .remote = true },
	{ .name = "dev", .value = filter_value__device, .fact = FILTER_DEVICE },
	{ .name = "fwmark", .value = filter_value__mark, .fact = FILTER_MARK },
	{ .name = "cgroup", .value = filter_value__cgroup, .fact = FILTER_CGROUP },
	{ .name = "pid", .value = filter_value__number, .fact = FILTER_PID, .ordered = true },
	{ .name = "comm", .value = filter_value__text, .fact = FILTER_COMM },
	{ .name = "exe", .value = filter_value__text, .fact = FILTER_EXE },
	{ .name = "uid", .value = filter_value__number, .fact = FILTER_UID, .ordered = true },
	{ .name = "user", .value = filter_value__user, .fact = FILTER_UID },
	{ .name = "netns", .value = filter_value__netns, .fact = FILTER_NETNS },
	{ .name = "inode", .value = filter_value__number, .fact = FILTER_INODE, .ordered = true },
	{ .name = "cookie", .value = filter_value__number, .fact = FILTER_COOKIE, .ordered = true },
};

/* The names of ss, its groups, and netstat's names; case and "_" for "-" do not matter. */
static const struct {
	const char *name;
	uint32_t states;
} state_names[] = {
	{ "established", BIT(ESTABLISHED) },
	{ "syn-sent", BIT(SYN_SENT) },
	{ "syn-recv", BIT(SYN_RECV) },
	{ "syn-rcv", BIT(SYN_RECV) },
	{ "fin-wait-1", BIT(FIN_WAIT1) },
	{ "fin-wait1", BIT(FIN_WAIT1) },
	{ "fin-wait-2", BIT(FIN_WAIT2) },
	{ "fin-wait2", BIT(FIN_WAIT2) },
	{ "time-wait", BIT(TIME_WAIT) },
	{ "unconnected", BIT(CLOSE) },
	{ "close", BIT(CLOSE) },
	{ "closed", BIT(CLOSE) },
	{ "close-wait", BIT(CLOSE_WAIT) },
	{ "last-ack", BIT(LAST_ACK) },
	{ "listening", BIT(LISTEN) },
	{ "listen", BIT(LISTEN) },
	{ "closing", BIT(CLOSING) },
	{ "bound-inactive", BIT(BOUND_INACTIVE) },
	{ "all", FILTER_STATES },
	{ "connected", FILTER_STATES & ~(BIT(CLOSE) | BIT(BOUND_INACTIVE) | BIT(LISTEN)) },
	{ "synchronized", FILTER_STATES & ~(BIT(CLOSE) | BIT(BOUND_INACTIVE) | BIT(LISTEN) | BIT(SYN_SENT)) },
	{ "bucket", BIT(SYN_RECV) | BIT(TIME_WAIT) },
	{ "big", FILTER_STATES & ~(BIT(SYN_RECV) | BIT(TIME_WAIT)) },
};

enum operator{ OPERATOR_EQ, OPERATOR_NE, OPERATOR_LT, OPERATOR_GT, OPERATOR_LE, OPERATOR_GE };

static const struct {
	const char *name;
	enum operator operator;
} operators[] = {
	{ "=", OPERATOR_EQ },	{ "==", OPERATOR_EQ },	{ "eq", OPERATOR_EQ }, { "!=", OPERATOR_NE },
	{ "ne", OPERATOR_NE },	{ "neq", OPERATOR_NE }, { "<", OPERATOR_LT },  { "lt", OPERATOR_LT },
	{ ">", OPERATOR_GT },	{ "gt", OPERATOR_GT },	{ "<=", OPERATOR_LE }, { "le", OPERATOR_LE },
	{ "leq", OPERATOR_LE }, { ">=", OPERATOR_GE },	{ "ge", OPERATOR_GE }, { "geq", OPERATOR_GE },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool at_end(const struct filter_parser *p)
{
	return p->word.at == p->word.end;
}

static bool is_word(const struct filter_parser *p, const char *a, const char *b, const char *c)
{
	const char *value = p->word.value;

	return !strcmp(value, a) || (b && !strcmp(value, b)) || (c && !strcmp(value, c));
}

static void peek(struct filter_parser *p)
{
	filter_lexer__key(&p->lexer, &p->word);
}

static void take(struct filter_parser *p)
{
	p->lexer.at = p->word.end;
}

static int take_value(struct filter_parser *p, const char *wanted)
{
	filter_lexer__value(&p->lexer, p->nested, &p->word);
	if (at_end(p))
		return filter_parser__bad(p, wanted, NULL);
	take(p);
	return 0;
}

static int grow(struct filter *f)
{
	unsigned int size = f->size ? f->size * 2U : 8;
	struct filter_node *nodes = realloc(f->nodes, size * sizeof(*nodes));

	if (!nodes)
		return -ENOMEM;
	f->nodes = nodes;
	f->size = (uint16_t)size;
	return 0;
}

int filter_parser__add(struct filter_parser *p, const struct filter_node *n, uint16_t *ret)
{
	struct filter *f = p->f;
	int err;

	if (f->count == FILTER_NODES_MAX)
		return filter_parser__bad(p, "too many terms", NULL);
	if (f->count == f->size) {
		err = grow(f);
		if (err)
			return err;
	}
	f->nodes[f->count] = *n;
	*ret = f->count++;
	return 0;
}

int filter_parser__join(struct filter_parser *p, enum filter_op op, uint16_t left, uint16_t right, uint16_t *ret)
{
	return filter_parser__add(p, &(struct filter_node){ .op = op, .left = left, .right = right }, ret);
}

int filter_parser__add_text(struct filter_parser *p, const struct filter_node *n, const char *text, uint16_t *ret)
{
	uint16_t at;
	int err = filter_parser__add(p, n, &at);

	if (err)
		return err;
	p->f->nodes[at].text = strdup(text);
	if (!p->f->nodes[at].text)
		return -ENOMEM;
	*ret = at;
	return 0;
}

static bool same_state_name(const char *name, const char *word)
{
	for (; *name && *word; name++, word++) {
		char c = *word == '_' ? '-' : *word;

		if (strncasecmp(name, &c, 1) != 0)
			return false;
	}
	return *name == *word;
}

static int state_by_name(struct filter_parser *p, uint32_t *ret)
{
	for (size_t i = 0; i < COUNT(state_names); i++) {
		if (same_state_name(state_names[i].name, p->word.value)) {
			*ret = state_names[i].states;
			return 0;
		}
	}
	return filter_parser__bad(p, "no state is called", p->word.value);
}

/* { state NAME | exclude NAME }: the first word says whether the set begins empty or full. */
static int parse_states(struct filter_parser *p, uint16_t *ret)
{
	struct filter_node n = { .op = FILTER_STATE };
	bool include = is_word(p, "state", NULL, NULL);
	uint32_t states = 0;
	int err;

	n.states = include ? 0 : FILTER_STATES;
	while (include || is_word(p, "exclude", "excl", NULL)) {
		take(p);
		err = take_value(p, "the name of a state is missing");
		if (!err)
			err = state_by_name(p, &states);
		if (err)
			return err;
		n.states = include ? n.states | states : n.states & ~states;
		peek(p);
		include = is_word(p, "state", NULL, NULL);
	}
	return filter_parser__add(p, &n, ret);
}

static enum operator take_operator(struct filter_parser *p)
{
	peek(p);
	for (size_t i = 0; i < COUNT(operators); i++) {
		if (!strcmp(p->word.value, operators[i].name)) {
			take(p);
			return operators[i].operator;
		}
	}
	return OPERATOR_EQ;
}

static int parse_comparison(struct filter_parser *p, const struct filter_field *field, uint16_t *ret)
{
	static const enum filter_compare compares[] = {
		[OPERATOR_EQ] = FILTER_EQ, [OPERATOR_NE] = FILTER_EQ, [OPERATOR_LT] = FILTER_GE,
		[OPERATOR_GT] = FILTER_LE, [OPERATOR_LE] = FILTER_LE, [OPERATOR_GE] = FILTER_GE,
	};
	enum operator operator;
	uint16_t at;
	int err;

	if (field->fact & p->env->unknown)
		return filter_parser__bad(p, "here nothing is known of", field->name);
	take(p);
	operator= take_operator(p);
	if (compares[operator] != FILTER_EQ && !field->ordered)
		return filter_parser__bad(p, "only = and != go with", field->name);
	err = take_value(p, "a value is missing");
	if (!err)
		err = field->value(p, field, compares[operator], &at);
	if (!err && (operator== OPERATOR_NE || operator== OPERATOR_LT || operator== OPERATOR_GT))
		err = filter_parser__join(p, FILTER_NOT, at, 0, &at);
	if (!err)
		*ret = at;
	return err;
}

static int parse_autobound(struct filter_parser *p, uint16_t *ret)
{
	struct filter_node n = { .op = FILTER_AUTOBOUND };

	take(p);
	n.range.first = p->env->ephemeral_first;
	n.range.last = p->env->ephemeral_last;
	if (!n.range.first && !n.range.last) { /* the kernel's defaults, inet_init_net, net/ipv4/af_inet.c */
		n.range.first = 32768;
		n.range.last = 60999;
	}
	return filter_parser__add(p, &n, ret);
}

static int parse_list(struct filter_parser *p, uint16_t *ret);

static int parse_parentheses(struct filter_parser *p, uint16_t *ret)
{
	struct filter_word open = p->word;
	uint16_t at;
	int err;

	take(p);
	p->nested++;
	err = parse_list(p, &at);
	p->nested--;
	if (err)
		return err;
	if (at_end(p)) {
		p->word = open;
		return filter_parser__bad(p, "this parenthesis is not closed", NULL);
	}
	take(p);
	*ret = at;
	return 0;
}

/* One term; p->word is its first word. The depth is bounded by the caller. */
static int parse_simple(struct filter_parser *p, uint16_t *ret)
{
	if (at_end(p))
		return filter_parser__bad(p, "something is missing at the end", NULL);
	if (is_word(p, "(", NULL, NULL))
		return parse_parentheses(p, ret);
	if (is_word(p, "state", "exclude", "excl"))
		return parse_states(p, ret);
	if (is_word(p, "autobound", NULL, NULL))
		return parse_autobound(p, ret);
	for (size_t i = 0; i < COUNT(fields); i++) {
		if (!strcmp(p->word.value, fields[i].name))
			return parse_comparison(p, &fields[i], ret);
	}
	if (is_word(p, ")", NULL, NULL) && !p->nested)
		return filter_parser__bad(p, "no parenthesis is open before", ")");
	if (is_word(p, ")", NULL, NULL) || is_word(p, "and", "&", "&&") || is_word(p, "or", "|", "||"))
		return filter_parser__bad(p, "something is missing before", p->word.value);
	return filter_parser__bad(p, "unknown word", p->word.value);
}

static int parse_term(struct filter_parser *p, uint16_t *ret)
{
	uint16_t at;
	int err;

	peek(p);
	if (p->depth == FILTER_DEPTH_MAX)
		return filter_parser__bad(p, "too deep", NULL);
	p->depth++;
	if (is_word(p, "!", "not", NULL)) {
		take(p);
		err = parse_term(p, &at);
		if (!err)
			err = filter_parser__join(p, FILTER_NOT, at, 0, &at);
	} else {
		err = parse_simple(p, &at);
	}
	p->depth--;
	if (!err)
		*ret = at;
	return err;
}

/* From left to right; leaves the word behind the list, an end or a closing parenthesis, in p->word. */
static int parse_list(struct filter_parser *p, uint16_t *ret)
{
	uint16_t left, right;
	int err = parse_term(p, &left);

	while (!err) {
		enum filter_op op = FILTER_AND;

		peek(p);
		if (at_end(p) || (p->nested && is_word(p, ")", NULL, NULL)))
			break;
		if (is_word(p, "or", "|", "||")) {
			op = FILTER_OR;
			take(p);
		} else if (is_word(p, "and", "&", "&&")) {
			take(p);
		}
		err = parse_term(p, &right);
		if (!err)
			err = filter_parser__join(p, op, left, right, &left);
	}
	if (!err)
		*ret = left;
	return err;
}

static int parse_all(struct filter_parser *p, int argc, char **argv, bool *ret_empty)
{
	int err = filter_lexer__init(&p->lexer, argc, argv);

	if (err == -EINVAL) {
		snprintf(p->error->message, sizeof(p->error->message), "longer than %d bytes", FILTER_TEXT_MAX);
		return err;
	}
	if (err)
		return err;
	peek(p);
	*ret_empty = at_end(p);
	return *ret_empty ? 0 : parse_list(p, &p->f->root);
}

int filter__parse(int argc, char **argv, const struct filter_env *env, struct filter **ret,
		  struct filter_error *ret_error)
{
	struct filter_error error = { 0 };
	struct filter_parser p = { .env = env, .error = &error, .f = calloc(1, sizeof(*p.f)) };
	bool empty = false;
	int err = p.f ? parse_all(&p, argc, argv, &empty) : -ENOMEM;

	filter_lexer__free(&p.lexer);
	if (err == -EINVAL)
		*ret_error = error;
	if (err || empty)
		filter__free(p.f);
	if (!err)
		*ret = empty ? NULL : p.f;
	return err;
}
