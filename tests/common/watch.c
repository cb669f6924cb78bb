/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void take(void *ctx, const struct update *u)
{
	struct watch *w = ctx;
	struct watch_told *t;

	replay__apply(&w->replay, u);
	if (w->count >= WATCH_TOLD) {
		w->count++;
		return;
	}
	t = &w->told[w->count++];
	t->u = *u;
	memset(&t->owner, 0, sizeof(t->owner));
	memset(&t->prev_owner, 0, sizeof(t->prev_owner));
	if (u->sock) {
		t->sock = *u->sock;
		if (u->sock->owner)
			t->owner = *u->sock->owner;
	}
	if (u->prev_owner)
		t->prev_owner = *u->prev_owner;
}

static void describe(void *ctx, struct process *p)
{
	struct watch *w = ctx;

	(void)p;
	w->described++;
}

int watch__setup(void **state)
{
	struct watch *w = calloc(1, sizeof(*w));
	const struct model_config config = {
		.ns_per_tick = WIRE_TICK_NS,
		.tell = take,
		.describe = describe,
		.ctx = w,
	};

	if (!w || model__new(&config, &w->model))
		return -1;
	*state = w;
	return 0;
}

int watch__teardown(void **state)
{
	struct watch *w = *state;

	int err = 0;

	replay__compare(&w->replay, w->model);
	if (w->replay.problem[0]) {
		print_error("%s\n", w->replay.problem);
		err = -1;
	}
	model__free(w->model);
	free(w);
	return err;
}

void watch__forget(struct watch *w)
{
	w->count = 0;
}

void watch__record(struct watch *w, const union wire *r)
{
	assert_int_equal(model__record(w->model, r, wire__size(r)), 0);
}

const struct watch_told *watch__only(const struct watch *w, enum event event)
{
	assert_int_equal(w->count, 1);
	assert_int_equal(w->told[0].u.event, event);
	return &w->told[0];
}

struct row watch__row(uint64_t cookie, uint8_t state, uint64_t inode, uint16_t local_port, uint16_t remote_port)
{
	struct row row = { .cookie = cookie, .inode = inode, .netns = 1, .state = state };

	row.minisock = state == STATE_TIME_WAIT || state == STATE_SYN_RECV;
	row.expires_ms = row.minisock ? 60000 : 0;
	row.ends.family = 4;
	row.ends.local_port = local_port;
	row.ends.remote_port = remote_port;
	memcpy(row.ends.local, "\x0a\0\0\1", 4);
	if (state != STATE_LISTEN)
		memcpy(row.ends.remote, "\x0a\0\0\2", 4);
	return row;
}

void watch__dump(struct watch *w, const struct row *rows, size_t count, uint64_t now_ns)
{
	assert_int_equal(model__dump_begin(w->model, now_ns), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(model__row(w->model, &rows[i]), 0);
	assert_int_equal(model__netns_complete(w->model, 1), 0);
	assert_int_equal(model__dump_end(w->model, now_ns + 1), 0);
}

void watch__hold(struct watch *w, uint64_t cookie, uint32_t pid, uint64_t start_ticks)
{
	bool fresh;
	struct process *p = process_table__get(model__processes(w->model), pid, start_ticks, &fresh);

	assert_non_null(p);
	assert_int_equal(model__hold(w->model, cookie, p, 3), 0);
}
