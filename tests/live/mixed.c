/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/mixed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "live/ns.h"
#include "model/types.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PATIENCE     5000 /* dumps until the states have settled */

static const struct spec {
	int type;
	const char *local;
	uint16_t port;
	const char *remote; /* UDP: connected to */
	uint16_t remote_port;
	uint32_t mark;
	bool device, v6only;
} specs[] = {
	{ SOCK_STREAM, .local = "127.0.0.1", .port = 22, .mark = 0x11 },
	{ SOCK_STREAM, .local = "0.0.0.0", .port = 80 },
	{ SOCK_STREAM, .local = "127.1.0.1", .port = 8080, .device = true },
	{ SOCK_STREAM, .local = "10.1.2.3", .port = 9000, .mark = 1 },
	{ SOCK_STREAM, .local = "10.1.3.3", .port = 9001, .mark = 2 },
	{ SOCK_STREAM, .local = "::", .port = 443 },
	{ SOCK_STREAM, .local = "::", .port = 8443, .v6only = true },
	{ SOCK_STREAM, .local = "::1", .port = 22, .mark = 3 },
	{ SOCK_STREAM, .local = "2001:db8::1", .port = 9000 },
	{ SOCK_STREAM, .local = "2001:db8::1:2", .port = 9001, .device = true },
	{ SOCK_DGRAM, .local = "127.0.0.1", .port = 53 },
	{ SOCK_DGRAM, .local = "0.0.0.0", .port = 68, .mark = 0x11 },
	{ SOCK_DGRAM, .local = "192.168.7.9", .port = 9002, .device = true },
	{ SOCK_DGRAM, .local = "10.200.0.1", .port = 20000 },
	{ SOCK_DGRAM, .local = "::1", .port = 53 },
	{ SOCK_DGRAM, .local = "::", .port = 123 },
	{ SOCK_DGRAM, .local = "::", .port = 546, .v6only = true, .mark = 5 },
	{ SOCK_DGRAM, .local = "fd00::7", .port = 9003 },
	{ SOCK_DGRAM, .local = "127.0.0.1", .port = 5353, .remote = "127.0.0.1", .remote_port = 53 },
	{ SOCK_DGRAM, .local = "::1", .port = 5354, .remote = "::1", .remote_port = 53 },
	{ SOCK_DGRAM, .local = "::ffff:127.0.0.1", .port = 5355, .remote = "::ffff:127.0.0.1", .remote_port = 53 },
	{ SOCK_DGRAM, .local = "127.0.0.3", .port = 0, .remote = "127.1.0.1", .remote_port = 65535 },
};

/* What a connection comes to. */
enum fate { STAYS, CLIENT_FIRST, CLIENT_ONLY, SERVER_ONLY };

static const struct {
	const char *local, *remote;
	uint16_t local_port, port;
	enum fate end;
} connections[] = {
	{ "127.0.0.1", "127.0.0.1", 0, 22, STAYS },
	{ "127.0.0.2", "127.0.0.1", 1000, 22, STAYS },
	{ "127.0.0.2", "127.0.0.1", 1001, 22, CLIENT_FIRST },
	{ "127.0.0.2", "127.0.0.1", 1002, 22, CLIENT_ONLY },
	{ "127.3.0.1", "127.2.0.1", 2000, 80, STAYS },
	{ "127.3.0.1", "127.2.0.1", 2001, 80, SERVER_ONLY },
	{ "127.3.0.1", "127.2.0.2", 0, 80, CLIENT_FIRST },
	{ "127.3.0.1", "127.2.0.3", 0, 80, STAYS },
	{ "127.0.0.1", "127.1.0.1", 5000, 8080, STAYS },
	{ "127.0.0.1", "127.0.0.1", 0, 443, STAYS }, /* to a dual-stack listener */
	{ "127.0.0.1", "127.0.0.1", 5001, 443, CLIENT_FIRST },
	{ "::ffff:127.0.0.1", "::ffff:127.0.0.1", 5002, 443, STAYS },
	{ "::ffff:127.0.0.1", "::ffff:127.0.0.1", 5003, 443, CLIENT_ONLY },
	{ "::ffff:127.0.0.1", "::ffff:127.0.0.1", 5004, 22, CLIENT_FIRST },
	{ "::1", "::1", 0, 443, STAYS },
	{ "::1", "::1", 5005, 443, CLIENT_FIRST },
	{ "::1", "::1", 5006, 8443, SERVER_ONLY },
	{ "::1", "::1", 5007, 22, STAYS },
	{ "::1", "::1", 0, 22, CLIENT_FIRST },
};

