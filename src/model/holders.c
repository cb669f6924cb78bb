/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who holds a socket, and what follows for its owner. A socket without a list of holders is held by its owner alone, as far
 * as is known: that is the usual case, and costs nothing. A list is made when a second holder is found, or by a dump.
 *
 * What may have changed is noted by process ("dirty"); the caller reads those processes' descriptors and gives them to
 * model__holds. When the owner is not among the holders any more, the holder that started first becomes the owner.
 */
#include "model/holders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/internal.h"

struct dirty {
	uint32_t pid;
	uint64_t start_ticks;
};

static uint64_t hash_dirty(const void *item)
{
	return hash__mix(((const struct dirty *)item)->pid);
}

static bool equal_dirty(const void *a, const void *b)
{
	const struct dirty *d = a, *e = b;

	return d->pid == e->pid && d->start_ticks == e->start_ticks;
}

static uint64_t hash_inode(const void *item)
{
	return hash__mix(((const struct sock *)item)->inode);
}

static bool equal_inode(const void *a, const void *b)
{
	return ((const struct sock *)a)->inode == ((const struct sock *)b)->inode;
}

void holders__init(struct model *m)
{
	table__init(&m->dirty, hash_dirty, equal_dirty);
	table__init(&m->inodes, hash_inode, equal_inode);
}

void holders__destroy(struct model *m)
{
	size_t pos = 0;
	void *d;

	while ((d = table__next(&m->dirty, &pos)))
		free(d);
	table__free(&m->dirty);
	table__free(&m->inodes);
	free(m->unsettled);
}

/* ---- dirty processes */

static void note_dirty(struct model *m, uint32_t pid, uint64_t start_ticks)
{
	struct dirty key = { .pid = pid, .start_ticks = start_ticks };
	struct dirty *d;

	if (table__find(&m->dirty, &key))
		return;
	d = malloc(sizeof(*d));
	if (!d)
		return;
	*d = key;
	if (table__add(&m->dirty, d))
		free(d);
}

static void forget_dirty(struct model *m, uint32_t pid, uint64_t start_ticks)
{
	struct dirty key = { .pid = pid, .start_ticks = start_ticks };
	struct dirty *d = table__find(&m->dirty, &key);

	if (!d)
		return;
	table__remove(&m->dirty, d);
	free(d);
}

void model__closes_missed(struct model *m)
{
	const struct process *p;
	size_t pos = 0;

	while ((p = process_table__next(m->processes, &pos))) {
		if (p->shares && !p->gone)
			note_dirty(m, p->pid, p->start_ticks);
	}
}

bool model__holders_due(const struct model *m)
{
	return m->dirty.count;
}

int model__each_dirty(struct model *m, int (*fn)(void *ctx, uint32_t pid, uint64_t start_ticks), void *ctx)
{
	struct table taken = m->dirty;
	struct dirty *d;
	size_t pos = 0;
	int err = 0;

	/* Others may become so meanwhile: an owner that nobody had asked about until a second holder was found. */
	table__init(&m->dirty, hash_dirty, equal_dirty);
	while ((d = table__next(&taken, &pos))) {
		if (!err)
			err = fn(ctx, d->pid, d->start_ticks);
		free(d);
	}
	table__free(&taken);
	return err;
}

/* ---- lists of holders */

/* What it closed between the look that found this and now was not told: it is looked at once more. */
static void watch(struct model *m, struct process *p, bool shares)
{
	if (p->watched && (p->shares || !shares))
		return;
	if (shares)
		note_dirty(m, p->pid, p->start_ticks);
	p->watched = true;
	p->shares |= shares;
	if (m->config.watch)
		m->config.watch(m->config.ctx, p->pid, p->shares);
}

void holders__listed(struct model *m, const struct sock *s)
{
	bool shared = false;

	if (m->polls) /* nobody tells of processes; every poll looks for itself */
		return;
	for (unsigned int i = 1; i < s->holder_count; i++)
		shared |= s->holders[i].process != s->holders[0].process;
	for (unsigned int i = 0; i < s->holder_count; i++) {
		struct process *p = s->holders[i].process;

		watch(m, p, shared);
		if (p->held_count && p->held[p->held_count - 1] == s->cookie)
			continue;
		if (p->held_count == p->held_size) {
			uint32_t size = p->held_size ? p->held_size * 2 : 4;
			uint64_t *grown = reallocarray(p->held, size, sizeof(*grown));

			if (!grown)
				continue;
			p->held = grown;
			p->held_size = size;
		}
		p->held[p->held_count++] = s->cookie;
	}
}

bool holders__has(const struct holder *holders, unsigned int count, const struct process *p)
{
	for (unsigned int i = 0; i < count; i++) {
		if (holders[i].process == p)
			return true;
	}
	return false;
}

struct process *holders__oldest(const struct holder *holders, unsigned int count)
{
	struct process *best = NULL;

	for (unsigned int i = 0; i < count; i++) {
		struct process *p = holders[i].process;

		if (!best || p->start_ticks < best->start_ticks ||
		    (p->start_ticks == best->start_ticks && p->pid < best->pid))
			best = p;
	}
	return best;
}

