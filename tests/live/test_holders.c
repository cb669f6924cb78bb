/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Holders by the BPF iterator: the same as /proc/PID/fd says, whatever the iterator is known to trip over (T14). */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "live/crowd.h"
#include "source/iter.h"
#include "source/proc.h"

#define FOUND_MAX 200000

struct found {
	const struct crowd *crowd;
	struct proc_fd *fds; /* of the crowd's, as the walk of /proc has them */
	size_t count;
};

static struct iter *iter;

static void add(struct found *f, uint32_t pid, int fd, uint64_t inode)
{
	if (!crowd__has(f->crowd, pid))
		return;
	assert_true(f->count < FOUND_MAX);
	f->fds[f->count++] = (struct proc_fd){ .inode = inode, .pid = pid, .fd = fd };
}

static int take_descriptor(void *ctx, const struct sw_holder *holder, int fd, uint64_t inode)
{
	add(ctx, holder->pid, fd, inode);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct proc_fd *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->fd > y->fd) - (x->fd < y->fd);
}

static void sort(struct found *f)
{
	if (f->count)
		qsort(f->fds, f->count, sizeof(*f->fds), compare);
}

static void read_iter(struct found *f)
{
	f->count = 0;
	assert_int_equal(iter__start(iter), 0);
	assert_int_equal(iter__wait(iter), 0);
	assert_int_equal(iter__each(iter, take_descriptor, f), 0);
	sort(f);
}

static struct found empty(const struct crowd *c)
{
	struct found f = { .crowd = c, .fds = calloc(FOUND_MAX, sizeof(*f.fds)) };

	assert_non_null(f.fds);
	return f;
}

/* Of the crowd's descriptors the iterator and /proc say the same. Returns how many there are. */
static size_t assert_same(const struct crowd *c)
{
	struct found here = empty(c), there = empty(c);
	struct proc_scan scan;
	size_t count;

	read_iter(&here);
	assert_int_equal(proc__scan("/proc", &scan), 0);
	for (size_t i = 0; i < scan.count; i++)
		add(&there, scan.fds[i].pid, scan.fds[i].fd, scan.fds[i].inode);
	proc__scan_free(&scan);
	sort(&there);
	assert_int_equal(here.count, there.count);
	assert_memory_equal(here.fds, there.fds, there.count * sizeof(*there.fds));
	count = there.count;
	free(here.fds);
	free(there.fds);
	return count;
}

static void open_some(void *ctx, unsigned int number)
{
	static const int kinds[][2] = { { AF_INET, SOCK_STREAM },   { AF_INET6, SOCK_STREAM }, { AF_INET, SOCK_DGRAM },
					{ AF_UNIX, SOCK_STREAM },   { AF_UNIX, SOCK_DGRAM },   { AF_NETLINK, SOCK_RAW },
					{ AF_UNIX, SOCK_SEQPACKET } };
	const unsigned int *count = ctx;

	for (unsigned int i = 0; i < *count; i++) {
		const int *kind = kinds[(i + number) % (sizeof(kinds) / sizeof(kinds[0]))];

		if (socket(kind[0], kind[1], 0) < 0)
			_exit(1);
	}
}

static void iterator_and_proc_tell_the_same_holders(void **state)
{
	struct crowd c = { 0 };
	unsigned int count = 40;

	(void)state;
	for (unsigned int i = 0; i < 50; i++)
		crowd__add(&c, open_some, &count);
	assert_true(assert_same(&c) >= 2000);
	crowd__end(&c);
}

struct seen {
	uint32_t pid;
	struct sw_holder holder;
	unsigned int records; /* of the process */
	const struct sw_holder *last;
};

static int take_holder(void *ctx, const struct sw_holder *holder, int fd, uint64_t inode)
{
	struct seen *s = ctx;

	(void)fd;
	(void)inode;
	if (holder->pid != s->pid || holder == s->last)
		return 0;
	s->last = holder;
	s->holder = *holder;
	s->records++;
	return 0;
}

