/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "render/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libsmartcols/libsmartcols.h>

#include "base/cleanup.h"
#include "base/escape.h"

#define CELL_MAX     (1024 * 1024)
#define MEASURED_MAX 1000 /* lines of a table too long for people */
#define CUT_MIN	     12	  /* what a name keeps when it is cut, and an address on a very narrow terminal */
#define CUT_LEAST    4	  /* what a name keeps there */
#define WRAP_MIN     21	  /* what an address keeps before another column is left out: one of IPv4, and its port */

struct sheet {
	struct sheet_config config;
	unsigned int widths[COLUMNS_MAX];
	size_t measured;
	bool laid_out;
	struct buffer cell; /* as it is */
	char *escaped;	    /* as it is shown */
	size_t escaped_size;
	struct libscols_table *fitted; /* NULL: aligned only */
};

int sheet__new(const struct sheet_config *config, struct sheet **ret)
{
	struct sheet *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->config = *config;
	buffer__init(&t->cell, CELL_MAX);
	*ret = t;
	return 0;
}

void sheet__free(struct sheet *t)
{
	if (!t)
		return;
	scols_unref_table(t->fitted);
	buffer__free(&t->cell);
	free(t->escaped);
	free(t);
}

/* The cell as it is shown, NUL-terminated; valid until the next call. NULL: no memory. */
static const char *show_cell(struct sheet *t, const struct column *column, const struct column_view *v)
{
	size_t room;

	buffer__reset(&t->cell);
	column->text(v, &t->cell);
	if (t->cell.failed)
		return NULL;
	room = t->cell.len * 4 + 2;
	if (t->escaped_size < room) {
		char *grown = realloc(t->escaped, room * 2);

		if (!grown)
			return NULL;
		t->escaped = grown;
		t->escaped_size = room * 2;
	}
	if (t->cell.len)
		escape__terminal(t->escaped, t->escaped_size, t->cell.data, t->cell.len);
	else
		memcpy(t->escaped, "-", 2);
	return t->escaped;
}

