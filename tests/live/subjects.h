/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TCP and UDP sockets of a namespace, of both families, as sock_diag shows them and as a filter sees them. */
#ifndef SOCKWATCH_TESTS_SUBJECTS_H
#define SOCKWATCH_TESTS_SUBJECTS_H

#include "base/buffer.h"
#include "model/filter.h"

#define SUBJECTS_MAX 512

struct subjects {
	struct filter_subject items[SUBJECTS_MAX];
	size_t count;
};

/* With the bytecode of source/diag_filter.h, or NULL. A failure fails the test. */
void subjects__dump(int ns_fd, uint32_t states, const struct buffer *bytecode, struct subjects *ret);

#endif
