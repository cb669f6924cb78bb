/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Choosing and starting a plan, and saying in words why one cannot be had. */
#ifndef SOCKWATCH_CMD_PLAN_H
#define SOCKWATCH_CMD_PLAN_H

#include "cmd/options.h"
#include "source/bpf.h"

#define PLAN_TRACEPOINT "tracepoint"
#define BTF_PATH	"/sys/kernel/btf/vmlinux"

/*
 * Load and attach. missing gets the names of optional hooks that could not be had. 0, or -errno with the reason and what
 * to do about it logged.
 */
int plan__start(const struct options *options, struct bpf_hook *hooks, struct bpf_source **ret, char *missing,
		size_t missing_size);
/* Type information is there and begins as such. */
bool plan__have_btf(void);
/* Why hooks with this error are refused, and what to do: one line. */
const char *plan__explain(int err, char *text, size_t size);

#endif
