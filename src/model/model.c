/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "model/model.h"

#include <errno.h>
#include <stdlib.h>

#include "model/internal.h"

/* How long an overdue entry is given until it is looked at again: timers run late. */
#define OVERDUE_SLACK_NS 1000000000ULL

int model__new(const struct model_config *config, struct model **ret)
{
	struct model *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->config = *config;
	m->next_deadline_ns = UINT64_MAX;
	poll__init(m);
	holders__init(m);
	err = sockets__init(m);
	if (!err)
		err = process_table__new(&m->processes);
	if (err) {
		model__free(m);
		return err;
	}
	*ret = m;
	return 0;
}

void model__free(struct model *m)
{
	if (!m)
		return;
	dump__reset(m);
	poll__destroy(m);
	sockets__destroy(m);
	holders__destroy(m);
	process_table__free(m->processes);
	free(m);
}

/* A change of owner may be among what was lost. */
static void doubt_owners(struct model *m, enum loss_where where)
{
	struct sock *s;
	size_t pos = 0;

	if (where != LOSS_RING && where != LOSS_HELPER)
		return;
	while ((s = table__next(&m->socks, &pos)))
		s->doubtful = true;
}

void model__lost(struct model *m, enum loss_where where, uint64_t count, uint64_t now_ns)
{
	struct update u = { .event = EV_LOST, .time_ns = now_ns };

	u.lost.count = count;
	u.lost.where = where;
	m->lost_total += count;
	doubt_owners(m, where);
	tell(m, &u);
}

void model__sync(struct model *m, uint64_t now_ns, uint64_t bootstrap_us, const char *plan, const char *missing_hooks)
{
	struct update u = { .event = EV_SYNC, .time_ns = now_ns };
	const struct sock *s;
	size_t pos = 0;

	u.sync.sockets = model__count(m);
	u.sync.bootstrap_us = bootstrap_us;
	u.sync.plan = plan;
	u.sync.missing_hooks = missing_hooks;
	while ((s = model__next(m, &pos)))
		u.sync.unowned += !s->owner;
	tell(m, &u);
}

uint64_t model__next_deadline(const struct model *m)
{
	return m->next_deadline_ns;
}

int model__overdue(struct model *m, uint64_t now_ns, int (*fn)(void *ctx, uint32_t netns), void *ctx)
{
	uint32_t *told = NULL;
	size_t pos = 0, n = 0;
	struct sock *s;
	int err = 0;

	while (!err && (s = table__next(&m->minisocks, &pos))) {
		uint32_t *grown;
		size_t i = 0;

		if (s->deadline_ns > now_ns)
			continue;
		while (i < n && told[i] != s->netns)
			i++;
		if (i < n)
			continue;
		grown = reallocarray(told, n + 1, sizeof(*grown));
		if (!grown) {
			err = -ENOMEM;
			break;
		}
		told = grown;
		told[n++] = s->netns;
		err = fn(ctx, s->netns);
	}
	free(told);
	return err;
}

void model__minisock_row(struct model *m, const struct row *row, uint64_t now_ns)
{
	struct sock *s = sockets__find(m, row->cookie);

	if (!s || !s->minisock || !row->minisock)
		return;
	s->deadline_ns = now_ns + (uint64_t)row->expires_ms * 1000000 + OVERDUE_SLACK_NS;
	if (s->state != row->state) {
		struct update u = { .event = EV_STATE, .time_ns = now_ns, .sock = s };

		s->state = row->state;
		tell(m, &u);
	}
}

void model__minisocks_end(struct model *m, uint64_t now_ns)
{
	struct sock **gone = calloc(m->minisocks.count + 1, sizeof(struct sock *));
	struct sock *s;
	size_t pos = 0, n = 0;

	m->next_deadline_ns = UINT64_MAX;
	while ((s = table__next(&m->minisocks, &pos))) {
		if (gone && s->deadline_ns <= now_ns)
			gone[n++] = s;
		else if (s->deadline_ns < m->next_deadline_ns)
			m->next_deadline_ns = s->deadline_ns;
	}
	for (size_t i = 0; i < n; i++)
		record__end_minisock(m, gone[i], now_ns);
	free(gone);
}

struct process_table *model__processes(struct model *m)
{
	return m->processes;
}

const struct sock *model__find(const struct model *m, uint64_t cookie)
{
	const struct sock *s = sockets__find(m, cookie);

	return s && !s->untold ? s : NULL;
}

size_t model__count(const struct model *m)
{
	return m->socks.count - m->untold_count;
}

const struct sock *model__next(const struct model *m, size_t *pos)
{
	const struct sock *s;

	do {
		s = table__next(&m->socks, pos);
	} while (s && s->untold);
	return s;
}

uint64_t model__lost_total(const struct model *m)
{
	return m->lost_total;
}

uint64_t model__last_record(const struct model *m)
{
	return m->last_record_ns;
}

bool model__look_due(const struct model *m)
{
	return m->look_due;
}
