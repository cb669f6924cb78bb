/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct range {
	uint32_t first, last;
};

/*
 * Code points that move the cursor, turn the direction of the text or show nothing, so that two names could look alike:
 * categories Cc, Cf, Zl, Zp, Default_Ignorable_Code_Point and the noncharacters of the BMP (Unicode 15). Sorted.
 */
static const struct range hidden[] = {
	{ 0x0000, 0x001f },   { 0x007f, 0x009f },   { 0x00ad, 0x00ad },	  { 0x034f, 0x034f },	{ 0x0600, 0x0605 },
	{ 0x061c, 0x061c },   { 0x06dd, 0x06dd },   { 0x070f, 0x070f },	  { 0x0890, 0x0891 },	{ 0x08e2, 0x08e2 },
	{ 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },	  { 0x200b, 0x200f },	{ 0x2028, 0x202e },
	{ 0x2060, 0x206f },   { 0x3164, 0x3164 },   { 0xfdd0, 0xfdef },	  { 0xfe00, 0xfe0f },	{ 0xfeff, 0xfeff },
	{ 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   { 0xfffe, 0xffff },	  { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd },
	{ 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

static bool is_hidden(uint32_t code)
{
	size_t low = 0, high = sizeof(hidden) / sizeof(hidden[0]);

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (code < hidden[mid].first)
			high = mid;
		else if (code > hidden[mid].last)
			low = mid + 1;
		else
			return true;
	}
	return false;
}

/* RFC 3629, section 4: the second byte's bounds are what keeps out overlong forms, surrogates and > U+10FFFF. */
size_t utf8__sequence(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	unsigned char low = 0x80, high = 0xbf;
	size_t need;

	if (!len)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	need = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	if (len < need)
		return 0;
	if (u[0] == 0xe0)
		low = 0xa0;
	else if (u[0] == 0xed)
		high = 0x9f;
	else if (u[0] == 0xf0)
		low = 0x90;
	else if (u[0] == 0xf4)
		high = 0x8f;
	if (u[1] < low || u[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++) {
		if (u[i] < 0x80 || u[i] > 0xbf)
			return 0;
	}
	return need;
}

static uint32_t decode(const char *s, size_t len)
{
	static const unsigned char lead_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t code = (unsigned char)s[0] & lead_mask[len];

	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)s[i] & 0x3f);
	return code;
}

/* The escaped form of the sequence at s into out; *taken bytes of s are used. */
static size_t escape_one(char out[16], const char *s, size_t len, size_t *taken)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = utf8__sequence(s, len), written = 0;

	*taken = n ? n : 1;
	if (*s == '\0' || *s == '\\') {
		out[0] = out[1] = *s ? '\\' : ' ';
		return *s ? 2 : 1;
	}
	if (n && !is_hidden(decode(s, n))) {
		memcpy(out, s, n);
		return n;
	}
	for (size_t i = 0; i < *taken; i++) {
		out[written++] = '\\';
		out[written++] = 'x';
		out[written++] = hex[(unsigned char)s[i] >> 4];
		out[written++] = hex[(unsigned char)s[i] & 15];
	}
	return written;
}

size_t escape__terminal(char *dst, size_t dst_size, const char *s, size_t len)
{
	size_t at = 0, written = 0, taken;
	char one[16];

	while (at < len) {
		size_t n = escape_one(one, s + at, len - at, &taken);

		if (n >= dst_size - written)
			break;
		memcpy(dst + written, one, n);
		written += n;
		at += taken;
	}
	dst[written] = '\0';
	return written;
}
