/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that stay without a process: pinning them, and joining those that are pinned. */
#ifndef SOCKWATCH_SOURCE_BPF_PIN_H
#define SOCKWATCH_SOURCE_BPF_PIN_H

#include "source/bpf.h"
#include "source/pin.h"

/* What is pinned: 0, or the -errno of pin__open and pin__check_about. */
int bpf_pin__look(struct pin_about *ret);

/*
 * Keep the programs of b, which must have been made with config.pinnable, in the directory dir_fd. 0 or -errno (-EINVAL:
 * the kernel keeps no perf events, before 5.15); then the directory is to be removed. b goes on reading until it is freed.
 */
int bpf_pin__keep(struct bpf_source *b, int dir_fd, enum bpf_plan plan);

/*
 * Read the records of the pinned programs, from now on; they stay what they are when the source is freed, or the process
 * dies. hooks: as bpf_source__new. 0, -EBUSY: somebody else reads them, or -errno as bpf_pin__look.
 */
int bpf_pin__join(const struct bpf_config *config, struct bpf_hook *hooks, struct bpf_source **ret);

/* Give b, with programs of its own, what the pinned ones remember. 0 or -errno as bpf_pin__look. */
int bpf_pin__remember(struct bpf_source *b);

/* For who has no programs: the last owners that the pinned ones keep. A descriptor, or -errno as bpf_pin__look. */
int bpf_pin__open_owners(void);
/* 0 or -ENOENT. */
int bpf_pin__last_owner(int owners_fd, uint64_t cookie, struct sw_owner *ret);

#endif
