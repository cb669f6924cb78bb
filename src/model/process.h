/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The processes that own or hold sockets, one object for each (pid, start). Counted; the ones nobody refers to any more
 * are kept for a while, so that a client that opens one short connection after the other is described once.
 */
#ifndef SOCKWATCH_MODEL_PROCESS_H
#define SOCKWATCH_MODEL_PROCESS_H

#include "model/types.h"

#define PROCESSES_IDLE_MAX 4096 /* unreferenced ones kept; the oldest makes room */

struct process_table;

int process_table__new(struct process_table **ret);
/* Frees every process, referenced or not. */
void process_table__free(struct process_table *pt);
size_t process_table__count(const struct process_table *pt);
/* One after the other, *pos being 0 at first; NULL at the end. No new reference. */
struct process *process_table__next(const struct process_table *pt, size_t *pos);

/*
 * The process (pid, start_ticks), made when it is not known yet (then *ret_created is true and all facts are unset).
 * Returns a new reference, NULL when memory ran out.
 */
struct process *process_table__get(struct process_table *pt, uint32_t pid, uint64_t start_ticks, bool *ret_created);
/* NULL: it is not in the table. No new reference. */
struct process *process_table__find(const struct process_table *pt, uint32_t pid, uint64_t start_ticks);
/* The same with a new reference, which process_table__put() drops. */
struct process *process_table__find_ref(struct process_table *pt, uint32_t pid, uint64_t start_ticks);
struct process *process__ref(struct process *p);		      /* p is referenced already, or NULL */
void process_table__put(struct process_table *pt, struct process *p); /* takes NULL */

/* Replace comm and command line (len bytes; NUL between arguments). True when something changed. */
bool process__set_comm(struct process *p, const void *comm, size_t len);
/* The name of its parent; len as above. */
void process__set_parent_comm(struct process *p, const void *comm, size_t len);
/* names: of a path, the last one first, each with a NUL behind it (len bytes in all). True when something changed. */
bool process__set_exe(struct process *p, const void *names, size_t len);
bool process__set_cmdline(struct process *p, const void *cmdline, size_t len);

#endif
