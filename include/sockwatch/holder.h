/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What bpf/list.bpf.c writes and src/source/iter.c reads: a struct sw_holder for each process that has a socket, and
 * behind it a struct sw_held for each of its descriptors of one. Both begin with eight bytes that tell which it is.
 */
#ifndef SOCKWATCH_HOLDER_H
#define SOCKWATCH_HOLDER_H

#include "sockwatch/record.h"

/* A process. Its numbers are those of the reader's pid namespace. */
struct sw_holder {
	__u64 mark;	/* 0 */
	__u64 start_ns; /* of the leader, CLOCK_BOOTTIME ns (task_struct.start_boottime) */
	__u32 pid;
	__u32 ppid; /* 0: it is of another pid namespace */
	__u32 uid;
	__u32 pad;
	__u8 comm[SW_COMM_LEN]; /* bytes another user chose */
};

/* A descriptor of the process told last. */
struct sw_held {
	__u64 inode; /* of sockfs, never 0 */
	__u32 pid;   /* of the process */
	__u32 fd;
};

_Static_assert(sizeof(struct sw_holder) == 48, "the reader knows no padding");
_Static_assert(sizeof(struct sw_held) == 16, "the reader knows no padding");

#endif
