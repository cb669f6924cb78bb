/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A dump and its merge. Rows are staged by cookie while the records that arrive meanwhile are kept back; at the end the
 * two are laid over the table. The first dump and every repair are the same procedure: the first one starts with an
 * empty table.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/internal.h"

static uint64_t hash_staged(const void *item)
{
	return hash__mix(((const struct staged *)item)->row.cookie);
}

static bool equal_staged(const void *a, const void *b)
{
	return ((const struct staged *)a)->row.cookie == ((const struct staged *)b)->row.cookie;
}

struct staged *dump__staged(const struct model *m, uint64_t cookie)
{
	struct staged key = { .row.cookie = cookie };

	return table__find(&m->staged, &key);
}

static struct staged *stage(struct model *m, uint64_t cookie)
{
	struct staged *st = dump__staged(m, cookie);

	if (st)
		return st;
	st = calloc(1, sizeof(*st));
	if (!st)
		return NULL;
	st->row.cookie = cookie;
	if (!table__add(&m->staged, st))
		return st;
	free(st);
	return NULL;
}

static void release_holders(struct model *m, struct staged *st)
{
	for (unsigned int i = 0; i < st->holder_count; i++)
		process_table__put(m->processes, st->holders[i].process);
	free(st->holders);
	st->holders = NULL;
	st->holder_count = 0;
}

void dump__reset(struct model *m)
{
	struct staged *st;
	size_t pos = 0;

	while ((st = table__next(&m->staged, &pos))) {
		release_holders(m, st);
		free(st);
	}
	table__free(&m->staged);
	free(m->complete);
	m->complete = NULL;
	m->complete_count = 0;
	free(m->pending.data);
	m->pending = (struct pending){ 0 };
	m->dumping = m->polling = m->scanned = m->scanned_all = false;
}

int model__dump_begin(struct model *m, uint64_t now_ns)
{
	if (m->dumping)
		return -EBUSY;
	table__init(&m->staged, hash_staged, equal_staged);
	m->dumping = true;
	m->polling = m->polls && m->dumped_ns;
	m->dump_ns = now_ns;
	m->look_due = false;
	return 0;
}

bool model__dumping(const struct model *m)
{
	return m->dumping;
}

static void note_pending(struct staged *st, const struct sw_record *r)
{
	/* An accept of a socket that was closed by then says nothing about whether it is there; nor does a use. */
	if (r->kind != SW_REC_OWNER && (r->kind != SW_REC_ACCEPT || r->new_state != STATE_CLOSE))
		st->touched = true;
	if (r->kind == SW_REC_CLOSE)
		st->closed = true;
	else if (r->kind == SW_REC_ACCEPT)
		st->accepted = true;
	else if (r->kind == SW_REC_CONNECT || r->kind == SW_REC_LISTEN ||
		 (r->kind == SW_REC_ESTABLISHED && r->direction == SW_DIR_IN))
		st->opened = true;
}

int dump__keep(struct model *m, const void *data, size_t size)
{
	size_t need = sizeof(uint64_t) + ((size + 7) & ~(size_t)7);
	const struct sw_record *r = data;
	struct pending *p = &m->pending;
	uint64_t head = size;
	struct staged *st;

	if (p->len + need > MODEL_PENDING_MAX) {
		model__lost(m, LOSS_DUMP, 1, r->time_ns);
		return 0;
	}
	if (p->len + need > p->size) {
		size_t want = p->size ? p->size * 2 : 65536;
		char *grown = realloc(p->data, want);

		if (!grown)
			return -ENOMEM;
		p->data = grown;
		p->size = want;
	}
	st = record__is_task(r->kind) ? NULL : stage(m, r->cookie);
	if (st)
		note_pending(st, r);
	else if (!record__is_task(r->kind))
		return -ENOMEM;
	memcpy(p->data + p->len, &head, sizeof(head));
	memcpy(p->data + p->len + sizeof(head), data, size);
	p->len += need;
	p->count += st != NULL;
	return 0;
}

int model__row(struct model *m, const struct row *row)
{
	struct staged *st;

	if (row->mptcp_join) {
		/* It is no connection of its own, and its end none either. */
		if (m->polls)
			graves__bury(m, &(struct sock){ .cookie = row->cookie }, m->dump_ns);
		return 0;
	}
	if (!row->cookie)
		return -EBADMSG;
	st = stage(m, row->cookie);
	if (!st)
		return -ENOMEM;
	/* A live socket and its own time-wait entry share a cookie after shutdown and reconnect: the live one counts. */
	if (st->have_row && row->minisock && !st->row.minisock)
		return 0;
	st->row = *row;
	st->have_row = true;
	return 0;
}

