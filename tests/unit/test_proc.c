/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* procfs: made-up trees with hostile content, and the real one for our own process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "source/proc.h"

#define NOBODY 65534
/* Fields 5 to 21 of stat, then the start time 777 and one more. */
#define STAT_TAIL "1 1 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 777 9\n"

static char tree[PATH_MAX];

static int make_tree(void **state)
{
	(void)state;
	strcpy(tree, "/tmp/sockwatch-proc-XXXXXX");
	return mkdtemp(tree) ? chmod(tree, 0755) : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_tree(void **state)
{
	(void)state;
	return nftw(tree, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *in_tree(const char *name)
{
	static char path[PATH_MAX + 256];

	snprintf(path, sizeof(path), "%s/%s", tree, name);
	return path;
}

static void put_dir(const char *name)
{
	assert_int_equal(mkdir(in_tree(name), 0755), 0);
}

static void put_link(const char *name, const char *target)
{
	assert_int_equal(symlink(target, in_tree(name)), 0);
}

static void put_file(const char *name, const char *data, size_t len)
{
	int fd = open(in_tree(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void put_text(const char *name, const char *text)
{
	put_file(name, text, strlen(text));
}

static void put_process(void)
{
	put_dir("42");
	put_text("42/stat", "42 (cat) S 7 " STAT_TAIL);
	put_text("42/status", "Name:\tcat\nUmask:\t0022\nUid:\t1000\t0\t0\t0\nGid:\t1\t1\t1\t1\n");
	put_file("42/cmdline", "cat\0-n\0", 7);
	put_link("42/exe", "/usr/bin/cat");
	put_text("42/cgroup", "12:pids:/a\n1:name=systemd:/b\n0::/user.slice/x.scope\n");
}

static void stat_is_parsed_from_the_last_parenthesis(void **state)
{
	static const char *const names[] = {
		"cat", "a b", ") S 1 (", "))))((((", "", "\n\t\n", "\x1b[31mred\x1b[0m", "\xff\xfe\x80 \xc3", "x) R 99 9 9",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct proc_info info = {0};
		char text[512];
		int n = snprintf(text, sizeof(text), "42 (%s) S 7 " STAT_TAIL, names[i]);

		assert_int_equal(proc__parse_stat(text, (size_t)n, &info), 0);
		assert_string_equal(info.comm, names[i]);
		assert_int_equal(info.ppid, 7);
		assert_int_equal(info.start_ticks, 777);
	}
}

static void a_long_name_is_cut(void **state)
{
	struct proc_info info = {0};
	const char *text = "9 (kworker/u16:3-events_unbound) I 2 " STAT_TAIL;

	(void)state;
	assert_int_equal(proc__parse_stat(text, strlen(text), &info), 0);
	assert_string_equal(info.comm, "kworker/u16:3-ev");
}

static void a_stat_cut_at_any_byte_is_refused(void **state)
{
	const char *text = "42 (c) S 7 " STAT_TAIL;
	size_t enough = (size_t)(strstr(text, "777 ") + 4 - text), len;

	(void)state;
	for (len = 0; len <= strlen(text); len++) {
		struct proc_info info = {.ppid = 1, .start_ticks = 2};
		char *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, text, len);
		assert_int_equal(proc__parse_stat(copy, len, &info), len < enough ? -EBADMSG : 0);
		/* Nothing is touched on failure. */
		assert_int_equal(info.start_ticks, len < enough ? 2 : 777);
		assert_int_equal(info.ppid, len < enough ? 1 : 7);
		free(copy);
	}
}

static void a_stat_with_bad_numbers_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "42", "42 (c", "42 c) S 7 ", ")(", "42 (c)", "42 (c) S",
		"42 (c) S -7 " STAT_TAIL, "42 (c) S 4294967296 " STAT_TAIL, "42 (c) S  " STAT_TAIL,
		"42 (c) S 7 1 1 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 18446744073709551616 9\n",
		"42 (c) S 7 1 1 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 77x 9\n",
	};
	struct proc_info info = {0};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(proc__parse_stat(texts[i], strlen(texts[i]), &info), -EBADMSG);
}

static void the_real_uid_is_on_the_uid_line(void **state)
{
	static const struct {
		const char *text;
		int ret;
		uint32_t uid;
	} cases[] = {
		{"Name:\tx\nUid:\t1000\t0\t0\t0\n", 0, 1000},
		{"Uid:\t4294967295\t0\t0\t0\n", 0, 4294967295u},
		{"Name:\tUid:\t7\t7\nUid:\t8\t8\t8\t8\n", 0, 8},
		{"Name:\tx\\nUid:\t7\n", -EBADMSG, 1},
		{"Uid:\t4294967296\t0\t0\t0\n", -EBADMSG, 1},
		{"Uid:\t-1\t0\n", -EBADMSG, 1},
		{"Uid:\t\t0\n", -EBADMSG, 1},
		{"Uid:\t12", -EBADMSG, 1},
		{"Uid:", -EBADMSG, 1},
		{"", -EBADMSG, 1},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t uid = 1;

		assert_int_equal(proc__parse_status_uid(cases[i].text, strlen(cases[i].text), &uid), cases[i].ret);
		assert_true(uid == cases[i].uid);
	}
}

static void a_socket_link_is_exact_or_nothing(void **state)
{
	static const char *const lies[] = {
		"socket:[18446744073709551616]", "socket:[12a]", "socket:[]",	"socket:[-1]",	  "socket:[12",
		"socket:12]",			 "socket:[12]]", "socket:[ 1]", "socket:[1] ",	  "Socket:[1]",
		"/tmp/socket:[1]",		 "pipe:[1]",	 "",		"socket:[1]\n",	  "socket:[",
		"socket:[1] (deleted)",		 "socket:[0x1]", "socket:]",	"anon_inode:[1]", "]",
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

static void the_cgroup_is_the_path_of_the_v2_line(void **state)
{
	static const struct {
		const char *text, *path;
	} cases[] = {
		{"0::/\n", "/"},
		{"3:cpu:/a\n0::/b c\\d\x1b (deleted)\n", "/b c\\d\x1b (deleted)"},
		{"1:name=0::/x:/y\n0::/z\n", "/z"},
		{"1:name=systemd:/x\n", NULL},
		{"10::/x\n", NULL},
		{"0::x\n", NULL},
		{"0::/cut", NULL},
		{"0::", NULL},
		{"", NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *path = NULL;

		assert_int_equal(proc__parse_cgroup(cases[i].text, strlen(cases[i].text), &path),
				 cases[i].path ? 0 : -EBADMSG);
		if (cases[i].path)
			assert_string_equal(path, cases[i].path);
		else
			assert_null(path);
		free(path);
	}
}

static void info_has_every_piece(void **state)
{
	struct proc_info info;

	(void)state;
	put_process();
	assert_int_equal(proc__info(tree, 42, &info), 0);
	assert_int_equal(info.pid, 42);
	assert_int_equal(info.ppid, 7);
	assert_int_equal(info.uid, 1000);
	assert_int_equal(info.start_ticks, 777);
	assert_string_equal(info.comm, "cat");
	assert_int_equal(info.cmdline_len, 6);
	assert_memory_equal(info.cmdline, "cat\0-n", 7);
	assert_string_equal(info.exe, "/usr/bin/cat");
	assert_string_equal(info.cgroup, "/user.slice/x.scope");
	proc__info_free(&info);
	assert_null(info.exe);
}

static void what_cannot_be_read_is_left_out(void **state)
{
	struct proc_info info;

	(void)state;
	put_process();
	put_text("42/cmdline", "");
	assert_int_equal(unlink(in_tree("42/exe")), 0);
	put_text("42/cgroup", "1:name=systemd:/b\n");
	assert_int_equal(proc__info(tree, 42, &info), 0);
	assert_null(info.cmdline);
	assert_int_equal(info.cmdline_len, 0);
	assert_null(info.exe);
	assert_null(info.cgroup);
	proc__info_free(&info);
}

static void a_long_command_line_without_nul_is_cut(void **state)
{
	struct proc_info info;
	char big[4096];

	(void)state;
	put_process();
	memset(big, 'a', sizeof(big));
	put_file("42/cmdline", big, sizeof(big));
	assert_int_equal(proc__info(tree, 42, &info), 0);
	assert_int_equal(info.cmdline_len, SW_CMDLINE_LEN);
	assert_memory_equal(info.cmdline, big, SW_CMDLINE_LEN);
	proc__info_free(&info);
	memset(big, 0, sizeof(big));
	put_file("42/cmdline", big, sizeof(big));
	assert_int_equal(proc__info(tree, 42, &info), 0);
	assert_null(info.cmdline);
	proc__info_free(&info);
}

static void a_process_that_is_gone_is_esrch(void **state)
{
	struct proc_info info;

	(void)state;
	assert_int_equal(proc__info(tree, 42, &info), -ESRCH);
	put_process();
	assert_int_equal(unlink(in_tree("42/status")), 0);
	assert_int_equal(proc__info(tree, 42, &info), -ESRCH);
	put_text("42/status", "Name:\tcat\n");
	assert_int_equal(proc__info(tree, 42, &info), -EBADMSG);
	assert_int_equal(proc__info("/nonexistent", 42, &info), -ENOENT);
}

static void links_in_place_of_files_are_not_followed(void **state)
{
	struct proc_info info;

	(void)state;
	put_process();
	put_text("stat", "42 (evil) S 7 " STAT_TAIL);
	assert_int_equal(unlink(in_tree("42/stat")), 0);
	put_link("42/stat", "../stat");
	assert_int_equal(proc__info(tree, 42, &info), -ELOOP);
	put_link("43", "42");
	assert_true(proc__info(tree, 43, &info) < 0);
}

/* The pid gets another process while we read: done when we come to the cgroup, which is a FIFO here. */
static void *replace_process(void *arg)
{
	int fd = open(arg, O_WRONLY | O_CLOEXEC);
	char path[PATH_MAX + 32];
	FILE *stat;

	snprintf(path, sizeof(path), "%s/42/stat", tree);
	stat = fopen(path, "we");
	if (stat) {
		fputs("42 (new) S 7 1 1 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 778 9\n", stat);
		fclose(stat);
	}
	if (fd >= 0) {
		if (write(fd, "0::/x\n", 6) != 6)
			abort();
		close(fd);
	}
	return NULL;
}

static void t16_a_start_time_that_changes_is_esrch(void **state)
{
	char fifo[PATH_MAX + 256];
	struct proc_info info;
	pthread_t thread;

	(void)state;
	put_process();
	strcpy(fifo, in_tree("42/cgroup"));
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(pthread_create(&thread, NULL, replace_process, fifo), 0);
	assert_int_equal(proc__info(tree, 42, &info), -ESRCH);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(unlink(fifo), 0);
	put_text("42/cgroup", "0::/x\n");
	assert_int_equal(proc__info(tree, 42, &info), 0);
	assert_int_equal(info.start_ticks, 778);
	proc__info_free(&info);
}

static void a_scan_lists_sockets_sorted_and_nothing_else(void **state)
{
	static const struct proc_fd expected[] = {{5, 7, 0}, {5, 7, 11}, {5, 100, 2}, {4294967297, 7, 3}};
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
	struct proc_fd fds[] = {{0, 1, 3}, {5, 7, 0}, {5, 9, 1}, {8, 7, 4}};
	struct proc_scan scan = {.fds = fds, .count = 4}, empty = {0};
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

static void our_own_facts_are_right(void **state)
{
	char exe[PATH_MAX] = "";
	struct proc_info info;

	(void)state;
	assert_int_equal(proc__info("/proc", (uint32_t)getpid(), &info), 0);
	assert_int_equal(info.pid, getpid());
	assert_int_equal(info.ppid, getppid());
	assert_int_equal(info.uid, getuid());
	assert_true(info.start_ticks > 0);
	assert_true(strncmp(info.comm, program_invocation_short_name, 15) == 0);
	assert_string_equal(info.cmdline, program_invocation_name);
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_string_equal(info.exe, exe);
	proc__info_free(&info);
}

static void a_zombie_has_a_name_and_no_command_line(void **state)
{
	struct proc_info info;
	siginfo_t died;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &died, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc__info("/proc", (uint32_t)pid, &info), 0);
	assert_int_equal(info.ppid, getpid());
	assert_true(info.comm[0]);
	assert_null(info.cmdline);
	assert_null(info.exe);
	proc__info_free(&info);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(proc__info("/proc", (uint32_t)pid, &info), -ESRCH);
}

#define in_a_tree(test) cmocka_unit_test_setup_teardown(test, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_is_parsed_from_the_last_parenthesis),
		cmocka_unit_test(a_long_name_is_cut),
		cmocka_unit_test(a_stat_cut_at_any_byte_is_refused),
		cmocka_unit_test(a_stat_with_bad_numbers_is_refused),
		cmocka_unit_test(the_real_uid_is_on_the_uid_line),
		cmocka_unit_test(a_socket_link_is_exact_or_nothing),
		cmocka_unit_test(the_cgroup_is_the_path_of_the_v2_line),
		in_a_tree(info_has_every_piece),
		in_a_tree(what_cannot_be_read_is_left_out),
		in_a_tree(a_long_command_line_without_nul_is_cut),
		in_a_tree(a_process_that_is_gone_is_esrch),
		in_a_tree(links_in_place_of_files_are_not_followed),
		in_a_tree(t16_a_start_time_that_changes_is_esrch),
		in_a_tree(a_scan_lists_sockets_sorted_and_nothing_else),
		in_a_tree(a_scan_without_proc_fails),
		cmocka_unit_test(t15_an_inode_nobody_holds_has_no_holder),
		in_a_tree(an_unreadable_descriptor_directory_is_counted),
		cmocka_unit_test(t15_our_own_sockets_are_held_by_exactly_who_has_them),
		cmocka_unit_test(our_own_facts_are_right),
		cmocka_unit_test(a_zombie_has_a_name_and_no_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
