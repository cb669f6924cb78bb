/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A growing byte buffer, born with a maximum. */
#ifndef SOCKWATCH_BASE_BUFFER_H
#define SOCKWATCH_BASE_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
	char *data;
	size_t len;
	size_t size;
	size_t max;  /* never grows past this */
	bool failed; /* an append did not fit or memory ran out; sticky until buffer__reset */
};

void buffer__init(struct buffer *b, size_t max);
void buffer__free(struct buffer *b);  /* takes a zeroed or half-built one */
void buffer__reset(struct buffer *b); /* len = 0, keeps the memory */

/* Appends are all or nothing; a failure only sets b->failed. */
void buffer__add(struct buffer *b, const void *data, size_t len);
void buffer__adds(struct buffer *b, const char *s);
void buffer__addc(struct buffer *b, char c);
void buffer__addu(struct buffer *b, uint64_t n); /* decimal, without printf */
void buffer__addf(struct buffer *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
