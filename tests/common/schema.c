/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/schema.h"

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMAS_MAX 16

struct node;

struct property {
	const char *name;
	struct node *node;
};

/* One schema object, compiled. Every pointer to JSON is into the root, which is kept. */
struct node {
	int type; /* json_type; -1: any */
	bool closed;
	bool have_minimum, have_maximum;
	json_int_t minimum, maximum;
	const json_t *enumeration, *constant, *required;
	struct property *properties; /* by name */
	size_t property_count;
	regex_t *pattern;
	struct node *items, *condition, *consequence, *otherwise;
	struct node **all, **one;
	size_t all_count, one_count;
};

struct report {
	char *why; /* NULL: nobody asks */
	size_t size;
};

static struct {
	json_t *root;
	struct node *node;
} loaded[SCHEMAS_MAX];
static size_t loaded_count;

static struct node *compile(const json_t *schema);

/* An array of zeroed elements, at least one. No test goes on without memory. */
static void *allocate(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		abort();
	return p;
}

static bool compile_child(struct node **ret, const json_t *schema)
{
	*ret = compile(schema);
	return *ret;
}

static bool compile_type(struct node *n, const json_t *value)
{
	static const struct {
		const char *name;
		json_type type;
	} types[] = {
		{ "object", JSON_OBJECT },   { "array", JSON_ARRAY }, { "string", JSON_STRING },
		{ "integer", JSON_INTEGER }, { "null", JSON_NULL },
	};

	for (size_t i = 0; json_is_string(value) && i < sizeof(types) / sizeof(types[0]); i++) {
		if (!strcmp(types[i].name, json_string_value(value))) {
			n->type = (int)types[i].type;
			return true;
		}
	}
	return false;
}

static bool compile_enum(struct node *n, const json_t *value)
{
	n->enumeration = value;
	return json_is_array(value);
}

static bool compile_const(struct node *n, const json_t *value)
{
	n->constant = value;
	return true;
}

static bool compile_required(struct node *n, const json_t *value)
{
	size_t i;
	json_t *name;

	json_array_foreach(value, i, name) {
		if (!json_is_string(name))
			return false;
	}
	n->required = value;
	return json_is_array(value);
}

static int compare_properties(const void *a, const void *b)
{
	return strcmp(((const struct property *)a)->name, ((const struct property *)b)->name);
}

static bool compile_properties(struct node *n, const json_t *value)
{
	const char *name;
	json_t *child;

	if (!json_is_object(value))
		return false;
	n->properties = allocate(json_object_size(value), sizeof(*n->properties));
	json_object_foreach((json_t *)value, name, child) {
		n->properties[n->property_count].name = name;
		if (!compile_child(&n->properties[n->property_count++].node, child))
			return false;
	}
	qsort(n->properties, n->property_count, sizeof(*n->properties), compare_properties);
	return true;
}

static bool compile_additional(struct node *n, const json_t *value)
{
	n->closed = true;
	return json_is_false(value);
}

static bool compile_items(struct node *n, const json_t *value)
{
	return compile_child(&n->items, value);
}

static bool compile_pattern(struct node *n, const json_t *value)
{
	n->pattern = allocate(1, sizeof(*n->pattern));
	return json_is_string(value) && !regcomp(n->pattern, json_string_value(value), REG_EXTENDED | REG_NOSUB);
}

static bool compile_minimum(struct node *n, const json_t *value)
{
	n->have_minimum = true;
	n->minimum = json_integer_value(value);
	return json_is_integer(value);
}

static bool compile_maximum(struct node *n, const json_t *value)
{
	n->have_maximum = true;
	n->maximum = json_integer_value(value);
	return json_is_integer(value);
}

static bool compile_list(struct node ***ret, size_t *ret_count, const json_t *value)
{
	size_t i;
	json_t *child;

	if (!json_is_array(value))
		return false;
	*ret = allocate(json_array_size(value), sizeof(**ret));
	*ret_count = json_array_size(value);
	json_array_foreach(value, i, child) {
		if (!compile_child(&(*ret)[i], child))
			return false;
	}
	return true;
}

