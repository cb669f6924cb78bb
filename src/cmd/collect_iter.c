/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Holders from the BPF iterator, read in a thread of their own while sock_diag gives the rows. Rows of sock_diag take less
 * time than rows of an iterator (0.5 us and 0.7 us each), and know more; so only the holders, for which /proc takes
 * several times as long, come another way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/collect.h"
#include "source/iter.h"

/*
 * Open files of the host from which on the iterator is quicker. Measured with TCP sockets, 100 a process, on two cores:
 * with 1900 files the list takes 12 ms by /proc and 26 by the iterator, with 2900 it takes 18 and 31, with 5300 the same,
 * with 7400 it takes 88 and 67.
 */
#define FILES_MIN 5000

static int start_and_dump(struct collect *c, bool again)
{
	/* That it did not start will be seen when its end is waited for. */
	if (!again && c->holders && !iter__is_running(c->iter))
		iter__start(c->iter);
	return collect_netlink.rows(c, again);
}

/* So many descriptors wait until their rows are in the cache. */
#define AHEAD 16

struct descriptor {
	const struct sw_holder *holder; /* NULL: none */
	uint64_t inode;
	int fd;
};

struct taking {
	struct collect *c;
	struct descriptor ahead[AHEAD];
	unsigned int next;		/* of them, to be taken */
	const struct sw_holder *holder; /* of process */
	struct process *process;
	uint64_t ns_per_tick;
	uint32_t own_pid;
};

static int find_process(struct taking *t, const struct sw_holder *holder)
{
	bool fresh;
	struct process *p = process_table__get(listing__processes(t->c->listing), holder->pid,
					       holder->start_ns / t->ns_per_tick, &fresh);

	if (!p)
		return -ENOMEM;
	t->holder = holder;
	t->process = p;
	if (!fresh)
		return 0;
	t->c->processes++;
	p->ppid = holder->ppid;
	p->uid = holder->uid;
	p->have_ids = true;
	process__set_comm(p, holder->comm, sizeof(holder->comm));
	if (t->c->whole)
		collect__describe(t->c, p);
	return 0;
}

static bool is_open(int fd, uint64_t inode)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISSOCK(st.st_mode) && st.st_ino == inode;
}

static int take(struct taking *t, const struct descriptor *d)
{
	if (!d->holder || !listing__wants(t->c->listing, d->inode))
		return 0;
	/* The socket of a dump, which ran at the same time, is nothing to show. */
	if (d->holder->pid == t->own_pid && !is_open(d->fd, d->inode))
		return 0;
	if (t->holder != d->holder) {
		int err = find_process(t, d->holder);

		if (err)
			return err;
	}
	return listing__hold(t->c->listing, d->inode, t->process, d->fd);
}

static int take_descriptor(void *ctx, const struct sw_holder *holder, int fd, uint64_t inode)
{
	struct taking *t = ctx;
	struct descriptor *place = &t->ahead[t->next++ % AHEAD], d = *place;

	*place = (struct descriptor){ .holder = holder, .inode = inode, .fd = fd };
	listing__expect(t->c->listing, inode);
	return take(t, &d);
}

static int take_all(struct taking *t)
{
	int err = iter__each(t->c->iter, take_descriptor, t);

	for (unsigned int i = 0; !err && i < AHEAD; i++)
		err = take(t, &t->ahead[t->next++ % AHEAD]);
	return err;
}

static int read_holders(struct collect *c, bool again)
{
	struct taking t = {
		.c = c,
		.ns_per_tick = 1000000000ULL / (unsigned long)sysconf(_SC_CLK_TCK),
		.own_pid = (uint32_t)getpid(),
	};
	int err = iter__wait(c->iter);

	if (!err) {
		/* Rows may be left that nobody is found to hold: by then the second look is half done. */
		if (!again)
			iter__start(c->iter);
		err = take_all(&t);
		iter__forget(c->iter);
		return err;
	}
	log_verbose("no holders from the BPF iterator (%s), but from /proc", strerror(-err));
	c->source = &collect_netlink;
	return c->source->holders(c, again);
}

const struct collect_source collect_iterator = { .rows = start_and_dump, .holders = read_holders };

/* Of the whole host, whoever has them open; 0: not known. */
static uint64_t count_files(const char *proc)
{
	_cleanup_close_ int fd = -1;
	char path[64], text[64];
	uint64_t files;
	ssize_t n;

	snprintf(path, sizeof(path), "%.40s/sys/fs/file-nr", proc);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return parse__u64n(text, strcspn(text, "\t "), 0, UINT64_MAX, &files) ? 0 : files;
}

/* A /proc of another pid namespace than ours numbers processes as the iterator does not. */
static bool is_our_proc(const char *proc)
{
	char path[64], text[16];
	uint64_t pid;
	ssize_t n;

	snprintf(path, sizeof(path), "%.40s/self", proc);
	n = readlink(path, text, sizeof(text));
	return n > 0 && !parse__u64n(text, (size_t)n, 1, UINT64_MAX, &pid) && pid == (uint64_t)getpid();
}

void collect__choose(struct collect *c)
{
	c->source = &collect_netlink;
	if (!c->holders || count_files(c->proc) < FILES_MIN || !is_our_proc(c->proc) || iter__new(&c->iter))
		return;
	c->source = &collect_iterator;
	iter__start(c->iter);
}
