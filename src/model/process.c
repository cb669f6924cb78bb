/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "model/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

/* A process and its place among the unreferenced ones. */
struct entry {
	struct process process; /* first: a struct process * is an entry * */
	struct entry *older, *newer;
};

struct process_table {
	struct table table;
	struct entry idle; /* head of a ring: idle.newer is the oldest */
	size_t idle_count;
};

static uint64_t hash(const void *item)
{
	const struct process *p = item;

	return hash__mix(((uint64_t)p->pid << 32) ^ p->start_ticks);
}

static bool equal(const void *a, const void *b)
{
	const struct process *p = a, *q = b;

	return p->pid == q->pid && p->start_ticks == q->start_ticks;
}

int process_table__new(struct process_table **ret)
{
	struct process_table *pt = calloc(1, sizeof(*pt));

	if (!pt)
		return -ENOMEM;
	table__init(&pt->table, hash, equal);
	pt->idle.older = pt->idle.newer = &pt->idle;
	*ret = pt;
	return 0;
}

static void free_entry(struct entry *e)
{
	free(e->process.cmdline);
	free(e->process.exe);
	free(e->process.cgroup);
	free(e->process.held);
	free(e);
}

void process_table__free(struct process_table *pt)
{
	size_t pos = 0;
	struct entry *e;

	if (!pt)
		return;
	while ((e = table__next(&pt->table, &pos)))
		free_entry(e);
	table__free(&pt->table);
	free(pt);
}

size_t process_table__count(const struct process_table *pt)
{
	return pt->table.count;
}

struct process *process_table__next(const struct process_table *pt, size_t *pos)
{
	struct entry *e = table__next(&pt->table, pos);

	return e ? &e->process : NULL;
}

static void leave_idle(struct process_table *pt, struct entry *e)
{
	if (!e->older)
		return;
	e->older->newer = e->newer;
	e->newer->older = e->older;
	e->older = e->newer = NULL;
	pt->idle_count--;
}

struct process *process_table__get(struct process_table *pt, uint32_t pid, uint64_t start_ticks, bool *ret_created)
{
	struct process key = { .pid = pid, .start_ticks = start_ticks };
	struct entry *e = table__find(&pt->table, &key);

	if (e) {
		leave_idle(pt, e);
		e->process.refs++;
		*ret_created = false;
		return &e->process;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->process.pid = pid;
	e->process.start_ticks = start_ticks;
	e->process.refs = 1;
	if (table__add(&pt->table, e)) {
		free(e);
		return NULL;
	}
	*ret_created = true;
	return &e->process;
}

struct process *process_table__find(const struct process_table *pt, uint32_t pid, uint64_t start_ticks)
{
	struct process key = { .pid = pid, .start_ticks = start_ticks };
	struct entry *e = table__find(&pt->table, &key);

	return e ? &e->process : NULL;
}

struct process *process_table__find_ref(struct process_table *pt, uint32_t pid, uint64_t start_ticks)
{
	struct process *p = process_table__find(pt, pid, start_ticks);

	/* It may be among the unreferenced ones. */
	if (p)
		leave_idle(pt, (struct entry *)p);
	return process__ref(p);
}

struct process *process__ref(struct process *p)
{
	if (p)
		p->refs++;
	return p;
}

void process_table__put(struct process_table *pt, struct process *p)
{
	struct entry *e = (struct entry *)p;

	if (!p || --p->refs)
		return;
	free(p->held); /* nothing lists it */
	p->held = NULL;
	p->held_count = p->held_size = 0;
	e->newer = &pt->idle;
	e->older = pt->idle.older;
	e->older->newer = e;
	pt->idle.older = e;
	if (++pt->idle_count <= PROCESSES_IDLE_MAX)
		return;
	e = pt->idle.newer;
	leave_idle(pt, e);
	table__remove(&pt->table, e);
	free_entry(e);
}

static bool set_name(char name[SW_COMM_LEN + 1], const void *comm, size_t len)
{
	char text[SW_COMM_LEN + 1] = { 0 };

	if (len > sizeof(text) - 1)
		len = sizeof(text) - 1;
	memcpy(text, comm, strnlen(comm, len));
	if (!strcmp(text, name))
		return false;
	memcpy(name, text, sizeof(text));
	return true;
}

bool process__set_comm(struct process *p, const void *comm, size_t len)
{
	return set_name(p->comm, comm, len);
}

void process__set_parent_comm(struct process *p, const void *comm, size_t len)
{
	set_name(p->parent_comm, comm, len);
}

bool process__set_cmdline(struct process *p, const void *cmdline, size_t len)
{
	char *copy;

	while (len && ((const char *)cmdline)[len - 1] == 0)
		len--;
	if (!len || (p->cmdline && p->cmdline_len == len && !memcmp(p->cmdline, cmdline, len)))
		return false;
	copy = malloc(len);
	if (!copy)
		return false;
	memcpy(copy, cmdline, len);
	free(p->cmdline);
	p->cmdline = copy;
	p->cmdline_len = len;
	return true;
}

bool process__set_exe(struct process *p, const void *names, size_t len)
{
	const char *from = names;
	size_t at = len;
	char *path;

	if (!len || from[len - 1] || !(path = malloc(len + 1)))
		return false;
	/* Backwards into place: a slash before each name takes the room of the NUL behind it. */
	path[len] = 0;
	for (size_t i = 0; i < len;) {
		size_t n = strlen(from + i);

		at -= n + 1;
		path[at] = '/';
		memcpy(path + at + 1, from + i, n);
		i += n + 1;
	}
	if (p->exe && !strcmp(p->exe, path)) {
		free(path);
		return false;
	}
	free(p->exe);
	p->exe = path;
	return true;
}
