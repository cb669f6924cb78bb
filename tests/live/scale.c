/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/scale.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/parse.h"

#define PERCENT	     100
#define PATIENCE_MAX 100

static unsigned int number(const char *name, unsigned int otherwise, unsigned int max)
{
	const char *text = getenv(name);
	uint64_t value;

	if (!text || !*text)
		return otherwise;
	if (parse__u64(text, 1, max, &value))
		fail_msg("%s must be 1 to %u, not %s", name, max, text);
	return (unsigned int)value;
}

unsigned int scale__load(unsigned int count)
{
	unsigned int scaled =
		(unsigned int)((uint64_t)count * number("SOCKWATCH_TEST_LOAD", PERCENT, PERCENT) / PERCENT);

	return scaled ? scaled : 1;
}

unsigned int scale__load_at_least(unsigned int count, unsigned int min)
{
	unsigned int scaled = scale__load(count);

	return scaled > min ? scaled : min;
}

int scale__timeout(int timeout)
{
	return timeout * (int)number("SOCKWATCH_TEST_PATIENCE", 1, PATIENCE_MAX);
}
