/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The hooks of the BPF side, and the plans they make up. No libbpf here. */
#ifndef SOCKWATCH_SOURCE_HOOKS_H
#define SOCKWATCH_SOURCE_HOOKS_H

#include <stdbool.h>
#include <stddef.h>

/* In the order in which they are tried. */
enum bpf_plan { BPF_PLAN_FENTRY, BPF_PLAN_KPROBE, BPF_PLAN_TRACEPOINT, BPF_PLANS };

enum hook_way {
	HOOK_LIBBPF,	 /* its section's name tells libbpf everything */
	HOOK_TRACEPOINT, /* a classic tracepoint: category and event */
	HOOK_CGROUP,	 /* on the root of cgroup v2 */
};

/* Those where the programs run with "legacy" (bpf/compat.bpf.h), or the others. */
enum hook_kernels {
	HOOK_ALL,
	HOOK_LEGACY,
	HOOK_MODERN,
	HOOK_MISSED, /* the others too, but it is named as missing with legacy */
	HOOK_SPARE,  /* only where programs are preempted (bpf/spare.bpf.h): of the hook beside it */
};

struct hook {
	const char *name;    /* "tp_btf/inet_sock_set_state" */
	const char *purpose; /* "connect, listen, established and close of every TCP socket" */
	const char *program; /* of the skeleton; two hooks may share one: then they stand side by side */
	enum hook_way way;
	/* Of HOOK_TRACEPOINT; of another, the tracepoint without which there is no need to try. */
	const char *category, *event;
	unsigned int plans; /* a bit for each enum bpf_plan it is part of */
	bool required;	    /* without it there is no such plan */
	bool closes;	    /* tells that the caller may have let go of a socket that it shares, nothing else */
	bool recurs;	    /* with a spare: what both miss is told by the next event of its kind */
	enum hook_kernels kernels;
	unsigned int instead_of; /* stands in for that hook, which comes before it; 0: for none */
};

#define BPF_HOOKS 36

/* Attached from the last to the first: the state hook, and after it its spares. Another's spare stands after it. */
extern const struct hook hook_table[BPF_HOOKS];

#define HOOK_STATE	2 /* its program cannot be loaded where legacy is needed */
#define HOOK_ADOPT	3
#define HOOK_SEND	15
#define HOOK_MESSAGE	32
#define BPF_PLAN_BIT(p) (1U << (p))

/* "fentry", "kprobe", "tracepoint" */
const char *bpf_plan__name(enum bpf_plan plan);
/* 0, or -EINVAL for another name. */
int bpf_plan__find(const char *name, enum bpf_plan *ret);

#endif
