/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/table.h"
#include "cmd/unlisted.h"
#include "source/cgroup.h"
#include "source/diag.h"
#include "source/netns.h"
#include "source/proc.h"

#define ROWS_PER_DRAIN	512 /* the ring must not fill up behind a long dump */
#define MINISOCK_STATES ((1U << STATE_TIME_WAIT) | (1U << STATE_FIN_WAIT2) | (1U << STATE_SYN_RECV))

struct pass {
	struct sync *sync;
	struct netns_list namespaces;
	unsigned int rows;
};

static int drain(struct pass *p)
{
	int n = p->sync->drain(p->sync->ctx);

	return n < 0 ? n : 0;
}

int sync__drain_until_now(struct sync *s)
{
	uint64_t now = clock__boot_ns();
	int n;

	do {
		n = s->drain(s->ctx);
	} while (n > 0 && model__last_record(s->model) < now);
	return n < 0 ? n : 0;
}

static int take_row(void *ctx, const struct row *row)
{
	struct pass *p = ctx;
	struct sync *s = p->sync;
	struct sw_owner last;
	int err = model__row(s->model, row);

	if (err == -EBADMSG)
		return 0;
	/* A socket that the table has needs no reminder; at start there is nothing to remember, but by pinned programs. */
	if (!err && s->bpf && row->minisock && (s->started || bpf_source__remembers(s->bpf)) &&
	    !model__find(s->model, row->cookie) && !bpf_source__last_owner(s->bpf, row->cookie, &last))
		err = model__last_owner(s->model, row->cookie, &last);
	if (!err && ++p->rows % ROWS_PER_DRAIN == 0)
		err = drain(p);
	return err;
}

/*
 * The netlink socket is opened anew for every dump: one that is kept would keep the namespace, with its devices, alive
 * after its last process.
 */
static int dump_namespace(const struct netns_list *list, unsigned int i, uint32_t states, diag_row_fn fn, void *ctx)
{
	const struct netns *ns = &list->items[i];
	/* Our own needs not be entered, which takes a privilege. */
	int fd = i ? netns__open_diag(ns->fd) : -1;
	struct diag *d;
	int err;

	if (i && fd < 0)
		return fd;
	err = diag__new(fd, ns->inode, &d);
	if (err)
		return err;
	err = diag__dump(d, states, fn, ctx);
	diag__free(d);
	return err;
}

/* The kernel's tables or buffers were in the way; another look may go well. */
static bool is_passing(int err)
{
	return err == -EINTR || err == -EBADMSG || err == -ENOBUFS || err == -EAGAIN;
}

static bool is_fatal(int err)
{
	return err == -ENOMEM;
}

static void tell_failure(struct sync *s, uint32_t netns, int err)
{
	s->failed++;
	s->failed_error = err;
	if (s->poll && !is_passing(err) && !poll__is_new_refusal(s->poll, netns))
		return;
	s->refused += !is_passing(err);
	model__lost(s->model, LOSS_DUMP, 1, clock__boot_ns());
}

static int take_known(void *ctx, const struct sw_known *known)
{
	model__known(ctx, known); /* of a socket that no row showed, nothing is asked */
	return 0;
}

static int read_known(void *ctx)
{
	const struct sync *s = ctx;

	return bpf_source__each_known(s->bpf, take_known, s->model);
}

/* What cannot be read is found out as if nothing had been pinned. */
static void recall(const struct pass *p, const struct netns *ns)
{
	if (p->sync->bpf && bpf_source__remembers(p->sync->bpf))
		netns__call(ns->fd, read_known, p->sync);
}

