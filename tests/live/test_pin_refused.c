/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: who may pin, what a pin may look like to be joined, and what is said when it may not be. */
#include "live/live.h"

#include <cap-ng.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "live/pinned.h"
#include "live/program.h"
#include "source/pin.h"

#define NOBODY 65534
#define SHORT  PROGRAM_ARGS("--json", "-l", "--no-existing", "--duration", "0.2")

static int be_nobody(void *ctx)
{
	(void)ctx;
	return setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY);
}

static int lose_all_capabilities(void *ctx)
{
	(void)ctx;
	capng_clear(CAPNG_SELECT_BOTH);
	return capng_apply(CAPNG_SELECT_BOTH);
}

static void assert_pin_is_refused(const char *why)
{
	struct program *p = program_run(1, .args = PROGRAM_ARGS("pin"));

	program__assert_error(p, why);
	program__free(p);
}

/* It says why it does not join, and does its work with programs of its own. */
static void assert_stream_does_without(const char *why)
{
	struct program *p = program_run(0, .args = SHORT);

	program__assert_error(p, why);
	program__assert_out(p, "\"event\":\"sync\"");
	program__assert_out(p, "\"lost\":0");
	program__free(p);
}

/* ---- who */

static void pin_and_unpin_are_for_root_with_all_privileges(void **state)
{
	static int (*const losses[])(void *ctx) = { be_nobody, lose_all_capabilities };
	static const char *const commands[] = { "pin", "unpin" };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct program *p = program_run(1, .args = PROGRAM_ARGS(commands[i / 2]), .prepare = losses[i % 2]);

		program__assert_error(p, "only root may");
		program__assert_error(p, "missing: CAP_BPF");
		program__free(p);
	}
	assert_int_equal(access(PIN_PATH, F_OK), -1);
}

static void nobody_else_can_look_into_what_is_pinned(void **state)
{
	struct dirent *entry;
	struct stat st;
	int files = 0;
	DIR *dir;

	(void)state;
	umask(0);
	pinned__pin(NULL);
	umask(022);
	assert_int_equal(lstat(PIN_PATH, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(st.st_uid, 0);
	dir = opendir(PIN_PATH);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		assert_int_equal(fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0600);
		assert_int_equal(st.st_uid, 0);
		files++;
	}
	closedir(dir);
	assert_true(files > 5);
}

/* ---- where */

static void without_a_bpf_file_system_pin_says_how_to_mount_one(void **state)
{
	struct program *p;

	(void)state;
	assert_int_equal(mount("none", PIN_ROOT, "tmpfs", 0, NULL), 0);
	assert_pin_is_refused("mount -t bpf");
	p = program_run(0, .args = PROGRAM_ARGS("unpin"));
	program__assert_error(p, "nothing is pinned");
	program__free(p);
	p = program_run(0, .args = SHORT);
	program__assert_error_lacks(p, "pinned");
	program__free(p);
	assert_int_equal(umount(PIN_ROOT), 0);
}

static void assert_untrusted(void)
{
	struct program *p;

	assert_pin_is_refused("0700");
	p = program_run(1, .args = PROGRAM_ARGS("unpin"));
	program__assert_error(p, "0700");
	program__free(p);
	assert_stream_does_without("0700");
}

static void directory_of_another_user_is_left_alone(void **state)
{
	(void)state;
	assert_int_equal(mkdir(PIN_PATH, 0700), 0);
	assert_int_equal(chown(PIN_PATH, NOBODY, NOBODY), 0);
	assert_untrusted();
	assert_int_equal(access(PIN_PATH, F_OK), 0);
}

static void directory_that_others_may_enter_is_left_alone(void **state)
{
	(void)state;
	pinned__pin(NULL);
	assert_int_equal(chmod(PIN_PATH, 0711), 0);
	assert_untrusted();
}

static void symlink_is_not_followed(void **state)
{
	(void)state;
	pinned__pin(NULL);
	assert_int_equal(rename(PIN_PATH, PIN_ROOT "/elsewhere"), 0);
	assert_int_equal(symlink(PIN_ROOT "/elsewhere", PIN_PATH), 0);
	assert_untrusted();
	assert_int_equal(access(PIN_ROOT "/elsewhere/ring", F_OK), 0);
}

/* ---- which */

static void change_about(void (*change)(struct pin_about *about))
{
	struct pin_about about;
	int fd = bpf_obj_get(PIN_PATH "/about"), key = 0;

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &about), 0);
	change(&about);
	assert_int_equal(bpf_map_update_elem(fd, &key, &about, 0), 0);
	close(fd);
}

