/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One running `$SOCKWATCH stream --json` (default build/sockwatch). Every line is parsed and validated against
 * $SOCKWATCH_SCHEMA (default src/data/sockwatch.schema.json); $SOCKWATCH_PLAN forces a plan on it; the updates are kept in order and named by their index.
 * The stream shows the whole host: match by cookie or network namespace. A failure fails the test, after the last
 * updates and the program's stderr were printed.
 */
#ifndef SOCKWATCH_TESTS_STREAM_H
#define SOCKWATCH_TESTS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "live/scale.h"

#define STREAM_TIMEOUT_MS scale__timeout(10000)

struct stream;

struct stream_config {
	const char *const *args; /* after "stream --json"; NULL: none */
	/* Each update as it is read, in order; NULL: none. */
	void (*on_update)(void *ctx, const json_t *update);
	void *ctx;
	/* For storms: */
	bool discard;	/* keep only the last updates; wait and at then see those alone */
	bool spool;	/* a file in memory instead of a pipe: a reader that is behind does not hold the program up */
	uint32_t netns; /* not 0: socket updates of other namespaces are passed over unread */
};

typedef bool (*stream_match)(const json_t *update, const void *ctx);

struct stream *stream__start(const struct stream_config *config);
/* Kills the program if it still runs. Takes NULL. */
void stream__free(struct stream *s);
pid_t stream__pid(const struct stream *s);

/* SIGINT, read to the end of file, check exit status 0. */
void stream__stop(struct stream *s);
/* Read to the end of file without a signal (--duration, --count); the wait status. */
int stream__join(struct stream *s, int timeout_ms);
/* Read what comes until deadline or end of file; for a caller that has its own condition. False at the end of file. */
bool stream__read(struct stream *s, int timeout_ms);

size_t stream__count(const struct stream *s);
const json_t *stream__at(const struct stream *s, size_t index);
/* The first update at from or later that matches, waiting for it; its index. from 0 is the start. */
size_t stream__wait(struct stream *s, size_t from, stream_match match, const void *ctx, int timeout_ms);
/* The same with event and cookie. */
size_t stream__wait_event(struct stream *s, size_t from, const char *event, uint64_t cookie);
/* The same with event, netns and both ports. */
size_t stream__wait_ports(struct stream *s, size_t from, const char *event, uint32_t netns, uint16_t local_port,
			  uint16_t remote_port);
size_t stream__wait_sync(struct stream *s, size_t from);

/* How many updates read so far match. */
size_t stream__matches(const struct stream *s, stream_match match, const void *ctx);
/* The events of one cookie read so far, in order, separated by spaces: "connect established close". */
const char *stream__history(const struct stream *s, uint64_t cookie, char *text, size_t size);
/* The last updates and the program's stderr, to the test's stderr. */
void stream__print(const struct stream *s);

/* Fields of an update: "" or 0 when left out. */
const char *update__text(const json_t *update, const char *key);
uint64_t update__number(const json_t *update, const char *key);

#endif