static socklen_t make_address(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (strchr(text, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		inet_pton(AF_INET6, text, &in6->sin6_addr);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	inet_pton(AF_INET, text, &in->sin_addr);
	return sizeof(*in);
}

static int failed(struct mixed *w, const char *step)
{
	w->step = step;
	return -errno;
}

/* A bound socket, kept in the world. Addresses that the namespace does not have are allowed. */
static int open_socket(struct mixed *w, const struct spec *s)
{
	struct sockaddr_storage address;
	socklen_t len = make_address(s->local, s->port, &address);
	int fd = socket(address.ss_family, s->type | SOCK_CLOEXEC, 0), one = 1, v6only = s->v6only;

	if (fd < 0)
		return failed(w, "socket");
	w->fds[w->count++] = fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	if (address.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)))
		return failed(w, "IPV6_V6ONLY");
	if (s->mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &s->mark, sizeof(s->mark)))
		return failed(w, "SO_MARK");
	if (s->device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3))
		return failed(w, "SO_BINDTODEVICE");
	if (bind(fd, (struct sockaddr *)&address, len))
		return failed(w, s->local);
	return fd;
}

static int open_spec(struct mixed *w, const struct spec *s)
{
	struct sockaddr_storage remote;
	int fd = open_socket(w, s);

	if (fd < 0)
		return fd;
	if (s->type == SOCK_STREAM && listen(fd, 64))
		return failed(w, "listen");
	if (s->remote && connect(fd, (struct sockaddr *)&remote, make_address(s->remote, s->remote_port, &remote)))
		return failed(w, s->remote);
	return 0;
}

/* The listener that a connection came to: the only one that has something to accept. */
static int accept_any(struct mixed *w)
{
	for (size_t i = 0; i < COUNT(specs); i++) {
		int fd;

		if (specs[i].type != SOCK_STREAM)
			continue;
		fcntl(w->fds[i], F_SETFL, O_NONBLOCK);
		fd = accept4(w->fds[i], NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			w->fds[w->count++] = fd;
			return fd;
		}
	}
	return failed(w, "accept");
}

static void close_kept(struct mixed *w, int fd)
{
	close(fd);
	for (size_t i = 0; i < w->count; i++) {
		if (w->fds[i] == fd)
			w->fds[i] = -1;
	}
}

static int open_connection(struct mixed *w, size_t i)
{
	const struct spec client = { SOCK_STREAM, .local = connections[i].local, .port = connections[i].local_port,
				     .mark = i % 3 ? 0 : 0x21 };
	struct sockaddr_storage remote;
	int fd = open_socket(w, &client), child;
	char byte;

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&remote, make_address(connections[i].remote, connections[i].port, &remote)))
		return failed(w, connections[i].remote);
	child = accept_any(w);
	if (child < 0)
		return child;
	if (connections[i].end == CLIENT_FIRST || connections[i].end == CLIENT_ONLY)
		close_kept(w, fd);
	if (connections[i].end == CLIENT_FIRST && read(child, &byte, 1) != 0)
		return failed(w, "read");
	if (connections[i].end == CLIENT_FIRST || connections[i].end == SERVER_ONLY)
		close_kept(w, child);
	return 0;
}

/* The second connection to a listener with room for one stays in SYN_SENT: its SYN is not answered. */
static int open_half(struct mixed *w)
{
	const struct spec listener = { SOCK_STREAM, .local = "127.0.0.1", .port = 7 };
	struct sockaddr_storage address;
	socklen_t len = make_address("127.0.0.1", 7, &address);
	int fd = open_socket(w, &listener);

	if (fd < 0 || listen(fd, 0))
		return failed(w, "listen");
	for (int i = 0; i < 2; i++) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (i ? SOCK_NONBLOCK : 0), 0);
		w->fds[w->count++] = fd;
		if (connect(fd, (struct sockaddr *)&address, len) && errno != EINPROGRESS)
			return failed(w, "connect");
	}
	return 0;
}

