/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pieces of a JSON writer that must be quick. Keys are the caller's literals with their commas and quotes
 * (",\"pid\":"), copied with a length known at compile time; only values are made here.
 */
#ifndef SOCKWATCH_RENDER_JSON_H
#define SOCKWATCH_RENDER_JSON_H

#include <string.h>

#include "base/buffer.h"

static inline void json__raw(struct buffer *b, const char *s, size_t len)
{
	if (__builtin_expect(b->failed || b->size - b->len < len, 0)) {
		buffer__add(b, s, len);
		return;
	}
	memcpy(b->data + b->len, s, len);
	b->len += len;
}

/* A string literal as it stands. */
#define json__literal(b, text) json__raw(b, "" text, sizeof(text) - 1)

/* A literal key and an integer, a quoted word that needs no escape, or any bytes. */
#define json__integer(b, key, n)                   \
	do {                                       \
		json__literal(b, ",\"" key "\":"); \
		buffer__addu(b, n);                \
	} while (0)
#define json__word(b, key, word)                     \
	do {                                         \
		const char *_word = (word);          \
		json__literal(b, ",\"" key "\":\""); \
		json__raw(b, _word, strlen(_word));  \
		json__literal(b, "\"");              \
	} while (0)
#define json__bytes(b, key, s, len)                \
	do {                                       \
		json__literal(b, ",\"" key "\":"); \
		json__string(b, s, len);           \
	} while (0)

/*
 * len bytes of anybody's as one quoted string, always valid UTF-8. The value a parser gets back: well-formed UTF-8 as it
 * was, a backslash doubled, any other byte as the four characters \xNN. Two different inputs never give the same value.
 * Control characters (C0, DEL, C1) are written as \u00NN, so that the line does no harm on a terminal.
 */
void json__string(struct buffer *b, const char *s, size_t len);
void json__content(struct buffer *b, const char *s, size_t len); /* without the quotes, to join pieces */

/* Quoted RFC 3339 time in UTC of nanoseconds since 1970, cut (not rounded) to 0 to 9 digits of a second. */
void json__time(struct buffer *b, uint64_t realtime_ns, unsigned int digits);

#endif
