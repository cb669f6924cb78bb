/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines on their way to a reader that may be slow, gone, or a full disk. Writing may wait for the reader (the kernel's
 * ring takes the records meanwhile), but a stop signal always gets through.
 */
#ifndef SOCKWATCH_CMD_OUTPUT_H
#define SOCKWATCH_CMD_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct output {
	struct buffer lines;
	int fd;
	int stop_fd;	 /* readable when a stop signal waits; not read here */
	uint64_t end_ns; /* CLOCK_BOOTTIME: no patience with a slow reader after this; UINT64_MAX: never */
	bool chunked;	 /* a pipe, socket or terminal: never more at once than poll has promised room for */
	bool stopped;	 /* gave up on a slow reader, at the end or at the end or for a stop signal */
	int error;	 /* -errno of the first failed write; -EPIPE: the reader is gone */
};

#define OUTPUT_FLUSH_AT (64 * 1024)

void output__init(struct output *o, int fd, int stop_fd);
void output__free(struct output *o);
/* Write all lines. After an error or stop everything is dropped. */
void output__flush(struct output *o);

#endif
