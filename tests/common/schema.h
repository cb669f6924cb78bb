/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * JSON Schema for the stream, as much of it as src/data/sockwatch.schema.json uses: type, enum, const, required,
 * properties, additionalProperties: false, items, pattern, minimum, maximum, oneOf, allOf, if/then/else. Any other keyword
 * (but a few that only describe) is an error at load. A pattern is a POSIX extended regular expression here.
 */
#ifndef SOCKWATCH_TESTS_SCHEMA_H
#define SOCKWATCH_TESTS_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* 0; -EBADMSG: no JSON; -EINVAL: a keyword that is not known or ill used (told on stderr); else -errno of the file. */
int schema__load(const char *path, json_t **ret);
int schema__load_text(const char *text, json_t **ret);

/*
 * schema is one of schema__load; it keeps what was compiled from it until the end of the program. On false *why is the
 * reason. Takes a few microseconds.
 */
bool schema__valid(const json_t *schema, const json_t *value, char *why, size_t why_size);

#endif
