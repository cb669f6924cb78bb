/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of model/ share: the table of sockets (sockets.c), records (record.c), dumps (dump.c). */
#ifndef SOCKWATCH_MODEL_INTERNAL_H
#define SOCKWATCH_MODEL_INTERNAL_H

#include "base/table.h"
#include "model/holders.h"
#include "model/model.h"

/* A cookie whose socket closed lately. */
struct grave {
	uint64_t cookie;
	uint64_t time_ns; /* of the close */
	uint32_t seq;	  /* of its close record */
	bool accepted;	  /* its accept was told */
};

/* What a running dump knows about one cookie. */
struct staged {
	struct row row;
	bool have_row;
	bool touched;	       /* a record kept back is about it */
	bool opened;	       /* a record kept back opens it */
	bool closed;	       /* a record kept back closes it */
	bool accepted;	       /* a record kept back says who accepted it */
	struct sw_known known; /* owner.attribution 0: nothing is */
	struct holder *holders;
	unsigned int holder_count;
};

struct pending {
	char *data; /* records, each behind a uint64_t with its size, padded to 8 */
	size_t len, size;
	uint64_t count; /* of those about sockets */
};

struct model {
	struct model_config config;
	struct process_table *processes;
	struct table socks;	/* struct sock by cookie */
	struct table minisocks; /* the struct socks that are minisocks, by netns and endpoints */
	struct table
		listeners;   /* the struct socks that listen, by netns and local port; more follow by next_listener */
	struct table graves; /* struct grave by cookie, pointing into grave_ring */
	struct grave *grave_ring;
	size_t grave_next;
	struct sw_record_process *accepts; /* without a cookie: they wait by inode */
	size_t accept_next;
	uint64_t next_deadline_ns;
	uint64_t lost_total;
	uint64_t last_record_ns;
	bool look_due;
	size_t untold_count;
	uint64_t dumped_ns;  /* end of the last dump */
	struct table dirty;  /* holders.c: processes whose descriptors may have changed */
	struct table inodes; /* holders.c: struct sock by inode, while holders are given */
	uint64_t *unsettled; /* holders.c: cookies of sockets whose holders were changed by a look */
	size_t unsettled_count;
	bool looking; /* at the descriptors of dirty processes */
	/* a dump */
	bool dumping;
	uint64_t dump_ns;
	struct table staged; /* struct staged by row.cookie */
	uint32_t *complete;  /* namespaces dumped whole */
	size_t complete_count;
	struct pending pending;
	/* polls */
	bool polls;	    /* there are no records */
	bool polling;	    /* this dump is one */
	bool scanned;	    /* holders were looked for in it */
	bool scanned_all;   /* also of sockets that have an owner */
	struct table ended; /* struct ended by cookie */
	struct table
		ended_ends; /* the same by netns and endpoints, or by local port where there is no peer; one of each */
};

/* sockets.c */
struct sock *sockets__find(const struct model *m, uint64_t cookie);
/* A new socket in the table, zeroed but for its cookie; NULL: no room or memory (counted as lost). */
struct sock *sockets__add(struct model *m, uint64_t cookie, uint64_t now_ns);
void sockets__remove(struct model *m, struct sock *s);
void sockets__release(struct model *m, struct sock *s); /* frees what s owns, not s */
void sockets__set_owner(struct model *m, struct sock *s, struct process *p, uint8_t attribution); /* takes p over */
void sockets__set_holders(struct model *m, struct sock *s, struct holder *holders, unsigned int count);
/* s has become a time-wait or request entry that should end at deadline. Its endpoints must be set. 0 or -ENOMEM. */
int sockets__make_minisock(struct model *m, struct sock *s, uint64_t deadline_ns);
void sockets__not_minisock(struct model *m, struct sock *s);
/* A minisock of these endpoints other than cookie that began before time_ns cannot be there any more. */
struct sock *sockets__replaced_minisock(const struct model *m, const struct sock *by);
/* s listens from now on. Its namespace and port must be set. 0 or -ENOMEM. */
int sockets__make_listener(struct model *m, struct sock *s);
/*
 * Whether s can have come in through a listener; *ret_his: through one that is said's (may be NULL), or was never handed on;
 * *ret_owner: that listener's owner, when all listeners it can have come through agree on it (else NULL).
 */
