/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "source/iter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *ctx, const struct sw_holder *holder, int fd, uint64_t inode)
{
	if (!holder || fd < 0 || !inode)
		__builtin_trap();
	*(unsigned int *)ctx += holder->comm[0];
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int sum = 0;
	void *copy = malloc(size ? size : 1); /* aligned */

	if (copy)
		iter__parse(memcpy(copy, data, size), size, take, &sum);
	free(copy);
	return 0;
}
