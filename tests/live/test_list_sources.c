/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: the two ways to a listing, with /proc and with the BPF iterator, give the same answer. */
#include "live/live.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/collect.h"
#include "live/crowd.h"
#include "live/medley.h"
#include "render/listed.h"
#include "source/iter.h"

#define NAMESPACES 3
#define PROCESSES  45
#define PAIRS	   9
#define LINES_MAX  8192

struct world {
	int ns[NAMESPACES];
	struct netns items[NAMESPACES];
	struct medley medley[NAMESPACES];
	struct crowd crowd;
	char dir[64];
};

/* A listing, a socket a line. */
struct lines {
	char *items[LINES_MAX];
	size_t count;
	size_t unheld; /* sockets with a file that nobody holds */
};

static struct world world;

/* ---- what there is to see */

static void need(bool good)
{
	if (!good)
		_exit(1);
}

/* A connection and the socket that accepted it; of every third there is none. */
static void open_pair(int listener, const struct sockaddr_in *to, bool accepted)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	need(fd >= 0 && !connect(fd, (const struct sockaddr *)to, sizeof(*to)));
	need(!accepted || accept(listener, NULL, NULL) >= 0);
}

/* A socket that is nowhere but in a message which nobody has received. */
static void leave_in_flight(void)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec byte = { .iov_base = "", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &byte, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int lane[2], fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in any = { .sin_family = AF_INET };

	need(fd >= 0 && !bind(fd, (const struct sockaddr *)&any, sizeof(any)));
	need(!socketpair(AF_UNIX, SOCK_STREAM, 0, lane));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	need(sendmsg(lane[0], &msg, 0) == 1);
	close(fd);
}

static void open_many(void *ctx, unsigned int number)
{
	static const int kinds[][2] = { { AF_INET, SOCK_DGRAM },
					{ AF_INET6, SOCK_DGRAM },
					{ AF_UNIX, SOCK_SEQPACKET },
					{ AF_UNIX, SOCK_DGRAM },
					{ AF_NETLINK, SOCK_RAW } };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener, lane[2];
	socklen_t len = sizeof(address);

	need(!setns(*(const int *)ctx, CLONE_NEWNET));
	listener = socket(AF_INET, SOCK_STREAM, 0);
	need(listener >= 0 && !bind(listener, (const struct sockaddr *)&address, len) && !listen(listener, 64) &&
	     !getsockname(listener, (struct sockaddr *)&address, &len));
	for (unsigned int i = 0; i < PAIRS; i++)
		open_pair(listener, &address, i % 3);
	for (unsigned int i = 0; i < PAIRS; i++)
		need(!socketpair(AF_UNIX, i % 2 ? SOCK_STREAM : SOCK_DGRAM, 0, lane));
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int fd = socket(kinds[i][0], kinds[i][1], 0);

		/* A socket that is not bound is in no list of UDP. */
		need(fd >= 0);
		if (kinds[i][0] != AF_UNIX)
			need(!bind(fd,
				   (const struct sockaddr *)&(struct sockaddr_storage){
					   .ss_family = (sa_family_t)kinds[i][0] },
				   kinds[i][0] == AF_INET6  ? 28
				   : kinds[i][0] == AF_INET ? 16
							    : 12));
		need(dup(fd) >= 0);
	}
	if (number % 10 == 0)
		leave_in_flight();
}

static int set_up(void **state)
{
	(void)state;
	strcpy(world.dir, "/tmp/sockwatch-sources-XXXXXX");
	assert_non_null(mkdtemp(world.dir));
	for (int i = 0; i < NAMESPACES; i++) {
		world.ns[i] = ns__new();
		world.items[i] = (struct netns){ .inode = ns__inode(world.ns[i]), .fd = world.ns[i] };
		medley__start(&world.medley[i], world.ns[i], world.dir);
	}
	for (unsigned int i = 0; i < PROCESSES; i++)
		crowd__add(&world.crowd, open_many, &world.ns[i % NAMESPACES]);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	crowd__end(&world.crowd);
	for (int i = 0; i < NAMESPACES; i++) {
		medley__stop(&world.medley[i]);
		close(world.ns[i]);
	}
	snprintf(command, sizeof(command), "rm -rf '%s'", world.dir);
	return system(command);
}

