/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "model/filter.h"
#include "source/diag_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The words are parted by NUL, as a program is given them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t families[] = { AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET, AF_VSOCK };
	struct filter_subject s = { .known = UINT32_MAX, .path = "/run/x", .comm = "x", .cgroup = "/x", .state = 1 };
	const struct filter_env env = { 0 };
	_cleanup_free_ char *text = calloc(1, size + 1);
	struct filter_error e = { 0 };
	struct filter *f = NULL;
	char *words[64];
	struct buffer code;
	int n = 0, err;

	memcpy(text, data, size);
	for (size_t at = 0; at < size && n < 64; at += strlen(text + at) + 1)
		words[n++] = text + at;
	err = filter__parse(n, words, &env, &f, &e);
	if (err == -EINVAL && (!e.message[0] || e.column > strlen(e.text)))
		__builtin_trap();
	for (size_t i = 0; !err && i < sizeof(families) / sizeof(families[0]); i++) {
		s.family = families[i];
		if (filter__matches(f, &s) && !(filter__states(f) & 2))
			__builtin_trap();
	}
	buffer__init(&code, DIAG_FILTER_MAX);
	diag_filter__compile(f, UINT32_MAX, &code);
	buffer__free(&code);
	filter__free(f);
	return 0;
}
