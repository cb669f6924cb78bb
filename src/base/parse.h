/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Checked numbers: no trailing text, no sign, no silent range. */
#ifndef SOCKWATCH_BASE_PARSE_H
#define SOCKWATCH_BASE_PARSE_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits only. 0, -EINVAL (not a number) or -ERANGE (not in [min, max]); *ret untouched on failure. */
int parse__u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
/* The same over len bytes that need no NUL; the digits must fill them. */
int parse__u64n(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *ret);
/* Seconds with an optional decimal fraction ("2", "0.5"), as nanoseconds, at most max_seconds. */
int parse__seconds(const char *s, uint64_t max_seconds, uint64_t *ret_ns);

#endif