static void as_somebody(void *ctx, unsigned int number)
{
	unsigned int one = 1;

	(void)ctx;
	prctl(PR_SET_NAME, "some)body (x", 0, 0, 0);
	if (setresuid(4711, 0, 0))
		_exit(1);
	open_some(&one, number);
}

static void iterator_tells_who_the_process_is(void **state)
{
	struct crowd c = { 0 };
	struct seen s = { .pid = (uint32_t)crowd__add(&c, as_somebody, NULL) };
	struct proc_info info;

	(void)state;
	assert_int_equal(iter__start(iter), 0);
	assert_int_equal(iter__wait(iter), 0);
	assert_int_equal(iter__each(iter, take_holder, &s), 0);
	assert_int_equal(proc__info("/proc", s.pid, &info), 0);
	assert_int_equal(s.records, 1);
	assert_int_equal(s.holder.ppid, getpid());
	assert_int_equal(s.holder.uid, 4711);
	assert_int_equal(info.uid, 4711);
	assert_int_equal(s.holder.start_ns / (1000000000UL / (unsigned long)sysconf(_SC_CLK_TCK)), info.start_ticks);
	assert_memory_equal(s.holder.comm, info.comm, sizeof(s.holder.comm));
	proc__info_free(&info);
	crowd__end(&c);
}

/* ---- threads and files */

static void *wait_for_ever(void *ctx)
{
	if (ctx && (unshare(CLONE_FILES) || socket(AF_INET, SOCK_DGRAM, 0) < 0))
		_exit(1);
	if (ctx && write(*(const int *)ctx, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
	return NULL;
}

static void open_with_threads(void *ctx, unsigned int number)
{
	unsigned int count = 3;
	int own[2];
	pthread_t thread;
	char byte;

	(void)ctx;
	open_some(&count, number);
	for (int i = 0; i < 4; i++) {
		if (pthread_create(&thread, NULL, wait_for_ever, NULL))
			_exit(1);
	}
	/* The pipe's copies in the thread's own table are no sockets. */
	if (pipe(own) || pthread_create(&thread, NULL, wait_for_ever, &own[1]) || read(own[0], &byte, 1) != 1)
		_exit(1);
}

static void threads_are_not_repeated_T14(void **state)
{
	struct crowd c = { 0 };
	size_t before;

	(void)state;
	crowd__add(&c, open_with_threads, NULL);
	before = assert_same(&c);
	assert_int_equal(before, 3);
	crowd__end(&c);
}

static void open_twice(void *ctx, unsigned int number)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)ctx;
	(void)number;
	if (fd < 0 || dup(fd) < 0 || dup2(fd, 300) < 0)
		_exit(1);
}

static void each_descriptor_of_one_file_is_told(void **state)
{
	struct crowd c = { 0 };

	(void)state;
	crowd__add(&c, open_twice, NULL);
	assert_int_equal(assert_same(&c), 3);
	crowd__end(&c);
}

/* A node that a unix socket is bound to has the mode of a socket, and a number that a socket could have. */
static void open_node(void *ctx, unsigned int number)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)number;
	memcpy(address.sun_path, ctx, strlen(ctx));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) || open(ctx, O_PATH) < 0)
		_exit(1);
	close(fd);
}

static void node_of_a_filesystem_is_no_socket(void **state)
{
	char dir[] = "/tmp/sockwatch-holders-XXXXXX", path[64];
	struct crowd c = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/node", dir);
	crowd__add(&c, open_node, path);
	assert_int_equal(assert_same(&c), 0);
	crowd__end(&c);
	unlink(path);
	rmdir(dir);
}

/* ---- the kernel's buffer */

/*
 * What does not fit into the kernel's buffer of 32 kB is taken back and asked for again, whatever of the records of a
 * process lies at its end. This process, which comes first, has one descriptor more from reading to reading; so every
 * record of the others lies there once.
 */
