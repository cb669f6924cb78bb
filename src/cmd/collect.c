/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/collect.h"

#include <errno.h>
#include <stdlib.h>

#include "source/iter.h"
#include "source/proc.h"

/* To ask for one socket takes as long as some ten rows of a dump, and a dump also looks at what it does not show. */
#define FEW_OF 16
#define FEW    16

/* ---- rows */

/* IPv4 over a dual-stack socket counts as IPv4 (T10): only the row tells. */
static bool is_wanted(const struct collect *c, const struct listed *row)
{
	if (!listed__is_inet(row))
		return true;
	return row->ends.family == 4 ? !c->ask.no_ipv4 : !c->ask.no_ipv6;
}

static int take_row(void *ctx, const struct listed *row, const struct facts *facts)
{
	struct collect *c = ctx;

	if (!is_wanted(c, row))
		return 0;
	/* Some families tell the queues by the memory, wanted or not. */
	return listing__add(c->listing, row, c->ask.facts & SOCKETS_MEMORY ? facts : NULL);
}

static int take_facts(void *ctx, const struct listed *row, const struct facts *facts)
{
	struct collect *c = ctx;

	return facts ? listing__add_facts(c->listing, row, facts) : 0;
}

static bool is_fatal(int err)
{
	return err == -ENOMEM || err == -E2BIG;
}

/* Few: to ask for each of them is quicker than for all. NULL: there are many, or none, or no memory. */
static const struct listed **unheld_tcp(const struct collect *c, uint32_t netns, size_t *ret_count)
{
	size_t pos = 0, most = listing__count(c->listing) / FEW_OF + FEW;
	const struct listed **few, *s;

	*ret_count = 0;
	if (listing__unheld(c->listing) > most)
		return NULL;
	few = reallocarray(NULL, most, sizeof(*few));
	while (few && (s = listing__next_unheld(c->listing, &pos))) {
		if (s->netns == netns && s->class == CLASS_TCP)
			few[(*ret_count)++] = s;
	}
	return few;
}

static int dump_namespace(struct collect *c, const struct netns *ns, bool again)
{
	const struct sockets_out out = { .row = take_row, .facts = again ? NULL : take_facts, .ctx = c };
	const struct listed **tcp = NULL;
	struct sockets_ask ask = c->ask;
	struct sockets_result result = { 0 };
	int err;

	if (again) {
		ask.classes &= listing__unheld_classes(c->listing, ns->inode);
		/* It may have changed its state since. */
		ask.states = SOCKETS_STATES;
		if (!ask.classes)
			return 0;
		tcp = unheld_tcp(c, ns->inode, &ask.tcp_count);
		ask.tcp = tcp;
	}
	err = sockets__dump(ns == c->own ? -1 : ns->fd, ns->inode, &ask, &out, &result);
	free(tcp);
	if (is_fatal(err))
		return err;
	if (err)
		result.failed = ask.classes;
	if (again && result.failed) {
		listing__recheck_failed(c->listing, ns->inode, result.failed);
	} else if (result.failed) {
		c->failed++;
		c->failed_error = err ? err : result.error;
	}
	c->missing |= result.missing;
	c->ask.no_diag |= result.no_diag;
	return 0;
}

static int dump_rows(struct collect *c, bool again)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < c->namespaces->count; i++)
		err = dump_namespace(c, &c->namespaces->items[i], again);
	return err;
}

/* ---- holders */

static void move_text(char **to, char **from)
{
	if (!*from)
		return;
	free(*to);
	*to = *from;
	*from = NULL;
}

static void fill(struct process *p, struct proc_info *info, bool whole)
{
	p->ppid = info->ppid;
	p->uid = info->uid;
	p->have_ids = whole;
	process__set_comm(p, info->comm, sizeof(info->comm));
	if (info->cmdline)
		process__set_cmdline(p, info->cmdline, info->cmdline_len);
	move_text(&p->exe, &info->exe);
	move_text(&p->cgroup, &info->cgroup);
}

