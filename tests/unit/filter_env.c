/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "filter_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/types.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define OWNED (FILTER_OWNER | FILTER_UID)
#define ALL   (OWNED | FILTER_CGROUP | FILTER_NETNS | FILTER_INODE | FILTER_COOKIE | FILTER_DEVICE | FILTER_MARK)

static struct filter_named sockets[] = {
	{ "out4",
	  "10.0.0.1",
	  "10.9.0.2",
	  { .known = ALL,
	    .family = AF_INET,
	    .state = STATE_ESTABLISHED,
	    .local_port = 40000,
	    .remote_port = 443,
	    .ifindex = 2,
	    .mark = 0x11,
	    .uid = 33,
	    .netns = 100,
	    .inode = 9001,
	    .cookie = 5001,
	    .cgroup_id = 500,
	    .cgroup = "/web",
	    .pid = 10,
	    .comm = "curl",
	    .exe = "/usr/bin/curl" } },
	{ "in6",
	  "2001:db8::1",
	  "2001:db8::2",
	  { .known = ALL,
	    .family = AF_INET6,
	    .state = STATE_CLOSE_WAIT,
	    .local_port = 80,
	    .remote_port = 50000,
	    .uid = 0,
	    .netns = 4026532000,
	    .inode = 9002,
	    .cookie = 5002,
	    .cgroup_id = 501,
	    .cgroup = "/web/a",
	    .pid = 20,
	    .comm = "nginx",
	    .exe = "/usr/sbin/nginx" } },
	{ "dual",
	  "::ffff:127.0.0.1",
	  "::ffff:127.0.0.1",
	  { .known = ALL,
	    .family = AF_INET6,
	    .state = STATE_ESTABLISHED,
	    .local_port = 22,
	    .remote_port = 50001,
	    .uid = 0,
	    .netns = 100,
	    .inode = 9003,
	    .cookie = 5003,
	    .pid = 1,
	    .comm = "(sd-pam)",
	    .exe = "/sbin/init" } },
	{ "listen",
	  "::",
	  "::",
	  { .known = ALL,
	    .family = AF_INET6,
	    .state = STATE_LISTEN,
	    .local_port = 22,
	    .uid = 0,
	    .netns = 100,
	    .inode = 9004,
	    .cookie = 5004,
	    .pid = 1,
	    .comm = "sshd",
	    .exe = "/usr/sbin/sshd" } },
	{ "wait",
	  "127.0.0.1",
	  "127.0.0.1", /* TIME_WAIT: nobody's */
	  { .known = FILTER_CGROUP | FILTER_NETNS | FILTER_INODE | FILTER_COOKIE | FILTER_DEVICE,
	    .family = AF_INET,
	    .state = STATE_TIME_WAIT,
	    .local_port = 50001,
	    .remote_port = 22,
	    .netns = 100,
	    .cookie = 5005 } },
	{ "udp",
	  "0.0.0.0",
	  "0.0.0.0",
	  { .known = ALL,
	    .family = AF_INET,
	    .state = STATE_CLOSE,
	    .local_port = 68,
	    .uid = 0,
	    .netns = 100,
	    .inode = 9006,
	    .cookie = 5006,
	    .pid = 30,
	    .comm = "dhclient" } },
	{ "unix",
	  NULL,
	  NULL,
	  { .known = ALL,
	    .family = AF_UNIX,
	    .state = STATE_ESTABLISHED,
	    .path = "/run/app/Sock",
	    .peer_path = "@0a1b2",
	    .netns = 100,
	    .inode = 9007,
	    .cookie = 5007,
	    .pid = 40,
	    .comm = "app" } },
	{ "nameless",
	  NULL,
	  NULL,
	  { .known = ALL,
	    .family = AF_UNIX,
	    .state = STATE_ESTABLISHED,
	    .netns = 100,
	    .inode = 9008,
	    .cookie = 5008,
	    .pid = 40,
	    .comm = "app" } },
	{ "netlink",
	  NULL,
	  NULL,
	  { .known = ALL,
	    .family = AF_NETLINK,
	    .state = STATE_CLOSE,
	    .local_port = 1234,
	    .local_id = 15,
	    .netns = 100,
	    .inode = 9009,
	    .cookie = 5009,
	    .pid = 1234,
	    .comm = "udevd" } },
	{ "packet",
	  NULL,
	  NULL,
	  { .known = ALL,
	    .family = AF_PACKET,
	    .state = STATE_CLOSE,
	    .local_port = 2,
	    .local_id = 0x0800,
	    .netns = 100,
	    .inode = 9010,
	    .cookie = 5010,
	    .pid = 30,
	    .comm = "dhclient" } },
	{ "vsock",
	  NULL,
	  NULL,
	  { .known = ALL,
	    .family = AF_VSOCK,
	    .state = STATE_LISTEN,
	    .local_port = 2000,
	    .local_id = 2,
	    .remote_id = 7,
	    .netns = 100,
	    .inode = 9011,
	    .cookie = 5011,
	    .pid = 50,
	    .comm = "agent" } },
};

