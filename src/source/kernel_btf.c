/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/kernel_btf.h"

#include <fcntl.h>
#include <linux/btf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define PATH "/sys/kernel/btf/vmlinux"

/* With the terminating bytes; the table of strings begins with a NUL. The guard that keeps preemption on came with it. */
static const char guard[] = "\0class_srcu_fast_notrace_t";

static bool has_string(const struct btf_header *h, size_t size, const char *s, size_t len)
{
	const char *strings = (const char *)h + h->hdr_len + h->str_off;

	if (size < sizeof(*h) || h->magic != BTF_MAGIC || (size_t)h->hdr_len + h->str_off + h->str_len > size)
		return false;
	return memmem(strings, h->str_len, s, len);
}

/* The file can be mapped from 6.16 on, which spares older kernels the search; reading it takes milliseconds. */
static bool search(void)
{
	_cleanup_close_ int fd = open(PATH, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;
	bool found;

	if (fd < 0 || fstat(fd, &st))
		return false;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return false;
	found = has_string(map, (size_t)st.st_size, guard, sizeof(guard));
	munmap(map, (size_t)st.st_size);
	return found;
}

bool kernel_btf__preempts_tracepoints(void)
{
	static enum { UNKNOWN, NO, YES } answer;

	if (answer == UNKNOWN)
		answer = search() ? YES : NO;
	return answer == YES;
}
