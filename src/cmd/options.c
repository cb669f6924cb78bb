/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "cmd/poll.h"
#include "source/bpf.h"

#define LETTERS ":46ljF:vh"

enum { OPT_STATES = 256, OPT_NO_EXISTING, OPT_DURATION, OPT_COUNT, OPT_PLAN, OPT_RING, OPT_VERSION };

#define ONLY(command) (1U << (command))
#define STREAM	      ONLY(COMMAND_STREAM)
#define ANY	      (~0U)

/* One row an option: what getopt_long takes, what --help prints, and the commands to which it means something. */
static const struct {
	struct option option;
	const char *argument;
	const char *help;
	unsigned int commands;
} option_table[] = {
	{ { "ipv4", no_argument, NULL, '4' }, NULL, "only IPv4, and IPv4 over dual-stack sockets", STREAM },
	{ { "ipv6", no_argument, NULL, '6' }, NULL, "only IPv6", STREAM },
	{ { "listening", no_argument, NULL, 'l' }, NULL, "only listening sockets", STREAM },
	{ { "json", no_argument, NULL, 'j' }, NULL, "NDJSON version 1 instead of text", STREAM | ONLY(COMMAND_DOCTOR) },
	{ { "states", no_argument, NULL, OPT_STATES },
	  NULL,
	  "every change of state, and the end of TIME_WAIT",
	  STREAM },
	{ { "no-existing", no_argument, NULL, OPT_NO_EXISTING }, NULL, "do not list what is open already", STREAM },
	{ { "filter", required_argument, NULL, 'F' }, "FILE", "FILTER goes on in FILE, - is stdin", STREAM },
	{ { "duration", required_argument, NULL, OPT_DURATION },
	  "S",
	  "end after S seconds (0.5 is half a second)",
	  STREAM },
	{ { "count", required_argument, NULL, OPT_COUNT }, "N", "end after N lines about sockets", STREAM },
	{ { "plan", required_argument, NULL, OPT_PLAN },
	  "P",
	  "force one: fentry, kprobe, tracepoint, or none (polling)",
	  STREAM | ONLY(COMMAND_PIN) },
	{ { "ring", required_argument, NULL, OPT_RING },
	  "KIB",
	  "size of the record ring, a power of two (4096)",
	  STREAM | ONLY(COMMAND_PIN) },
	{ { "verbose", no_argument, NULL, 'v' }, NULL, "say on stderr what is done, and which hooks are missing", ANY },
	{ { "help", no_argument, NULL, 'h' }, NULL, "this text", ANY },
	{ { "version", no_argument, NULL, OPT_VERSION }, NULL, "the version", ANY },
};

#define OPTION_COUNT (sizeof(option_table) / sizeof(option_table[0]))

const char options_filter_help[] =
	"\nFILTER, as of ss: terms joined by and, or, or nothing (and), from left to right; not TERM; ( )\n"
	"  state NAME, exclude NAME      established, listening, time-wait ... bound-inactive, all, connected, big,\n"
	"                                bucket, synchronized; side by side they are one set\n"
	"  src, dst [=|!=] HOST          ADDRESS[/PREFIX][:PORT], [::1]:80, *:80, inet:..., inet6:..., a name\n"
	"  sport, dport [OP] PORT        :443 or https; OP: = != < > <= >=, or eq ne lt gt le ge\n"
	"  pid, uid, inode, cookie [OP] NUMBER\n"
	"  comm, exe, cgroup [=|!=] GLOB\n"
	"  user, netns [=|!=] NAME       or its number\n"
	"  autobound                     the local port was given by the kernel\n"
	"A stream tells a socket from the first update that matches until its close; sync and lost always.\n";

