/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A filter applied, and what can be said of it without a socket. */
#include "model/filter.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "model/filter_ast.h"
#include "model/types.h"

/* Ordered: "and" is the lesser, "or" the greater, "not" the mirror image (Kleene's three-valued logic). */
enum truth { NO, UNKNOWN, YES };

static enum truth truth_of(bool yes)
{
	return yes ? YES : NO;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int rest = bits % 8;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return !rest || !((a[bits / 8] ^ b[bits / 8]) >> (8 - rest));
}

/* An IPv4 address is also that of a dual-stack socket (trap T10). */
static bool address_matches(const struct filter_node *n, const struct filter_subject *s)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *bytes = n->remote ? s->remote : s->local;

	if (n->address.family == AF_INET && s->family == AF_INET6) {
		if (memcmp(bytes, mapped, sizeof(mapped)) != 0)
			return false;
		bytes += sizeof(mapped);
	} else if (n->address.family != s->family) {
		return false;
	}
	return same_bits(bytes, n->address.bytes, n->address.bits);
}

static bool compare(const struct filter_node *n, uint64_t value)
{
	switch (n->compare) {
	case FILTER_LE:
		return value <= n->number;
	case FILTER_GE:
		return value >= n->number;
	default:
		return value == n->number;
	}
}

static enum truth state_matches(const struct filter_node *n, const struct filter_subject *s)
{
	unsigned int state = s->state == STATE_NEW_SYN_RECV ? STATE_SYN_RECV : s->state;

	if (!state || (state >= STATE_MAX && state != STATE_BOUND_INACTIVE))
		return UNKNOWN;
	return truth_of(n->states >> state & 1);
}

/* Names the kernel gives: none, or "@" and five hexadecimal digits (unix_autobind, net/unix/af_unix.c). */
static bool is_unix_autobound(const char *path)
{
	return !path || (path[0] == '@' && strlen(path) == 6 && strspn(path + 1, "0123456789abcdef") == 5);
}

static enum truth port_matches(const struct filter_node *n, const struct filter_subject *s)
{
	if (!n->remote && s->local_port_unknown)
		return UNKNOWN;
	if (s->family == AF_UNIX) /* it has no port that could be less or more */
		return n->compare == FILTER_EQ ? NO : UNKNOWN;
	return truth_of(compare(n, n->remote ? s->remote_port : s->local_port));
}

static enum truth autobound(const struct filter_node *n, const struct filter_subject *s)
{
	switch (s->family) {
	case AF_UNIX:
		return truth_of(is_unix_autobound(s->path));
	case AF_PACKET:
		return truth_of(s->local_port == 0 && s->local_id == 0);
	case AF_NETLINK: /* netlink_autobind, net/netlink/af_netlink.c: negative when the process id was taken */
		return truth_of(s->local_port > INT32_MAX);
	case AF_VSOCK: /* LAST_RESERVED_PORT, net/vmw_vsock/af_vsock.c */
		return truth_of(s->local_port > 1023);
	default:
		if (s->local_port_unknown)
			return UNKNOWN;
		return truth_of(s->local_port >= n->range.first && s->local_port <= n->range.last);
	}
}

static uint64_t number_of(uint32_t fact, const struct filter_subject *s)
{
	switch (fact) {
	case FILTER_PID:
		return s->pid;
	case FILTER_UID:
		return s->uid;
	case FILTER_NETNS:
		return s->netns;
	case FILTER_INODE:
		return s->inode;
	case FILTER_COOKIE:
		return s->cookie;
	default:
		return s->ifindex;
	}
}

static enum truth text_matches(const struct filter_node *n, const struct filter_subject *s)
{
	const char *text = n->fact == FILTER_COMM ? s->comm : s->exe;

	return text ? truth_of(!fnmatch(n->text, text, 0)) : UNKNOWN;
}

static enum truth cgroup_matches(const struct filter_node *n, const struct filter_subject *s)
{
	if (!s->cgroup_id && !s->cgroup)
		return NO;
	if (n->number && s->cgroup_id)
		return truth_of(n->number == s->cgroup_id);
	return s->cgroup ? truth_of(!fnmatch(n->text, s->cgroup, 0)) : UNKNOWN;
}

static bool path_matches(const struct filter_node *n, const struct filter_subject *s)
{
	const char *path = n->remote ? s->peer_path : s->path;

	return !fnmatch(n->text, path ? path : "", FNM_CASEFOLD);
}

