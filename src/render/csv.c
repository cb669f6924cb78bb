/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "render/csv.h"

#include <string.h>

#include "base/escape.h"

static bool needs_quotes(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '"' || data[i] == ',' || data[i] == '\r' || data[i] == '\n')
			return true;
	}
	/* Blanks at the ends are part of the field, and many readers take them off. */
	return len && (data[0] == ' ' || data[len - 1] == ' ');
}

static void add_byte(struct buffer *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

	buffer__add(out, text, sizeof(text));
}

/* At data; the bytes used of it. */
static size_t add_character(struct buffer *out, const char *data, size_t len)
{
	unsigned char c = (unsigned char)*data;
	size_t n = utf8__sequence(data, len);

	if (c == '"')
		buffer__adds(out, "\"\"");
	else if (c == '\\')
		buffer__adds(out, "\\\\");
	else if (!n || (c < ' ' && c != '\r' && c != '\n') || c == 0x7f)
		add_byte(out, c);
	else
		buffer__add(out, data, n);
	return n ? n : 1;
}

void csv__field(struct buffer *out, const char *data, size_t len)
{
	bool quoted = needs_quotes(data, len);

	if (quoted)
		buffer__addc(out, '"');
	for (size_t at = 0; at < len;)
		at += add_character(out, data + at, len - at);
	if (quoted)
		buffer__addc(out, '"');
}

void csv__header(const struct columns *c, struct buffer *out)
{
	for (unsigned int i = 0; i < c->count; i++) {
		if (i)
			buffer__addc(out, ',');
		csv__field(out, c->items[i]->name, strlen(c->items[i]->name));
	}
	buffer__adds(out, "\r\n");
}

void csv__line(const struct columns *c, const struct column_view *v, struct buffer *scratch, struct buffer *out)
{
	for (unsigned int i = 0; i < c->count; i++) {
		buffer__reset(scratch);
		c->items[i]->text(v, scratch);
		if (i)
			buffer__addc(out, ',');
		if (scratch->len)
			csv__field(out, scratch->data, scratch->len);
	}
	buffer__adds(out, "\r\n");
}
