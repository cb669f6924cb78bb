/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256
#define U64_DIGITS 20 /* of UINT64_MAX */

void buffer__init(struct buffer *b, size_t max)
{
	*b = (struct buffer){ .max = max };
}

void buffer__free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){ .max = b->max };
}

void buffer__reset(struct buffer *b)
{
	b->len = 0;
	b->failed = false;
}

/* Room for extra more bytes. After a failure nothing is taken any more: a later, shorter piece would join halves. */
static bool reserve(struct buffer *b, size_t extra)
{
	size_t size = b->size ? b->size : FIRST_SIZE;
	char *data;

	if (b->failed)
		return false;
	if (extra <= b->size - b->len)
		return true;
	if (extra > b->max - b->len)
		goto fail;
	while (size < b->len + extra)
		size = size > b->max / 2 ? b->max : size * 2;
	if (size > b->max)
		size = b->max;
	data = realloc(b->data, size);
	if (!data)
		goto fail;
	b->data = data;
	b->size = size;
	return true;
fail:
	b->failed = true;
	return false;
}

static bool have_room(struct buffer *b, size_t extra)
{
	return (!b->failed && extra <= b->size - b->len) || reserve(b, extra);
}

void buffer__add(struct buffer *b, const void *data, size_t len)
{
	if (!len || !have_room(b, len))
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void buffer__adds(struct buffer *b, const char *s)
{
	buffer__add(b, s, strlen(s));
}

void buffer__addc(struct buffer *b, char c)
{
	if (!have_room(b, 1))
		return;
	b->data[b->len++] = c;
}

void buffer__addu(struct buffer *b, uint64_t n)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	char digits[U64_DIGITS];
	size_t at = sizeof(digits);

	for (; n > 99; n /= 100)
		memcpy(digits + (at -= 2), pairs + n % 100 * 2, 2);
	if (n > 9)
		memcpy(digits + (at -= 2), pairs + n * 2, 2);
	else
		digits[--at] = (char)('0' + n);
	buffer__add(b, digits + at, sizeof(digits) - at);
}

/* Through memory of its own: vsnprintf ends with a NUL, for which a buffer that is filled to the last byte has no room. */
void buffer__addf(struct buffer *b, const char *fmt, ...)
{
	char small[256], *text = small;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(small, sizeof(small), fmt, args);
	va_end(args);
	if (len >= (int)sizeof(small)) {
		text = malloc((size_t)len + 1);
		if (text) {
			va_start(args, fmt);
			vsnprintf(text, (size_t)len + 1, fmt, args);
			va_end(args);
		}
	}
	if (len < 0 || !text)
		b->failed = true;
	else
		buffer__add(b, text, (size_t)len);
	if (text != small)
		free(text);
}