bool sockets__came_in(const struct model *m, const struct sock *s, const struct process *said, bool *ret_his,
		      struct process **ret_owner);
int sockets__init(struct model *m);
void sockets__destroy(struct model *m);

/* graves */
void graves__bury(struct model *m, const struct sock *s, uint64_t time_ns);
struct grave *graves__find(const struct model *m, uint64_t cookie);
void graves__forget(struct model *m, uint64_t cookie);

/* record.c */
static inline bool record__is_task(uint8_t kind)
{
	return kind >= SW_REC_FORK && kind <= SW_REC_FDS;
}

int record__apply(struct model *m, const struct sw_record *r);
int record__check(const void *data, size_t size);
/*
 * The process p, as a new reference; NULL: none, or no memory. by: the record of something p did itself, so that what it
 * says is newer than what we have; NULL: p is told about by somebody else.
 */
struct process *record__process(struct model *m, const struct sw_process *p, const struct sw_record *by);
/* The port of an untold listener is known, or will never be: tell it, at the time it began. 0 or -ENOMEM. */
int record__tell_listener(struct model *m, struct sock *s, uint32_t tid);
/* A time-wait or request entry is gone: close when its close was not told, else the state CLOSE. */
void record__end_minisock(struct model *m, struct sock *s, uint64_t time_ns);

/* dump.c */
struct staged *dump__staged(const struct model *m, uint64_t cookie);
/* In the table, in no row, and nothing newer speaks for it. */
bool dump__is_gone(const struct model *m, const struct sock *s);
/* The row is of a later life of s: it lives again, listens and did not, listens elsewhere. What was between is lost. */
bool dump__is_another_life(const struct sock *s, const struct row *row);
int dump__keep(struct model *m, const void *data, size_t size);
void dump__reset(struct model *m);

/* merge.c */
/* A socket that has a listener's port came in; nobody accepted it as long as it has no file. */
void merge__match_listener(struct model *m, struct sock *s);
/*
 * The row's holders become the socket's. Its owner: the one that the kernel remembers, or that it had, as long as that one
 * is among them; else the holder that started first. True when it is not the owner from before.
 */
bool merge__give_holders(struct model *m, struct sock *s, struct staged *st);
uint64_t merge__deadline(const struct row *row, uint64_t now_ns);

/* poll.c */
void poll__init(struct model *m);
void poll__destroy(struct model *m);
bool poll__wants_holders(const struct model *m, const struct staged *st);
/* What the kernel told of its end; NULL: nothing. */
const struct ended *poll__ended(const struct model *m, uint64_t cookie);
/* It ended after the dump began: the next one will know what is left of it. */
bool poll__is_ending(const struct model *m, uint64_t cookie);
/* A row whose cookie the table does not have. 0 or -ENOMEM. */
int poll__list(struct model *m, struct staged *st, uint64_t now_ns);
/* A row of a socket that the table has. 0 or -ENOMEM. */
int poll__merge(struct model *m, struct sock *s, struct staged *st, uint64_t now_ns);
/* The socket has left the dump: tell its close, and take it out of the table. */
void poll__end_gone(struct model *m, struct sock *s, uint64_t now_ns);
/* Sockets of which nothing but the end was seen. */
int poll__tell_ended(struct model *m);

/* Normalised: IPv4-mapped pairs become IPv4 (trap T10). af is AF_INET or AF_INET6. */
void endpoints__set(struct endpoints *e, uint8_t af, const uint8_t *local, uint16_t local_port, const uint8_t *remote,
		    uint16_t remote_port);

static inline void tell(struct model *m, const struct update *u)
{
	m->config.tell(m->config.ctx, u);
}

#endif
