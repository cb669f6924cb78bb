/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/parse.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define NS_PER_SECOND	1000000000ull
#define FRACTION_DIGITS 9

int parse__u64n(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *ret)
{
	bool overflow = false;
	uint64_t n = 0;

	if (!len)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		overflow |= __builtin_mul_overflow(n, 10u, &n);
		overflow |= __builtin_add_overflow(n, (uint64_t)(s[i] - '0'), &n);
	}
	if (overflow || n < min || n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

int parse__u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	return parse__u64n(s, strlen(s), min, max, ret);
}

/* Digits after the point, as nanoseconds. More than nine cannot be kept, and are refused rather than cut. */
static int parse_fraction(const char *s, uint64_t *ret_ns)
{
	size_t len = strlen(s);
	uint64_t n;

	if (len > FRACTION_DIGITS || parse__u64n(s, len, 0, NS_PER_SECOND - 1, &n))
		return -EINVAL;
	for (; len < FRACTION_DIGITS; len++)
		n *= 10;
	*ret_ns = n;
	return 0;
}

int parse__seconds(const char *s, uint64_t max_seconds, uint64_t *ret_ns)
{
	const char *point = strchr(s, '.');
	uint64_t seconds, fraction = 0, ns;
	int err;

	if (point && parse_fraction(point + 1, &fraction))
		return -EINVAL;
	err = parse__u64n(s, point ? (size_t)(point - s) : strlen(s), 0, max_seconds, &seconds);
	if (err)
		return err;
	if (seconds == max_seconds && fraction)
		return -ERANGE;
	if (__builtin_mul_overflow(seconds, NS_PER_SECOND, &ns) || __builtin_add_overflow(ns, fraction, &ns))
		return -ERANGE;
	*ret_ns = ns;
	return 0;
}
