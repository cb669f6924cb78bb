/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/options.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"

bool words__has(const struct words *w, const char *word)
{
	for (size_t i = 0; i < w->count; i++) {
		if (!strcmp(w->items[i], word))
			return true;
	}
	return false;
}

void words__add(struct words *w, const char *word, size_t len)
{
	char *item = w->items[w->count];

	assert_true(w->count + 1 < WORDS_MAX && len < WORD_MAX);
	memcpy(item, word, len);
	item[len] = '\0';
	if (len && !words__has(w, item))
		w->count++;
}

void words__check_within(const char *what, const struct words *w, const struct words *all)
{
	size_t missing = 0;

	for (size_t i = 0; i < w->count; i++) {
		if (words__has(all, w->items[i]))
			continue;
		print_message("%s: %s\n", what, w->items[i]);
		missing++;
	}
	assert_int_equal(missing, 0);
	assert_true(w->count > 0);
}

void words__check_same(const char *what, const struct words *w, const struct words *all)
{
	char text[120];

	snprintf(text, sizeof(text), "%s names what is not there", what);
	words__check_within(text, w, all);
	snprintf(text, sizeof(text), "%s leaves out", what);
	words__check_within(text, all, w);
}

char *words__slurp(FILE *f)
{
	size_t len = 0, size = 0;
	char *text = NULL;
	FILE *copy = open_memstream(&text, &size);
	char part[4096];

	assert_true(f && copy);
	while ((len = fread(part, 1, sizeof(part), f)) > 0)
		assert_int_equal(fwrite(part, 1, len, copy), len);
	assert_int_equal(ferror(f), 0);
	assert_int_equal(fclose(copy), 0);
	return text;
}

char *words__printed(void (*print)(void))
{
	FILE *f = tmpfile();
	int out = dup(STDOUT_FILENO);
	char *text;

	assert_true(f && out >= 0);
	fflush(stdout);
	assert_true(dup2(fileno(f), STDOUT_FILENO) >= 0);
	print();
	fflush(stdout);
	assert_true(dup2(out, STDOUT_FILENO) >= 0);
	close(out);
	rewind(f);
	text = words__slurp(f);
	fclose(f);
	return text;
}

void words__of_help(void (*print)(void), struct words *ret)
{
	char *text = words__printed(print), *rest = NULL;

	*ret = (struct words){ 0 };
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		line += strspn(line, " ");
		while (*line == '-') {
			size_t len = strcspn(line, ", ");

			words__add(ret, line, len);
			line += len;
			line += strspn(line, ", ");
		}
	}
	free(text);
}

/* "  pid, uid [OP] NUMBER   what it is": the words in small letters before the wide gap. */
void words__of_filter_help(struct words *ret)
{
	char *text = strdup(options_filter_help), *rest = NULL, *gap;

	assert_non_null(text);
	*ret = (struct words){ 0 };
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(line, "  ", 2) != 0 || line[2] == ' ')
			continue;
		line += 2;
		gap = strstr(line, "   ");
		if (gap)
			*gap = '\0';
		for (char *word = line; *word; word += strspn(word, " ,")) {
			size_t len = strcspn(word, " ,");

			if (strspn(word, LOWER) == len)
				words__add(ret, word, len);
			word += len;
		}
	}
	free(text);
}
