/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

char tree[PATH_MAX];

int make_tree(void **state)
{
	(void)state;
	strcpy(tree, "/tmp/sockwatch-test-XXXXXX");
	return mkdtemp(tree) ? chmod(tree, 0755) : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int remove_tree(void **state)
{
	(void)state;
	return nftw(tree, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *in_tree(const char *name)
{
	static char path[PATH_MAX + 256];

	snprintf(path, sizeof(path), "%s/%s", tree, name);
	return path;
}

void put_dir(const char *name)
{
	assert_int_equal(mkdir(in_tree(name), 0755), 0);
}

void put_link(const char *name, const char *target)
{
	assert_int_equal(symlink(target, in_tree(name)), 0);
}

void put_file(const char *name, const char *data, size_t len)
{
	int fd = open(in_tree(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

void put_text(const char *name, const char *text)
{
	put_file(name, text, strlen(text));
}
