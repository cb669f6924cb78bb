/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The truth of the program: which sockets are open and whose they are. Rows of dumps and records of hooks go in, in any
 * order; updates come out. Pure: no system call, no libbpf. Keyed by cookie.
 *
 * The promise: hooks first; a dump's rows are true at some time between model__dump_begin and model__dump_end, and every
 * record that arrives in between is kept and applied on top. After model__dump_end (the update "sync") no live socket is
 * missing, no dead one present, none twice. After a loss the same dump repairs the table by the difference.
 */
#ifndef SOCKWATCH_MODEL_MODEL_H
#define SOCKWATCH_MODEL_MODEL_H

#include "model/process.h"
#include "model/types.h"

#define MODEL_SOCKETS_MAX (16 * 1024 * 1024)  /* more are counted as lost (map) */
#define MODEL_PENDING_MAX (256 * 1024 * 1024) /* bytes of records kept during a dump; more are counted as lost (dump) */
#define MODEL_GRAVES_MAX  65536		      /* closed cookies remembered against late and repeated records */
#define MODEL_ACCEPTS_MAX 4096		      /* accepts of sockets without a cookie, waiting for it */
#define MINISOCK_NS	  60000000000ULL      /* TCP_TIMEWAIT_LEN, include/net/tcp.h */
#define FIRST_LOOK_NS	  5000000000ULL	      /* at an entry whose end is not known */
#define MODEL_ENDED_MAX	  262144	      /* sockets that ended between two polls; more are counted as lost (map) */

struct model;

struct model_config {
	uint64_t ns_per_tick; /* of process.start_ticks */
	/* Called for each update, in order. */
	void (*tell)(void *ctx, const struct update *u);
	/* A process seen for the first time, or changed by exec: fill in what a record cannot carry. May be NULL. */
	void (*describe)(void *ctx, struct process *p);
	/* A process that holds a socket, or (shares) one that others hold too: its forks, closes and end count. May be NULL. */
	void (*watch)(void *ctx, uint32_t pid, bool shares);
	void *ctx;
};

int model__new(const struct model_config *config, struct model **ret);
void model__free(struct model *m);

/* One record of size bytes, as the ring gave it. 0, -EBADMSG (not one of ours; nothing changed) or -ENOMEM. */
int model__record(struct model *m, const void *data, size_t size);

/* Count and tell records that never came. The caller dumps again. */
void model__lost(struct model *m, enum loss_where where, uint64_t count, uint64_t now_ns);

/* Something is in the table that only a dump can complete: the port of a listener that never called bind. */
bool model__look_due(const struct model *m);

/*
 * A dump: begin, rows of all namespaces, the outcome of each namespace, holders of the rows that want them, end.
 * Between begin and end records are kept back; model__dump_abort applies them and changes nothing else.
 */
int model__dump_begin(struct model *m, uint64_t now_ns);
int model__row(struct model *m, const struct row *row); /* the same socket may come twice: the later row counts */
/* The namespace was dumped whole, or does not exist any more: what no row showed is gone. */
int model__netns_complete(struct model *m, uint32_t netns);
/* A second look at it failed: what no row showed may still be there. */
void model__netns_incomplete(struct model *m, uint32_t netns);
/* Sockets that end would call gone. When not 0 a second look at the kernel is due: a dump may skip a live socket. */
size_t model__suspects(const struct model *m);
/* Records have come since begin: the kernel's tables moved under the dump. */
bool model__disturbed(const struct model *m);
/* Rows with an inode whose owner is not known: call fn with each inode, once a dump. */
int model__each_unheld(struct model *m, int (*fn)(void *ctx, uint64_t cookie, uint64_t inode), void *ctx);
/* Say who holds the row's socket. The process reference is taken over, also on failure. */
int model__hold(struct model *m, uint64_t cookie, struct process *p, int fd);
/* The last owner of a row that nobody holds, from the kernel's memory. */
int model__last_owner(struct model *m, uint64_t cookie, const struct sw_owner *owner);
/*
 * What the kernel remembers of a row's socket, from before our start: its owner, who counts for more than holders, unless
 * others hold it and he does not. 0, or -ENOENT: no such row.
 */
int model__known(struct model *m, const struct sw_known *known);
/* There will be no records: every dump but the first is a poll, and what it finds is told as the change that it is. */
void model__use_polls(struct model *m);
/*
 * Polls: the kernel freed this socket. Told with the next poll that begins after it, which knows whether a time-wait entry
 * is left of it. Additional MPTCP subflows must have been in a dump to be told from connections.
 */
void model__ended(struct model *m, const struct ended *e);
/* Polls: holders are looked for in this dump, of every socket (all) or of those that want some. Before each_unheld. */
void model__scanning(struct model *m, bool all);
/* Merge, list, apply the records kept back. The caller tells sync. */
int model__dump_end(struct model *m, uint64_t now_ns);
int model__dump_abort(struct model *m);
/* Time of the last record that was given, CLOCK_BOOTTIME ns. */
uint64_t model__last_record(const struct model *m);
/* Records are kept back: more may be given, also from within tell. */
bool model__dumping(const struct model *m);
/* Tell EV_SYNC with the table's counts; the strings are the caller's. */
void model__sync(struct model *m, uint64_t now_ns, uint64_t bootstrap_us, const char *plan, const char *missing_hooks);

/*
 * Time-wait and request entries end without an event. When one is overdue, the caller dumps those states in its
 * namespace; what is still there is given to model__minisock_row, and the rest ends in model__minisocks_end.
 */
uint64_t model__next_deadline(const struct model *m); /* UINT64_MAX: none */
/* Namespaces with an overdue entry: fn is called once for each. */
int model__overdue(struct model *m, uint64_t now_ns, int (*fn)(void *ctx, uint32_t netns), void *ctx);
void model__minisock_row(struct model *m, const struct row *row, uint64_t now_ns);
void model__minisocks_end(struct model *m, uint64_t now_ns);

/*
 * Processes whose descriptors may have changed: when there are any the caller calls begin, each_dirty, from there holds
 * for each that is alive (all sockets it holds, by inode, as read at time_ns or later), looked, then gives it the records
 * from before that, and calls end.
 */
bool model__holders_due(const struct model *m);
int model__holders_begin(struct model *m);
/* Any process that shares a socket may have closed it unseen. */
void model__closes_missed(struct model *m);
int model__each_dirty(struct model *m, int (*fn)(void *ctx, uint32_t pid, uint64_t start_ticks), void *ctx);
int model__holds(struct model *m, uint32_t pid, uint64_t start_ticks, const struct held_fd *fds, size_t count,
		 uint64_t time_ns);
/* The look is over. Returns what end is to be called with. */
size_t model__holders_looked(struct model *m);
/*
 * Tells the owners that changed; what records brought up since the look was over waits for the next one. time_ns: of begin;
 * who took a socket since then knows better.
 */
void model__holders_end(struct model *m, size_t looked, uint64_t time_ns);

/* Read access, to what has been told. */
struct process_table *model__processes(struct model *m);
const struct sock *model__find(const struct model *m, uint64_t cookie);
size_t model__count(const struct model *m);
/* Sockets in no order: start with *pos = 0, NULL at the end. No change in between. */
const struct sock *model__next(const struct model *m, size_t *pos);
uint64_t model__lost_total(const struct model *m);

#endif