static int add(struct model *m, struct sock *s, struct process *p, int fd)
{
	struct holder *grown;

	if (s->holder_count == UINT16_MAX) /* more than a socket can list */
		return 0;
	grown = reallocarray(s->holders, s->holder_count + 1U, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->holders = grown;
	s->holders[s->holder_count++] = (struct holder){ .process = process__ref(p), .fd = fd };
	holders__listed(m, s);
	return 0;
}

/* True when p was one. */
static bool drop(struct model *m, struct sock *s, struct process *p)
{
	unsigned int kept = 0, count = s->holder_count;

	for (unsigned int i = 0; i < count; i++) {
		if (s->holders[i].process != p)
			s->holders[kept++] = s->holders[i];
	}
	s->holder_count = (uint16_t)kept;
	for (unsigned int i = kept; i < count; i++)
		process_table__put(m->processes, p);
	return kept < count;
}

static bool is_held_by_owner(const struct sock *s)
{
	return s->owner && !s->owner->gone && s->attribution != SW_ATTR_LISTENER && s->attribution != SW_ATTR_LAST;
}

/* The owner alone was enough until now; it is asked whether it holds the socket still. */
static int list_owner(struct model *m, struct sock *s)
{
	if (s->holder_count || !is_held_by_owner(s))
		return 0;
	note_dirty(m, s->owner->pid, s->owner->start_ticks);
	return add(m, s, s->owner, -1);
}

struct process *holders__of_listener(struct model *m, const struct sock *child, struct process *said)
{
	struct process *owner;
	bool his;

	if (!said->left || !sockets__came_in(m, child, said, &his, &owner) || his || !owner)
		return said;
	process_table__put(m->processes, said);
	return process__ref(owner);
}

void holders__handed_over(struct model *m, const struct sock *s, struct process *prev, uint64_t time_ns)
{
	struct update u = { .event = EV_OWNER, .time_ns = time_ns };
	struct sock *child;
	size_t pos = 0;

	if (s->direction != SW_DIR_LISTEN || !prev || prev == s->owner)
		return;
	prev->left = true;
	while ((child = table__next(&m->socks, &pos))) {
		struct process *before = child->owner;

		if (child->attribution != SW_ATTR_LISTENER || !before->left)
			continue;
		process__ref(before);
		sockets__set_owner(m, child, holders__of_listener(m, child, process__ref(before)), SW_ATTR_LISTENER);
		u.sock = child;
		u.prev_owner = before;
		if (child->owner != before)
			tell(m, &u);
		process_table__put(m->processes, before);
	}
}

static void settle(struct model *m, struct sock *s, uint64_t time_ns)
{
	struct process *prev = s->owner;
	struct update u = { .event = EV_OWNER, .time_ns = time_ns, .sock = s, .prev_owner = prev };

	if (!s->holder_count) {
		if (s->owner)
			s->attribution = SW_ATTR_LAST;
		return;
	}
	if (prev && s->attribution != SW_ATTR_LISTENER && holders__has(s->holders, s->holder_count, prev)) {
		if (s->attribution == SW_ATTR_LAST)
			s->attribution = SW_ATTR_HOLDER;
		return;
	}
	process__ref(prev);
	sockets__set_owner(m, s, process__ref(holders__oldest(s->holders, s->holder_count)), SW_ATTR_HOLDER);
	s->owned_ns = time_ns;
	tell(m, &u);
	holders__handed_over(m, s, prev, time_ns);
	process_table__put(m->processes, prev);
}

/*
 * Who is left in the list may have let go as well, and nobody has looked since: each is asked, and the heir chosen at the
 * end of that look. A socket that closes before keeps the owner that it had, also when the look found nobody any more.
 */
static void settle_in_time(struct model *m, struct sock *s, uint64_t time_ns)
{
	uint64_t *grown = NULL;

	if (s->holder_count || m->looking)
		grown = reallocarray(m->unsettled, m->unsettled_count + 1, sizeof(*grown));
	if (!grown) {
		settle(m, s, time_ns);
		return;
	}
	m->unsettled = grown;
	m->unsettled[m->unsettled_count++] = s->cookie;
	/* In a look all that it is about are asked anyway. */
	for (unsigned int i = 0; !m->looking && i < s->holder_count; i++)
		note_dirty(m, s->holders[i].process->pid, s->holders[i].process->start_ticks);
}

int holders__used(struct model *m, struct sock *s, struct process *by)
{
	int err = s->owner == by ? 0 : list_owner(m, s);

	if (err || !s->holder_count || holders__has(s->holders, s->holder_count, by))
		return err;
	note_dirty(m, by->pid, by->start_ticks);
	return add(m, s, by, -1);
}

/* ---- what a process was found to hold */

int model__holders_begin(struct model *m)
{
	struct sock *s;
	size_t pos = 0;
	int err = 0;

	m->looking = true;
	while (!err && (s = table__next(&m->socks, &pos))) {
		if (s->inode && !s->minisock && !table__find(&m->inodes, s))
			err = table__add(&m->inodes, s);
	}
	return err;
}

size_t model__holders_looked(struct model *m)
{
	m->looking = false;
	table__free(&m->inodes);
	table__init(&m->inodes, hash_inode, equal_inode);
	return m->unsettled_count;
}

void model__holders_end(struct model *m, size_t looked, uint64_t time_ns)
{
	for (size_t i = 0; i < looked; i++) {
		struct sock *s = sockets__find(m, m->unsettled[i]);

		if (s)
			settle(m, s, time_ns);
	}
	m->unsettled_count -= looked;
	if (m->unsettled_count)
		memmove(m->unsettled, m->unsettled + looked, m->unsettled_count * sizeof(*m->unsettled));
}

static struct sock *find_inode(const struct model *m, uint64_t inode)
{
	struct sock key = { .inode = inode };

	return inode ? table__find(&m->inodes, &key) : NULL;
}

static bool is_among(const struct model *m, const struct sock *s, const struct held_fd *fds, size_t count)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (fds[mid].inode < s->inode)
			low = mid + 1;
		else
			high = mid;
	}
	return low < count && fds[low].inode == s->inode && find_inode(m, s->inode) == s;
}

