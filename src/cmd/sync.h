/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bringing the model in sync with the kernel: one pass over every network namespace and every process. The same pass at
 * start and after a loss. Wiring only: facts come from source/, decisions are the model's.
 */
#ifndef SOCKWATCH_CMD_SYNC_H
#define SOCKWATCH_CMD_SYNC_H

#include "cmd/poll.h"
#include "model/model.h"
#include "source/bpf.h"

struct sync {
	struct model *model;
	struct bpf_source *bpf; /* NULL: there are no records, and */
	struct poll *poll;	/* every pass but the first is a poll */
	const char *proc;	/* "/proc" */
	/* Called now and then during a pass, to take records out of the ring: the number taken, or -errno. */
	int (*drain)(void *ctx);
	void *ctx;
	bool started; /* the first pass is over */
	/* Outcome of the last pass, for messages. */
	unsigned int namespaces;
	unsigned int unreadable; /* processes that could not be looked into */
	unsigned int hidden;	 /* processes whose network namespace could not be read */
	unsigned int refused;	 /* losses told of what another look would not show either */
	unsigned int failed;	 /* namespaces that could not be dumped */
	int failed_error;	 /* -errno of the last of them */
};

/* One pass: begin, dump, second look, holders, end. Losses of the dump itself are told. 0 or -errno. */
int sync__run(struct sync *s);
/* Take every record from before now out of the ring. 0 or -errno. */
int sync__drain_until_now(struct sync *s);
/* Look whether overdue time-wait and request entries are still there, and let the model end the others. 0 or -errno. */
int sync__check_minisocks(struct sync *s);
/* Give the owners that were found by scan to the kernel: call with every update. */
void sync__told(struct sync *s, const struct update *u);
/* Fill in what only /proc knows of a process: exe and cgroup path; all of it for one that no record described. */
void sync__describe(const char *proc, struct process *p);

#endif
