/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/list_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd/options.h"
#include "model/listed.h"

/* Without a letter of their own. */
enum {
	OPT_MPTCP = 'M',
	OPT_SCTP = 'S',
	OPT_UDPLITE = 'U',
	OPT_NETLINK = 256,
	OPT_ICMP,
	OPT_VSOCK,
	OPT_XDP,
	OPT_TIPC,
	OPT_WIDE,
	OPT_SORT,
	OPT_JSON,
	OPT_CSV,
};

/* As ss -l and ss without -a and -l have it: a UDP socket without a connection is CLOSE, and waits. */
#define STATES_WAITING	 (1U << STATE_LISTEN | 1U << STATE_CLOSE)
#define STATES_BOUND	 (1U << STATE_BOUND_INACTIVE)
#define STATES_ALL	 (0xffeU | STATES_BOUND)
#define STATES_CONNECTED (STATES_ALL & ~(STATES_WAITING | STATES_BOUND | 1U << STATE_SYN_RECV | 1U << STATE_TIME_WAIT))

/* One row an option: what getopt_long takes and what --help prints; classes: it selects these. */
static const struct list_option {
	struct option option;
	const char *argument;
	const char *help;
	uint32_t classes;
} option_table[] = {
	{ { "tcp", no_argument, NULL, 't' }, NULL, "TCP", CLASS_BIT(CLASS_TCP) },
	{ { "udp", no_argument, NULL, 'u' },
	  NULL,
	  "UDP and UDP-Lite",
	  CLASS_BIT(CLASS_UDP) | CLASS_BIT(CLASS_UDPLITE) },
	{ { "raw", no_argument, NULL, 'w' }, NULL, "raw and ICMP", CLASS_BIT(CLASS_RAW) | CLASS_BIT(CLASS_ICMP) },
	{ { "unix", no_argument, NULL, 'x' }, NULL, "unix", CLASS_BIT(CLASS_UNIX) },
	{ { "packet", no_argument, NULL, '0' }, NULL, "packet", CLASS_BIT(CLASS_PACKET) },
	{ { "mptcp", no_argument, NULL, OPT_MPTCP }, NULL, "MPTCP", CLASS_BIT(CLASS_MPTCP) },
	{ { "sctp", no_argument, NULL, OPT_SCTP }, NULL, "SCTP", CLASS_BIT(CLASS_SCTP) },
	{ { "udplite", no_argument, NULL, OPT_UDPLITE }, NULL, "UDP-Lite alone", CLASS_BIT(CLASS_UDPLITE) },
	{ { "icmp", no_argument, NULL, OPT_ICMP }, NULL, "ICMP (ping) alone", CLASS_BIT(CLASS_ICMP) },
	{ { "netlink", no_argument, NULL, OPT_NETLINK }, NULL, "netlink", CLASS_BIT(CLASS_NETLINK) },
	{ { "vsock", no_argument, NULL, OPT_VSOCK }, NULL, "vsock", CLASS_BIT(CLASS_VSOCK) },
	{ { "xdp", no_argument, NULL, OPT_XDP }, NULL, "XDP", CLASS_BIT(CLASS_XDP) },
	{ { "tipc", no_argument, NULL, OPT_TIPC }, NULL, "TIPC", CLASS_BIT(CLASS_TIPC) },
	{ { "ipv4", no_argument, NULL, '4' }, NULL, "only IPv4, and IPv4 over dual-stack sockets", 0 },
	{ { "ipv6", no_argument, NULL, '6' }, NULL, "only IPv6", 0 },
	{ { "listening", no_argument, NULL, 'l' }, NULL, "only sockets that wait", 0 },
	{ { "all", no_argument, NULL, 'a' }, NULL, "sockets that wait and connected ones, of every family", 0 },
	{ { "bound-inactive", no_argument, NULL, 'B' },
	  NULL,
	  "only TCP sockets that have a port and no more (Linux 6.8)",
	  0 },
	{ { "numeric", no_argument, NULL, 'n' }, NULL, "numbers instead of names (as it is without -r)", 0 },
	{ { "resolve", no_argument, NULL, 'r' },
	  NULL,
	  "names of hosts, services and users, where they are soon found",
	  0 },
	{ { "processes", no_argument, NULL, 'p' }, NULL, "all processes that hold a socket, not only its owner", 0 },
	{ { "extended", no_argument, NULL, 'e' }, NULL, "uid, inode, cookie, device, mark, cgroup, references", 0 },
	{ { "options", no_argument, NULL, 'o' }, NULL, "timers", 0 },
	{ { "memory", no_argument, NULL, 'm' }, NULL, "memory of the socket", 0 },
	{ { "info", no_argument, NULL, 'i' }, NULL, "what TCP knows of the connection", 0 },
	{ { "context", no_argument, NULL, 'Z' }, NULL, "security context of the owner", 0 },
	{ { "net", required_argument, NULL, 'N' },
	  "NS",
	  "only this network namespace: a name of ip-netns or a pid",
	  0 },
	{ { "filter", required_argument, NULL, 'F' }, "FILE", "FILTER goes on in FILE, - is stdin", 0 },
	{ { "columns", required_argument, NULL, 'O' }, "COL,..", "these columns, or the set 'osquery'", 0 },
	{ { "sort", required_argument, NULL, OPT_SORT }, "COL", "sort by a column; -COL: from the highest", 0 },
	{ { "no-header", no_argument, NULL, 'H' }, NULL, "no header", 0 },
	{ { "wide", no_argument, NULL, OPT_WIDE }, NULL, "do not fit the table to the terminal", 0 },
	{ { "json", no_argument, NULL, OPT_JSON }, NULL, "NDJSON version 1; with -O an object of these columns", 0 },
	{ { "csv", no_argument, NULL, OPT_CSV }, NULL, "CSV (RFC 4180)", 0 },
	{ { "verbose", no_argument, NULL, 'v' }, NULL, "say on stderr what is done", 0 },
	{ { "help", no_argument, NULL, 'h' }, NULL, "this text", 0 },
};