static void be_of_other_programs(struct pin_about *about)
{
	about->programs++;
}

static void pin_of_another_version_is_refused_until_it_is_removed(void **state)
{
	(void)state;
	pinned__pin(NULL);
	change_about(be_of_other_programs);
	assert_pin_is_refused("another version of sockwatch: 'sockwatch unpin' first");
	assert_stream_does_without("another version of sockwatch: 'sockwatch unpin' first");
	pinned__unpin();
	pinned__pin(NULL);
}

static void half_made_pin_is_refused_until_it_is_removed(void **state)
{
	static const char *const files[] = { "about", "ring", "known", "tp_btf_inet_sock_set_state" };
	char path[PIN_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		pinned__pin(NULL);
		snprintf(path, sizeof(path), PIN_PATH "/%s", files[i]);
		assert_int_equal(unlink(path), 0);
		assert_stream_does_without("not complete: 'sockwatch unpin' first");
		if (!i)
			assert_pin_is_refused("not complete: 'sockwatch unpin' first");
		pinned__unpin();
		assert_int_equal(access(PIN_PATH, F_OK), -1);
	}
}

static void pin_of_another_plan_or_ring_is_not_joined(void **state)
{
	static const char *const ring[] = { "--ring", "64", NULL };
	struct program *p;

	(void)state;
	pinned__pin(ring);
	/* As it is, and said again: as good as new. */
	pinned__pin(NULL);
	pinned__pin(ring);
	p = program_run(1, .args = PROGRAM_ARGS("pin", "--ring", "128"));
	program__assert_error(p, "'sockwatch unpin' first");
	program__free(p);
	p = program_run(0, .args = PROGRAM_ARGS("--json", "--ring", "128", "--duration", "0.2"));
	program__assert_error(p, "not joined");
	program__free(p);
	p = program_run(0, .args = PROGRAM_ARGS("--json", "--ring", "64", "-v", "--duration", "0.2"));
	program__assert_error(p, "joined the programs");
	program__free(p);
}

/* ---- doctor */

static json_t *doctor(void)
{
	struct program *p = program_run(0, .args = PROGRAM_ARGS("doctor", "--json"));
	json_t *report = json_loadb(p->out.text, p->out.len, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(report);
	program__free(p);
	return report;
}

static void doctor_says_whether_something_is_pinned(void **state)
{
	const char *forced = getenv("SOCKWATCH_PLAN"); /* for what is pinned, too */
	const json_t *pin;
	struct program *p;
	json_t *report;

	(void)state;
	report = doctor();
	pin = json_object_get(report, "pin");
	assert_true(json_is_false(json_object_get(pin, "there")));
	assert_string_equal(update__text(pin, "why"), "nothing is pinned");
	json_decref(report);

	pinned__pin(NULL);
	report = doctor();
	pin = json_object_get(report, "pin");
	assert_true(json_is_true(json_object_get(pin, "there")));
	assert_string_equal(update__text(pin, "plan"), forced ? forced : update__text(report, "plan"));
	assert_int_equal(strlen(update__text(pin, "since")), strlen("2026-11-21T04:35:30Z"));
	json_decref(report);
	p = program_run(0, .args = PROGRAM_ARGS("doctor"));
	program__assert_out(p, "pin         plan ");
	program__assert_out(p, " since 20");
	program__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pinned_test(pin_and_unpin_are_for_root_with_all_privileges),
		pinned_test(nobody_else_can_look_into_what_is_pinned),
		pinned_test(without_a_bpf_file_system_pin_says_how_to_mount_one),
		pinned_test(directory_of_another_user_is_left_alone),
		pinned_test(directory_that_others_may_enter_is_left_alone),
		pinned_test(symlink_is_not_followed),
		pinned_test(pin_of_another_version_is_refused_until_it_is_removed),
		pinned_test(half_made_pin_is_refused_until_it_is_removed),
		pinned_test(pin_of_another_plan_or_ring_is_not_joined),
		pinned_test(doctor_says_whether_something_is_pinned),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
