/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tell(void *ctx, const struct update *u)
{
	(void)ctx;
	if (u->sock && (u->sock->state == 0 || u->sock->state >= STATE_MAX))
		__builtin_trap();
}

/* Records, each behind two bytes with its size; one of size 0 begins a dump, or ends it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct model_config config = { .ns_per_tick = 10000000, .tell = tell };
	_Alignas(8) uint8_t record[1024] = { 0 };
	struct model *m = NULL;

	for (size_t len; size >= 2 && (m || !model__new(&config, &m)); data += 2 + len, size -= 2 + len) {
		len = (data[0] | data[1] << 8) % sizeof(record);
		len = len < size - 2 ? len : size - 2;
		if (!len && model__dump_begin(m, size))
			model__dump_end(m, size);
		model__record(m, memcpy(record, data + 2, len), len);
	}
	model__free(m);
	return 0;
}
