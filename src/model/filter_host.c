/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The values of src, dst, sport and dport: [FAMILY:]ADDRESS[/PREFIX][:PORT], unix:GLOB, netlink:PROTOCOL:PORT-ID,
 * link:PROTOCOL:DEVICE, vsock:CID:PORT; "*" or nothing stands for any. A family word asks for that family alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/filter_parse.h"

/* One condition on its way: each part adds a node, joined by "and". */
struct host {
	struct filter_parser *p;
	const struct filter_field *field;
	enum filter_compare compare;
	uint16_t family;
	bool any; /* no part yet */
	uint16_t at;
};

static const struct {
	const char *word;
	uint16_t family;
} families[] = {
	{ "inet:", AF_INET },	  { "inet6:", AF_INET6 },     { "unix:", AF_UNIX },   { "link:", AF_PACKET },
	{ "packet:", AF_PACKET }, { "netlink:", AF_NETLINK }, { "vsock:", AF_VSOCK },
};

struct name_number {
	const char *name;
	uint32_t number;
};

/* linux/netlink.h, as iproute2 calls them */
static const struct name_number netlink_protocols[] = {
	{ "rtnl", 0 },	     { "route", 0 },	   { "unused", 1 },	{ "usersock", 2 },   { "fw", 3 },
	{ "tcpdiag", 4 },    { "sock_diag", 4 },   { "nflog", 5 },	{ "xfrm", 6 },	     { "selinux", 7 },
	{ "iscsi", 8 },	     { "audit", 9 },	   { "fiblookup", 10 }, { "connector", 11 }, { "nft", 12 },
	{ "netfilter", 12 }, { "ip6fw", 13 },	   { "dec-rt", 14 },	{ "uevent", 15 },    { "genl", 16 },
	{ "generic", 16 },   { "scsi-trans", 18 }, { "ecryptfs", 19 },	{ "rdma", 20 },	     { "crypto", 21 },
	{ "smc", 22 },
};

/* linux/if_ether.h */
static const struct name_number packet_protocols[] = {
	{ "all", 0x0003 },  { "ip", 0x0800 },	   { "arp", 0x0806 },  { "rarp", 0x8035 },    { "802.1Q", 0x8100 },
	{ "ipv6", 0x86dd }, { "mpls_uc", 0x8847 }, { "lldp", 0x88cc }, { "802.1ad", 0x88a8 }, { "eapol", 0x888e },
};

static bool find_name(const struct name_number *names, size_t count, const char *name, uint64_t *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(names[i].name, name)) {
			*ret = names[i].number;
			return true;
		}
	}
	return false;
}

static bool is_any(const char *s)
{
	return !*s || !strcmp(s, "*");
}

static int bad(const struct host *h, const char *what, const char *name)
{
	return filter_parser__bad(h->p, what, name);
}

/* What was added last is one more part of the condition. */
static int join(struct host *h, uint16_t at)
{
	if (!h->any)
		return filter_parser__join(h->p, FILTER_AND, h->at, at, &h->at);
	h->any = false;
	h->at = at;
	return 0;
}

static int add(struct host *h, struct filter_node *n)
{
	uint16_t at;
	int err;

	n->family = h->family;
	n->remote = h->field->remote;
	err = filter_parser__add(h->p, n, &at);
	return err ? err : join(h, at);
}

static int add_port(struct host *h, uint64_t port)
{
	return add(h, &(struct filter_node){ .op = FILTER_PORT, .compare = h->compare, .number = port });
}

/* ---- families other than IP: ID:PORT */

static int other_id(struct host *h, const char *text)
{
	struct filter_node n = { .op = FILTER_ID };
	bool ok;

	if (is_any(text))
		return 0;
	ok = filter_value__parse(text, UINT32_MAX, &n.number);
	if (!ok && h->family == AF_NETLINK)
		ok = find_name(netlink_protocols, sizeof(netlink_protocols) / sizeof(netlink_protocols[0]), text,
			       &n.number);
	else if (!ok && h->family == AF_PACKET)
		ok = find_name(packet_protocols, sizeof(packet_protocols) / sizeof(packet_protocols[0]), text,
			       &n.number);
	if (!ok)
		return bad(h, h->family == AF_VSOCK ? "not a context id:" : "no such protocol:", text);
	return add(h, &n);
}

