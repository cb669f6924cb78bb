/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/fields.h"

void fields__init(struct fields *f, const char *line, size_t len)
{
	*f = (struct fields){ .at = line, .end = line + len };
}

void fields__blanks(struct fields *f)
{
	while (f->at < f->end && *f->at == ' ')
		f->at++;
}

void fields__byte(struct fields *f, char c)
{
	if (f->at < f->end && *f->at == c)
		f->at++;
	else
		f->bad = true;
}

/* 16 and more: no digit. */
static unsigned int digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A') + 10;
	return 16;
}

uint64_t fields__number(struct fields *f, unsigned int base, uint64_t max)
{
	uint64_t n = 0;
	const char *start;

	fields__blanks(f);
	for (start = f->at; f->at < f->end && digit(*f->at) < base; f->at++) {
		if (n > (UINT64_MAX - 15) / base)
			f->bad = true;
		n = n * base + digit(*f->at);
	}
	if (f->at == start || n > max)
		f->bad = true;
	return f->bad ? 0 : n;
}

void fields__skip(struct fields *f)
{
	const char *start;

	fields__blanks(f);
	for (start = f->at; f->at < f->end && *f->at != ' '; f->at++)
		;
	if (f->at == start)
		f->bad = true;
}
