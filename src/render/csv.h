/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Comma-separated values, RFC 4180: lines end with CR LF, a field with a quote, comma or line break is quoted. */
#ifndef SOCKWATCH_RENDER_CSV_H
#define SOCKWATCH_RENDER_CSV_H

#include "render/columns.h"

/* The names of the columns. */
void csv__header(const struct columns *c, struct buffer *out);
/*
 * One record. Values are the bytes as they are, but the bytes that RFC 4180 has no room for (control characters other
 * than CR and LF, and what is not UTF-8) are \xNN, with a backslash doubled in such a value's column.
 */
void csv__line(const struct columns *c, const struct column_view *v, struct buffer *scratch, struct buffer *out);
/* One field alone. */
void csv__field(struct buffer *out, const char *data, size_t len);

#endif