#define OPTION_COUNT (sizeof(option_table) / sizeof(option_table[0]))

void list_options__print_help(void)
{
	const struct column *c;

	puts("Usage: sockwatch list [OPTIONS] [FILTER]   every open socket with its owner\n\n"
	     "Without -a, -l and a family: all internet sockets, those that listen first. With a family, as ss has it: "
	     "only\n"
	     "connected ones, unless -a or -l is there too.\n\n"
	     "Options:");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *o = &option_table[i].option;
		char name[40];

		snprintf(name, sizeof(name), "--%s%s%s", o->name, o->has_arg ? " " : "",
			 o->has_arg ? option_table[i].argument : "");
		if (o->val < 256)
			printf("  -%c, %-18s %s\n", o->val, name, option_table[i].help);
		else
			printf("      %-18s %s\n", name, option_table[i].help);
	}
	puts("\nColumns (-O, --sort):");
	for (unsigned int i = 0; (c = columns__all(i)); i++)
		printf("  %-16s %s\n", c->name, c->help);
	puts(options_filter_help);
	puts("Results go to stdout, everything else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage.");
}

static int bad(char *why, size_t size, const char *option, const char *value, const char *reason)
{
	snprintf(why, size, "--%s %s: %s", option, value, reason);
	return -EINVAL;
}

static int parse_columns(const char *value, struct list_options *o, char *why, size_t size)
{
	const char *unknown = value;
	size_t len = strlen(value);
	int err = columns__parse(&o->columns, value, &unknown, &len);

	if (err == -EINVAL)
		snprintf(why, size, "--columns %s: no such column: '%.*s'; 'sockwatch list --help' names them", value,
			 (int)len, unknown);
	else if (err)
		bad(why, size, "columns", value, "too many");
	o->chosen = true;
	return err ? -EINVAL : 0;
}

static int parse_sort(const char *value, struct list_options *o, char *why, size_t size)
{
	const char *name = value + (*value == '-');

	if (!columns__find(name, strlen(name)))
		return bad(why, size, "sort", value, "no such column; 'sockwatch list --help' names them");
	o->sort = value;
	return 0;
}

struct letters {
	bool all, listening, bound, processes, extended, timers, memory, info, context;
};

