/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The values of a filter that are numbers, names and globs. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/filter_parse.h"

#define FILTER_PATH_MAX 4096 /* PATH_MAX, linux/limits.h */

bool filter_value__parse(const char *text, uint64_t max, uint64_t *ret)
{
	unsigned long long n;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || *end || n > max)
		return false;
	*ret = n;
	return true;
}

/* The largest value a field can have. */
static uint64_t largest(uint32_t fact)
{
	return fact == FILTER_INODE || fact == FILTER_COOKIE ? UINT64_MAX : UINT32_MAX;
}

static int add_number(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
		      uint64_t number, uint16_t *ret)
{
	const struct filter_node n = { .op = FILTER_NUMBER, .fact = field->fact, .compare = compare, .number = number };

	return filter_parser__add(p, &n, ret);
}

int filter_value__number(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
			 uint16_t *ret)
{
	uint64_t number;

	if (!filter_value__parse(p->word.value, largest(field->fact), &number))
		return filter_parser__bad(p, "not a number:", p->word.value);
	return add_number(p, field, compare, number, ret);
}

/* A number, or a name that resolve knows; what is said when it does not. */
static int number_or_name(struct filter_parser *p, const struct filter_field *field,
			  int (*resolve)(void *ctx, const char *name, uint32_t *ret), const char *unknown,
			  uint16_t *ret)
{
	uint64_t number;
	uint32_t resolved;
	int err = 0;

	if (!filter_value__parse(p->word.value, UINT32_MAX, &number)) {
		err = resolve ? resolve(p->env->ctx, p->word.value, &resolved) : -ENOENT;
		if (err)
			return err == -ENOMEM ? err : filter_parser__bad(p, unknown, p->word.value);
		number = resolved;
	}
	return add_number(p, field, FILTER_EQ, number, ret);
}

int filter_value__user(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
		       uint16_t *ret)
{
	(void)compare;
	return number_or_name(p, field, p->env->user, "no such user:", ret);
}

int filter_value__netns(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
			uint16_t *ret)
{
	(void)compare;
	return number_or_name(p, field, p->env->netns, "no such network namespace:", ret);
}

/* As ss has it, a device may be called by a number: the name counts first. */
int filter_value__device(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
			 uint16_t *ret)
{
	uint32_t ifindex;

	(void)compare;
	if (p->env->device && !p->env->device(p->env->ctx, p->word.value, &ifindex))
		return add_number(p, field, FILTER_EQ, ifindex, ret);
	return number_or_name(p, field, NULL, "no such device:", ret);
}

int filter_value__text(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
		       uint16_t *ret)
{
	const struct filter_node n = { .op = FILTER_TEXT, .fact = field->fact };

	(void)compare;
	return filter_parser__add_text(p, &n, p->word.value, ret);
}

/* A path that is there, or a glob over paths below the root of cgroup v2. */
int filter_value__cgroup(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
			 uint16_t *ret)
{
	struct filter_node n = { .op = FILTER_IN_CGROUP, .fact = field->fact };
	const struct filter_env *env = p->env;
	const char *path = p->word.value, *below = path;
	char absolute[FILTER_PATH_MAX];

	(void)compare;
	if (!strpbrk(path, "*?[") && (!env->cgroup || env->cgroup(env->ctx, path, &n.number, &below) || !n.number))
		return filter_parser__bad(p, "no such cgroup:", path);
	if (snprintf(absolute, sizeof(absolute), "%s%s", *below == '/' ? "" : "/", below) >= (int)sizeof(absolute))
		return filter_parser__bad(p, "too long a path:", path);
	return filter_parser__add_text(p, &n, absolute, ret);
}

/* VALUE[/MASK] */
int filter_value__mark(struct filter_parser *p, const struct filter_field *field, enum filter_compare compare,
		       uint16_t *ret)
{
	struct filter_node n = { .op = FILTER_MARKED, .fact = field->fact };
	char text[64];
	uint64_t value, mask = UINT32_MAX;
	char *slash;

	(void)compare;
	if (strlen(p->word.value) >= sizeof(text))
		return filter_parser__bad(p, "not a mark:", p->word.value);
	strcpy(text, p->word.value);
	slash = strchr(text, '/');
	if (slash)
		*slash++ = '\0';
	if (!filter_value__parse(text, UINT32_MAX, &value) || (slash && !filter_value__parse(slash, UINT32_MAX, &mask)))
		return filter_parser__bad(p, "not a mark:", p->word.value);
	n.mark.value = (uint32_t)value;
	n.mark.mask = (uint32_t)mask;
	return filter_parser__add(p, &n, ret);
}
