/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Real servers and clients in a network namespace of their own, with `$SOCKWATCH --json` beside them. What the stream
 * says of the namespace's connections is gathered by cookie; every line is validated against $SOCKWATCH_SCHEMA. The
 * test program itself moves into the namespace, and into a mount namespace with an empty /run: all files of the
 * scenario are there and vanish with it. A failure fails the test, after the logs in the folder were printed.
 */
#ifndef SOCKWATCH_TESTS_SCENARIO_H
#define SOCKWATCH_TESTS_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SCENARIO_DIR	    "/run/scenario"
#define SCENARIO_TIMEOUT_MS 60000
#define SCENARIO_OWNERS	    8

struct scenario;

/* Who took a socket into use, as one kind of event told it. */
struct taken {
	unsigned int count;	/* of such events; the rest is of the last */
	uint32_t pid, prev_pid; /* 0: not told */
	char comm[64];
	char attribution[16];
};

struct connection {
	uint64_t cookie;
	char direction[8];
	uint16_t local_port, remote_port; /* the last that were told and not 0 */
	struct taken listen, connect, established, accept, close;
	struct taken owners[SCENARIO_OWNERS]; /* the changes of owner, in order */
	unsigned int owner_count;
	uint64_t bytes_sent, bytes_received; /* at close */
};

/* For cmocka: setup makes the namespaces and starts the stream (in sync); teardown ends all that spawn started. */
int scenario__setup(void **state);
int scenario__teardown(void **state);

/* Skip the test unless the program is there. */
void scenario__need(const char *path);
/* A file in the folder. */
void scenario__write(const char *name, const char *text);
/* The whole file of the folder, NUL-terminated, the caller's; NULL: it is not there. */
char *scenario__read(const char *name);

/* Start argv; stdin and stdout are files of the folder (NULL: /dev/null). stderr goes to PROGRAM.log. Its pid. */
pid_t scenario__spawn(struct scenario *s, const char *const *argv, const char *in, const char *out);
/* Wait for the end of what spawn started, and check that it exits with 0. */
void scenario__join(struct scenario *s, pid_t pid);
/* SIGTERM, and the same. */
void scenario__end(struct scenario *s, pid_t pid);
/* A daemon that is not our child, but will be when its parent ends: end it with the others. */
void scenario__adopt(struct scenario *s, pid_t pid);
/* A connection of the test itself to a port of 127.0.0.1: its descriptor, and its own port. */
int scenario__connect(uint16_t port, uint16_t *ret_port);
/* Wait until the function says so; what names it in the failure. */
void scenario__wait(struct scenario *s, bool (*is_so)(struct scenario *s, void *ctx), void *ctx, const char *what);

/* What the stream has said so far. */
const struct connection *scenario__connections(struct scenario *s, size_t *ret_count);
/* The one of these ports (of a listener: remote 0); NULL: none, or more than one. */
const struct connection *scenario__find(struct scenario *s, const char *direction, uint16_t local, uint16_t remote);
/* SIGINT; the stream must end with status 0, a summary, and nothing lost. */
void scenario__stop_stream(struct scenario *s);

#define SCENARIO_ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

#endif