static int apply(int c, const char *value, struct list_options *o, struct letters *l, char *why, size_t size)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (option_table[i].option.val == c && option_table[i].classes) {
			o->classes |= option_table[i].classes;
			return 0;
		}
	}
	switch (c) {
	case '4':
		o->ipv4 = true;
		return 0;
	case '6':
		o->ipv6 = true;
		return 0;
	case 'l':
		l->listening = true;
		return 0;
	case 'a':
		l->all = true;
		return 0;
	case 'B':
		l->bound = true;
		return 0;
	case 'n':
	case 'r':
		o->resolve = c == 'r';
		return 0;
	case 'p':
		l->processes = true;
		return 0;
	case 'e':
		l->extended = true;
		return 0;
	case 'o':
		l->timers = true;
		return 0;
	case 'm':
		l->memory = true;
		return 0;
	case 'i':
		l->info = true;
		return 0;
	case 'Z':
		l->context = true;
		return 0;
	case 'H':
		o->no_header = true;
		return 0;
	case 'F':
		o->filter_file = value;
		return 0;
	case 'N':
		o->netns = value;
		return 0;
	case 'O':
		return parse_columns(value, o, why, size);
	case OPT_SORT:
		return parse_sort(value, o, why, size);
	case OPT_WIDE:
		o->wide = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_CSV:
		o->csv = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	default: /* 'h' */
		o->help = true;
		return 0;
	}
}

/* What is shown when only letters say it. */
static void choose_columns(struct list_options *o, const struct letters *l)
{
	static const char *const always[] = { "proto",	"state", "recvq", "sendq", "local",
					      "remote", "netns", "pid",	  "comm" };
	static const char *const extended[] = { "uid", "inode", "cookie", "device", "mark", "cgroup", "refs" };

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		columns__add(&o->columns, always[i]);
	if (l->processes)
		columns__add(&o->columns, "holders");
	for (size_t i = 0; l->extended && i < sizeof(extended) / sizeof(extended[0]); i++)
		columns__add(&o->columns, extended[i]);
	if (l->timers)
		columns__add(&o->columns, "timer");
	if (l->memory)
		columns__add(&o->columns, "memory");
	if (l->info)
		columns__add(&o->columns, "info");
	if (l->context)
		columns__add(&o->columns, "context");
}

static void choose_sockets(struct list_options *o, const struct letters *l)
{
	o->named = o->classes != 0;
	if (!o->named)
		o->classes = l->all || l->listening ? CLASSES_ALL : CLASSES_INET;
	/* An address family alone narrows the internet sockets. */
	if (!o->named && (o->ipv4 || o->ipv6))
		o->classes = CLASSES_INET;
	if (l->all || (!o->named && !l->listening))
		o->states = STATES_ALL;
	else
		o->states = l->listening ? STATES_WAITING : STATES_CONNECTED;
	if (l->bound)
		o->states = STATES_BOUND;
	if (l->memory)
		o->facts |= COLUMN_MEMORY;
	if (l->info)
		o->facts |= COLUMN_TCP;
	if (l->extended)
		o->facts |= COLUMN_REFS;
	if (l->context)
		o->facts |= COLUMN_CONTEXT;
}

static void make_letters(char *letters, struct option *options)
{
	char *p = letters;

	*p++ = ':'; /* a missing value is told apart */
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		options[i] = option_table[i].option;
		if (options[i].val >= 256)
			continue;
		*p++ = (char)options[i].val;
		if (options[i].has_arg)
			*p++ = ':';
	}
	*p = '\0';
}

int list_options__parse(int argc, char **argv, struct list_options *ret, char *why, size_t why_size)
{
	struct option options[OPTION_COUNT + 1] = { 0 };
	char letters[2 * OPTION_COUNT + 2];
	struct list_options o = { 0 };
	struct letters l = { 0 };
	int c, err;

	make_letters(letters, options);
	optind = 0; /* start anew, also in tests that parse more than once */
	opterr = 0;
	while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		/* A letter that is known here is of a long option that was given a value. */
		if (c == '?' && optopt && optopt < 256 && !strchr(letters, optopt))
			snprintf(why, why_size, "list: unknown option: -%c", optopt);
		else if (c == '?')
			snprintf(why, why_size, "list: unknown option or too much: %s", argv[optind - 1]);
		else if (c == ':')
			snprintf(why, why_size, "list: %s wants a value", argv[optind - 1]);
		if (c == '?' || c == ':')
			return -EINVAL;
		err = apply(c, optarg, &o, &l, why, why_size);
		if (err)
			return err;
	}
	if (o.json && o.csv) {
		snprintf(why, why_size, "list: --json and --csv are two outputs, choose one");
		return -EINVAL;
	}
	choose_sockets(&o, &l);
	if (!o.chosen)
		choose_columns(&o, &l);
	o.filter = argv + optind;
	o.filter_count = argc - optind;
	*ret = o;
	return 0;
}
