/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* diag__dump of a fresh network namespace, compared with the sockets that were made in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>

#include "source/diag.h"

#define NETNS	 77
#define BACKLOG	 9
#define ROWS_MAX 256
/* Bound of a failure, in dumps a millisecond apart. */
#define PATIENCE 5000

struct rows {
	struct row items[ROWS_MAX];
	size_t count;
};

static const char *no_namespace; /* why there is none */

/* A namespace for each test; a user namespace makes one for those who may not otherwise. */
static int enter(void **state)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	*state = NULL;
	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		no_namespace = "unshare(CLONE_NEWNET) is not permitted";
		return 0;
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
		no_namespace = "the loopback interface cannot be set up";
	close(fd);
	return 0;
}

#define need_namespace()                                           \
	do {                                                       \
		if (no_namespace) {                                \
			print_message("skip: %s\n", no_namespace); \
			skip();                                    \
		}                                                  \
	} while (0)

static int take(void *ctx, const struct row *row)
{
	struct rows *rows = ctx;

	assert_true(rows->count < ROWS_MAX);
	rows->items[rows->count++] = *row;
	return 0;
}

static struct rows dump(struct diag *d)
{
	struct rows rows = { 0 };

	assert_int_equal(diag__dump(d, DIAG_ALL_STATES, take, &rows), 0);
	return rows;
}

static struct diag *open_diag(void)
{
	struct diag *d = NULL;

	assert_int_equal(diag__new(-1, NETNS, &d), 0);
	return d;
}

static const struct row *find(const struct rows *rows, uint64_t cookie)
{
	size_t i;

	for (i = 0; i < rows->count; i++)
		if (rows->items[i].cookie == cookie)
			return &rows->items[i];
	return NULL;
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static socklen_t address(struct sockaddr_storage *ret, const char *ip, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	assert_int_equal(inet_pton(AF_INET6, ip, &v6->sin6_addr), 1);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return sizeof(*v6);
}

static int listen_protocol(const char *ip, int protocol)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, ip, 0);
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -1;
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(fd, BACKLOG), 0);
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	return ntohs(a.sin6_port); /* where sin_port is, too */
}

static int connect_protocol(const char *ip, int listener, int protocol)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, ip, port_of(listener));
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, protocol);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, len), 0);
	return fd;
}

static int accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

struct expected {
	int state;
	const char *local, *remote;
	uint16_t local_port, remote_port;
};

static void check_row(const struct row *row, const struct expected *e)
{
	struct endpoints ends = { .local_port = e->local_port, .remote_port = e->remote_port };

	assert_non_null(row);
	ends.family = strchr(e->local, ':') ? 6 : 4;
	assert_int_equal(inet_pton(ends.family == 4 ? AF_INET : AF_INET6, e->local, ends.local), 1);
	assert_int_equal(inet_pton(ends.family == 4 ? AF_INET : AF_INET6, e->remote, ends.remote), 1);
	assert_int_equal(row->ends.family, ends.family);
	assert_int_equal(row->ends.local_port, ends.local_port);
	assert_int_equal(row->ends.remote_port, ends.remote_port);
	assert_memory_equal(row->ends.local, ends.local, 16);
	assert_memory_equal(row->ends.remote, ends.remote, 16);
	assert_int_equal(row->state, e->state);
	assert_int_equal(row->netns, NETNS);
	assert_false(row->mptcp || row->mptcp_join);
}

/* A full socket with a file. */
static void check_socket(const struct rows *rows, int fd, const struct expected *e)
{
	const struct row *row = find(rows, cookie_of(fd));

	check_row(row, e);
	assert_true(row->inode == inode_of(fd));
	assert_int_equal(row->uid, geteuid());
	assert_false(row->minisock);
}

/* Both ends of a connection over the same pair of addresses. */
static void check_pair(const char *ip, const char *shown, int listener)
{
	int client = connect_protocol(ip, listener, 0), server = accept_one(listener);
	uint16_t port = port_of(listener), own = port_of(client);
	struct diag *d = open_diag();
	struct rows rows = dump(d);

	check_socket(&rows, client, &(struct expected){ STATE_ESTABLISHED, shown, shown, own, port });
	check_socket(&rows, server, &(struct expected){ STATE_ESTABLISHED, shown, shown, port, own });
	assert_int_equal(rows.count, 3);
	diag__free(d);
	close(client);
	close(server);
}

