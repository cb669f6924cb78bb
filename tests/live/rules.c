/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TAKE_AGAIN_NS 1050000000ULL /* of bpf/io.bpf.h, and what passes between its clock and the log's */

static uint64_t hash_sock(const void *item)
{
	return hash__mix(((const struct rules_sock *)item)->cookie);
}

static bool equal_sock(const void *a, const void *b)
{
	return ((const struct rules_sock *)a)->cookie == ((const struct rules_sock *)b)->cookie;
}

void rules__init(struct rules *r)
{
	table__init(&r->socks, hash_sock, equal_sock);
}

void rules__free(struct rules *r)
{
	struct rules_sock *s;
	size_t pos = 0;

	while ((s = table__next(&r->socks, &pos)))
		free(s);
	table__free(&r->socks);
}

struct rules_sock *rules__sock(struct rules *r, uint64_t cookie)
{
	struct rules_sock *s = table__find(&r->socks, &(struct rules_sock){ .cookie = cookie });

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	assert_non_null(s);
	s->cookie = cookie;
	assert_int_equal(table__add(&r->socks, s), 0);
	return s;
}

bool rules__has(const struct rules_pids *set, uint32_t pid)
{
	for (unsigned int i = 0; i < set->count; i++) {
		if (set->pids[i] == pid)
			return true;
	}
	return false;
}

static void add(struct rules_pids *set, uint32_t pid)
{
	if (rules__has(set, pid))
		return;
	assert_true(set->count < RULES_PIDS);
	set->pids[set->count++] = pid;
}

static void only(struct rules_pids *set, uint32_t pid)
{
	set->count = 1;
	set->pids[0] = pid;
}

static uint64_t bit(uint32_t pid)
{
	return 1ULL << (pid & 63);
}

static void use(struct rules_sock *s, uint32_t pid, uint64_t time_ns)
{
	bool damped = s->users & bit(pid) && time_ns < s->taken_ns + TAKE_AGAIN_NS;
	bool sole = s->owners.count == 1 && rules__has(&s->owners, pid);

	s->users |= bit(pid);
	if (sole && (!s->loose || damped || time_ns < s->got_ns + TAKE_AGAIN_NS))
		return;
	for (unsigned int i = 0; i < s->owners.count; i++)
		s->users |= bit(s->owners.pids[i]);
	s->taken_ns = time_ns;
	if (damped) {
		add(&s->owners, pid);
		return;
	}
	s->loose = false;
	only(&s->owners, pid);
}

static void get(struct rules_sock *s, uint32_t pid, uint64_t time_ns)
{
	add(&s->got, pid);
	if (!rules__has(&s->owners, pid))
		return;
	s->loose = true;
	s->got_ns = time_ns;
}

void rules__log(struct rules *r, const struct torture_entry *e)
{
	struct rules_sock *s;

	if (!e->cookie)
		return;
	s = rules__sock(r, e->cookie);
	switch (e->act) {
	case TORTURE_OPENED:
		s->opened = true;
		/* Somebody may have got at it before who accepted it could write that down. */
		if (!s->owners.count)
			only(&s->owners, e->pid);
		add(&s->owners, e->pid);
		break;
	case TORTURE_USED:
		use(s, e->pid, e->time_ns);
		break;
	case TORTURE_GOT:
		get(s, e->pid, e->time_ns);
		break;
	default:
		return;
	}
	add(&s->ever, e->pid);
}

void rules__told(struct rules_sock *s, uint32_t pid)
{
	s->users |= bit(pid);
	s->told_pid = pid;
}

static bool is_older(const struct rules_holder *a, const struct rules_holder *b)
{
	return a->start_ticks < b->start_ticks || (a->start_ticks == b->start_ticks && a->pid < b->pid);
}

const struct rules_holder *rules__oldest(const struct rules_holder *holders, size_t count)
{
	const struct rules_holder *best = holders;

	for (size_t i = 1; i < count; i++) {
		if (is_older(&holders[i], best))
			best = &holders[i];
	}
	return best;
}

/* When somebody inherited, h may have been the oldest: whoever is older has come later. */
static bool may_be_heir(const struct rules_sock *s, const struct rules_holder *h, const struct rules_holder *holders,
			size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_older(&holders[i], h) && !rules__has(&s->got, holders[i].pid))
			return false;
	}
	return true;
}

struct rules_pids rules__owners(const struct rules_sock *s, const struct rules_holder *holders, size_t count)
{
	struct rules_pids answer = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (rules__has(&s->owners, holders[i].pid))
			add(&answer, holders[i].pid);
	}
	/* All who can own it have it still: nobody has inherited. */
	if (answer.count == s->owners.count && !s->loose)
		return answer;
	for (size_t i = 0; i < count; i++) {
		if (may_be_heir(s, &holders[i], holders, count))
			add(&answer, holders[i].pid);
	}
	return answer;
}

void rules__settle(struct rules_sock *s, uint32_t pid)
{
	only(&s->owners, pid);
	s->got.count = 0;
	s->loose = false;
}
