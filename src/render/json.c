/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "render/json.h"

#include "base/escape.h"

#define NS_PER_SECOND	1000000000u
#define SECONDS_PER_DAY 86400u

/* Bytes that go through as they are. */
static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_control(struct buffer *b, unsigned char code)
{
	static const char hex[] = "0123456789abcdef";
	char text[] = { '\\', 'u', '0', '0', hex[code >> 4], hex[code & 15] };

	json__raw(b, text, sizeof(text));
}

static void put_ill_formed(struct buffer *b, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";
	char text[] = { '\\', '\\', 'x', hex[byte >> 4], hex[byte & 15] };

	json__raw(b, text, sizeof(text));
}

/* What is not plain, at s. Returns how many bytes of it were used. */
static size_t put_special(struct buffer *b, const char *s, size_t len)
{
	unsigned char first = (unsigned char)*s;
	size_t n = utf8__sequence(s, len);

	if (!n) {
		put_ill_formed(b, first);
		return 1;
	}
	if (first == '"')
		json__literal(b, "\\\"");
	else if (first == '\\')
		json__literal(b, "\\\\\\\\");
	else if (n == 1)
		put_control(b, first);
	else if (first == 0xc2 && (unsigned char)s[1] < 0xa0) /* C1: U+0080 to U+009F */
		put_control(b, (unsigned char)s[1]);
	else
		json__raw(b, s, n);
	return n;
}

void json__content(struct buffer *b, const char *s, size_t len)
{
	size_t at = 0, run;

	while (at < len) {
		for (run = at; run < len && is_plain((unsigned char)s[run]); run++)
			;
		if (run > at)
			json__raw(b, s + at, run - at);
		at = run;
		if (at < len)
			at += put_special(b, s + at, len - at);
	}
}

void json__string(struct buffer *b, const char *s, size_t len)
{
	json__literal(b, "\"");
	json__content(b, s, len);
	json__literal(b, "\"");
}

static char *put_digits(char *p, unsigned int n, unsigned int digits)
{
	for (unsigned int i = digits; i; i--) {
		p[i - 1] = (char)('0' + n % 10);
		n /= 10;
	}
	return p + digits;
}

/*
 * Proleptic Gregorian date of a day since 1970-01-01. Years are counted from 1 March, so that the leap day is a year's
 * last; an era is the 400 years (146097 days) after which the calendar repeats.
 */
static char *put_date(char *p, unsigned int day)
{
	unsigned int shifted = day + 719468; /* days since 0000-03-01 */
	unsigned int era = shifted / 146097, of_era = shifted % 146097;
	unsigned int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned int of_year = of_era - (365 * year + year / 4 - year / 100);
	unsigned int march_month = (5 * of_year + 2) / 153;
	unsigned int month = march_month < 10 ? march_month + 3 : march_month - 9;

	p = put_digits(p, year + era * 400 + (month <= 2), 4);
	*p++ = '-';
	p = put_digits(p, month, 2);
	*p++ = '-';
	return put_digits(p, of_year - (153 * march_month + 2) / 5 + 1, 2);
}

void json__time(struct buffer *b, uint64_t realtime_ns, unsigned int digits)
{
	uint64_t seconds = realtime_ns / NS_PER_SECOND;
	unsigned int fraction = (unsigned int)(realtime_ns % NS_PER_SECOND);
	unsigned int of_day = (unsigned int)(seconds % SECONDS_PER_DAY);
	char text[40], *p = text;

	*p++ = '"';
	p = put_date(p, (unsigned int)(seconds / SECONDS_PER_DAY));
	*p++ = 'T';
	p = put_digits(p, of_day / 3600, 2);
	*p++ = ':';
	p = put_digits(p, of_day / 60 % 60, 2);
	*p++ = ':';
	p = put_digits(p, of_day % 60, 2);
	if (digits) {
		*p++ = '.';
		for (unsigned int i = digits; i < 9; i++)
			fraction /= 10;
		p = put_digits(p, fraction, digits);
	}
	*p++ = 'Z';
	*p++ = '"';
	json__raw(b, text, (size_t)(p - text));
}
