/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who holds a socket: made-up trees of procfs that lie, and the real one for our own process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "source/proc.h"
#include "tree.h"

#define NOBODY 65534

static void a_socket_link_is_exact_or_nothing(void **state)
{
	static const char *const lies[] = {
		"socket:[18446744073709551616]",
		"socket:[12a]",
		"socket:[]",
		"socket:[-1]",
		"socket:[12",
		"socket:12]",
		"socket:[12]]",
		"socket:[ 1]",
		"socket:[1] ",
		"Socket:[1]",
		"/tmp/socket:[1]",
		"pipe:[1]",
		"",
		"socket:[1]\n",
		"socket:[",
		"socket:[1] (deleted)",
		"socket:[0x1]",
		"socket:]",
		"anon_inode:[1]",
		"]",
	};
	uint64_t inode = 5;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lies) / sizeof(*lies); i++)
		assert_int_equal(proc__parse_socket_link(lies[i], strlen(lies[i]), &inode), -EBADMSG);
	assert_true(inode == 5);
	assert_int_equal(proc__parse_socket_link("socket:[123]tail", 12, &inode), 0);
	assert_true(inode == 123);
	assert_int_equal(proc__parse_socket_link("socket:[18446744073709551615]", 29, &inode), 0);
	assert_true(inode == UINT64_MAX);
}

static void a_scan_lists_sockets_sorted_and_nothing_else(void **state)
{
	static const struct proc_fd expected[] = { { 5, 7, 0 }, { 5, 7, 11 }, { 5, 100, 2 }, { 4294967297, 7, 3 } };
	struct proc_scan scan;
	size_t i;

	(void)state;
	put_dir("100");
	put_dir("100/fd");
	put_link("100/fd/2", "socket:[5]");
	put_dir("7");
	put_dir("7/fd");
	put_link("7/fd/11", "socket:[5]");
	put_link("7/fd/3", "socket:[4294967297]");
	put_link("7/fd/0", "socket:[5]");
	put_link("7/fd/1", "/dev/null");
	put_link("7/fd/4", "socket:[18446744073709551616]");
	put_link("7/fd/5", "socket:[12a]");
	put_link("7/fd/6", "socket:[]");
	put_link("7/fd/7", "socket:[1] (a long tail which does not fit)");
	put_link("7/fd/x", "socket:[6]");
	put_link("7/fd/-1", "socket:[6]");
	put_link("7/fd/99999999999", "socket:[6]");
	put_link("7/fd/008", "socket:[6]");
	put_dir("7/task");
	put_dir("7/task/8");
	put_dir("7/task/8/fd");
	put_link("7/task/8/fd/0", "socket:[5]");
	put_dir("self");
	put_dir("self/fd");
	put_link("self/fd/0", "socket:[6]");
	put_dir("0000000000000000000000000000000000000000000000000009");
	put_dir("12345678901234567890");
	put_dir("8"); /* no fd directory: it has just ended */
	assert_int_equal(proc__scan(tree, &scan), 0);
	assert_int_equal(scan.processes, 2);
	assert_int_equal(scan.unreadable, 0);
	assert_int_equal(scan.count, 4);
	for (i = 0; i < 4; i++) {
		assert_true(scan.fds[i].inode == expected[i].inode);
		assert_int_equal(scan.fds[i].pid, expected[i].pid);
		assert_int_equal(scan.fds[i].fd, expected[i].fd);
	}
	proc__scan_free(&scan);
}

static void a_scan_without_proc_fails(void **state)
{
	struct proc_scan scan;

	(void)state;
	assert_int_equal(proc__scan("/nonexistent", &scan), -ENOENT);
	assert_int_equal(proc__scan(tree, &scan), 0);
	assert_int_equal(scan.count, 0);
	proc__scan_free(&scan);
}

static void t15_an_inode_nobody_holds_has_no_holder(void **state)
{
	struct proc_fd fds[] = { { 0, 1, 3 }, { 5, 7, 0 }, { 5, 9, 1 }, { 8, 7, 4 } };
	struct proc_scan scan = { .fds = fds, .count = 4 }, empty = { 0 };
	size_t count = 99;

	(void)state;
	assert_ptr_equal(proc__holders(&scan, 5, &count), &fds[1]);
	assert_int_equal(count, 2);
	assert_ptr_equal(proc__holders(&scan, 8, &count), &fds[3]);
	assert_int_equal(count, 1);
	/* 0 is what sock_diag says of a socket without a file. */
	assert_null(proc__holders(&scan, 0, &count));
	assert_int_equal(count, 0);
	assert_null(proc__holders(&scan, 6, &count));
	assert_int_equal(count, 0);
	assert_null(proc__holders(&scan, 9, &count));
	assert_int_equal(count, 0);
	assert_null(proc__holders(&empty, 5, &count));
	assert_int_equal(count, 0);
}

/* The child's exit status: 0 when the scan counted the one directory it may not read. */
static int scan_unprivileged(void)
{
	struct proc_scan scan;

	if (geteuid() == 0 && (setgid(NOBODY) || setuid(NOBODY)))
		return 2;
	if (proc__scan(tree, &scan))
		return 3;
	if (scan.unreadable != 1 || scan.processes != 2 || scan.count != 1)
		return 4;
	proc__scan_free(&scan);
	return 0;
}