struct name {
	const char *name;
	uint64_t number;
};

static int look_up(const struct name *names, size_t count, const char *name, uint64_t *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(names[i].name, name)) {
			*ret = names[i].number;
			return 0;
		}
	}
	return -ENOENT;
}

static int service(void *ctx, const char *name, uint16_t *ret)
{
	static const struct name names[] = { { "ssh", 22 }, { "http", 80 }, { "https", 443 } };
	uint64_t n = 0;
	int err = look_up(names, COUNT(names), name, &n);

	(void)ctx;
	*ret = (uint16_t)n;
	return strcmp(name, "twice") != 0 ? err : -ENOTUNIQ;
}

static int host(void *ctx, const char *name, int family, struct filter_address *ret, size_t max)
{
	static const char *const texts[] = { "10.0.0.1", "2001:db8::1" };
	static const uint16_t families[] = { AF_INET, AF_INET6 };
	int n = 0;

	(void)ctx;
	if (!strcmp(name, "many"))
		return -ENOTUNIQ;
	if (strcmp(name, "both") != 0)
		return -ENOENT;
	for (size_t i = 0; i < COUNT(texts) && (size_t)n < max; i++) {
		if (family != AF_UNSPEC && family != families[i])
			continue;
		ret[n].family = families[i];
		inet_pton(families[i], texts[i], ret[n++].bytes);
	}
	return n;
}

static int user(void *ctx, const char *name, uint32_t *ret)
{
	static const struct name names[] = { { "root", 0 }, { "www", 33 } };
	uint64_t n = 0;
	int err = look_up(names, COUNT(names), name, &n);

	(void)ctx;
	*ret = (uint32_t)n;
	return err;
}

static int device(void *ctx, const char *name, uint32_t *ret)
{
	static const struct name names[] = { { "lo", 1 }, { "eth0", 2 } };
	uint64_t n = 0;
	int err = look_up(names, COUNT(names), name, &n);

	(void)ctx;
	*ret = (uint32_t)n;
	return err;
}

static int cgroup(void *ctx, const char *path, uint64_t *ret, const char **ret_below)
{
	static const struct name names[] = { { "/web", 500 }, { "web", 500 }, { "/mnt/web/a", 501 } };

	(void)ctx;
	*ret_below = strncmp(path, "/mnt", 4) != 0 ? path : path + 4;
	return look_up(names, COUNT(names), path, ret);
}

static int netns(void *ctx, const char *name, uint32_t *ret)
{
	static const struct name names[] = { { "blue", 4026532000 } };
	uint64_t n = 0;
	int err = look_up(names, COUNT(names), name, &n);

	(void)ctx;
	*ret = (uint32_t)n;
	return err;
}

struct filter_env filter_env__new(void)
{
	return (struct filter_env){
		.service = service,
		.host = host,
		.user = user,
		.device = device,
		.cgroup = cgroup,
		.netns = netns,
	};
}

struct filter *filter_env__parse(const char *text, uint16_t family)
{
	struct filter_env env = filter_env__new();
	struct filter_error error = { 0 };
	struct filter *f = NULL;
	char *word = (char *)text;
	int err;

	env.family = family;
	err = filter__parse(1, &word, &env, &f, &error);
	if (err)
		fail_msg("'%s' was refused: %d: %s, column %u of %s", text, err, error.message, error.column,
			 error.text);
	return f;
}

static void set_address(uint16_t family, const char *text, uint8_t *bytes)
{
	if (text)
		assert_int_equal(inet_pton(family, text, bytes), 1);
}

const struct filter_named *filter_env__sockets(void)
{
	for (size_t i = 0; i < COUNT(sockets); i++) {
		set_address(sockets[i].subject.family, sockets[i].local, sockets[i].subject.local);
		set_address(sockets[i].subject.family, sockets[i].remote, sockets[i].subject.remote);
	}
	return sockets;
}

/* The names of the sockets that a filter matches. */
static void choose(const char *text, char *names, size_t size)
{
	struct filter *f = filter_env__parse(text, AF_UNSPEC);
	size_t n = 0;

	names[0] = '\0';
	for (size_t i = 0; i < COUNT(sockets); i++) {
		const struct filter_subject *s = &filter_env__sockets()[i].subject;

		if (!filter__matches(f, s))
			continue;
		n += (size_t)snprintf(names + n, size - n, "%s%s", n ? " " : "", sockets[i].name);
		if (!(filter__states(f) & 1U << s->state))
			fail_msg("%s matches %s, but its state is not in filter__states", text, sockets[i].name);
	}
	filter__free(f);
}

void filter_env__check(const char *const (*table)[2], size_t count)
{
	char names[200];

	for (size_t i = 0; i < count; i++) {
		choose(table[i][0], names, sizeof(names));
		if (strcmp(names, table[i][1]) != 0)
			fail_msg("%s: '%s', not '%s'", table[i][0], names, table[i][1]);
	}
}
