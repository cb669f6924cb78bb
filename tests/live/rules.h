/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose a socket is, by the rules of design section 5 and the log of what was done to it. Where the rules leave it open (a
 * process takes a socket that it has used before again only after a second; an heir is found by a look, at some time) the
 * answer is a set of processes, of which any is right.
 */
#ifndef SOCKWATCH_TESTS_RULES_H
#define SOCKWATCH_TESTS_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/table.h"
#include "live/torture.h"

#define RULES_PIDS 512

struct rules_pids {
	uint32_t pids[RULES_PIDS];
	unsigned int count;
};

struct rules_holder {
	uint32_t pid;
	uint64_t start_ticks;
};

/* A socket of the game. */
struct rules_sock {
	uint64_t cookie;
	bool opened;		   /* by a process of the game: else nobody has accepted it */
	bool loose;		   /* one of owners has got it again after it may have let go */
	struct rules_pids owners;  /* any of them */
	struct rules_pids ever;	   /* all that held or owned it */
	struct rules_pids got;	   /* that got it since the last quiet moment */
	uint64_t users;		   /* one bit each, as bpf/io.bpf.h has them: all that may be set there */
	uint64_t taken_ns, got_ns; /* the latest time at which it may have been taken over; at which an owner got it */
	/* What was told: */
	bool told, closed, listens;
	uint32_t told_pid;
	uint64_t inode;
	uint16_t port; /* local */
	char attribution[12];
};

struct rules {
	struct table socks;
};

void rules__init(struct rules *r);
void rules__free(struct rules *r);
/* Made when it is not there. */
struct rules_sock *rules__sock(struct rules *r, uint64_t cookie);
void rules__log(struct rules *r, const struct torture_entry *e);
/* A process was told as the owner, now or before. */
void rules__told(struct rules_sock *s, uint32_t pid);

bool rules__has(const struct rules_pids *set, uint32_t pid);
/* The oldest of those who hold a socket. */
const struct rules_holder *rules__oldest(const struct rules_holder *holders, size_t count);
/* Which of those who hold s now may own it. */
struct rules_pids rules__owners(const struct rules_sock *s, const struct rules_holder *holders, size_t count);
/* The answer is known: pid. What was got before is of no interest any more. */
void rules__settle(struct rules_sock *s, uint32_t pid);

#endif
