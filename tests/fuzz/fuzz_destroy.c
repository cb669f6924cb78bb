/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/destroy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *ctx, const struct row *row)
{
	(void)ctx;
	if (row->state == 0 || row->state >= STATE_MAX || (row->ends.family != 4 && row->ends.family != 6))
		__builtin_trap();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	destroy__parse(data, size, 1, take, NULL);
	return 0;
}
