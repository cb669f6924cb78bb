/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/reader.h"

#include <sys/syscall.h>
#include <unistd.h>

void reader__begin(struct reader *r, uint32_t *word)
{
	/* A list of one; the kernel finds the word at the entry's address plus futex_offset. */
	r->entry.next = &r->head.list;
	r->head = (struct robust_list_head){
		.list.next = &r->entry,
		.futex_offset = (long)((intptr_t)word - (intptr_t)&r->entry),
	};
	r->word = word;
	if (syscall(SYS_get_robust_list, 0, &r->before, &r->before_size))
		r->before = NULL;
	/* Where it is refused the word stays set after a SIGKILL: the next reader takes it over all the same. */
	syscall(SYS_set_robust_list, &r->head, sizeof(r->head));
	__atomic_store_n(word, (uint32_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
}

void reader__end(struct reader *r)
{
	if (!r->word)
		return;
	__atomic_store_n(r->word, 0, __ATOMIC_SEQ_CST);
	if (r->before)
		syscall(SYS_set_robust_list, r->before, r->before_size);
	r->word = NULL;
}
