/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What bpf.c and bpf_load.c (programs of its own) and bpf_pin.c (pinned ones) share. */
#ifndef SOCKWATCH_SOURCE_BPF_INTERNAL_H
#define SOCKWATCH_SOURCE_BPF_INTERNAL_H

#include "source/bpf.h"
#include "source/reader.h"

struct bpf_link;
struct ring_buffer;
struct sockwatch_bpf;
struct sockwatch_bpf__bss;

struct bpf_source {
	struct sockwatch_bpf *skel; /* NULL: joined to a pin, then what is below was opened from there */
	struct sockwatch_bpf__bss *bss;
	int ring_fd, claims_fd, owners_fd, told_fd, tasks_fd, bss_fd;
	struct bpf_link *links[BPF_HOOKS];
	int program_fds[BPF_HOOKS]; /* -1: none, or the hook before has the same program */
	struct ring_buffer *ring;
	struct reader reader;
	struct sw_losses before; /* of others, before we joined */
	uint64_t since_ns;	 /* records from before are another reader's; 0: there is no other */
	bool legacy;
	/* What is remembered from before our start: iter/tcp, and the owners of time-wait entries. NULL, -1: nothing. */
	struct bpf_link *known;
	int memory_fd;
	int lock_fd; /* -1: none needed */
	/* of the drain that is running */
	bpf_record_fn fn;
	void *ctx;
};

/* A source with nothing in it yet; NULL: no memory. bpf_source__free frees it at any stage. */
struct bpf_source *bpf_source__make(void);
/* Set skel and legacy of *ret to what can be loaded of the plan, as bpf_source__new. */
int bpf_source__load(const struct bpf_config *config, enum bpf_plan plan, struct bpf_hook *hooks,
		     struct bpf_source *ret);
/* Attach what was loaded. 0, or the -errno of the first required hook. */
int bpf_source__attach(struct bpf_source *b, struct bpf_hook *hooks);
/* Maps, .bss and hooks are set: open the ring, and let the programs make records. 0 or -errno. */
int bpf_source__hear(struct bpf_source *b, bool all_states);
/* Mark as used the hooks that one of the plans has; plans: bits. */
void bpf_source__use_plans(struct bpf_hook *hooks, unsigned int plans, bool legacy);
/* Hook i cannot be had: mark as used what the plans have instead. */
void bpf_source__replace(struct bpf_hook *hooks, unsigned int i, unsigned int plans, bool legacy);
/* The programs with their maps, as bytes. */
const void *bpf_source__object(size_t *ret_size);

/* In the map of owners, fd. 0, -ENOENT or -errno. */
int bpf_owners__find(int fd, uint64_t cookie, struct sw_owner *ret);

#endif
