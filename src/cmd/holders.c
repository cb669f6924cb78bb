/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/holders.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "source/proc.h"

/* What follows a fork comes soon after it (an exec, the close of what the other side needs): one look sees it all. */
#define SETTLE_NS 100000000ULL
/* Between two looks, at least; and so many times what the last one cost, which bounds that to 0.5 % of a core. */
#define REST_NS	    200000000ULL
#define REST_TIMES  200
#define REST_MAX_NS 10000000000ULL

void holders__arm(struct holders_clock *c, const struct model *m, uint64_t now_ns)
{
	if (c->due_ns || !model__holders_due(m))
		return;
	c->due_ns = now_ns + SETTLE_NS;
	if (c->due_ns < c->rest_ns)
		c->due_ns = c->rest_ns;
}

static int give(struct sync *s, uint32_t pid, uint64_t start_ticks, const struct proc_scan *scan, uint64_t time_ns)
{
	struct held_fd *fds = calloc(scan->count + 1, sizeof(*fds));
	int err;

	if (!fds)
		return -ENOMEM;
	for (size_t i = 0; i < scan->count; i++)
		fds[i] = (struct held_fd){ .inode = scan->fds[i].inode, .fd = scan->fds[i].fd };
	err = model__holds(s->model, pid, start_ticks, fds, scan->count, time_ns);
	free(fds);
	return err;
}

/* One that is gone has told so, or will; one that may not be looked into stays as it is known. */
static int look_at(void *ctx, uint32_t pid, uint64_t start_ticks)
{
	struct sync *s = ctx;
	struct proc_scan scan = { 0 };
	uint64_t time_ns = clock__boot_ns();
	int err;

	bpf_source__look(s->bpf, pid);
	err = proc__scan_one(s->proc, pid, start_ticks, &scan);
	if (err)
		return err == -ENOMEM ? err : 0;
	err = give(s, pid, start_ticks, &scan, time_ns);
	proc__scan_free(&scan);
	return err;
}

int holders__look(struct holders_clock *c, struct sync *s)
{
	uint64_t start = clock__boot_ns(), start_cpu = clock__ns(CLOCK_THREAD_CPUTIME_ID), now, rest;
	int err = model__holders_begin(s->model);
	size_t looked;

	if (!err)
		err = model__each_dirty(s->model, look_at, s);
	/* An owner that others were found beside. */
	if (!err && model__holders_due(s->model))
		err = model__each_dirty(s->model, look_at, s);
	looked = model__holders_looked(s->model);
	/* A socket that nobody holds any more has closed: its record is on its way, and has the owner that it had. */
	if (!err)
		err = sync__drain_until_now(s);
	/* Who took a socket while we looked may not have been seen. */
	model__holders_end(s->model, looked, start);
	now = clock__boot_ns();
	rest = (clock__ns(CLOCK_THREAD_CPUTIME_ID) - start_cpu) * REST_TIMES;
	rest = rest < REST_NS ? REST_NS : rest > REST_MAX_NS ? REST_MAX_NS : rest;
	c->due_ns = 0;
	c->rest_ns = now + rest;
	holders__arm(c, s->model, now);
	return err;
}
