/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: TCP sockets that a dump has given are asked for one by one, and those that are gone are not there. */
#include "live/live.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "live/program.h"
#include "source/sockets.h"

#define ROWS_MAX 32

struct rows {
	struct listed items[ROWS_MAX];
	unsigned int count;
};

static int ns;

static int take(void *ctx, const struct listed *row, const struct facts *facts)
{
	struct rows *rows = ctx;

	(void)facts;
	assert_true(rows->count < ROWS_MAX);
	rows->items[rows->count++] = *row;
	return 0;
}

/* All TCP sockets of the namespace, or only (count of them) those. */
static void ask(const struct listed *const *only, size_t count, struct rows *ret)
{
	const struct sockets_out out = { .row = take, .ctx = ret };
	const struct sockets_ask what = {
		.classes = CLASS_BIT(CLASS_TCP), .states = SOCKETS_STATES, .tcp = only, .tcp_count = count
	};
	struct sockets_result result;

	ret->count = 0;
	assert_int_equal(sockets__dump(ns, ns__inode(ns), &what, &out, &result), 0);
	assert_int_equal(result.failed, 0);
}

static const struct listed *find(const struct rows *rows, uint64_t cookie)
{
	for (unsigned int i = 0; i < rows->count; i++) {
		if (rows->items[i].cookie == cookie)
			return &rows->items[i];
	}
	return NULL;
}

static const struct listed *row_of(const struct rows *rows, int fd)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);
	const struct listed *row;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	row = find(rows, cookie);
	assert_non_null(row);
	return row;
}

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t len;
};

static int open_socket(void *family)
{
	return socket(*(int *)family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* On a port of the kernel's choice, unless at has one; shared: as others on it. */
static int open_listener(struct address *at, bool shared)
{
	int family = at->any.sa_family, one = 1, fd = ns__call(ns, open_socket, &family);

	at->len = family == AF_INET ? sizeof(at->v4) : sizeof(at->v6);
	assert_true(fd >= 0);
	if (shared)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, &at->any, at->len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, &at->any, &at->len), 0);
	return fd;
}

struct connection {
	int client, server;
};

static struct connection open_connection(int listener, const struct address *to, const char *device)
{
	const struct linger reset = { .l_onoff = 1 };
	int family = to->any.sa_family;
	struct connection c = { .client = ns__call(ns, open_socket, &family) };

	assert_true(c.client >= 0);
	assert_int_equal(setsockopt(c.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	if (device)
		assert_int_equal(setsockopt(c.client, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)),
				 0);
	assert_int_equal(connect(c.client, &to->any, to->len), 0);
	c.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(c.server >= 0);
	return c;
}

static void close_connection(struct connection *c)
{
	close(c->client); /* resets */
	close(c->server);
}

static const struct address loopback = { .v4 = { .sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f } };
static const struct address any6 = { .v6 = { .sin6_family = AF_INET6 } };

/* What is asked for alone comes alone. */
static void assert_comes_alone(const struct rows *rows, int fd)
{
	const struct listed *asked = row_of(rows, fd);
	struct rows answer;

	ask(&asked, 1, &answer);
	assert_int_equal(answer.count, 1);
	assert_memory_equal(&answer.items[0].ends, &asked->ends, sizeof(asked->ends));
	assert_int_equal(answer.items[0].cookie, asked->cookie);
	assert_int_equal(answer.items[0].inode, asked->inode);
}

static void each_is_found_by_its_ends(void **state)
{
	struct address at4 = loopback, at6 = any6, mapped = loopback;
	int four = open_listener(&at4, false), six = open_listener(&at6, false);
	struct connection over4 = open_connection(four, &at4, NULL), over6, dual;
	struct rows all;

	(void)state;
	at6.v6.sin6_addr = in6addr_loopback;
	over6 = open_connection(six, &at6, NULL);
	mapped.v4.sin_port = at6.v6.sin6_port;
	mapped.len = sizeof(mapped.v4);
	dual = open_connection(six, &mapped, NULL);
	ask(NULL, 0, &all);
	assert_int_equal(all.count, 8);
	for (unsigned int i = 0; i < 8; i++) {
		const int fds[] = { four,	  six,		over4.client, over4.server,
				    over6.client, over6.server, dual.client,  dual.server };

		assert_comes_alone(&all, fds[i]);
	}
	close_connection(&over4);
	close_connection(&over6);
	close_connection(&dual);
	close(four);
	close(six);
}

static void what_was_closed_is_not_there(void **state)
{
	struct address at = loopback;
	int listener = open_listener(&at, false);
	struct connection gone = open_connection(listener, &at, NULL), stays = open_connection(listener, &at, NULL);
	const struct listed *asked[3];
	struct rows all, answer;

	(void)state;
	ask(NULL, 0, &all);
	asked[0] = row_of(&all, gone.client);
	asked[1] = row_of(&all, gone.server);
	asked[2] = row_of(&all, stays.client);
	close_connection(&gone);
	ask(asked, 3, &answer);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.items[0].cookie, asked[2]->cookie);
	close_connection(&stays);
	close(listener);
}

