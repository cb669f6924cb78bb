/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* source/pin and source/reader: whose a directory is, which version's a pin is, and that a dead reader is none. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sockwatch/record.h"
#include "source/pin.h"
#include "source/reader.h"

#define PROGRAMS 0x1234

/* ---- the directory */

static int check(mode_t mode, uid_t uid)
{
	const struct stat st = { .st_mode = mode, .st_uid = uid };

	return pin__check_directory(&st);
}

static void only_a_directory_of_root_that_is_closed_to_others_is_trusted(void **state)
{
	(void)state;
	assert_int_equal(check(S_IFDIR | 0700, 0), 0);
	assert_int_equal(check(S_IFDIR | 0700, 1000), -EUCLEAN);
	assert_int_equal(check(S_IFDIR | 0750, 0), -EUCLEAN);
	assert_int_equal(check(S_IFDIR | 0701, 0), -EUCLEAN);
	assert_int_equal(check(S_IFDIR | 01700, 0), -EUCLEAN);
	assert_int_equal(check(S_IFLNK | 0700, 0), -EUCLEAN);
	assert_int_equal(check(S_IFREG | 0700, 0), -EUCLEAN);
}

static void names_are_paths_through_the_descriptor_without_dots_and_slashes(void **state)
{
	char path[PIN_PATH_MAX];

	(void)state;
	assert_string_equal(pin__path(7, "tracepoint/syscalls/sys_exit_accept", path), "/proc/self/fd/7/"
										       "tracepoint_syscalls_sys_exit_"
										       "accept");
	assert_string_equal(pin__path(123, "a.b/../c", path), "/proc/self/fd/123/a_b____c");
}

/* ---- the version */

static struct pin_about about(void)
{
	return (struct pin_about){
		.version = PIN_ABOUT_VERSION,
		.record_version = SW_RECORD_VERSION,
		.programs = PROGRAMS,
		.plan = "tracepoint",
	};
}

static void pin_of_the_same_programs_is_taken(void **state)
{
	struct pin_about a = about();

	(void)state;
	assert_int_equal(pin__check_about(&a, sizeof(a), PROGRAMS), 0);
}

static void pin_that_says_nothing_is_not_complete(void **state)
{
	const struct pin_about a = { 0 };

	(void)state;
	assert_int_equal(pin__check_about(&a, sizeof(a), PROGRAMS), -ENODATA);
}

static void pin_of_another_layout_is_refused(void **state)
{
	struct pin_about a = about();

	(void)state;
	assert_int_equal(pin__check_about(&a, sizeof(a), PROGRAMS + 1), -ESTALE);
	assert_int_equal(pin__check_about(&a, sizeof(a) + 8, PROGRAMS), -ESTALE);
	assert_int_equal(pin__check_about(&a, 2, PROGRAMS), -ESTALE);
	a.version++;
	assert_int_equal(pin__check_about(&a, sizeof(a), PROGRAMS), -ESTALE);
	a = about();
	a.record_version++;
	assert_int_equal(pin__check_about(&a, sizeof(a), PROGRAMS), -ESTALE);
	a = about();
	memset(a.plan, 'x', sizeof(a.plan));
	assert_int_equal(pin__check_about(&a, sizeof(a), PROGRAMS), -ESTALE);
}

/* Vectors of draft-eastlake-fnv: "", "a", "foobar". */
static void hash_is_fnv_1a(void **state)
{
	(void)state;
	assert_true(pin__hash("", 0) == 0xcbf29ce484222325);
	assert_true(pin__hash("a", 1) == 0xaf63dc4c8601ec8c);
	assert_true(pin__hash("foobar", 6) == 0x85944171f73967e8);
}

static void refusals_say_what_to_do(void **state)
{
	(void)state;
	assert_non_null(strstr(pin__why(-ENODEV), "mount -t bpf"));
	assert_non_null(strstr(pin__why(-ESTALE), "unpin"));
	assert_non_null(strstr(pin__why(-ENODATA), "unpin"));
	assert_non_null(strstr(pin__why(-EUCLEAN), "0700"));
}

/* ---- the reader */

/* A child that reads until it is killed. The word is shared with it, as a map's memory is. */
static pid_t read_for_ever(struct reader *r, uint32_t *word)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		reader__begin(r, word);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static uint32_t *shared_word(void)
{
	uint32_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(word != MAP_FAILED);
	return word + 5;
}

static void free_word(uint32_t *word)
{
	munmap(word - 5, 4096);
}

static void reader_that_is_killed_is_none(void **state)
{
	uint32_t *word = shared_word();
	struct reader r = { 0 };
	pid_t pid = read_for_ever(&r, word);

	(void)state;
	assert_int_equal(*word & FUTEX_TID_MASK, pid);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(*word & FUTEX_TID_MASK, 0);
	free_word(word);
}

static void dead_reader_does_not_end_the_next_one(void **state)
{
	uint32_t *word = shared_word();
	struct reader r = { 0 }, next = { 0 };
	pid_t pid = read_for_ever(&r, word);

	(void)state;
	reader__begin(&next, word);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(*word & FUTEX_TID_MASK, (uint32_t)getpid());
	reader__end(&next);
	assert_int_equal(*word, 0);
	free_word(word);
}

static void reader_that_ends_gives_the_list_of_robust_futexes_back(void **state)
{
	void *before, *after;
	size_t size;
	uint32_t word = 0;
	struct reader r = { 0 };

	(void)state;
	assert_int_equal(syscall(SYS_get_robust_list, 0, &before, &size), 0);
	reader__begin(&r, &word);
	reader__end(&r);
	reader__end(&r);
	assert_int_equal(syscall(SYS_get_robust_list, 0, &after, &size), 0);
	assert_ptr_equal(before, after);
	assert_int_equal(word, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_directory_of_root_that_is_closed_to_others_is_trusted),
		cmocka_unit_test(names_are_paths_through_the_descriptor_without_dots_and_slashes),
		cmocka_unit_test(pin_of_the_same_programs_is_taken),
		cmocka_unit_test(pin_that_says_nothing_is_not_complete),
		cmocka_unit_test(pin_of_another_layout_is_refused),
		cmocka_unit_test(hash_is_fnv_1a),
		cmocka_unit_test(refusals_say_what_to_do),
		cmocka_unit_test(reader_that_is_killed_is_none),
		cmocka_unit_test(dead_reader_does_not_end_the_next_one),
		cmocka_unit_test(reader_that_ends_gives_the_list_of_robust_futexes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
