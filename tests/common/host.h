/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small host in simulated time: processes, namespaces and TCP sockets that live as the kernel lets them, and the records
 * that the programs of bpf/ would send about them. What is true can be looked up at any time.
 */
#ifndef SOCKWATCH_TESTS_HOST_H
#define SOCKWATCH_TESTS_HOST_H

#include "common/wire.h"
#include "model/types.h"

#define HOST_SOCKETS	40
#define HOST_PROCESSES	4  /* at a time */
#define HOST_LIVES	64 /* processes ever; a set of them is a uint64_t */
#define HOST_NAMESPACES 2
#define HOST_NETNS	0xf0000000U

enum host_kind { HOST_FREE, HOST_FULL, HOST_TIMEWAIT, HOST_REQUEST };

/* An entry of the kernel's tables, or (FULL in STATE_CLOSE) a socket that is in none of them. */
struct host_sock {
	enum host_kind kind;
	uint64_t cookie; /* 0: none yet */
	uint64_t inode;
	uint32_t netns;
	struct endpoints ends;
	bool mapped; /* IPv4 on a socket of AF_INET6 */
	uint8_t state;
	bool got_fin;
	bool queued;   /* waits to be accepted */
	bool shadowed; /* of TIMEWAIT: its socket has been used again */
	int listener;  /* slot, while queued */
	uint64_t expires_ns;
	/* lives */
	uint64_t holders;
	uint64_t ever;	       /* held it at some time */
	int user;	       /* 1 + the life that the hooks saw take it into use last; 0: none */
	uint64_t came_through; /* cookie of the listener; 0: none */
	/* what the kernel side keeps */
	uint32_t seq;
	uint8_t direction;
	uint64_t opened_ns;
	struct sw_owner owner;
	struct sw_owner claim;
};

struct host {
	struct host_sock socks[HOST_SOCKETS];
	uint32_t pids[HOST_LIVES];
	int processes[HOST_PROCESSES]; /* lives */
	int lives;
	uint64_t now_ns;
	uint64_t random;
	uint64_t last_cookie, last_inode;
	bool attached;
	bool all_states;
	/* A record; who is the socket it is about. */
	void (*emit)(void *ctx, const union wire *w, const struct host_sock *who);
	void *ctx;
};

void host__init(struct host *h, uint64_t seed);
uint64_t host__roll(struct host *h, uint64_t below);
/* Something happens. */
void host__step(struct host *h);
/* Time passes: time-wait and request entries expire. */
void host__pass(struct host *h, uint64_t ns);
/* What a dump says about a slot; false: nothing. */
bool host__row(struct host *h, int slot, struct row *ret);
/* The live socket of a cookie, else a time-wait entry, else a request. NULL: there is none in the kernel's tables. */
const struct host_sock *host__find(const struct host *h, uint64_t cookie);
/* Is there a time-wait or request entry like this? */
bool host__has_minisock(const struct host *h, const struct sock *s);
void host__claim(struct host *h, uint64_t cookie, const struct process *p);
struct sw_process host__process(const struct host *h, int life);
/* The life that is this process, -1: there was no such process. */
int host__life(const struct host *h, const struct process *p);

#endif