/* The kernel finds one of several listeners, and connections of no device. */
static void what_it_may_confuse_is_looked_for_among_all(void **state)
{
	struct address at = loopback;
	int listeners[4];
	struct connection bound;
	const struct listed *asked[6];
	struct rows all, answer;

	(void)state;
	for (int i = 0; i < 4; i++)
		listeners[i] = open_listener(&at, true);
	ask(NULL, 0, &all);
	for (int i = 0; i < 4; i++)
		asked[i] = row_of(&all, listeners[i]);
	ask(asked, 4, &answer);
	for (int i = 0; i < 4; i++)
		assert_non_null(find(&answer, asked[i]->cookie));
	close(listeners[1]);
	ask(asked, 4, &answer);
	assert_null(find(&answer, asked[1]->cookie));
	assert_non_null(find(&answer, asked[3]->cookie));
	for (int i = 2; i < 4; i++)
		close(listeners[i]);

	bound = open_connection(listeners[0], &at, "lo");
	ask(NULL, 0, &all);
	asked[0] = row_of(&all, bound.client);
	assert_true(asked[0]->ifindex != 0);
	ask(asked, 1, &answer);
	assert_non_null(find(&answer, asked[0]->cookie));
	close_connection(&bound);
	close(listeners[0]);
}

static int bind_one(void *ctx)
{
	struct address at = loopback;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)ctx;
	at.v4.sin_port = htons(45454);
	return fd < 0 || bind(fd, &at.any, sizeof(at.v4)) ? -1 : fd;
}

/* In the namespace, with these letters: whether what has a port and no more is there. */
static bool is_listed(const char *const *args)
{
	char pid[32];
	const char *all[8] = { "list", "--json", "-N", pid };
	struct program *p;
	bool listed;

	snprintf(pid, sizeof(pid), "/proc/%d/fd/%d", (int)getpid(), ns);
	for (int i = 0; args[i]; i++)
		all[4 + i] = args[i];
	p = program_run(0, .args = all);
	listed = strstr(p->out.text, "\"local_port\":45454,");
	assert_true(!listed || strstr(p->out.text, "\"state\":\"CLOSE\""));
	program__free(p);
	return listed;
}

static void a_port_without_more_is_bound_inactive(void **state)
{
	struct utsname kernel;
	unsigned int major, minor;
	int fd;

	(void)state;
	assert_int_equal(uname(&kernel), 0);
	assert_int_equal(sscanf(kernel.release, "%u.%u", &major, &minor), 2);
	if (major < 6 || (major == 6 && minor < 8)) {
		print_message("this kernel does not list sockets that are only bound (Linux 6.8)\n");
		skip();
	}
	fd = ns__call(ns, bind_one, NULL);
	assert_true(fd >= 0);
	assert_true(is_listed(PROGRAM_ARGS("-B")));
	assert_true(is_listed(PROGRAM_ARGS("-ta")));
	assert_true(is_listed(PROGRAM_ARGS("state", "bound-inactive")));
	assert_false(is_listed(PROGRAM_ARGS("-t")));
	assert_false(is_listed(PROGRAM_ARGS("-tl")));
	assert_false(is_listed(PROGRAM_ARGS("-ta", "state", "closed")));
	assert_false(is_listed(PROGRAM_ARGS("-ta", "exclude", "bound-inactive")));
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	ns = ns__new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return close(ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_found_by_its_ends),
		cmocka_unit_test(what_was_closed_is_not_there),
		cmocka_unit_test(a_port_without_more_is_bound_inactive),
		cmocka_unit_test(what_it_may_confuse_is_looked_for_among_all),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