static int other_port(struct host *h, const char *text)
{
	const struct filter_env *env = h->p->env;
	uint64_t port;
	uint32_t ifindex;

	if (is_any(text))
		return 0;
	if (filter_value__parse(text, UINT32_MAX, &port))
		return add_port(h, port);
	if (h->family == AF_NETLINK && !strcmp(text, "kernel"))
		return add_port(h, 0);
	if (h->family == AF_PACKET && env->device && !env->device(env->ctx, text, &ifindex))
		return add_port(h, ifindex);
	return bad(h, h->family == AF_PACKET ? "no such device:" : "not a port:", text);
}

static int parse_other(struct host *h, char *text)
{
	char *colon = strchr(text, ':');
	int err;

	if (h->field->is_port)
		return other_port(h, text + (*text == ':'));
	if (colon)
		*colon++ = '\0';
	err = other_id(h, text);
	return err || !colon ? err : other_port(h, colon);
}

static int parse_unix(struct host *h, const char *pattern)
{
	const struct filter_node n = { .op = FILTER_PATH, .family = AF_UNIX, .remote = h->field->remote };
	uint16_t at;
	int err = filter_parser__add_text(h->p, &n, pattern, &at);

	return err ? err : join(h, at);
}

/* ---- IP */

static int inet_port(struct host *h, const char *text)
{
	const struct filter_env *env = h->p->env;
	uint64_t port;
	uint16_t resolved;
	int err;

	if (is_any(text))
		return 0;
	if (filter_value__parse(text, UINT16_MAX, &port))
		return add_port(h, port);
	if (*text >= '0' && *text <= '9')
		return bad(h, "not a port:", text);
	err = env->service ? env->service(env->ctx, text, &resolved) : -ENOENT;
	if (err == -ENOTUNIQ)
		return bad(h, "more than one port is called", text);
	if (err)
		return err == -ENOMEM ? err : bad(h, "not a port or a service:", text);
	return add_port(h, resolved);
}

/* One to four numbers with dots between them; the missing ones are 0, as in ss: 10/8. */
static bool parse_ipv4(const char *text, uint8_t bytes[16])
{
	memset(bytes, 0, 16);
	for (int i = 0; i < 4; i++) {
		char part[8];
		size_t n = strcspn(text, ".");
		uint64_t value;

		if (n >= sizeof(part))
			return false;
		memcpy(part, text, n);
		part[n] = '\0';
		if (!filter_value__parse(part, 255, &value))
			return false;
		bytes[i] = (uint8_t)value;
		if (!text[n])
			return true;
		text += n + 1;
	}
	return false;
}

static bool parse_address(const char *text, uint16_t wanted, struct filter_node *n)
{
	n->address.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (wanted != AF_UNSPEC && wanted != n->address.family)
		return false;
	if (n->address.family == AF_INET6)
		return inet_pton(AF_INET6, text, n->address.bytes) == 1;
	return parse_ipv4(text, n->address.bytes);
}

/* A number of bits, or an IPv4 mask in dots. */
static bool parse_prefix(const char *text, unsigned int max, uint8_t *ret)
{
	uint64_t bits;
	struct in_addr mask;
	uint32_t host_part;

	if (filter_value__parse(text, max, &bits)) {
		*ret = (uint8_t)bits;
		return true;
	}
	if (max != 32 || inet_pton(AF_INET, text, &mask) != 1)
		return false;
	host_part = ~ntohl(mask.s_addr);
	*ret = (uint8_t)__builtin_popcount(ntohl(mask.s_addr));
	return (host_part & (host_part + 1)) == 0;
}

/* A dual-stack socket is shown with its IPv4 address, and found by either form of it (trap T10). */
static void unmap(struct filter_node *n)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (n->address.family != AF_INET6 || n->address.bits < 96 ||
	    memcmp(n->address.bytes, mapped, sizeof(mapped)) != 0)
		return;
	n->address.family = AF_INET;
	n->address.bits -= 96;
	memmove(n->address.bytes, n->address.bytes + 12, 4);
	memset(n->address.bytes + 4, 0, 12);
}

/* ADDRESS[/PREFIX]: 0 and *n, or -EINVAL, told by nobody. */
static int parse_net(const struct host *h, char *text, struct filter_node *n)
{
	char *slash = strchr(text, '/');
	unsigned int max;
	bool ok;

	if (slash)
		*slash = '\0';
	ok = parse_address(text, h->family, n);
	if (slash)
		*slash = '/';
	if (!ok)
		return -EINVAL;
	max = n->address.family == AF_INET ? 32 : 128;
	n->address.bits = (uint8_t)max;
	if (slash && !parse_prefix(slash + 1, max, &n->address.bits))
		return -EINVAL;
	if (h->family == AF_UNSPEC)
		unmap(n);
	return 0;
}