/* All namespaces once. A namespace that fails is told as a loss of the dump; what the table has of it stays. */
static int dump_all(struct pass *p, bool first)
{
	struct sync *s = p->sync;

	for (unsigned int i = 0; i < p->namespaces.count; i++) {
		const struct netns *ns = &p->namespaces.items[i];
		int err = dump_namespace(&p->namespaces, i, DIAG_ALL_STATES, take_row, p);

		if (is_fatal(err))
			return err;
		if (!err && first) {
			recall(p, ns);
			err = model__netns_complete(s->model, ns->inode);
		} else if (err && !first)
			model__netns_incomplete(s->model, ns->inode);
		if (err)
			tell_failure(s, ns->inode, err);
		err = drain(p);
		if (err)
			return err;
	}
	return 0;
}

/* ---- holders */

struct holding {
	struct pass *pass;
	struct proc_scan scan;
	struct table known; /* struct known by pid: processes read in this pass */
	unsigned int unmatched;
};

struct known {
	uint32_t pid;
	struct process *process; /* NULL: it was gone when we looked */
};

static uint64_t hash_known(const void *item)
{
	return hash__mix(((const struct known *)item)->pid);
}

static bool equal_known(const void *a, const void *b)
{
	return ((const struct known *)a)->pid == ((const struct known *)b)->pid;
}

static void move_text(char **to, char **from)
{
	if (!*from)
		return;
	free(*to);
	*to = *from;
	*from = NULL;
}

static struct process *read_process(struct sync *s, uint32_t pid)
{
	struct proc_info info;
	struct process *p;
	bool fresh;

	if (proc__info(s->proc, pid, &info))
		return NULL;
	p = process_table__get(model__processes(s->model), pid, info.start_ticks, &fresh);
	/* An exec is told by nobody in a poll. */
	if (p && (fresh || !p->exe || s->poll)) {
		p->ppid = info.ppid;
		p->uid = info.uid;
		p->have_ids = true;
		process__set_comm(p, info.comm, sizeof(info.comm));
		process__set_parent_comm(p, info.parent_comm, sizeof(info.parent_comm));
		if (info.cmdline)
			process__set_cmdline(p, info.cmdline, info.cmdline_len);
		move_text(&p->exe, &info.exe);
		move_text(&p->cgroup, &info.cgroup);
	}
	proc__info_free(&info);
	return p;
}

static struct process *holder_process(struct holding *h, uint32_t pid)
{
	struct known key = { .pid = pid };
	struct known *k = table__find(&h->known, &key);

	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return NULL;
		k->pid = pid;
		k->process = read_process(h->pass->sync, pid);
		if (table__add(&h->known, k)) {
			process_table__put(model__processes(h->pass->sync->model), k->process);
			free(k);
			return NULL;
		}
	}
	return process__ref(k->process);
}

static int match_holders(void *ctx, uint64_t cookie, uint64_t inode)
{
	struct holding *h = ctx;
	size_t count;
	const struct proc_fd *fds = proc__holders(&h->scan, inode, &count);
	bool matched = false;

	for (size_t i = 0; i < count; i++) {
		struct process *p = holder_process(h, fds[i].pid);
		int err;

		if (!p)
			continue;
		err = model__hold(h->pass->sync->model, cookie, p, fds[i].fd);
		if (err)
			return err;
		matched = true;
	}
	h->unmatched += !matched;
	return 0;
}

static void forget_known(struct holding *h)
{
	struct known *k;
	size_t pos = 0;

	while ((k = table__next(&h->known, &pos))) {
		process_table__put(model__processes(h->pass->sync->model), k->process);
		free(k);
	}
	table__free(&h->known);
}

static int scan_once(struct holding *h)
{
	struct sync *s = h->pass->sync;
	int err = proc__scan(s->proc, &h->scan);

	if (err)
		return err;
	s->unreadable = h->scan.unreadable;
	h->unmatched = 0;
	table__init(&h->known, hash_known, equal_known);
	err = model__each_unheld(s->model, match_holders, h);
	forget_known(h);
	proc__scan_free(&h->scan);
	return err ? err : drain(h->pass);
}

