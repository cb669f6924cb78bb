/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Choosing and starting a plan, and saying in words why one cannot be had. */
#ifndef SOCKWATCH_CMD_PLAN_H
#define SOCKWATCH_CMD_PLAN_H

#include "cmd/options.h"
#include "source/bpf.h"

#define BTF_PATH "/sys/kernel/btf/vmlinux"

/* A plan that runs. */
struct plan {
	const char *name; /* as --plan takes it */
	struct bpf_source *bpf;
	struct bpf_hook hooks[BPF_HOOKS];
	char missing[256]; /* names of hooks that could not be had, joined by ", " */
};

/*
 * Load and attach the plan that was asked for, or the first that can be had. 0, or -errno with the reason and what to do
 * about it logged.
 */
int plan__start(const struct options *options, struct plan *ret);
/* Type information is there and begins as such. */
bool plan__have_btf(void);
/* Why hooks with this error are refused, and what to do: one line. */
const char *plan__explain(int err, char *text, size_t size);

#endif
