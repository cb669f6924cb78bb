/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists of holders, for the other files of model/. What the caller of the model uses is in model.h. */
#ifndef SOCKWATCH_MODEL_HOLDERS_H
#define SOCKWATCH_MODEL_HOLDERS_H

#include "model/model.h"

void holders__init(struct model *m);
void holders__destroy(struct model *m);
/* A record of a process: always applied, whatever the sockets are at. */
int holders__record(struct model *m, const struct sw_record_task *r);
/* by uses s, which has an owner: before it becomes the owner itself. 0 or -ENOMEM. */
int holders__used(struct model *m, struct sock *s, struct process *by);
/* s has got this list. */
void holders__listed(struct model *m, const struct sock *s);
/*
 * Whose child is, which nobody has accepted yet, when the owner of its listener was said to be said (a reference that is
 * taken over; so is the answer): the kernel side does not hear of an heir. Another it is when said is known to have let go
 * of every listener that the child can have come through, and those have one owner.
 */
struct process *holders__of_listener(struct model *m, const struct sock *child, struct process *said);
/* s was prev's until time_ns. If it listens, what waits there for its accept goes with it, and that is told. */
void holders__handed_over(struct model *m, const struct sock *s, struct process *prev, uint64_t time_ns);
bool holders__has(const struct holder *holders, unsigned int count, const struct process *p);
/* The one that started first; between equals the lower pid, so that the answer is stable. NULL: there is none. */
struct process *holders__oldest(const struct holder *holders, unsigned int count);

#endif