/* Sockets that listed p, and that it has let go. */
static void let_go(struct model *m, struct process *p, const struct held_fd *fds, size_t count, uint64_t time_ns)
{
	uint64_t *held = p->held;
	uint32_t n = p->held_count;

	p->held = NULL;
	p->held_count = p->held_size = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct sock *s = sockets__find(m, held[i]);

		if (!s || is_among(m, s, fds, count))
			continue;
		/* What it took since the look that time_ns is of. One that is gone has nothing, whenever it got it. */
		if (s->owner == p && s->owned_ns > time_ns && !p->gone)
			holders__listed(m, s);
		else if (drop(m, s, p))
			settle_in_time(m, s, time_ns);
	}
	free(held);
}

/* fds: p's descriptors of s. */
static int take_one(struct model *m, struct process *p, struct sock *s, const struct held_fd *fds, size_t count,
		    uint64_t time_ns)
{
	int err;

	if (!s->holder_count && s->owner == p && is_held_by_owner(s))
		return 0;
	err = list_owner(m, s);
	drop(m, s, p);
	for (size_t i = 0; !err && i < count; i++)
		err = add(m, s, p, fds[i].fd);
	settle_in_time(m, s, time_ns);
	return err;
}

/* Another program of the same process: its name and the rest are read anew. */
static void describe_again(struct model *m, struct process *p)
{
	if (p->renamed && m->config.describe)
		m->config.describe(m->config.ctx, p);
	p->renamed = false;
}

int model__holds(struct model *m, uint32_t pid, uint64_t start_ticks, const struct held_fd *fds, size_t count,
		 uint64_t time_ns)
{
	struct process *p = NULL;
	bool fresh, any = false;
	int err = 0;

	for (size_t i = 0; i < count && !any; i++)
		any = find_inode(m, fds[i].inode);
	p = any ? process_table__get(m->processes, pid, start_ticks, &fresh)
		: process_table__find_ref(m->processes, pid, start_ticks);
	if (!p)
		return any ? -ENOMEM : 0;
	/* Its end is told before its descriptors are closed. */
	if (p->gone)
		count = 0;
	if (any && fresh && m->config.describe)
		m->config.describe(m->config.ctx, p);
	describe_again(m, p);
	let_go(m, p, fds, count, time_ns);
	for (size_t i = 0, n; !err && i < count; i += n) {
		struct sock *s = find_inode(m, fds[i].inode);

		for (n = 1; i + n < count && fds[i + n].inode == fds[i].inode; n++)
			;
		if (s)
			err = take_one(m, p, s, fds + i, n, time_ns);
	}
	process_table__put(m->processes, p);
	return err;
}

/* ---- records */

static void exit_process(struct model *m, uint32_t pid, uint64_t start_ticks, uint64_t time_ns)
{
	struct process *p = process_table__find_ref(m->processes, pid, start_ticks);

	forget_dirty(m, pid, start_ticks);
	if (!p)
		return;
	p->gone = true;
	let_go(m, p, NULL, 0, time_ns);
	process_table__put(m->processes, p);
}

int holders__record(struct model *m, const struct sw_record_task *r)
{
	uint64_t start_ticks = r->start_ns / m->config.ns_per_tick;
	struct process *p;

	switch (r->kind) {
	case SW_REC_FORK:
		note_dirty(m, r->ppid, r->parent_start_ns / m->config.ns_per_tick);
		note_dirty(m, r->pid, start_ticks);
		break;
	case SW_REC_EXEC:
		p = process_table__find(m->processes, r->pid, start_ticks);
		if (p)
			p->renamed = true;
		note_dirty(m, r->pid, start_ticks);
		break;
	case SW_REC_EXIT:
		exit_process(m, r->pid, start_ticks, r->time_ns);
		break;
	default:
		note_dirty(m, r->pid, start_ticks);
		break;
	}
	return 0;
}
