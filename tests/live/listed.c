/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/listed.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/schema.h"
#include "live/program.h"

struct medleys medleys;

int medleys__set_up(void **state)
{
	(void)state;
	strcpy(medleys.dir, "/tmp/sockwatch-list-XXXXXX");
	assert_non_null(mkdtemp(medleys.dir));
	for (int i = 0; i < NAMESPACES; i++) {
		medleys.ns[i] = ns__new();
		medleys.netns[i] = ns__inode(medleys.ns[i]);
		medley__start(&medleys.medley[i], medleys.ns[i], medleys.dir);
	}
	return 0;
}

int medleys__tear_down(void **state)
{
	char command[128];

	(void)state;
	for (int i = 0; i < NAMESPACES; i++) {
		medley__stop(&medleys.medley[i]);
		close(medleys.ns[i]);
	}
	snprintf(command, sizeof(command), "rm -rf '%s'", medleys.dir);
	return system(command);
}

int lines__compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

struct lines *lines__new(void)
{
	struct lines *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	return l;
}

char *lines__add(struct lines *l)
{
	assert_true(l->count < LINES_MAX);
	return l->text[l->count++];
}

void lines__assert_same(struct lines *ours, struct lines *theirs, const char *who)
{
	unsigned int i = 0, j = 0, bad = 0;

	qsort(ours->text, ours->count, LINE_SIZE, lines__compare);
	qsort(theirs->text, theirs->count, LINE_SIZE, lines__compare);
	while (i < ours->count || j < theirs->count) {
		int order = i == ours->count ? 1 : j == theirs->count ? -1 : strcmp(ours->text[i], theirs->text[j]);

		if (order && bad++ < 20)
			print_error("only %s: %s\n", order < 0 ? "sockwatch" : who,
				    order < 0 ? ours->text[i] : theirs->text[j]);
		i += order <= 0;
		j += order >= 0;
	}
	if (bad)
		fail_msg("%u lines differ between sockwatch and %s", bad, who);
}

void lines__run_in(int ns, const char *command, struct lines *ret)
{
	char line[4096];
	FILE *pipe;
	int own = ns__own();

	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
	pipe = popen(command, "re");
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	close(own);
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(lines__add(ret), LINE_SIZE, "%.500s", line);
	}
	pclose(pipe);
}

json_t *listed__run(const char *const *args)
{
	struct program *p = program__run(&(struct program_config){ .args = args }, 0);
	static json_t *schema;
	json_t *list = json_array(), *record;
	const char *path = getenv("SOCKWATCH_SCHEMA");
	char why[256];

	if (!schema)
		assert_int_equal(schema__load(path ? path : "src/data/sockwatch.schema.json", &schema), 0);
	for (char *line = p->out.text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		record = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(record);
		if (!schema__valid(schema, record, why, sizeof(why)))
			fail_msg("%s: %s", why, line);
		json_array_append_new(list, record);
	}
	program__free(p);
	return list;
}

json_t *medleys__list(int i, const char *letters)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)medleys.medley[i].pid);
	return listed__run(PROGRAM_ARGS("list", "--json", "-N", pid, letters));
}

bool listed__is(const json_t *r, const char *key, const char *value)
{
	return !strcmp(update__text(r, key), value);
}