static int count_one(void *ctx, uint64_t cookie, uint64_t inode)
{
	(void)cookie;
	(void)inode;
	++*(unsigned int *)ctx;
	return 0;
}

/* The sockets of a poll that cannot be given an owner now have their turn at a later one. */
static int poll_holders(struct pass *p, unsigned int wanted)
{
	struct holding h = { .pass = p };
	struct poll *poll = p->sync->poll;
	bool all;
	int err;

	if (!poll__scan_begin(poll, wanted, &all))
		return 0;
	model__scanning(p->sync->model, all);
	err = scan_once(&h);
	poll__scan_end(poll);
	return err;
}

/* A process may start, or receive the descriptor, after the walk passed it: what nobody holds gets a second look. */
static int find_holders(struct pass *p)
{
	struct holding h = { .pass = p };
	unsigned int wanted = 0;
	int err = model__each_unheld(p->sync->model, count_one, &wanted);

	if (!err && p->sync->poll)
		return poll_holders(p, wanted);
	if (err || !wanted)
		return err;
	err = scan_once(&h);
	if (!err && h.unmatched)
		err = scan_once(&h);
	return err;
}

/* ---- the pass */

static int adopt(void *ctx)
{
	return bpf_source__adopt(ctx);
}

/* Only where somebody listens: reading the iterator walks every TCP socket of the namespace. */
static void adopt_listeners(struct pass *p)
{
	const struct netns_list *list = &p->namespaces;
	bool *listens = calloc(list->count + 1, sizeof(*listens));
	const struct sock *s;
	size_t pos = 0;

	while (listens && (s = model__next(p->sync->model, &pos))) {
		if (s->state != STATE_LISTEN || s->attribution != SW_ATTR_HOLDER)
			continue;
		for (unsigned int i = 0; i < list->count; i++)
			listens[i] |= list->items[i].inode == s->netns;
	}
	for (unsigned int i = 0; listens && i < list->count; i++) {
		if (listens[i])
			netns__call(list->items[i].fd, adopt, p->sync->bpf);
	}
	free(listens);
}

static int look(struct pass *p)
{
	struct sync *s = p->sync;
	int err;

	err = netns__list(s->proc, &p->namespaces);
	if (err == -E2BIG && !(s->poll && s->started)) {
		s->refused++;
		model__lost(s->model, LOSS_DUMP, 1, clock__boot_ns());
	} else if (!err) {
		err = unlisted__find(s->model, s->proc, &p->namespaces);
		if (!err && s->poll)
			err = poll__follow(s->poll, &p->namespaces);
	}
	if (err && err != -E2BIG)
		return err;
	s->namespaces = p->namespaces.count;
	s->hidden = p->namespaces.unreadable;
	err = dump_all(p, true);
	/* The kernel's tables moved while they were read: a socket may have been skipped. */
	if (!err && (model__disturbed(s->model) || model__suspects(s->model)))
		err = dump_all(p, false);
	if (!err)
		err = find_holders(p);
	/* One that came after the merge would open what a row has listed. */
	return err || s->poll ? err : sync__drain_until_now(s);
}

int sync__run(struct sync *s)
{
	struct pass p = { .sync = s };
	int err;

	s->failed = 0;
	s->refused = 0;
	err = model__dump_begin(s->model, clock__boot_ns());
	if (err)
		return err;
	err = look(&p);
	if (err)
		model__dump_abort(s->model);
	else
		err = model__dump_end(s->model, clock__boot_ns());
	if (!err) {
		if (s->bpf)
			adopt_listeners(&p);
		s->started = true;
	}
	netns__list_free(&p.namespaces);
	return err;
}

