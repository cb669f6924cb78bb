/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sets of words: what the program knows, and what a manual or a completion names. */
#ifndef SOCKWATCH_TESTS_WORDS_H
#define SOCKWATCH_TESTS_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define WORDS_MAX 256
#define WORD_MAX  40

struct words {
	char items[WORDS_MAX][WORD_MAX];
	size_t count;
};

/* A word that is there already is not added again. */
void words__add(struct words *w, const char *word, size_t len);
bool words__has(const struct words *w, const char *word);
/* Every word of w is one of all, or the test fails and names what is not. An empty w fails too. */
void words__check_within(const char *what, const struct words *w, const struct words *all);
void words__check_same(const char *what, const struct words *w, const struct words *all);

/* What print writes to stdout, the caller's to free. */
char *words__printed(void (*print)(void));
/* The options that a --help names: "-x" and "--long". */
void words__of_help(void (*print)(void), struct words *ret);
/* The terms that the help on filters names. */
void words__of_filter_help(struct words *ret);
/* All that f has, the caller's to free; f is at its beginning. */
char *words__slurp(FILE *f);

#endif
