/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plan "none": how often to look when looking is all there is, and the ends of sockets that the kernel tells in between.
 * The looks themselves are those of sync.h.
 */
#ifndef SOCKWATCH_CMD_POLL_H
#define SOCKWATCH_CMD_POLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "source/netns.h"

#define PLAN_NONE "none"

#define POLL_MIN_NS	200000000ULL   /* short enough that a person sees no delay */
#define POLL_MAX_NS	60000000000ULL /* as long as a time-wait entry lasts: of no connection everything is missed */
#define POLL_SHARE	40	       /* looks take at most 1/40 of a core, walks of /proc as much again: 5 % in all */
#define POLL_REFRESH_NS 2000000000ULL  /* between two walks of /proc that only look whether an owner has changed */

struct poll;

int poll__new(struct model *model, struct poll **ret);
void poll__free(struct poll *p); /* takes NULL */

/* From the begin of one look, or walk, to the begin of the next, when one costs that much CPU time. */
uint64_t poll__interval(uint64_t cost_ns);

/* Readable when the kernel has told of ends. */
int poll__fd(const struct poll *p);
/* Give the model what waits there, up to a limit. The number of ends, or -errno. */
int poll__drain(struct poll *p);
/* Ends that were told and could not be kept, since the start. */
uint64_t poll__lost(const struct poll *p);
/* The kernel tells us of ends, in our own namespace at least. */
bool poll__hears(const struct poll *p);

/* Around each look, for its cost; end returns when the next one is due (CLOCK_BOOTTIME). */
void poll__begin(struct poll *p);
uint64_t poll__end(struct poll *p);

/*
 * Hear of ends in exactly these namespaces: a socket kept for one that nobody is in any more would keep it alive. What the
 * model has of the others is gone. 0 or -ENOMEM.
 */
int poll__follow(struct poll *p, const struct netns_list *list);
/* True the first time that a namespace is refused: it will be at every look, and is told once. */
bool poll__is_new_refusal(struct poll *p, uint32_t netns);

/* Whether /proc may be walked now: wanted sockets have no owner yet. *ret_all: also for those that have one. */
bool poll__scan_begin(struct poll *p, unsigned int wanted, bool *ret_all);
void poll__scan_end(struct poll *p);

/* Whether the plan can be had at all: 0 or -errno. *ret_hears: as poll__hears. */
int poll__try(bool *ret_hears);
/* What the plan costs the user, in words; hears: as poll__hears. */
const char *poll__cost_text(bool hears);

#endif