/* Characters of well-formed UTF-8, as near to terminal cells as it gets without a locale. */
static unsigned int count_characters(const char *s)
{
	unsigned int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

bool sheet__wants_measure(const struct sheet *t)
{
	return t->config.rows <= SHEET_PEOPLE_MAX || t->measured < MEASURED_MAX;
}

void sheet__measure(struct sheet *t, const struct column_view *v)
{
	t->measured++;
	for (unsigned int i = 0; i < t->config.columns.count; i++) {
		const char *text = show_cell(t, t->config.columns.items[i], v);
		unsigned int width = text ? count_characters(text) : 0;

		if (width > t->widths[i])
			t->widths[i] = width;
	}
}

/* ---- what fits */

static unsigned int sum_widths(const unsigned int *widths, unsigned int count)
{
	unsigned int sum = count ? count - 1 : 0; /* a blank between two */

	for (unsigned int i = 0; i < count; i++)
		sum += widths[i];
	return sum;
}

/* Take what is too much from the widest of the columns with flag, down to least each. */
static void shrink(const struct sheet *t, unsigned int *widths, uint8_t flag, unsigned int least)
{
	unsigned int count = t->config.columns.count;

	while (sum_widths(widths, count) > t->config.width) {
		unsigned int widest = count;

		for (unsigned int i = 0; i < count; i++) {
			if (t->config.columns.items[i]->flags & flag && widths[i] > least &&
			    (widest == count || widths[i] > widths[widest]))
				widest = i;
		}
		if (widest == count)
			return;
		widths[widest]--;
	}
}

/* The column that is missed least; -1: all are needed. */
static int least_wanted(const struct sheet *t)
{
	int found = -1;

	for (unsigned int i = 0; i < t->config.columns.count; i++) {
		const struct column *c = t->config.columns.items[i];

		if (c->drop && (found < 0 || c->drop >= t->config.columns.items[found]->drop))
			found = (int)i;
	}
	return found;
}

/* Names are cut, then long addresses broken, then columns left out, then addresses broken for good. */
static void fit(struct sheet *t)
{
	unsigned int widths[COLUMNS_MAX];
	int i;

	for (;;) {
		memcpy(widths, t->widths, sizeof(widths));
		shrink(t, widths, COLUMN_CUT, CUT_MIN);
		shrink(t, widths, COLUMN_WRAP, WRAP_MIN);
		if (sum_widths(widths, t->config.columns.count) <= t->config.width || t->config.chosen)
			break;
		i = least_wanted(t);
		if (i < 0)
			break;
		columns__remove(&t->config.columns, (unsigned int)i);
		memmove(&t->widths[i], &t->widths[i + 1],
			(t->config.columns.count - (unsigned int)i) * sizeof(t->widths[0]));
	}
	shrink(t, widths, COLUMN_CUT, CUT_LEAST);
	shrink(t, widths, COLUMN_WRAP, CUT_MIN);
	memcpy(t->widths, widths, sizeof(widths));
}

static int set_up_fitted(struct sheet *t)
{
	t->fitted = scols_new_table();
	if (!t->fitted)
		return -ENOMEM;
	/* We escape, and better: it would take our backslashes for somebody's. */
	scols_table_enable_noencoding(t->fitted, 1);
	scols_table_enable_colors(t->fitted, t->config.colour);
	scols_table_enable_noheadings(t->fitted, !t->config.header);
	scols_table_set_termforce(t->fitted, SCOLS_TERMFORCE_ALWAYS);
	scols_table_set_termwidth(t->fitted, t->config.width);
	for (unsigned int i = 0; i < t->config.columns.count; i++) {
		const struct column *c = t->config.columns.items[i];
		struct libscols_column *column;
		int flags = 0;

		if (c->flags & COLUMN_RIGHT)
			flags |= SCOLS_FL_RIGHT;
		if (c->flags & COLUMN_WRAP)
			flags |= SCOLS_FL_WRAP;
		column = scols_table_new_column(t->fitted, c->title, 0, flags);
		if (!column || scols_column_set_wrapfunc(column, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL))
			return -ENOMEM;
	}
	return 0;
}

static void add_blanks(struct buffer *out, unsigned int n)
{
	static const char blanks[] = "                                ";

	for (; n >= sizeof(blanks) - 1; n -= sizeof(blanks) - 1)
		buffer__add(out, blanks, sizeof(blanks) - 1);
	buffer__add(out, blanks, n);
}

/* The cell's text begins at start of out and shows that many characters. */
static void end_cell(struct sheet *t, struct buffer *out, unsigned int i, size_t start, unsigned int used)
{
	unsigned int padding = used < t->widths[i] ? t->widths[i] - used : 0;
	bool last = i + 1 == t->config.columns.count, right = t->config.columns.items[i]->flags & COLUMN_RIGHT;
	size_t len = out->len - start;

	if (right || !last)
		add_blanks(out, padding);
	if (right && padding && !out->failed) {
		memmove(out->data + start + padding, out->data + start, len);
		memset(out->data + start, ' ', padding);
	}
	buffer__addc(out, last ? '\n' : ' ');
}

static void add_padded(struct sheet *t, struct buffer *out, unsigned int i, const char *text)
{
	size_t start = out->len;

	buffer__adds(out, text);
	end_cell(t, out, i, start, count_characters(text));
}

/* Nothing in it that escape__terminal would change: nearly every cell there is. */
static bool is_plain(const struct column *column, const char *s, size_t len)
{
	bool plain = len > 0;

	if (column->flags & COLUMN_NUMBER)
		return plain;

	for (size_t i = 0; i < len; i++)
		plain &= s[i] >= ' ' && s[i] <= '~' && s[i] != '\\';
	return plain;
}

/* Written where it is to stand, and only what is not plain taken back and looked at. */
static int add_cell(struct sheet *t, struct buffer *out, unsigned int i, const struct column_view *v)
{
	const struct column *column = t->config.columns.items[i];
	size_t start = out->len;
	const char *text;

	column->text(v, out);
	if (!out->failed && is_plain(column, out->data + start, out->len - start)) {
		end_cell(t, out, i, start, (unsigned int)(out->len - start));
		return 0;
	}
	out->len = start;
	text = show_cell(t, column, v);
	if (!text)
		return -ENOMEM;
	add_padded(t, out, i, text);
	return 0;
}

static int lay_out(struct sheet *t, struct buffer *out)
{
	t->laid_out = true;
	for (unsigned int i = 0; i < t->config.columns.count; i++) {
		unsigned int title = (unsigned int)strlen(t->config.columns.items[i]->title);

		if (t->config.header && t->widths[i] < title)
			t->widths[i] = title;
	}
	if (t->config.width && t->config.rows <= SHEET_PEOPLE_MAX) {
		fit(t);
		return set_up_fitted(t);
	}
	for (unsigned int i = 0; t->config.header && i < t->config.columns.count; i++)
		add_padded(t, out, i, t->config.columns.items[i]->title);
	return 0;
}

/* ---- lines */

/* SGR sequences by state; NULL: as the terminal is. */
static const char *choose_colour(const struct listed *s)
{
	switch (s->state) {
	case STATE_LISTEN:
		return "blue";
	case STATE_ESTABLISHED:
		return "green";
	case STATE_CLOSE:
		return NULL;
	default:
		return "yellow";
	}
}

/* The byte behind n characters of s, which is escaped: an escape (\\xNN, \\\\) stays whole. */
static const char *skip_characters(const char *s, unsigned int n)
{
	while (*s && n) {
		unsigned int size = s[0] == '\\' && s[1] ? s[1] == 'x' ? 4 : 2 : 1;

		if (size > n)
			break;
		n -= size;
		for (s += size; ((unsigned char)*s & 0xc0) == 0x80; s++)
			;
	}
	return s;
}

/* The text in the width of its column: cut, or broken by newlines. Valid until the next call. NULL: no memory. */
static const char *fit_cell(struct sheet *t, unsigned int i, const char *text)
{
	const char *end = skip_characters(text, t->widths[i]);
	bool wraps = t->config.columns.items[i]->flags & COLUMN_WRAP;

	if (!*end)
		return text;
	buffer__reset(&t->cell);
	buffer__add(&t->cell, text, (size_t)(end - text));
	for (text = end; wraps && *text; text = end) {
		end = skip_characters(text, t->widths[i]);
		if (end == text)
			break;
		buffer__addc(&t->cell, '\n');
		buffer__add(&t->cell, text, (size_t)(end - text));
	}
	buffer__addc(&t->cell, '\0');
	return t->cell.failed ? NULL : t->cell.data;
}

static int add_fitted(struct sheet *t, const struct column_view *v)
{
	struct libscols_line *line = scols_table_new_line(t->fitted, NULL);

	if (!line)
		return -ENOMEM;
	for (unsigned int i = 0; i < t->config.columns.count; i++) {
		const char *text = show_cell(t, t->config.columns.items[i], v);

		if (text)
			text = fit_cell(t, i, text);
		if (!text || scols_line_set_data(line, i, text))
			return -ENOMEM;
		if (t->config.colour && !strcmp(t->config.columns.items[i]->name, "state"))
			scols_cell_set_color(scols_line_get_cell(line, i), choose_colour(v->socket));
	}
	return 0;
}

int sheet__line(struct sheet *t, const struct column_view *v, struct buffer *out)
{
	int err = t->laid_out ? 0 : lay_out(t, out);

	if (err)
		return err;
	if (t->fitted)
		return add_fitted(t, v);
	for (unsigned int i = 0; !err && i < t->config.columns.count; i++)
		err = add_cell(t, out, i, v);
	return err;
}

int sheet__end(struct sheet *t, struct buffer *out)
{
	_cleanup_free_ char *text = NULL;
	int err = t->laid_out ? 0 : lay_out(t, out);

	if (err || !t->fitted)
		return err;
	/* Of an empty table it prints not even the header. */
	if (scols_table_is_empty(t->fitted)) {
		for (unsigned int i = 0; t->config.header && i < t->config.columns.count; i++)
			add_padded(t, out, i, t->config.columns.items[i]->title);
		return 0;
	}
	if (scols_print_table_to_string(t->fitted, &text))
		return -ENOMEM;
	buffer__adds(out, text);
	return 0;
}
