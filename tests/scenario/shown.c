/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "scenario/shown.h"

#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/cleanup.h"

#define OUT "listing"

/* ---- sets of processes */

static void add_holder(struct holders *h, uint32_t pid)
{
	for (unsigned int i = 0; i < h->count; i++) {
		if (h->pid[i] == pid)
			return;
	}
	assert_true(h->count < SHOWN_HOLDERS);
	h->pid[h->count++] = pid;
}

static int compare_pids(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void sort_holders(struct holders *h)
{
	qsort(h->pid, h->count, sizeof(h->pid[0]), compare_pids);
}

/* ---- what the program tells */

static uint64_t number_of(const json_t *record, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(record, key));
}

static void copy_text(char *to, size_t size, const json_t *record, const char *key)
{
	const char *text = json_string_value(json_object_get(record, key));

	snprintf(to, size, "%s", text ? text : "");
}

static void take_record(const json_t *record, struct shown *ret)
{
	const json_t *holders = json_object_get(record, "holders");

	memset(ret, 0, sizeof(*ret));
	ret->inode = number_of(record, "inode");
	ret->pid = (uint32_t)number_of(record, "pid");
	copy_text(ret->comm, sizeof(ret->comm), record, "comm");
	copy_text(ret->attribution, sizeof(ret->attribution), record, "attribution");
	for (size_t i = 0; i < json_array_size(holders); i++)
		add_holder(&ret->holders, (uint32_t)number_of(json_array_get(holders, i), "pid"));
	sort_holders(&ret->holders);
}

static void run_list(struct scenario *s)
{
	const char *program = getenv("SOCKWATCH");
	char self[16];

	snprintf(self, sizeof(self), "%d", getpid());
	program = program && *program ? program : "build/sockwatch";
	scenario__join(s,
		       scenario__spawn(s, SCENARIO_ARGV(program, "list", "--json", "-ta", "--net", self), NULL, OUT));
}

void shown__find(struct scenario *s, uint16_t local, uint16_t remote, struct shown *ret)
{
	_cleanup_free_ char *text = NULL;
	unsigned int found = 0;
	char *save = NULL;

	run_list(s);
	text = scenario__read(OUT);
	assert_non_null(text);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_t *record = json_loads(line, 0, NULL);

		assert_non_null(record);
		if (number_of(record, "local_port") == local && number_of(record, "remote_port") == remote) {
			take_record(record, ret);
			found++;
		}
		json_decref(record);
	}
	assert_int_equal(found, 1);
}

/* ---- what /proc tells */

static bool has_open(const char *pid, const char *link)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[300], target[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		if (!strcmp(target, link))
			return true;
	}
	return false;
}

void shown__holders(uint64_t inode, struct holders *ret)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc");
	const struct dirent *entry;
	char link[64];

	memset(ret, 0, sizeof(*ret));
	snprintf(link, sizeof(link), "socket:[%" PRIu64 "]", inode);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (strspn(entry->d_name, "0123456789") == strlen(entry->d_name) && has_open(entry->d_name, link))
			add_holder(ret, (uint32_t)strtoul(entry->d_name, NULL, 10));
	}
	sort_holders(ret);
}

void shown__assert_holders(const struct shown *shown)
{
	struct holders truth;

	shown__holders(shown->inode, &truth);
	assert_int_equal(shown->holders.count, truth.count);
	assert_memory_equal(shown->holders.pid, truth.pid, truth.count * sizeof(truth.pid[0]));
}