/* ---- both ways */

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Everything that is told of a socket, but the timers and the queues of connections, which move. */
static void take_lines(struct listing *listing, struct lines *ret)
{
	const struct render_config config = { .json = true, .ticks_per_second = sysconf(_SC_CLK_TCK) };
	struct column_view view = { .listing = listing, .ticks_per_second = config.ticks_per_second };
	struct listed *s;
	size_t pos = 0;

	ret->count = ret->unheld = 0;
	while ((s = listing__next(listing, &pos))) {
		struct buffer line;

		buffer__init(&line, 65536);
		s->timer = TIMER_OFF;
		if (s->class == CLASS_TCP && s->state != STATE_LISTEN)
			s->flags &= (uint16_t)~LISTED_QUEUES;
		view.socket = s;
		listed__json(&config, &view, 0, &line);
		buffer__addc(&line, '\0');
		assert_false(line.failed);
		assert_true(ret->count < LINES_MAX);
		ret->items[ret->count++] = line.data;
		ret->unheld += s->inode && !s->holder_count && !(s->flags & LISTED_KERNEL);
	}
	qsort(ret->items, ret->count, sizeof(ret->items[0]), compare_lines);
}

static void free_lines(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->items[i]);
}

static void collect(const struct collect_source *source, struct lines *ret)
{
	struct netns_list namespaces = { .items = world.items, .count = NAMESPACES };
	struct collect c = {
		.source = source,
		.proc = "/proc",
		.namespaces = &namespaces,
		.ask = { .classes = CLASSES_ALL, .states = SOCKETS_STATES },
		.holders = true,
		.whole = true,
	};

	assert_int_equal(iter__new(&c.iter), 0);
	assert_int_equal(listing__new(NULL, &c.listing), 0);
	assert_int_equal(collect__run(&c), 0);
	assert_int_equal(c.failed, 0);
	assert_ptr_equal(c.source, source); /* it did not have to turn to the other */
	take_lines(c.listing, ret);
	listing__free(c.listing);
	iter__free(c.iter);
}

static void need_iterator(void)
{
	struct iter *it;
	int err;

	assert_int_equal(iter__new(&it), 0);
	err = iter__start(it);
	err = err ? err : iter__wait(it);
	iter__free(it);
	if (!err)
		return;
	print_message("the kernel has no iterator of descriptors here: %s\n", strerror(-err));
	skip();
}

static void both_ways_give_the_same_answer_T14(void **state)
{
	struct lines *slow, *fast;

	(void)state;
	need_iterator();
	slow = calloc(1, sizeof(*slow));
	fast = calloc(1, sizeof(*fast));
	assert_non_null(slow);
	assert_non_null(fast);
	collect(&collect_netlink, slow);
	collect(&collect_iterator, fast);
	assert_true(slow->count >= 2000);
	/* In flight, for each tenth process: both looked twice. */
	assert_true(slow->unheld >= (PROCESSES + 9) / 10);
	for (size_t i = 0; i < slow->count && i < fast->count; i++)
		assert_string_equal(fast->items[i], slow->items[i]);
	assert_int_equal(fast->count, slow->count);
	free_lines(slow);
	free_lines(fast);
	free(slow);
	free(fast);
}

/* Its exit status: 0 when what it holds was found in /proc instead. */
static int collect_unprivileged(void)
{
	struct netns own = { .fd = -1 };
	struct netns_list namespaces = { .items = &own, .count = 1 };
	struct collect c = {
		.source = &collect_iterator,
		.proc = "/proc",
		.namespaces = &namespaces,
		.own = &own,
		.ask = { .classes = CLASS_BIT(CLASS_UDP), .states = SOCKETS_STATES },
		.holders = true,
	};
	struct sockaddr_in any = { .sin_family = AF_INET };
	const struct listed *s;
	size_t pos = 0;
	int fd;

	if (setns(world.ns[0], CLONE_NEWNET))
		return 1;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)))
		return 2;
	/* Or its own /proc would be closed to it. */
	if (setresuid(4711, 4711, 4711) || prctl(PR_SET_DUMPABLE, 1) || iter__new(&c.iter) ||
	    listing__new(NULL, &c.listing) || collect__run(&c))
		return 3;
	while ((s = listing__next(c.listing, &pos))) {
		if (s->owner && s->owner->pid == (uint32_t)getpid())
			return c.source == &collect_netlink ? 0 : 4;
	}
	return 5;
}

static void without_privilege_proc_tells_the_holders(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		_exit(collect_unprivileged());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_give_the_same_answer_T14),
		cmocka_unit_test(without_privilege_proc_tells_the_holders),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