static void records_at_the_end_of_the_buffer_are_whole_T14(void **state)
{
	unsigned int count = 40;
	struct crowd c = { 0 };
	int more[48];

	(void)state;
	for (unsigned int i = 0; i < 100; i++)
		crowd__add(&c, open_some, &count);
	for (unsigned int i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		more[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_true(more[i] >= 0);
		assert_int_equal(assert_same(&c), 100 * count);
	}
	for (unsigned int i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		close(more[i]);
	crowd__end(&c);
}

#define HOARD 2200000 /* a reading of a million that gives nothing lies within, wherever it begins */

static rlim_t most_descriptors(void)
{
	struct rlimit limit = { .rlim_cur = 500000, .rlim_max = 500000 };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	return limit.rlim_max;
}

static void hoard(void *ctx, unsigned int number)
{
	const rlim_t *most = ctx;
	struct rlimit limit = { .rlim_cur = *most, .rlim_max = *most };
	int fd;

	(void)number;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		_exit(1);
	fd = open("/dev/null", O_RDONLY);
	while (fd >= 0)
		fd = dup(fd);
}

static void over_a_million_other_files_nothing_is_lost_T14(void **state)
{
	struct crowd hoarders = { 0 }, c = { 0 };
	struct rlimit before;
	struct found f;
	unsigned int one = 1;
	rlim_t most;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	most = most_descriptors();
	if (HOARD / most >= CROWD_MAX) {
		print_message("too few descriptors a process are allowed: %lu\n", (unsigned long)most);
		skip();
	}
	crowd__add(&c, open_some, &one);
	for (unsigned int i = 0; i <= HOARD / most; i++)
		crowd__add(&hoarders, hoard, &most);
	crowd__add(&c, open_some, &one);
	f = empty(&c);
	read_iter(&f);
	assert_int_equal(f.count, 2);
	free(f.fds);
	crowd__end(&hoarders);
	crowd__end(&c);
	if (setrlimit(RLIMIT_NOFILE, &before))
		assert_int_equal(errno, EPERM);
}

/* ---- where the reader is */

static int take_number(void *ctx, const struct sw_holder *holder, int fd, uint64_t inode)
{
	unsigned int *count = ctx;

	(void)fd;
	(void)inode;
	++*count;
	return holder->pid == 1 && holder->ppid == 0 ? 0 : -ERANGE;
}

/* As the first process of a pid namespace. Its exit status: 0 when it sees itself, by that number, and nobody else. */
static int look_from_within(void)
{
	unsigned int count = 0;
	struct iter *own;

	if (socket(AF_INET, SOCK_DGRAM, 0) < 0 || iter__new(&own))
		return 2;
	if (iter__start(own) || iter__wait(own))
		return 3;
	return iter__each(own, take_number, &count) ? 4 : count != 1 ? 5 : 0;
}

static int status_of(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void numbers_are_those_of_the_readers_pid_namespace_T14(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		int status;

		if (unshare(CLONE_NEWPID))
			_exit(6);
		pid = fork();
		if (!pid)
			_exit(look_from_within());
		_exit(waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 7);
	}
	assert_int_equal(status_of(pid), 0);
}

static void without_privilege_it_says_so(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		struct iter *own;

		if (setresuid(4711, 4711, 4711) || iter__new(&own) || iter__start(own))
			_exit(1);
		_exit(iter__wait(own) == -EPERM ? 0 : 2);
	}
	assert_int_equal(status_of(pid), 0);
}

static int set_up(void **state)
{
	(void)state;
	return iter__new(&iter);
}

static int tear_down(void **state)
{
	(void)state;
	iter__free(iter);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iterator_and_proc_tell_the_same_holders),
		cmocka_unit_test(iterator_tells_who_the_process_is),
		cmocka_unit_test(threads_are_not_repeated_T14),
		cmocka_unit_test(each_descriptor_of_one_file_is_told),
		cmocka_unit_test(node_of_a_filesystem_is_no_socket),
		cmocka_unit_test(records_at_the_end_of_the_buffer_are_whole_T14),
		cmocka_unit_test(over_a_million_other_files_nothing_is_lost_T14),
		cmocka_unit_test(numbers_are_those_of_the_readers_pid_namespace_T14),
		cmocka_unit_test(without_privilege_it_says_so),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