void sync__told(struct sync *s, const struct update *u)
{
	struct sw_owner owner = { .attribution = SW_ATTR_HOLDER };
	const struct sock *sock = u->sock;

	if (!s->bpf || !sock || !sock->owner)
		return;
	if (u->event == EV_CLOSE || (u->event == EV_ACCEPT && sock->state == STATE_CLOSE)) {
		/* Whoever closed between our look and our claim left the claim behind. */
		if (sock->attribution == SW_ATTR_HOLDER || u->event == EV_ACCEPT)
			bpf_source__unclaim(s->bpf, sock->cookie);
		return;
	}
	/* The kernel side knows the owner of a socket that records were sent about, but no heir. */
	if (sock->attribution != SW_ATTR_HOLDER || (u->event == EV_EXISTING && sock->seq) ||
	    (u->event != EV_EXISTING && u->event != EV_OWNER))
		return;
	owner.process.pid = sock->owner->pid;
	owner.process.ppid = sock->owner->ppid;
	owner.process.uid = sock->owner->uid;
	owner.process.start_ns = sock->owner->start_ticks * (1000000000ULL / (unsigned long)sysconf(_SC_CLK_TCK));
	memcpy(owner.process.comm, sock->owner->comm, sizeof(owner.process.comm));
	bpf_source__claim(s->bpf, sock->cookie, &owner, sock->owned_ns);
}

void sync__describe(const char *proc, struct process *p)
{
	struct proc_info info;

	int err = proc__info(proc, p->pid, &info);

	/* The cgroup of one that is gone mostly outlives it. */
	if (!p->cgroup && p->cgroup_id && (err || info.start_ticks != p->start_ticks))
		cgroup__path(p->cgroup_id, &p->cgroup);
	if (err)
		return;
	if (info.start_ticks == p->start_ticks) {
		if (!p->have_ids || p->renamed) {
			p->ppid = info.ppid;
			p->uid = info.uid;
			p->have_ids = true;
			process__set_comm(p, info.comm, sizeof(info.comm));
		}
		if (!p->parent_comm[0] && p->ppid == info.ppid)
			process__set_parent_comm(p, info.parent_comm, sizeof(info.parent_comm));
		if (p->renamed && info.cmdline)
			process__set_cmdline(p, info.cmdline, info.cmdline_len);
		move_text(&p->exe, &info.exe);
		move_text(&p->cgroup, &info.cgroup);
		if (!p->cmdline && info.cmdline)
			process__set_cmdline(p, info.cmdline, info.cmdline_len);
	}
	proc__info_free(&info);
}

/* ---- time-wait and request entries */

struct check {
	struct sync *sync;
	uint64_t now_ns;
	uint32_t *wanted; /* namespaces */
	size_t count;
};

static int want_namespace(void *ctx, uint32_t netns)
{
	struct check *c = ctx;
	uint32_t *grown = reallocarray(c->wanted, c->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	c->wanted = grown;
	c->wanted[c->count++] = netns;
	return 0;
}

static int take_minisock(void *ctx, const struct row *row)
{
	struct check *c = ctx;

	model__minisock_row(c->sync->model, row, c->now_ns);
	return 0;
}

static bool is_wanted(const struct check *c, uint32_t netns)
{
	for (size_t i = 0; i < c->count; i++) {
		if (c->wanted[i] == netns)
			return true;
	}
	return false;
}

int sync__check_minisocks(struct sync *s)
{
	struct check c = { .sync = s, .now_ns = clock__boot_ns() };
	struct netns_list namespaces = { 0 };
	int err = model__overdue(s->model, c.now_ns, want_namespace, &c);

	if (!err && c.count)
		err = netns__list(s->proc, &namespaces);
	/* A namespace that is not there any more took its entries with it. */
	for (unsigned int i = 0; !err && i < namespaces.count; i++) {
		if (is_wanted(&c, namespaces.items[i].inode))
			err = dump_namespace(&namespaces, i, MINISOCK_STATES, take_minisock, &c);
	}
	if (!err)
		model__minisocks_end(s->model, c.now_ns);
	netns__list_free(&namespaces);
	free(c.wanted);
	return err;
}
