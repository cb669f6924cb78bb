/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parser's inside: words of the text, the tree that grows, and the values behind an operator. */
#ifndef SOCKWATCH_MODEL_FILTER_PARSE_H
#define SOCKWATCH_MODEL_FILTER_PARSE_H

#include <errno.h>

#include "model/filter_ast.h"

struct filter_word {
	size_t at, end;	   /* in the text */
	const char *value; /* without backslashes, NUL-terminated; the lexer's, until its next word */
};

struct filter_lexer {
	char *text; /* all words joined by a blank. Owned */
	size_t len;
	size_t at;
	char *value; /* room for one word. Owned */
};

struct filter_parser {
	struct filter_lexer lexer;
	struct filter_word word;
	unsigned int depth;  /* of parentheses and negations */
	unsigned int nested; /* of parentheses: a value may be followed by one */
	const struct filter_env *env;
	struct filter *f;
	struct filter_error *error;
};

/* What a name is compared by: the value's kind. */
struct filter_field {
	const char *name;
	int (*value)(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
		     uint16_t *ret);
	uint32_t fact;
	bool remote;
	bool is_port;
	bool ordered; /* < and > make sense */
};

/* 0, -EINVAL (too long) or -ENOMEM. Free also after a failure. */
int filter_lexer__init(struct filter_lexer *l, int argc, char **argv);
void filter_lexer__free(struct filter_lexer *l);
/*
 * The next word without taking it: l->at = w->end takes it. At the end w->at == w->end. A key is a parenthesis, a symbol
 * or a name; a value goes on to the next blank, or to a parenthesis that closes one opened before it.
 */
void filter_lexer__key(const struct filter_lexer *l, struct filter_word *w);
void filter_lexer__value(const struct filter_lexer *l, bool nested, struct filter_word *w);

/* Say what is wrong with p->word; name may be NULL. */
void filter_parser__tell(struct filter_parser *p, const char *what, const char *name);
static inline int filter_parser__bad(struct filter_parser *p, const char *what, const char *name)
{
	filter_parser__tell(p, what, name);
	return -EINVAL;
}

/* A new node at *ret, without text; or a failure that is told. */
int filter_parser__add(struct filter_parser *p, const struct filter_node *n, uint16_t *ret);
int filter_parser__join(struct filter_parser *p, enum filter_op op, uint16_t left, uint16_t right, uint16_t *ret);
/* The node takes a copy of text. */
int filter_parser__add_text(struct filter_parser *p, const struct filter_node *n, const char *text, uint16_t *ret);

/* What stands behind a field and its operator: p->word, made into nodes. */
int filter_value__host(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
		       uint16_t *ret);
int filter_value__number(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
			 uint16_t *ret);
int filter_value__user(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
		       uint16_t *ret);
int filter_value__netns(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
			uint16_t *ret);
int filter_value__device(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
			 uint16_t *ret);
int filter_value__text(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
		       uint16_t *ret);
int filter_value__cgroup(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
			 uint16_t *ret);
int filter_value__mark(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
		       uint16_t *ret);

/* Decimal, 0x hexadecimal or 0 octal, as in ss; nothing behind it, at most max. */
bool filter_value__parse(const char *text, uint64_t max, uint64_t *ret);

#endif