int model__netns_complete(struct model *m, uint32_t netns)
{
	uint32_t *grown = reallocarray(m->complete, m->complete_count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	m->complete = grown;
	m->complete[m->complete_count++] = netns;
	return 0;
}

void model__netns_incomplete(struct model *m, uint32_t netns)
{
	for (size_t i = 0; i < m->complete_count; i++) {
		if (m->complete[i] == netns)
			m->complete[i] = m->complete[--m->complete_count];
	}
}

static bool is_complete(const struct model *m, uint32_t netns)
{
	for (size_t i = 0; i < m->complete_count; i++) {
		if (m->complete[i] == netns)
			return true;
	}
	return false;
}

bool dump__is_gone(const struct model *m, const struct sock *s)
{
	const struct staged *st;

	if (s->seen_ns >= m->dump_ns || !is_complete(m, s->netns) || poll__is_ending(m, s->cookie))
		return false;
	st = dump__staged(m, s->cookie);
	return !st || (!st->have_row && !st->touched);
}

size_t model__suspects(const struct model *m)
{
	const struct sock *s;
	size_t pos = 0, n = 0;

	while ((s = table__next(&m->socks, &pos))) {
		const struct staged *st = s->minisock ? NULL : dump__staged(m, s->cookie);

		if (m->polling) {
			n += !s->minisock && dump__is_gone(m, s) && !poll__ended(m, s->cookie);
			continue;
		}
		/* Only a time-wait entry was seen: that of an earlier life may hide that the live one was skipped. */
		n += dump__is_gone(m, s) || (st && st->have_row && st->row.minisock && !st->touched);
	}
	return n;
}

bool model__disturbed(const struct model *m)
{
	return m->pending.count;
}

bool dump__is_another_life(const struct sock *s, const struct row *row)
{
	bool listens = s->state == STATE_LISTEN;

	if ((s->minisock && !row->minisock) || listens != (row->state == STATE_LISTEN))
		return true;
	return listens && !s->untold && (s->netns != row->netns || s->ends.local_port != row->ends.local_port);
}

/* Does the table need to be told who holds this row's socket? */
static bool wants_holders(const struct model *m, const struct staged *st)
{
	const struct sock *s;

	if (!st->have_row || !st->row.inode || st->opened || st->closed || st->accepted || st->holder_count)
		return false;
	if (m->polling)
		return poll__wants_holders(m, st);
	s = sockets__find(m, st->row.cookie);
	if (!s || dump__is_another_life(s, &st->row))
		return true;
	return !s->owner || s->attribution == SW_ATTR_LISTENER || s->doubtful;
}

int model__each_unheld(struct model *m, int (*fn)(void *ctx, uint64_t cookie, uint64_t inode), void *ctx)
{
	struct staged *st;
	size_t pos = 0;
	int err = 0;

	while (!err && (st = table__next(&m->staged, &pos))) {
		if (wants_holders(m, st))
			err = fn(ctx, st->row.cookie, st->row.inode);
	}
	return err;
}

int model__hold(struct model *m, uint64_t cookie, struct process *p, int fd)
{
	struct staged *st = dump__staged(m, cookie);
	struct holder *grown = NULL;

	if (st && st->holder_count == UINT16_MAX) {
		/* More than a socket can list. */
		process_table__put(m->processes, p);
		return 0;
	}
	if (st)
		grown = reallocarray(st->holders, st->holder_count + 1, sizeof(*grown));
	if (!grown) {
		process_table__put(m->processes, p);
		return st ? -ENOMEM : -ENOENT;
	}
	st->holders = grown;
	st->holders[st->holder_count++] = (struct holder){ .process = p, .fd = fd };
	return 0;
}

int model__last_owner(struct model *m, uint64_t cookie, const struct sw_owner *owner)
{
	struct staged *st = dump__staged(m, cookie);

	if (!st)
		return -ENOENT;
	st->known.owner = *owner;
	return 0;
}

int model__known(struct model *m, const struct sw_known *known)
{
	struct staged *st = dump__staged(m, known->cookie);

	if (!st)
		return -ENOENT;
	/* Of another life of the same socket. */
	if (known->direction && (known->direction == SW_DIR_LISTEN) != (st->row.state == STATE_LISTEN))
		return 0;
	st->known = *known;
	return 0;
}