static void an_unreadable_descriptor_directory_is_counted(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	put_dir("7");
	put_dir("7/fd");
	put_link("7/fd/1", "socket:[5]");
	put_dir("8");
	put_dir("8/fd");
	put_link("8/fd/1", "socket:[5]");
	assert_int_equal(chmod(in_tree("8/fd"), 0), 0);
	pid = fork();
	if (pid == 0)
		_exit(scan_unprivileged());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chmod(in_tree("8/fd"), 0700), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void *wait_for_end(void *arg)
{
	char c;

	return read(*(int *)arg, &c, 1) < 0 ? arg : NULL;
}

/* A child and a thread that stay until the pipe is closed. */
struct company {
	int pipe[2];
	pid_t child;
	pthread_t thread;
};

static void start_company(struct company *c)
{
	assert_int_equal(pipe(c->pipe), 0);
	c->child = fork();
	if (c->child == 0) {
		close(c->pipe[1]);
		_exit(wait_for_end(&c->pipe[0]) ? 1 : 0);
	}
	assert_int_equal(pthread_create(&c->thread, NULL, wait_for_end, &c->pipe[0]), 0);
}

static void end_company(struct company *c)
{
	int status;

	close(c->pipe[1]);
	assert_int_equal(pthread_join(c->thread, NULL), 0);
	assert_int_equal(waitpid(c->child, &status, 0), c->child);
	assert_int_equal(status, 0);
	close(c->pipe[0]);
}

static void t15_our_own_sockets_are_held_by_exactly_who_has_them(void **state)
{
	uint32_t own = (uint32_t)getpid();
	const struct proc_fd *holders, *ours, *childs;
	struct proc_scan scan;
	struct company company;
	int fd, copy;
	struct stat st;
	size_t count;

	(void)state;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 900);
	assert_true(fd >= 0 && copy >= 900);
	assert_int_equal(fstat(fd, &st), 0);
	start_company(&company);
	close(copy); /* the child keeps its own */
	assert_int_equal(proc__scan("/proc", &scan), 0);
	holders = proc__holders(&scan, st.st_ino, &count);
	assert_int_equal(count, 3);
	/* Sorted by pid; a pid that wrapped around makes the child the first. */
	ours = holders[2].pid == own ? &holders[2] : &holders[0];
	childs = ours == holders ? &holders[1] : &holders[0];
	assert_int_equal(ours->pid, own);
	assert_int_equal(ours->fd, fd);
	assert_int_equal(childs[0].pid, company.child);
	assert_int_equal(childs[0].fd, fd);
	assert_int_equal(childs[1].pid, company.child);
	assert_int_equal(childs[1].fd, copy);
	proc__scan_free(&scan);
	end_company(&company);
	close(fd);
	/* Closed everywhere: the inode has no holder. */
	assert_int_equal(proc__scan("/proc", &scan), 0);
	assert_null(proc__holders(&scan, st.st_ino, &count));
	assert_int_equal(count, 0);
	proc__scan_free(&scan);
}

struct walked {
	unsigned int asked, found;
	uint32_t pid;
	uint64_t start_ticks, whole_start_ticks;
	bool whole_has_cmdline;
};

static bool skip_others(void *ctx, uint32_t pid)
{
	struct walked *w = ctx;

	w->asked++;
	return pid != w->pid;
}

static int take_walked(void *ctx, int dir, uint32_t pid, int fd, uint64_t inode)
{
	struct walked *w = ctx;
	struct proc_info info;

	(void)fd;
	assert_true(inode != 0);
	assert_int_equal(pid, w->pid);
	assert_int_equal(proc__info_at(dir, pid, false, &info), 0);
	assert_null(info.cmdline);
	w->start_ticks = info.start_ticks;
	proc__info_free(&info);
	assert_int_equal(proc__info_at(dir, pid, true, &info), 0);
	w->whole_start_ticks = info.start_ticks;
	w->whole_has_cmdline = info.cmdline;
	proc__info_free(&info);
	w->found++;
	return 0;
}

/* In place of a list: each descriptor as it is found, with the facts of its process, of processes that are wanted. */
static void a_walk_gives_descriptors_of_the_processes_that_are_wanted(void **state)
{
	struct walked w = { .pid = (uint32_t)getpid() };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct proc_walk walk;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(proc__walk("/proc", skip_others, take_walked, &w, &walk), 0);
	close(fd);
	assert_true(w.found >= 1);
	assert_true(w.asked > walk.processes);
	assert_int_equal(walk.processes, 1);
	assert_true(w.start_ticks && w.start_ticks == w.whole_start_ticks);
	assert_true(w.whole_has_cmdline);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_link_is_exact_or_nothing),
		in_a_tree(a_scan_lists_sockets_sorted_and_nothing_else),
		in_a_tree(a_scan_without_proc_fails),
		cmocka_unit_test(t15_an_inode_nobody_holds_has_no_holder),
		in_a_tree(an_unreadable_descriptor_directory_is_counted),
		cmocka_unit_test(t15_our_own_sockets_are_held_by_exactly_who_has_them),
		cmocka_unit_test(a_walk_gives_descriptors_of_the_processes_that_are_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