/* A host has several addresses: any of them. */
static int add_host(struct host *h, const char *name)
{
	const struct filter_env *env = h->p->env;
	struct filter_address addresses[FILTER_HOSTS_MAX];
	struct host or = *h;
	int n = env->host ? env->host(env->ctx, name, h->family, addresses, FILTER_HOSTS_MAX) : -ENOENT;

	if (n == -ENOTUNIQ)
		return bad(h, "too many addresses:", name);
	if (n <= 0)
		return n == -ENOMEM ? n : bad(h, "not an address, and no such host:", name);
	for (int i = 0; i < n; i++) {
		struct filter_node node = { .op = FILTER_ADDRESS, .family = h->family, .remote = h->field->remote };
		uint16_t at;
		int err;

		node.address.family = addresses[i].family;
		node.address.bits = addresses[i].family == AF_INET ? 32 : 128;
		memcpy(node.address.bytes, addresses[i].bytes, sizeof(node.address.bytes));
		err = filter_parser__add(h->p, &node, &at);
		if (!err && i)
			err = filter_parser__join(h->p, FILTER_OR, or.at, at, &at);
		if (err)
			return err;
		or.at = at;
	}
	return join(h, or.at);
}

static int inet_address(struct host *h, char *text)
{
	struct filter_node n = { .op = FILTER_ADDRESS };

	if (is_any(text) || !strcmp(text, "any") || !strcmp(text, "all") || !strcmp(text, "default"))
		return 0;
	if (!parse_net(h, text, &n))
		return add(h, &n);
	if (strchr(text, '/'))
		return bad(h, "not an address with a prefix:", text);
	return add_host(h, text);
}

/* [ADDRESS]:PORT; the prefix may stand on either side of the bracket. */
static int parse_bracketed(struct host *h, char *text)
{
	char *close = strchr(text, ']');
	char *port;
	int err;

	if (!close)
		return bad(h, "no ] behind the address:", text);
	port = strchr(close, ':');
	if (port)
		*port++ = '\0';
	if (close[1] && close[1] != '/')
		return bad(h, "neither a prefix nor a port:", close + 1);
	memmove(close, close + 1, strlen(close));
	err = inet_address(h, text + 1);
	return err || !port ? err : inet_port(h, port);
}

/* The last colon parts the port, as in ss; only what is no address then, but is one as a whole, is IPv6 alone. */
static int parse_inet(struct host *h, char *text)
{
	char *slash = strchr(text, '/');
	char *colon = strrchr(slash ? slash : text, ':');
	struct filter_node n = { .op = FILTER_ADDRESS };
	int err;

	if (h->field->is_port)
		return inet_port(h, text + (*text == ':'));
	if (*text == '[')
		return parse_bracketed(h, text);
	if (colon) {
		*colon = '\0';
		if (!is_any(text) && parse_net(h, text, &n)) {
			*colon = ':';
			if (!parse_net(h, text, &n))
				return add(h, &n);
			*colon = '\0';
		}
		colon++;
	}
	err = inet_address(h, text);
	return err || !colon ? err : inet_port(h, colon);
}

static char *strip_family(char *text, uint16_t *family)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		size_t n = strlen(families[i].word);

		if (strncmp(text, families[i].word, n) != 0)
			continue;
		*family = families[i].family;
		return text + n;
	}
	return text;
}

static int parse_host(struct host *h, char *text)
{
	int err;

	text = strip_family(text, &h->family);
	if (h->family == AF_UNIX)
		err = parse_unix(h, text);
	else if (h->family == AF_PACKET || h->family == AF_NETLINK || h->family == AF_VSOCK)
		err = parse_other(h, text);
	else
		err = parse_inet(h, text);
	if (!err && h->compare != FILTER_EQ && (h->any || h->family == AF_UNIX))
		return bad(h, "< and > need a port", NULL);
	if (!err && h->any)
		err = add(h, &(struct filter_node){ .op = FILTER_ANY });
	return err;
}

int filter_value__host(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
		       uint16_t *ret)
{
	struct host h = { .p = p, .field = field, .compare = compare, .family = p->env->family, .any = true };
	char *text = strdup(p->word.value);
	int err = text ? parse_host(&h, text) : -ENOMEM;

	free(text);
	if (!err)
		*ret = h.at;
	return err;
}
