/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The BPF side: loads and attaches the programs of a plan, drains their records, reaches their owner maps. The only user
 * of its skeleton.
 */
#ifndef SOCKWATCH_SOURCE_BPF_H
#define SOCKWATCH_SOURCE_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sockwatch/record.h"
#include "source/hooks.h"

struct bpf_source;

struct bpf_config {
	size_t ring_bytes; /* power of two, at least a page */
	bool all_states;   /* records of every transition */
	bool pinnable;	   /* with what bpf_pin__keep needs */
	/* libbpf's own messages, one a call without newline; NULL: dropped. verbose: false for warnings. */
	void (*log)(bool verbose, const char *text);
};

#define BPF_RING_DEFAULT (4 * 1024 * 1024)
#define BPF_RING_MIN	 4096
#define BPF_RING_MAX	 (1024 * 1024 * 1024)

/* One hook, and how it went. */
struct bpf_hook {
	const char *name, *purpose; /* as in the hook table */
	bool required;
	unsigned int plans;
	bool used;     /* part of the plan as this kernel needs it */
	bool replaced; /* it cannot be had, and others that are used stand in for it */
	int error;     /* 0: attached; -ENODATA: not tried; -errno */
};

/* Set *ret_hooks to the hooks of the table, BPF_HOOKS of them, none used or tried. */
void bpf_source__hooks(struct bpf_hook *ret_hooks);
/* Load all hooks, attach each alone, and take it down again; "used" are those that this kernel has a use for. */
void bpf_source__survey(struct bpf_hook *ret_hooks, const struct bpf_config *config);

/* Whether a map is refused for its size or, with the privilege for it, at all: for want of memory that may be locked. */
bool bpf_source__map_is_refused(void);

/* What is known without loading anything: 0, it may work; -errno, there is no such plan here. */
int bpf_source__probe(enum bpf_plan plan);

/*
 * Load the hooks of a plan and attach them; one that is not required and cannot be had is left out, with its error in
 * hooks. 0, or the -errno of the first required hook (-EPERM: privilege, -ENOENT: no BTF or tracepoint).
 */
int bpf_source__new(const struct bpf_config *config, enum bpf_plan plan, struct bpf_hook *hooks,
		    struct bpf_source **ret);
void bpf_source__free(struct bpf_source *b); /* detaches */

typedef int (*bpf_record_fn)(void *ctx, void *data, size_t size);

int bpf_source__fd(const struct bpf_source *b); /* readable when records wait */
/* Give every waiting record to fn. The number of records, or fn's first negative return. */
int bpf_source__drain(struct bpf_source *b, bpf_record_fn fn, void *ctx);

/* Losses since the start, as the programs counted them, and runs the kernel refused because one was running already. */
void bpf_source__losses(const struct bpf_source *b, struct sw_losses *ret);
/*
 * How often closes and the like went unseen: the kernel skips those programs also while somebody on the same CPU is in the
 * middle of a bpf(2) call. Not a loss, as no record was due for most; who shares a socket is to be looked at.
 */
uint64_t bpf_source__missed_closes(const struct bpf_source *b);

/* Write the owner of a live socket, known since time_ns, for later records to find. 0 or -errno. */
int bpf_source__claim(struct bpf_source *b, uint64_t cookie, const struct sw_owner *owner, uint64_t time_ns);
/* Listeners of the calling thread's network namespace take their claims over. 0 or -errno. */
int bpf_source__adopt(struct bpf_source *b);
/* The claim for a cookie is not needed (the socket is gone). */
void bpf_source__unclaim(struct bpf_source *b, uint64_t cookie);
/* Forks, execs and the end of that process are told from now on; shares: also what it closes. 0 or -errno. */
int bpf_source__watch(struct bpf_source *b, uint32_t pid, bool shares);
/* What that process opens and closes from now on is told again: call before its descriptors are read. */
void bpf_source__look(struct bpf_source *b, uint32_t pid);
/* The last owner of a time-wait entry. 0 or -ENOENT. */
int bpf_source__last_owner(struct bpf_source *b, uint64_t cookie, struct sw_owner *ret);

/* Pinned programs have watched before our start: the two below know of sockets from then. */
bool bpf_source__remembers(const struct bpf_source *b);
typedef int (*bpf_known_fn)(void *ctx, const struct sw_known *known);
/* What is remembered of the live sockets of the calling thread's namespace. 0, -errno, or what fn returned if not 0. */
int bpf_source__each_known(struct bpf_source *b, bpf_known_fn fn, void *ctx);

#endif
