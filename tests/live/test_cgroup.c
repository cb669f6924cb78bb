/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The cgroup of a process that is gone, from the id that its records carry. */
#include "live/live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "source/cgroup.h"
#include "source/pseudofs.h"

static void id_leads_to_the_path_until_the_cgroup_is_gone(void **state)
{
	_cleanup_close_ int root = pseudofs__open_cgroup2();
	_cleanup_free_ char *path = NULL;
	char name[64], want[80];
	struct stat st;

	(void)state;
	if (root < 0)
		skip(); /* no cgroup v2 in this kernel */
	snprintf(name, sizeof(name), "sockwatch-test-%d", getpid());
	snprintf(want, sizeof(want), "/%s", name);
	assert_int_equal(mkdirat(root, name, 0755), 0);
	int err = fstatat(root, name, &st, 0);
	int found = cgroup__path(st.st_ino, &path);
	assert_int_equal(unlinkat(root, name, AT_REMOVEDIR), 0);
	assert_int_equal(err, 0);
	assert_int_equal(found, 0);
	assert_string_equal(path, want);
	assert_int_equal(cgroup__path(st.st_ino, &path), -ESTALE);
}

static void root_is_a_slash(void **state)
{
	_cleanup_close_ int root = pseudofs__open_cgroup2();
	_cleanup_free_ char *path = NULL;
	struct stat st;

	(void)state;
	if (root < 0)
		skip(); /* no cgroup v2 in this kernel */
	assert_int_equal(fstat(root, &st), 0);
	assert_int_equal(cgroup__path(st.st_ino, &path), 0);
	assert_string_equal(path, "/");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(id_leads_to_the_path_until_the_cgroup_is_gone),
		cmocka_unit_test(root_is_a_slash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
