/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "render/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define PEOPLE_MAX 10000
#define TEXT_MAX   (1024 * 1024)

struct keyed {
	struct listed *row;
	size_t place;	  /* as it came */
	const char *text; /* NULL: empty */
	size_t len;
	bool number, descending;
};

static bool waits(const struct listed *s)
{
	return s->state == STATE_LISTEN ||
	       (s->state == STATE_CLOSE && (s->class == CLASS_UDP || s->class == CLASS_UDPLITE));
}

/* For people: by protocol, namespace and port, which is where one looks. */
static int compare_for_people(const void *a, const void *b)
{
	const struct listed *x = *(struct listed *const *)a, *y = *(struct listed *const *)b;

	if (waits(x) != waits(y))
		return waits(x) ? -1 : 1;
	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	if (x->netns != y->netns)
		return x->netns < y->netns ? -1 : 1;
	if (listed__is_inet(x) && x->ends.local_port != y->ends.local_port)
		return x->ends.local_port < y->ends.local_port ? -1 : 1;
	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

/* Numbers have no sign but that of -1, and no leading zeros: the longer is the greater. */
static int compare_texts(const struct keyed *x, const struct keyed *y)
{
	size_t len = x->len < y->len ? x->len : y->len;
	int order;

	if (x->number && x->len != y->len)
		return x->len < y->len ? -1 : 1;
	order = memcmp(x->text, y->text, len);
	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int compare_keyed(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;
	int order = 0;

	if (!x->text != !y->text)
		return x->text ? -1 : 1;
	if (x->text)
		order = compare_texts(x, y);
	if (order)
		return (order < 0) != x->descending ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static int sort_by(const struct column_view *base, const struct column *column, bool descending, struct listed **rows,
		   size_t count)
{
	struct keyed *keys = reallocarray(NULL, count, sizeof(*keys));
	struct column_view view = *base;
	struct arena arena = { 0 };
	struct buffer text;
	int err = keys ? 0 : -ENOMEM;

	buffer__init(&text, TEXT_MAX);
	for (size_t i = 0; !err && i < count; i++) {
		view.socket = rows[i];
		buffer__reset(&text);
		column->text(&view, &text);
		keys[i] = (struct keyed){
			.row = rows[i],
			.place = i,
			.len = text.len,
			.number = column->flags & COLUMN_NUMBER,
			.descending = descending,
		};
		if (text.len && !(keys[i].text = arena__copy(&arena, text.data, text.len)))
			err = -ENOMEM;
	}
	if (!err) {
		qsort(keys, count, sizeof(*keys), compare_keyed);
		for (size_t i = 0; i < count; i++)
			rows[i] = keys[i].row;
	}
	buffer__free(&text);
	arena__free(&arena);
	free(keys);
	return err;
}

/* What waits first; both parts stay as they came. */
static void part(struct listed **rows, struct listed **spare, size_t count)
{
	size_t first = 0, rest = 0;

	for (size_t i = 0; i < count; i++) {
		if (waits(rows[i]))
			rows[first++] = rows[i];
		else
			spare[rest++] = rows[i];
	}
	memcpy(rows + first, spare, rest * sizeof(*rows));
}

int order__rows(const struct column_view *base, const struct column *column, bool descending,
		bool (*keep)(void *ctx, const struct listed *s), void *ctx, struct listed ***ret, size_t *ret_count)
{
	size_t count = 0, pos = 0, size = listing__count(base->listing) + 1;
	struct listed **rows = reallocarray(NULL, size, sizeof(*rows)), **spare = NULL;
	struct listed *s;
	int err = 0;

	if (!rows)
		return -ENOMEM;
	while ((s = listing__next(base->listing, &pos))) {
		if (!keep || keep(ctx, s))
			rows[count++] = s;
	}
	if (column && count) {
		err = sort_by(base, column, descending, rows, count);
	} else if (count && count <= PEOPLE_MAX) {
		qsort(rows, count, sizeof(*rows), compare_for_people);
	} else if (count) {
		spare = reallocarray(NULL, count, sizeof(*spare));
		if (spare)
			part(rows, spare, count);
		else
			err = -ENOMEM;
		free(spare);
	}
	if (err) {
		free(rows);
		return err;
	}
	*ret = rows;
	*ret_count = count;
	return 0;
}