void options__print_help(void)
{
	puts("Usage: sockwatch [stream] [OPTIONS] [FILTER]   every TCP socket with its owner, then every change\n"
	     "       sockwatch list [OPTIONS] [FILTER]       every open socket of every family; list --help says more\n"
	     "       sockwatch doctor [--json]               what this kernel offers, and what is missing\n"
	     "       sockwatch pin [--plan P]                keep noting owners when none runs, for later runs\n"
	     "       sockwatch unpin                         end that\n\n"
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
	puts(options_filter_help);
	puts("Results go to stdout, everything else to stderr. SIGINT, SIGTERM and a closed pipe end the stream.\n"
	     "Exit status: 0 done, 1 failed, 2 wrong usage.");
}

static int bad(char *why, size_t size, const char *option, const char *value, const char *reason)
{
	snprintf(why, size, "--%s %s: %s", option, value, reason);
	return -EINVAL;
}

static int parse_count(const char *value, struct options *o, char *why, size_t size)
{
	if (parse__u64(value, 1, UINT64_MAX, &o->count))
		return bad(why, size, "count", value, "not a whole number from 1");
	return 0;
}

static int parse_duration(const char *value, struct options *o, char *why, size_t size)
{
	if (parse__seconds(value, DURATION_MAX_S, &o->duration_ns) || !o->duration_ns)
		return bad(why, size, "duration", value, "not a number of seconds above 0 (up to 100 years)");
	return 0;
}

static int parse_ring(const char *value, struct options *o, char *why, size_t size)
{
	uint64_t kib;

	if (parse__u64(value, BPF_RING_MIN / 1024, BPF_RING_MAX / 1024, &kib) || (kib & (kib - 1)))
		return bad(why, size, "ring", value, "not a power of two from 4 to 1048576");
	o->ring_bytes = kib * 1024;
	o->ring_given = true;
	return 0;
}

static int parse_plan(const char *value, struct options *o, char *why, size_t size)
{
	enum bpf_plan plan;

	if (strcmp(value, PLAN_NONE) != 0 && bpf_plan__find(value, &plan))
		return bad(why, size, "plan", value, "no such plan; there are: fentry, kprobe, tracepoint, none");
	o->plan = value;
	return 0;
}

static int apply(int c, const char *value, struct options *o, char *why, size_t size)
{
	switch (c) {
	case '4':
		o->ipv4 = true;
		return 0;
	case '6':
		o->ipv6 = true;
		return 0;
	case 'l':
		o->listening = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case 'F':
		o->filter_file = value;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case 'h':
		o->command = COMMAND_HELP;
		return 0;
	case OPT_VERSION:
		o->command = COMMAND_VERSION;
		return 0;
	case OPT_STATES:
		o->states = true;
		return 0;
	case OPT_NO_EXISTING:
		o->no_existing = true;
		return 0;
	case OPT_COUNT:
		return parse_count(value, o, why, size);
	case OPT_DURATION:
		return parse_duration(value, o, why, size);
	case OPT_RING:
		return parse_ring(value, o, why, size);
	case OPT_PLAN:
		return parse_plan(value, o, why, size);
	default:
		return -EINVAL;
	}
}

static const struct {
	const char *word;
	enum command command;
} command_table[] = {
	{ "stream", COMMAND_STREAM },
	{ "doctor", COMMAND_DOCTOR },
	{ "pin", COMMAND_PIN },
	{ "unpin", COMMAND_UNPIN },
};

static const char *command_word(enum command command)
{
	size_t i = 0;

	while (command_table[i].command != command)
		i++;
	return command_table[i].word;
}

/* The command word, if there is one; the other words are the filter, which only a stream has. */
static int parse_command(int argc, char **argv, struct options *o, char *why, size_t size)
{
	enum command command = COMMAND_STREAM;

	for (size_t i = 0; argc && i < sizeof(command_table) / sizeof(command_table[0]); i++) {
		if (strcmp(argv[0], command_table[i].word) != 0)
			continue;
		command = command_table[i].command;
		if (command != COMMAND_STREAM && argc > 1) {
			snprintf(why, size, "%s takes no filter: '%s' is too much", argv[0], argv[1]);
			return -EINVAL;
		}
		argc--;
		argv++;
		break;
	}
	if (command == COMMAND_STREAM && argc && !strcmp(argv[0], "list")) {
		snprintf(why, size, "list has options of its own, so it is the first word: sockwatch list ...");
		return -EINVAL;
	}
	if (o->command == COMMAND_STREAM) /* not --help or --version */
		o->command = command;
	o->filter = argv;
	o->filter_words = argc;
	return 0;
}

static size_t option_of(int c)
{
	size_t i = 0;

	while (i < OPTION_COUNT && option_table[i].option.val != c)
		i++;
	return i;
}

/* What would have no effect is a mistake. given: by place in the table. */
static int check_given(const struct options *o, const bool *given, char *why, size_t size)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (!given[i] || option_table[i].commands & ONLY(o->command))
			continue;
		snprintf(why, size, "%s has no --%s", command_word(o->command), option_table[i].option.name);
		return -EINVAL;
	}
	return 0;
}

int options__parse(int argc, char **argv, struct options *ret, char *why, size_t why_size)
{
	struct options o = { .ring_bytes = BPF_RING_DEFAULT };
	struct option options[OPTION_COUNT + 1] = { 0 };
	bool given[OPTION_COUNT] = { 0 };
	int c, err;

	for (size_t i = 0; i < OPTION_COUNT; i++)
		options[i] = option_table[i].option;
	optind = 0; /* start anew, also in tests that parse more than once */
	opterr = 0;
	while ((c = getopt_long(argc, argv, LETTERS, options, NULL)) != -1) {
		/* A letter that is known here is of a long option that was given a value. */
		if (c == '?' && optopt && optopt < 256 && !strchr(LETTERS, optopt))
			snprintf(why, why_size, "unknown option: -%c", optopt);
		else if (c == '?')
			snprintf(why, why_size, "unknown option or too much: %s", argv[optind - 1]);
		else if (c == ':')
			snprintf(why, why_size, "%s wants a value", argv[optind - 1]);
		if (c == '?' || c == ':')
			return -EINVAL;
		given[option_of(c)] = true;
		err = apply(c, optarg, &o, why, why_size);
		if (err)
			return err;
	}
	err = parse_command(argc - optind, argv + optind, &o, why, why_size);
	if (!err && o.command != COMMAND_HELP && o.command != COMMAND_VERSION)
		err = check_given(&o, given, why, why_size);
	if (err)
		return err;
	*ret = o;
	return 0;
}
