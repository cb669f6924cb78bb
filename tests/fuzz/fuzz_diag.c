/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include <linux/netlink.h>

#include "source/diag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *ctx, const struct row *row)
{
	(void)ctx;
	if (row->state == 0 || row->state >= STATE_MAX || (row->ends.family != 4 && row->ends.family != 6))
		__builtin_trap();
	return 0;
}

/* The first message says which sequence number and port id are expected, so that captured answers go all the way. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nlmsghdr first = { 0 };

	memcpy(&first, data, size < sizeof(first) ? size : sizeof(first));
	diag__parse(data, size, first.nlmsg_seq, first.nlmsg_pid, 1, take, NULL);
	return 0;
}