static enum truth leaf(const struct filter_node *n, const struct filter_subject *s)
{
	if ((n->family != AF_UNSPEC && n->family != s->family) || (n->fact & ~s->known))
		return UNKNOWN;
	switch (n->op) {
	case FILTER_STATE:
		return state_matches(n, s);
	case FILTER_AUTOBOUND:
		return autobound(n, s);
	case FILTER_ADDRESS:
		return truth_of(address_matches(n, s));
	case FILTER_PORT:
		return port_matches(n, s);
	case FILTER_ID:
		return truth_of(n->number == (n->remote ? s->remote_id : s->local_id));
	case FILTER_PATH:
		return truth_of(path_matches(n, s));
	case FILTER_NUMBER:
		return truth_of(compare(n, number_of(n->fact, s)));
	case FILTER_TEXT:
		return text_matches(n, s);
	case FILTER_IN_CGROUP:
		return cgroup_matches(n, s);
	case FILTER_MARKED:
		return truth_of((s->mark & n->mark.mask) == n->mark.value);
	default:
		return YES;
	}
}

/* As deep as the tree, which FILTER_NODES_MAX bounds. */
static enum truth evaluate(const struct filter *f, unsigned int at, const struct filter_subject *s)
{
	const struct filter_node *n = &f->nodes[at];
	enum truth left, right;

	if (n->op == FILTER_NOT)
		return YES - evaluate(f, n->left, s);
	if (n->op != FILTER_AND && n->op != FILTER_OR)
		return leaf(n, s);
	left = evaluate(f, n->left, s);
	if (left == (n->op == FILTER_AND ? NO : YES))
		return left;
	right = evaluate(f, n->right, s);
	if (n->op == FILTER_AND)
		return left < right ? left : right;
	return left > right ? left : right;
}

bool filter__matches(const struct filter *f, const struct filter_subject *s)
{
	return !f || evaluate(f, f->root, s) == YES;
}

uint32_t filter__needs(const struct filter *f)
{
	uint32_t facts = 0;

	for (unsigned int i = 0; f && i < f->count; i++)
		facts |= f->nodes[i].fact;
	return facts;
}

bool filter__names_states(const struct filter *f)
{
	for (unsigned int i = 0; f && i < f->count; i++) {
		if (f->nodes[i].op == FILTER_STATE)
			return true;
	}
	return false;
}

/* The bits for which the tree, or its negation, can be true. */
static uint32_t possible(const struct filter *f, unsigned int at, bool negated,
			 uint32_t (*bits)(const struct filter_node *n, bool negated))
{
	const struct filter_node *n = &f->nodes[at];
	uint32_t left, right;

	if (n->op == FILTER_NOT)
		return possible(f, n->left, !negated, bits);
	if (n->op != FILTER_AND && n->op != FILTER_OR)
		return bits(n, negated);
	left = possible(f, n->left, negated, bits);
	right = possible(f, n->right, negated, bits);
	return (n->op == FILTER_AND) != negated ? left & right : left | right;
}

static uint32_t states_of_leaf(const struct filter_node *n, bool negated)
{
	if (n->op == FILTER_ANY && negated)
		return 0;
	if (n->op != FILTER_STATE)
		return FILTER_STATES;
	return negated ? FILTER_STATES & ~n->states : n->states;
}

uint32_t filter__states(const struct filter *f)
{
	return f ? possible(f, f->root, false, states_of_leaf) : FILTER_STATES;
}

static uint32_t family_bit(uint16_t family)
{
	switch (family) {
	case AF_INET:
		return FILTER_INET;
	case AF_INET6:
		return FILTER_INET6;
	case AF_UNIX:
		return FILTER_UNIX;
	case AF_PACKET:
		return FILTER_PACKET;
	case AF_NETLINK:
		return FILTER_NETLINK;
	case AF_VSOCK:
		return FILTER_VSOCK;
	default:
		return FILTER_FAMILIES;
	}
}

static uint32_t families_of_leaf(const struct filter_node *n, bool negated)
{
	if (n->op == FILTER_ADDRESS && n->family == AF_UNSPEC && !negated)
		return n->address.family == AF_INET ? FILTER_INET | FILTER_INET6 : FILTER_INET6;
	return family_bit(n->family);
}

uint32_t filter__families(const struct filter *f)
{
	return f ? possible(f, f->root, false, families_of_leaf) : FILTER_FAMILIES;
}

void filter__free(struct filter *f)
{
	if (!f)
		return;
	for (unsigned int i = 0; i < f->count; i++)
		free(f->nodes[i].text);
	free(f->nodes);
	free(f);
}