static void an_empty_namespace_has_no_rows(void **state)
{
	struct diag *d;

	(void)state;
	need_namespace();
	d = open_diag();
	assert_int_equal(dump(d).count, 0);
	diag__free(d);
}

static void a_listener_shows_its_backlog_and_who_waits(void **state)
{
	struct diag *d;
	struct rows rows;
	const struct row *row;
	int listener, client;
	size_t i, children = 0;

	(void)state;
	need_namespace();
	d = open_diag();
	listener = listen_protocol("127.0.0.1", 0);
	client = connect_protocol("127.0.0.1", listener, 0);
	rows = dump(d);
	assert_int_equal(rows.count, 3);
	check_socket(&rows, listener, &(struct expected){ STATE_LISTEN, "127.0.0.1", "0.0.0.0", port_of(listener), 0 });
	row = find(&rows, cookie_of(listener));
	assert_int_equal(row->recv_queue, 1);
	assert_int_equal(row->send_queue, BACKLOG);
	/* The child nobody has accepted has no file, but is no minisock: its end will be seen. */
	for (i = 0; i < rows.count; i++) {
		row = &rows.items[i];
		if (row->cookie == cookie_of(listener) || row->cookie == cookie_of(client))
			continue;
		check_row(row, &(struct expected){ STATE_ESTABLISHED, "127.0.0.1", "127.0.0.1", port_of(listener),
						   port_of(client) });
		assert_true(row->inode == 0);
		assert_false(row->minisock);
		children++;
	}
	assert_int_equal(children, 1);
	close(client);
	close(listener);
	diag__free(d);
}

static void an_ipv4_connection_shows_both_ends(void **state)
{
	int listener;

	(void)state;
	need_namespace();
	listener = listen_protocol("127.0.0.1", 0);
	check_pair("127.0.0.1", "127.0.0.1", listener);
	close(listener);
}

static void an_ipv6_connection_shows_both_ends(void **state)
{
	int listener;

	(void)state;
	need_namespace();
	listener = listen_protocol("::1", 0);
	check_pair("::1", "::1", listener);
	close(listener);
}

static void t10_a_dual_stack_connection_is_ipv4_and_its_listener_ipv6(void **state)
{
	struct diag *d;
	struct rows rows;
	int listener;

	(void)state;
	need_namespace();
	listener = listen_protocol("::", 0);
	d = open_diag();
	rows = dump(d);
	check_socket(&rows, listener, &(struct expected){ STATE_LISTEN, "::", "::", port_of(listener), 0 });
	diag__free(d);
	check_pair("127.0.0.1", "127.0.0.1", listener);
	close(listener);
}

static void t10_an_ipv6_socket_bound_to_a_mapped_address_is_ipv4(void **state)
{
	struct diag *d;
	struct rows rows;
	int listener;

	(void)state;
	need_namespace();
	listener = listen_protocol("::ffff:127.0.0.1", 0);
	d = open_diag();
	rows = dump(d);
	check_socket(&rows, listener, &(struct expected){ STATE_LISTEN, "127.0.0.1", "0.0.0.0", port_of(listener), 0 });
	diag__free(d);
	check_pair("::ffff:127.0.0.1", "127.0.0.1", listener);
	close(listener);
}

static void unread_bytes_are_in_the_receive_queue(void **state)
{
	struct diag *d;
	struct rows rows;
	int listener, client, server, i;

	(void)state;
	need_namespace();
	d = open_diag();
	listener = listen_protocol("127.0.0.1", 0);
	client = connect_protocol("127.0.0.1", listener, 0);
	server = accept_one(listener);
	assert_int_equal(write(client, "hello", 5), 5);
	for (i = 0, rows = dump(d); find(&rows, cookie_of(server))->recv_queue != 5 && i < PATIENCE; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		rows = dump(d);
	}
	assert_int_equal(find(&rows, cookie_of(server))->recv_queue, 5);
	close(client);
	close(server);
	close(listener);
	diag__free(d);
}