/* The process whose descriptors are walked at present. 0, -ESRCH: it is gone, or -ENOMEM. */
static int read_process(struct collect *c, int dir, uint32_t pid)
{
	struct proc_info info;
	struct process *p;
	bool fresh;
	int err = proc__info_at(dir, pid, c->whole, &info);

	if (err)
		return err;
	p = process_table__get(listing__processes(c->listing), pid, info.start_ticks, &fresh);
	if (p && fresh)
		fill(p, &info, c->whole);
	proc__info_free(&info);
	c->process = p;
	return p ? 0 : -ENOMEM;
}

void collect__describe(const struct collect *c, struct process *p)
{
	struct proc_info info;

	if (proc__info(c->proc, p->pid, &info))
		return;
	/* Its pid may be another's by now. */
	if (info.start_ticks == p->start_ticks)
		fill(p, &info, true);
	proc__info_free(&info);
}

static int take_descriptor(void *ctx, int dir, uint32_t pid, int fd, uint64_t inode)
{
	struct collect *c = ctx;
	int err;

	if (!listing__wants(c->listing, inode))
		return 0;
	/* The walk goes process by process. */
	if (c->pid != pid || !c->process) {
		c->pid = pid;
		c->process = NULL;
		err = read_process(c, dir, pid);
		if (err)
			return err;
	}
	return listing__hold(c->listing, inode, c->process, fd);
}

static int compare_pids(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool was_seen(const struct collect *c, uint32_t pid)
{
	return c->seen_count && bsearch(&pid, c->seen, c->seen_count, sizeof(pid), compare_pids);
}

static void remember(struct collect *c, uint32_t pid)
{
	if (c->seen_count == c->seen_size) {
		size_t size = c->seen_size ? c->seen_size * 2 : 256;
		uint32_t *seen = reallocarray(c->seen, size, sizeof(*seen));

		/* It is looked at twice then. */
		if (!seen)
			return;
		c->seen = seen;
		c->seen_size = size;
	}
	c->seen[c->seen_count++] = pid;
}

/*
 * The first walk looks at all. The second too, but where processes cannot be read these are likely to hold what nobody
 * else does: then only the ones that are new are worth it, to which an older one may have left its descriptors.
 */
static bool skip_process(void *ctx, uint32_t pid)
{
	struct collect *c = ctx;

	if (c->again)
		return c->unreadable && was_seen(c, pid);
	remember(c, pid);
	return false;
}

static int walk_processes(struct collect *c, bool again)
{
	struct proc_walk walk;
	int err;

	c->pid = 0;
	c->again = again;
	/* procfs lists them in this order; were it another one, the search would be wrong. */
	if (again && c->seen_count)
		qsort(c->seen, c->seen_count, sizeof(*c->seen), compare_pids);
	err = proc__walk(c->proc, skip_process, take_descriptor, c, &walk);
	if (err || again)
		return err;
	c->processes = walk.processes;
	c->unreadable = walk.unreadable;
	return 0;
}

const struct collect_source collect_netlink = { .rows = dump_rows, .holders = walk_processes };

/* ---- */

static int find_holders(struct collect *c, bool again)
{
	int err = c->source->holders(c, again);

	return err ? err : listing__holders_end(c->listing);
}

static int look_again(struct collect *c)
{
	int err = listing__recheck_begin(c->listing);

	if (!err)
		err = c->source->rows(c, true);
	return err ? err : listing__recheck_end(c->listing);
}

/*
 * A row that nobody holds: its holder closed it meanwhile, or got it after the walk had passed, or cannot be read, or
 * there is none. What is gone is left out, what is still there gets a second walk, and what went during that is left
 * out as well.
 */
static int settle(struct collect *c)
{
	int err;

	if (!listing__unheld(c->listing))
		return 0;
	err = look_again(c);
	if (err || !listing__unheld(c->listing))
		return err;
	err = find_holders(c, true);
	if (err || !listing__unheld(c->listing))
		return err;
	return look_again(c);
}

int collect__run(struct collect *c)
{
	int err = c->source->rows(c, false);

	if (!err)
		err = listing__rows_end(c->listing);
	if (!err && c->holders) {
		err = find_holders(c, false);
		if (!err)
			err = settle(c);
		if (c->iter)
			iter__stop(c->iter);
	}
	free(c->seen);
	c->seen = NULL;
	return err ? err : listing__finish(c->listing);
}
