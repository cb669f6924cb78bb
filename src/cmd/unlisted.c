/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/unlisted.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/table.h"
#include "source/proc.h"

struct unlisted {
	uint32_t netns;
	bool found;
};

static uint64_t hash_unlisted(const void *item)
{
	return hash__mix(((const struct unlisted *)item)->netns);
}

static bool equal_unlisted(const void *a, const void *b)
{
	return ((const struct unlisted *)a)->netns == ((const struct unlisted *)b)->netns;
}

static int add(struct table *set, uint32_t netns, bool found)
{
	struct unlisted *u = table__find(set, &(struct unlisted){ .netns = netns });

	if (u)
		return 0;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	*u = (struct unlisted){ .netns = netns, .found = found };
	if (!table__add(set, u))
		return 0;
	free(u);
	return -ENOMEM;
}

/* Through one of the socket's holders, if it has any that lets us. */
static void enter(const struct sock *s, const struct proc_scan *scan, struct netns_list *list, struct unlisted *u)
{
	size_t count;
	const struct proc_fd *fds = proc__holders(scan, s->inode, &count);

	for (size_t i = 0; i < count && !u->found; i++)
		u->found = !netns__add_of_socket(list, fds[i].pid, fds[i].fd, u->netns);
}

/* Every namespace of the table into set, *ret: how many of them the list lacks. */
static int collect(const struct model *m, const struct netns_list *list, struct table *set, size_t *ret)
{
	const struct sock *s;
	size_t pos = 0;
	uint32_t last = 0;
	int err = 0;

	for (unsigned int i = 0; i < list->count && !err; i++)
		err = add(set, list->items[i].inode, true);
	while (!err && (s = model__next(m, &pos))) {
		if (s->netns != last)
			err = add(set, s->netns, false);
		last = s->netns;
	}
	*ret = set->count - list->count;
	return err;
}

static int look(struct model *m, const struct table *set, const char *proc, struct netns_list *list)
{
	struct proc_scan scan;
	const struct sock *s;
	struct unlisted *u;
	bool all_seen;
	size_t pos = 0;
	int err = proc__scan(proc, &scan);

	if (err)
		return err;
	all_seen = !list->unreadable && !scan.unreadable;
	while ((s = model__next(m, &pos))) {
		u = table__find(set, &(struct unlisted){ .netns = s->netns });
		if (u && !u->found && s->inode)
			enter(s, &scan, list, u);
	}
	proc__scan_free(&scan);
	pos = 0;
	while (!err && all_seen && (u = table__next(set, &pos))) {
		if (!u->found)
			err = model__netns_complete(m, u->netns);
	}
	return err;
}

int unlisted__find(struct model *m, const char *proc, struct netns_list *list)
{
	struct unlisted *u;
	struct table set;
	size_t pos = 0, lacking = 0;
	int err;

	table__init(&set, hash_unlisted, equal_unlisted);
	err = collect(m, list, &set, &lacking);
	if (!err && lacking)
		err = look(m, &set, proc, list);
	while ((u = table__next(&set, &pos)))
		free(u);
	table__free(&set);
	return err;
}