/* Dump until the socket with this cookie is in a state, or give up. */
static const struct row *await_state(struct diag *d, struct rows *rows, uint64_t cookie, int state)
{
	const struct row *row = NULL;
	int i;

	for (i = 0; i < PATIENCE; i++) {
		*rows = dump(d);
		row = find(rows, cookie);
		if (row && row->state == state && row->inode == 0)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return row;
}

static void t9_time_wait_and_orphaned_fin_wait2_keep_the_cookie(void **state)
{
	struct diag *d;
	struct rows rows;
	const struct row *row;
	int listener, client, server;
	uint64_t cookie;
	uint16_t own;

	(void)state;
	need_namespace();
	d = open_diag();
	listener = listen_protocol("127.0.0.1", 0);
	client = connect_protocol("127.0.0.1", listener, 0);
	server = accept_one(listener);
	cookie = cookie_of(client);
	own = port_of(client);
	close(client);
	row = await_state(d, &rows, cookie, STATE_FIN_WAIT2);
	check_row(row, &(struct expected){ STATE_FIN_WAIT2, "127.0.0.1", "127.0.0.1", own, port_of(listener) });
	assert_true(row->minisock);
	close(server);
	row = await_state(d, &rows, cookie, STATE_TIME_WAIT);
	check_row(row, &(struct expected){ STATE_TIME_WAIT, "127.0.0.1", "127.0.0.1", own, port_of(listener) });
	assert_true(row->minisock);
	assert_true(row->inode == 0);
	assert_in_range(row->expires_ms, 1, 60000);
	assert_int_equal(rows.count, 2);
	close(listener);
	diag__free(d);
}

static void t9_a_request_is_a_minisock_in_syn_recv(void **state)
{
	struct diag *d;
	struct rows rows;
	int listener, client, one = 1;
	size_t i, requests = 0;

	(void)state;
	need_namespace();
	d = open_diag();
	listener = listen_protocol("127.0.0.1", 0);
	assert_int_equal(setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof(one)), 0);
	client = connect_protocol("127.0.0.1", listener, 0);
	rows = dump(d);
	for (i = 0; i < rows.count; i++) {
		if (rows.items[i].state != STATE_SYN_RECV)
			continue;
		check_row(&rows.items[i], &(struct expected){ STATE_SYN_RECV, "127.0.0.1", "127.0.0.1",
							      port_of(listener), port_of(client) });
		assert_true(rows.items[i].minisock);
		assert_true(rows.items[i].cookie != 0);
		requests++;
	}
	assert_int_equal(requests, 1);
	close(client);
	close(listener);
	diag__free(d);
}

static void only_the_states_asked_for_are_given(void **state)
{
	struct rows rows = { 0 };
	struct diag *d;
	int listener, client;

	(void)state;
	need_namespace();
	d = open_diag();
	listener = listen_protocol("127.0.0.1", 0);
	client = connect_protocol("127.0.0.1", listener, 0);
	assert_int_equal(diag__dump(d, 1 << STATE_LISTEN, take, &rows), 0);
	assert_int_equal(rows.count, 1);
	assert_true(rows.items[0].cookie == cookie_of(listener));
	close(client);
	close(listener);
	diag__free(d);
}

static int stop(void *ctx, const struct row *row)
{
	(void)ctx;
	(void)row;
	return 5;
}

static void a_dump_given_up_does_not_spoil_the_next(void **state)
{
	int listeners[200];
	struct diag *d;
	size_t i;

	(void)state;
	need_namespace();
	d = open_diag();
	for (i = 0; i < 200; i++)
		listeners[i] = listen_protocol("127.0.0.1", 0);
	assert_int_equal(diag__dump(d, DIAG_ALL_STATES, stop, NULL), 5);
	assert_int_equal(dump(d).count, 200);
	for (i = 0; i < 200; i++)
		close(listeners[i]);
	diag__free(d);
}

