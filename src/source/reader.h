/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Saying that somebody reads, in a word of memory that is shared with others, so that it is taken back however the reader
 * ends: the kernel itself clears the thread id at the death of a thread that has the word in its list of robust futexes
 * (Documentation/locking/robust-futex-ABI.rst), SIGKILL included. No heartbeat, no wake-up.
 */
#ifndef SOCKWATCH_SOURCE_READER_H
#define SOCKWATCH_SOURCE_READER_H

#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	struct robust_list_head head;
	struct robust_list entry;
	struct robust_list_head *before; /* the C library's */
	size_t before_size;
	uint32_t *word; /* NULL: not begun */
};

/*
 * From now on word has the calling thread's id; it must be the thread that ends last, and r must stay where it is until
 * reader__end in the same thread. The thread must have no robust mutex.
 */
void reader__begin(struct reader *r, uint32_t *word);
void reader__end(struct reader *r); /* word is 0. Also when not begun */

#endif
