/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "render/address.h"

#include <stdbool.h>

#define WORDS 8

static char *put_byte(char *p, unsigned int n)
{
	if (n >= 100)
		*p++ = (char)('0' + n / 100);
	if (n >= 10)
		*p++ = (char)('0' + n / 10 % 10);
	*p++ = (char)('0' + n % 10);
	return p;
}

static char *put_ipv4(char *p, const uint8_t *address)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*p++ = '.';
		p = put_byte(p, address[i]);
	}
	return p;
}

static char *put_word(char *p, unsigned int word)
{
	bool started = false;

	for (int shift = 12; shift >= 0; shift -= 4) {
		unsigned int digit = word >> shift & 15;

		started |= digit || !shift;
		if (started)
			*p++ = "0123456789abcdef"[digit];
	}
	return p;
}

/* RFC 5952: the longest run of two or more zero words, the first of equals, becomes "::". */
static void find_zeros(const unsigned int *words, int *ret_first, int *ret_len)
{
	int best = -1, best_len = 1, run = 0;

	for (int i = 0; i < WORDS; i++) {
		run = words[i] ? 0 : run + 1;
		if (run > best_len) {
			best_len = run;
			best = i - run + 1;
		}
	}
	*ret_first = best;
	*ret_len = best < 0 ? 0 : best_len;
}

static char *put_ipv6(char *p, const uint8_t *address)
{
	unsigned int words[WORDS];
	int zeros, zeros_len;

	for (int i = 0; i < WORDS; i++)
		words[i] = (unsigned int)address[2 * i] << 8 | address[2 * i + 1];
	find_zeros(words, &zeros, &zeros_len);
	for (int i = 0; i < WORDS; i++) {
		if (i == zeros) {
			*p++ = ':';
			i += zeros_len - 1;
			if (i == WORDS - 1)
				*p++ = ':';
			continue;
		}
		if (i)
			*p++ = ':';
		/* IPv4-compatible (::a.b.c.d) and IPv4-mapped (::ffff:a.b.c.d) */
		if (i == 6 && zeros == 0 && (zeros_len == 6 || (zeros_len == 5 && words[5] == 0xffff)))
			return put_ipv4(p, address + 12);
		p = put_word(p, words[i]);
	}
	return p;
}

size_t address__format(char dst[ADDRESS_TEXT_MAX], uint8_t family, const uint8_t address[16])
{
	char *end = family == 4 ? put_ipv4(dst, address) : put_ipv6(dst, address);

	return (size_t)(end - dst);
}
