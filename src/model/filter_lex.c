/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words of a filter, and the place of a mistake among them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "model/filter_parse.h"

#define SHOWN_BEFORE 48 /* bytes of the filter shown on either side of a mistake; escaping makes four of one */
#define SHOWN_AFTER  24

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static bool is_symbol(char c)
{
	return c && strchr("()!=<>&|", c);
}

int filter_lexer__init(struct filter_lexer *l, int argc, char **argv)
{
	size_t len = 0;

	for (int i = 0; i < argc; i++) {
		size_t n = strlen(argv[i]) + 1;

		if (n > FILTER_TEXT_MAX - len)
			return -EINVAL;
		len += n;
	}
	l->text = malloc(len + 1);
	l->value = malloc(len + 1);
	if (!l->text || !l->value)
		return -ENOMEM;
	for (int i = 0; i < argc; i++) {
		size_t n = strlen(argv[i]);

		if (i)
			l->text[l->len++] = ' ';
		memcpy(l->text + l->len, argv[i], n);
		l->len += n;
	}
	l->text[l->len] = '\0';
	return 0;
}

void filter_lexer__free(struct filter_lexer *l)
{
	free(l->text);
	free(l->value);
}

static size_t skip_blanks(const struct filter_lexer *l)
{
	size_t at = l->at;

	while (at < l->len && is_blank(l->text[at]))
		at++;
	return at;
}

/* Bytes of the symbol at s, which may be two: != == <= >= && || */
static size_t symbol_length(const char *s)
{
	if (strchr("!=<>", *s) && s[1] == '=')
		return 2;
	return strchr("&|", *s) && s[1] == *s ? 2 : 1;
}

static void set_word(const struct filter_lexer *l, struct filter_word *w, size_t at, size_t end)
{
	memcpy(l->value, l->text + at, end - at);
	l->value[end - at] = '\0';
	*w = (struct filter_word){ .at = at, .end = end, .value = l->value };
}

void filter_lexer__key(const struct filter_lexer *l, struct filter_word *w)
{
	size_t at = skip_blanks(l), end = at;

	if (is_symbol(l->text[at]))
		end += symbol_length(l->text + at);
	else
		while (end < l->len && !is_blank(l->text[end]) && !is_symbol(l->text[end]))
			end++;
	set_word(l, w, at, end);
}

void filter_lexer__value(const struct filter_lexer *l, bool nested, struct filter_word *w)
{
	size_t at = skip_blanks(l), end = at, n = 0;
	unsigned int open = 0;

	while (end < l->len && !is_blank(l->text[end])) {
		char c = l->text[end];

		if (c == ')' && nested && !open)
			break;
		if (c == '\\' && end + 1 < l->len)
			c = l->text[++end];
		else if (c == '(')
			open++;
		else if (c == ')' && open)
			open--;
		l->value[n++] = c;
		end++;
	}
	l->value[n] = '\0';
	*w = (struct filter_word){ .at = at, .end = end, .value = l->value };
}

/* Move a place that cuts a UTF-8 sequence to its start. */
static size_t whole_character(const char *text, size_t at)
{
	while (at && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	return at;
}

static unsigned int characters(const char *s)
{
	unsigned int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* The text around a place, with dots where more was left out, and the column of the place in it. */
static void show_place(const struct filter_lexer *l, size_t at, struct filter_error *e)
{
	size_t from = at > SHOWN_BEFORE ? whole_character(l->text, at - SHOWN_BEFORE) : 0;
	size_t to = l->len - at > SHOWN_AFTER ? whole_character(l->text, at + SHOWN_AFTER) : l->len;
	size_t n = 0;

	if (from)
		n = (size_t)snprintf(e->text, sizeof(e->text), "...");
	n += escape__terminal(e->text + n, sizeof(e->text) - n, l->text + from, at - from);
	e->column = characters(e->text);
	n += escape__terminal(e->text + n, sizeof(e->text) - n, l->text + at, to > at ? to - at : 0);
	if (to < l->len)
		snprintf(e->text + n, sizeof(e->text) - n, "...");
}

void filter_parser__tell(struct filter_parser *p, const char *what, const char *name)
{
	char shown[128];

	_Static_assert(sizeof(p->error->text) > 4 * (SHOWN_BEFORE + SHOWN_AFTER + 6) + 6, "room for the text escaped");
	if (name) {
		escape__terminal(shown, sizeof(shown), name, strlen(name));
		snprintf(p->error->message, sizeof(p->error->message), "%s '%s'", what, shown);
	} else {
		snprintf(p->error->message, sizeof(p->error->message), "%s", what);
	}
	show_place(&p->lexer, p->word.at, p->error);
}
