/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Choosing and starting a plan, and saying in words why one cannot be had. */
#ifndef SOCKWATCH_CMD_PLAN_H
#define SOCKWATCH_CMD_PLAN_H

#include "cmd/options.h"
#include "cmd/poll.h"
#include "source/bpf.h"

#define BTF_PATH "/sys/kernel/btf/vmlinux"

/* A plan that runs. */
struct plan {
	const char *name;	/* as --plan takes it */
	struct bpf_source *bpf; /* NULL: plan none, */
	struct poll *poll;	/* which has this */
	struct bpf_hook hooks[BPF_HOOKS];
	char missing[256]; /* names of hooks that could not be had, joined by ", " */
	enum bpf_plan plan;
};

/*
 * Read the pinned programs when they are what was asked for and nobody else does; or else start the plan that was asked
 * for, or the first that can be had; plan none, which is the last, says what it costs. To pin, never join, and never plan
 * none. 0, or -errno with the reason and what to do about it logged.
 */
int plan__start(const struct options *options, struct model *model, struct plan *ret);
void plan__end(struct plan *p);
/* Type information is there and begins as such. */
bool plan__have_btf(void);
/* Why hooks with this error are refused, and what to do: one line. */
const char *plan__explain(int err, char *text, size_t size);

#endif
