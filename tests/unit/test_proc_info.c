/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Facts of a process: hostile content of procfs, and our own process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "source/proc.h"
#include "tree.h"

/* Fields 5 to 21 of stat, then the start time 777 and one more. */
#define STAT_TAIL "1 1 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 777 9\n"

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
		"cat",	       "a b", ") S 1 (", "))))((((", "", "\n\t\n", "\x1b[31mred\x1b[0m", "\xff\xfe\x80 \xc3",
		"x) R 99 9 9",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct proc_info info = { 0 };
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
	struct proc_info info = { 0 };
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
		struct proc_info info = { .ppid = 1, .start_ticks = 2 };
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
		"",
		"42",
		"42 (c",
		"42 c) S 7 ",
		")(",
		"42 (c)",
		"42 (c) S",
		"42 (c) S -7 " STAT_TAIL,
		"42 (c) S 4294967296 " STAT_TAIL,
		"42 (c) S  " STAT_TAIL,
		"42 (c) S 7 1 1 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 18446744073709551616 9\n",
		"42 (c) S 7 1 1 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 77x 9\n",
	};
	struct proc_info info = { 0 };
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
		{ "Name:\tx\nUid:\t1000\t0\t0\t0\n", 0, 1000 },
		{ "Uid:\t4294967295\t0\t0\t0\n", 0, 4294967295u },
		{ "Name:\tUid:\t7\t7\nUid:\t8\t8\t8\t8\n", 0, 8 },
		{ "Name:\tx\\nUid:\t7\n", -EBADMSG, 1 },
		{ "Uid:\t4294967296\t0\t0\t0\n", -EBADMSG, 1 },
		{ "Uid:\t-1\t0\n", -EBADMSG, 1 },
		{ "Uid:\t\t0\n", -EBADMSG, 1 },
		{ "Uid:\t12", -EBADMSG, 1 },
		{ "Uid:", -EBADMSG, 1 },
		{ "", -EBADMSG, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t uid = 1;

		assert_int_equal(proc__parse_status_uid(cases[i].text, strlen(cases[i].text), &uid), cases[i].ret);
		assert_true(uid == cases[i].uid);
	}
}

static void the_cgroup_is_the_path_of_the_v2_line(void **state)
{
	static const struct {
		const char *text, *path;
	} cases[] = {
		{ "0::/\n", "/" },
		{ "3:cpu:/a\n0::/b c\\d\x1b (deleted)\n", "/b c\\d\x1b (deleted)" },
		{ "1:name=0::/x:/y\n0::/z\n", "/z" },
		{ "1:name=systemd:/x\n", NULL },
		{ "10::/x\n", NULL },
		{ "0::x\n", NULL },
		{ "0::/cut", NULL },
		{ "0::", NULL },
		{ "", NULL },
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

static void name_of_the_parent_is_read_too(void **state)
{
	char want[SW_COMM_LEN + 1] = "";
	struct proc_info info;
	int status;
	pid_t pid;

	(void)state;
	prctl(PR_GET_NAME, want);
	prctl(PR_SET_NAME, "the) parent");
	pid = fork();
	if (pid == 0)
		_exit(proc__info("/proc", (uint32_t)getpid(), &info) || strcmp(info.parent_comm, "the) parent"));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	prctl(PR_SET_NAME, want);
	assert_int_equal(status, 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_is_parsed_from_the_last_parenthesis),
		cmocka_unit_test(a_long_name_is_cut),
		cmocka_unit_test(a_stat_cut_at_any_byte_is_refused),
		cmocka_unit_test(a_stat_with_bad_numbers_is_refused),
		cmocka_unit_test(the_real_uid_is_on_the_uid_line),
		cmocka_unit_test(the_cgroup_is_the_path_of_the_v2_line),
		in_a_tree(info_has_every_piece),
		in_a_tree(what_cannot_be_read_is_left_out),
		in_a_tree(a_long_command_line_without_nul_is_cut),
		in_a_tree(a_process_that_is_gone_is_esrch),
		in_a_tree(links_in_place_of_files_are_not_followed),
		in_a_tree(t16_a_start_time_that_changes_is_esrch),
		cmocka_unit_test(our_own_facts_are_right),
		cmocka_unit_test(name_of_the_parent_is_read_too),
		cmocka_unit_test(a_zombie_has_a_name_and_no_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