static bool compile_all(struct node *n, const json_t *value)
{
	return compile_list(&n->all, &n->all_count, value);
}

static bool compile_one(struct node *n, const json_t *value)
{
	return compile_list(&n->one, &n->one_count, value);
}

static bool compile_if(struct node *n, const json_t *value)
{
	return compile_child(&n->condition, value);
}

static bool compile_then(struct node *n, const json_t *value)
{
	return compile_child(&n->consequence, value);
}

static bool compile_else(struct node *n, const json_t *value)
{
	return compile_child(&n->otherwise, value);
}

static bool compile_nothing(struct node *n, const json_t *value)
{
	(void)n;
	return json_is_string(value);
}

static const struct {
	const char *name;
	bool (*compile)(struct node *n, const json_t *value);
} keywords[] = {
	{ "type", compile_type },
	{ "enum", compile_enum },
	{ "const", compile_const },
	{ "required", compile_required },
	{ "properties", compile_properties },
	{ "additionalProperties", compile_additional },
	{ "items", compile_items },
	{ "pattern", compile_pattern },
	{ "minimum", compile_minimum },
	{ "maximum", compile_maximum },
	{ "allOf", compile_all },
	{ "oneOf", compile_one },
	{ "if", compile_if },
	{ "then", compile_then },
	{ "else", compile_else },
	{ "$schema", compile_nothing },
	{ "$id", compile_nothing },
	{ "$comment", compile_nothing },
	{ "title", compile_nothing },
	{ "description", compile_nothing },
};

static bool compile_keyword(struct node *n, const char *name, const json_t *value)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		if (!strcmp(keywords[i].name, name))
			return keywords[i].compile(n, value);
	}
	return false;
}

static void free_node(struct node *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->property_count; i++)
		free_node(n->properties[i].node);
	for (size_t i = 0; i < n->all_count; i++)
		free_node(n->all[i]);
	for (size_t i = 0; i < n->one_count; i++)
		free_node(n->one[i]);
	free_node(n->items);
	free_node(n->condition);
	free_node(n->consequence);
	free_node(n->otherwise);
	if (n->pattern)
		regfree(n->pattern);
	free(n->pattern);
	free(n->properties);
	free(n->all);
	free(n->one);
	free(n);
}

static struct node *compile(const json_t *schema)
{
	struct node *n = allocate(1, sizeof(*n));
	const char *name;
	json_t *value;

	n->type = -1;
	if (!json_is_object(schema)) {
		fprintf(stderr, "schema: not an object\n");
		free_node(n);
		return NULL;
	}
	json_object_foreach((json_t *)schema, name, value) {
		if (!compile_keyword(n, name, value)) {
			fprintf(stderr, "schema: keyword \"%s\" is not known or ill used\n", name);
			free_node(n);
			return NULL;
		}
	}
	return n;
}

static int keep(json_t *root, json_t **ret)
{
	struct node *n;

	if (!root)
		return -EBADMSG;
	n = loaded_count < SCHEMAS_MAX ? compile(root) : NULL;
	if (!n) {
		json_decref(root);
		return -EINVAL;
	}
	loaded[loaded_count].root = json_incref(root);
	loaded[loaded_count++].node = n;
	*ret = root;
	return 0;
}

int schema__load_text(const char *text, json_t **ret)
{
	return keep(json_loads(text, JSON_REJECT_DUPLICATES, NULL), ret);
}

int schema__load(const char *path, json_t **ret)
{
	FILE *f = fopen(path, "re");
	json_t *root;

	if (!f)
		return -errno;
	root = json_loadf(f, JSON_REJECT_DUPLICATES, NULL);
	fclose(f);
	return keep(root, ret);
}

static bool fail(const struct report *report, const char *name, const char *what, const char *detail)
{
	if (report->why && report->size)
		snprintf(report->why, report->size, "%s: %s%s", name, what, detail ? detail : "");
	return false;
}

static bool check(const struct node *n, const json_t *value, const char *name, const struct report *report);

