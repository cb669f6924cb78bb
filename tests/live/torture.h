/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Processes that open, share, use and let go of TCP sockets at random, and log what they did. What they have in common is
 * a struct torture in a file in memory, which they hold at a fixed descriptor: so it outlasts their execs.
 */
#ifndef SOCKWATCH_TESTS_TORTURE_H
#define SOCKWATCH_TESTS_TORTURE_H

#include <stdbool.h>
#include <stdint.h>

#define TORTURE_ENVIRONMENT "SOCKWATCH_TEST_TORTURE" /* the slot's number */

#define TORTURE_SLOTS	  16 /* processes */
#define TORTURE_FIRST_FD  200
#define TORTURE_SHARED_FD TORTURE_FIRST_FD
/* Where the process of a slot takes what is passed to it; the other end is the next number. */
#define TORTURE_MAILBOX_FD(slot) (TORTURE_FIRST_FD + 1 + 2 * (slot))
#define TORTURE_LIFE_FD		 TORTURE_MAILBOX_FD(TORTURE_SLOTS) /* a pipe: at its end the test is gone */
#define TORTURE_FDS		 100				   /* descriptors below it are sockets of the game */
#define TORTURE_PORTS		 4
#define TORTURE_DROPS		 8
#define TORTURE_LOCKS		 1024
#define TORTURE_LOG		 262144

enum torture_phase {
	TORTURE_RUN,
	TORTURE_STOP,  /* nobody does anything more */
	TORTURE_DRAIN, /* what is under way to somebody is taken */
	TORTURE_DROP,  /* who is named in drops closes all it has of that socket */
};

enum torture_act {
	TORTURE_OPENED, /* connected, listened, accepted */
	TORTURE_USED,	/* has read or written at least a byte */
	TORTURE_GOT,	/* by fork, from another process */
	TORTURE_CLOSED, /* a copy, maybe not the last one; only told to who reads the log */
	TORTURE_RAN,	/* another program */
};

struct torture_entry {
	uint64_t cookie;
	uint64_t time_ns;
	uint32_t pid;
	uint32_t act; /* enum torture_act */
};

struct torture_slot {
	uint32_t taken; /* by a process that is there, or is being made */
	uint32_t pid;	/* 0: being made */
	uint32_t phase; /* that it has seen */
	uint64_t random;
};

/* A process and a socket that it is to close. */
struct torture_drop {
	uint64_t cookie;
	uint32_t pid;
	uint32_t pad;
};

struct torture {
	uint32_t phase;
	uint32_t keep;	     /* processes: none exits when there are no more than that */
	uint32_t send_blind; /* who writes is not seen by this kernel: it does not count as a use */
	struct torture_slot slots[TORTURE_SLOTS];
	uint32_t ports[TORTURE_PORTS]; /* of listeners, some of which are gone */
	struct torture_drop drops[TORTURE_DROPS];
	uint32_t locks[TORTURE_LOCKS]; /* by cookie: what is done to one socket has an order, which is the log's */
	uint64_t acts;		       /* of any kind */
	uint64_t log_count;	       /* more than TORTURE_LOG: the rest was lost */
	struct torture_entry log[TORTURE_LOG];
};

/* Whether this process is one of them: then torture__main() is all it does. */
bool torture__is_one(void);
int torture__main(void);

/* The descriptors of a message that waits in the mailbox are taken and closed. False: there was none. */
bool torture__discard(struct torture *t, int slot);

#endif