/* Any user may set so many keys that they fill a datagram of an answer that contains them. */
static void a_socket_with_many_md5_keys_hides_no_other(void **state)
{
	struct tcp_md5sig key = { .tcpm_keylen = 4, .tcpm_key = "key" };
	struct sockaddr_in *peer = (struct sockaddr_in *)&key.tcpm_addr;
	int listeners[20], err = 0;
	struct diag *d;
	uint32_t i;

	(void)state;
	need_namespace();
	d = open_diag();
	for (i = 0; i < 20; i++)
		listeners[i] = listen_protocol("127.0.0.1", 0);
	peer->sin_family = AF_INET;
	for (i = 0; i < 600 && !err; i++) {
		peer->sin_addr.s_addr = htonl(0x0a000001 + i);
		err = setsockopt(listeners[0], IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key));
	}
	assert_int_equal(dump(d).count, 20);
	for (i = 0; i < 20; i++)
		close(listeners[i]);
	diag__free(d);
	if (err) {
		print_message("skip: TCP_MD5SIG cannot be set 600 times here: %s\n", strerror(errno));
		skip();
	}
}

static void mptcp_subflows_are_marked_and_plain_tcp_is_not(void **state)
{
	int listener, client, server, plain;
	struct diag *d;
	struct rows rows;
	size_t i, mptcp = 0;

	(void)state;
	need_namespace();
	listener = listen_protocol("127.0.0.1", IPPROTO_MPTCP);
	if (listener < 0) {
		print_message("skip: no MPTCP: %s\n", strerror(errno));
		skip();
	}
	d = open_diag();
	client = connect_protocol("127.0.0.1", listener, IPPROTO_MPTCP);
	server = accept_one(listener);
	plain = listen_protocol("127.0.0.1", 0);
	rows = dump(d);
	assert_int_equal(rows.count, 4);
	for (i = 0; i < rows.count; i++) {
		/* A subflow bears the inode of the file the program holds, but a cookie of its own. */
		mptcp += rows.items[i].mptcp;
		assert_false(rows.items[i].mptcp_join);
		assert_int_equal(rows.items[i].mptcp, rows.items[i].inode != inode_of(plain));
	}
	assert_int_equal(mptcp, 3);
	close(client);
	close(server);
	close(listener);
	close(plain);
	diag__free(d);
}

/* Who may administer a namespace could else send our socket what looks like an answer, or fill its queue. */
static void others_cannot_send_to_our_socket(void **state)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	socklen_t len = sizeof(to);
	struct nlmsghdr message = { .nlmsg_len = sizeof(message), .nlmsg_type = NLMSG_DONE };
	int ours, fd;
	struct diag *d;

	(void)state;
	need_namespace();
	ours = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	fd = dup(ours);
	assert_int_equal(diag__new(ours, NETNS, &d), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	close(fd);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	assert_true(to.nl_pid != 0);
	assert_int_equal(sendto(fd, &message, sizeof(message), 0, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(dump(d).count, 0);
	close(fd);
	diag__free(d);
}

#define in_namespace(test) cmocka_unit_test_setup(test, enter)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_namespace(an_empty_namespace_has_no_rows),
		in_namespace(a_listener_shows_its_backlog_and_who_waits),
		in_namespace(an_ipv4_connection_shows_both_ends),
		in_namespace(an_ipv6_connection_shows_both_ends),
		in_namespace(t10_a_dual_stack_connection_is_ipv4_and_its_listener_ipv6),
		in_namespace(t10_an_ipv6_socket_bound_to_a_mapped_address_is_ipv4),
		in_namespace(unread_bytes_are_in_the_receive_queue),
		in_namespace(t9_time_wait_and_orphaned_fin_wait2_keep_the_cookie),
		in_namespace(t9_a_request_is_a_minisock_in_syn_recv),
		in_namespace(only_the_states_asked_for_are_given),
		in_namespace(a_dump_given_up_does_not_spoil_the_next),
		in_namespace(a_socket_with_many_md5_keys_hides_no_other),
		in_namespace(mptcp_subflows_are_marked_and_plain_tcp_is_not),
		in_namespace(others_cannot_send_to_our_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