static int open_specs(void *ctx)
{
	struct mixed *w = ctx;
	int err = 0;

	for (size_t i = 0; i < COUNT(specs) && !err; i++)
		err = open_spec(w, &specs[i]);
	return err;
}

static int open_connections(void *ctx)
{
	struct mixed *w = ctx;
	int err = 0;

	for (size_t i = 0; i < COUNT(connections) && !err; i++)
		err = open_connection(w, i);
	return err ? err : open_half(w);
}

/* ---- a cgroup of its own for the connections */

static void find_cgroup_mount(char *path, size_t size)
{
	_cleanup_fclose_ FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[1024], where[512], type[32];

	assert_non_null(mounts);
	while (fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%*s %511s %31s", where, type) == 2 && !strcmp(type, "cgroup2")) {
			snprintf(path, size, "%s", where);
			return;
		}
	}
	fail_msg("cgroup v2 is not mounted");
}

static void own_cgroup(char *path, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/cgroup", "re");
	char line[1024];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, size, "%s", line + 3);
		return;
	}
	fail_msg("this process has no cgroup v2");
}

static void move_to_cgroup(const char *mount, const char *cgroup)
{
	char path[2048];

	snprintf(path, sizeof(path), "%s%s/cgroup.procs", mount, cgroup);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		fail_msg("%s: %s", path, strerror(errno));
}

static void open_inside_cgroup(struct mixed *w)
{
	char mount[512], before[1024], path[1024];
	int err;

	find_cgroup_mount(mount, sizeof(mount));
	own_cgroup(before, sizeof(before));
	snprintf(w->cgroup, sizeof(w->cgroup), "/sockwatch-test-%d", getpid());
	snprintf(path, sizeof(path), "%s%s", mount, w->cgroup);
	if (mkdir(path, 0755))
		fail_msg("%s: %s", path, strerror(errno));
	move_to_cgroup(mount, w->cgroup);
	err = ns__call(w->ns, open_connections, w);
	move_to_cgroup(mount, before);
	if (err)
		fail_msg("%s: %s", w->step, strerror(-err));
}

static void remove_cgroup(const struct mixed *w)
{
	char mount[512], path[1024];

	if (!w->cgroup[0])
		return;
	find_cgroup_mount(mount, sizeof(mount));
	snprintf(path, sizeof(path), "%s%s", mount, w->cgroup);
	rmdir(path);
}

/* ---- */

static size_t count_state(const struct subjects *s, uint8_t state)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += s->items[i].state == state;
	return n;
}

/* Every connection has come to what it was made for. */
static bool has_settled(const struct subjects *s)
{
	size_t time_wait = 0, half_closed = 0;

	for (size_t i = 0; i < COUNT(connections); i++) {
		time_wait += connections[i].end == CLIENT_FIRST;
		half_closed += connections[i].end == CLIENT_ONLY || connections[i].end == SERVER_ONLY;
	}
	return count_state(s, STATE_TIME_WAIT) == time_wait && count_state(s, STATE_CLOSE_WAIT) == half_closed &&
	       count_state(s, STATE_FIN_WAIT2) == half_closed && count_state(s, STATE_SYN_SENT) == 1;
}

struct mixed *mixed__new(void)
{
	struct mixed *w = calloc(1, sizeof(*w));
	int err;

	assert_non_null(w);
	w->ns = ns__new();
	err = ns__call(w->ns, open_specs, w);
	if (err)
		fail_msg("%s: %s", w->step, strerror(-err));
	open_inside_cgroup(w);
	for (int i = 0; i < PATIENCE && !has_settled(&w->everything); i++)
		subjects__dump(w->ns, FILTER_STATES, NULL, &w->everything);
	assert_true(has_settled(&w->everything));
	return w;
}

void mixed__free(struct mixed *w)
{
	for (size_t i = 0; i < w->count; i++) {
		if (w->fds[i] >= 0)
			close(w->fds[i]);
	}
	remove_cgroup(w);
	close(w->ns);
	free(w);
}
