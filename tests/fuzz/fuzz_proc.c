/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "source/proc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct proc_info info = { 0 };
	char *path = NULL;
	uint64_t inode;
	uint32_t uid;

	if (proc__parse_stat(text, size, &info) == 0 && strlen(info.comm) > SW_COMM_LEN)
		__builtin_trap();
	proc__parse_status_uid(text, size, &uid);
	proc__parse_socket_link(text, size, &inode);
	if (proc__parse_cgroup(text, size, &path) == 0 && path[0] != '/')
		__builtin_trap();
	free(path);
	return 0;
}