static bool matches(const struct node *n, const json_t *value)
{
	return check(n, value, "", &(struct report){ 0 });
}

static bool check_closed(const struct node *n, const json_t *value, const char *name, const struct report *report)
{
	const char *key;
	json_t *child;

	json_object_foreach((json_t *)value, key, child) {
		const struct property wanted = { .name = key };
		const struct property *p =
			bsearch(&wanted, n->properties, n->property_count, sizeof(*p), compare_properties);

		if (!p)
			return fail(report, name, "not allowed here: ", key);
		if (!check(p->node, child, key, report))
			return false;
	}
	return true;
}

static bool check_object(const struct node *n, const json_t *value, const char *name, const struct report *report)
{
	size_t i;
	json_t *key;

	json_array_foreach(n->required, i, key) {
		if (!json_object_get(value, json_string_value(key)))
			return fail(report, name, "missing: ", json_string_value(key));
	}
	if (n->closed)
		return check_closed(n, value, name, report);
	for (i = 0; i < n->property_count; i++) {
		const json_t *child = json_object_get(value, n->properties[i].name);

		if (child && !check(n->properties[i].node, child, n->properties[i].name, report))
			return false;
	}
	return true;
}

static bool check_array(const struct node *n, const json_t *value, const char *name, const struct report *report)
{
	size_t i;
	json_t *child;

	if (!n->items)
		return true;
	json_array_foreach(value, i, child) {
		if (!check(n->items, child, name, report))
			return false;
	}
	return true;
}

static bool is_listed(const json_t *list, const json_t *value)
{
	size_t i;
	json_t *entry;

	json_array_foreach(list, i, entry) {
		if (json_equal(entry, value))
			return true;
	}
	return false;
}

static bool check_scalar(const struct node *n, const json_t *value, const char *name, const struct report *report)
{
	const char *text = json_string_value(value);

	if (n->type >= 0 && (int)json_typeof(value) != n->type)
		return fail(report, name, "wrong type", NULL);
	if (n->constant && !json_equal(n->constant, value))
		return fail(report, name, "not the one value: ", text);
	if (n->enumeration && !is_listed(n->enumeration, value))
		return fail(report, name, "not one of the values: ", text);
	if (n->have_minimum && json_is_number(value) && json_number_value(value) < (double)n->minimum)
		return fail(report, name, "too small", NULL);
	if (n->have_maximum && json_is_number(value) && json_number_value(value) > (double)n->maximum)
		return fail(report, name, "too large", NULL);
	if (n->pattern && text && regexec(n->pattern, text, 0, NULL, 0))
		return fail(report, name, "does not match: ", text);
	return true;
}

static bool check_combined(const struct node *n, const json_t *value, const char *name, const struct report *report)
{
	const struct node *branch;
	size_t matched = 0;

	for (size_t i = 0; i < n->all_count; i++) {
		if (!check(n->all[i], value, name, report))
			return false;
	}
	for (size_t i = 0; i < n->one_count; i++)
		matched += matches(n->one[i], value);
	if (n->one && matched != 1)
		return fail(report, name, "not exactly one of the alternatives", NULL);
	if (!n->condition)
		return true;
	branch = matches(n->condition, value) ? n->consequence : n->otherwise;
	return !branch || check(branch, value, name, report);
}

static bool check(const struct node *n, const json_t *value, const char *name, const struct report *report)
{
	if (!check_scalar(n, value, name, report))
		return false;
	if (json_is_object(value) && !check_object(n, value, name, report))
		return false;
	if (json_is_array(value) && !check_array(n, value, name, report))
		return false;
	return check_combined(n, value, name, report);
}

bool schema__valid(const json_t *schema, const json_t *value, char *why, size_t why_size)
{
	const struct report report = { .why = why, .size = why_size };

	for (size_t i = 0; i < loaded_count; i++) {
		if (loaded[i].root == schema)
			return check(loaded[i].node, value, "line", &report);
	}
	return fail(&report, "schema", "was not loaded by schema__load", NULL);
}
