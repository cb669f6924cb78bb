/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all live tests share: a fresh network namespace with a client and a server process in it, a stream, and one way
 * to say what an update must hold. The test programs are tests/live/test_*.c, each linked with all other files here.
 */
#ifndef SOCKWATCH_TESTS_LIVE_H
#define SOCKWATCH_TESTS_LIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "live/actor.h"
#include "live/ns.h"
#include "live/stream.h"
#include "live/table.h"

#define LIVE_ACTORS 16
#define LIVE_CLIENT "live-client"
#define LIVE_SERVER "live-server"

struct live {
	int ns;
	uint32_t netns;
	struct stream *stream;
	struct actor *server, *client;
	struct actor *more[LIVE_ACTORS]; /* freed at the end */
	unsigned int more_count;
};

/* For cmocka: the namespace, its two actors, and a stream in sync (quiet: none; start it with live__start). */
int live__setup(void **state);
int live__setup_quiet(void **state);
int live__teardown(void **state);

#define live_test(name)	      cmocka_unit_test_setup_teardown(name, live__setup, live__teardown)
#define live_test_quiet(name) cmocka_unit_test_setup_teardown(name, live__setup_quiet, live__teardown)

/* Start the stream and wait for its sync. */
void live__start(struct live *l, const char *const *args);
/* Skip the test, saying so, when the stream that has started names this hook, a part of its name, as missing. */
void live__needs_hook(struct live *l, const char *hook);
/* Free the actor with the test. Returns it. */
struct actor *live__keep(struct live *l, struct actor *actor);
struct actor *live__spawn(struct live *l, const char *comm);
struct actor *live__thread(struct live *l, struct actor *actor);
struct actor *live__fork(struct live *l, struct actor *actor);

/* What an update must hold. Left out (NULL, 0): not looked at. */
struct expect {
	const char *event;
	const struct end *end;	 /* cookie (and, with who, addresses), family, addresses, ports, inode when shown */
	const struct actor *who; /* pid and comm of the owner */
	uint32_t tid;
	const char *attribution, *direction, *state, *reason, *protocol;
};

/* Wait for the event of the cookie at or after from, check it; its index. */
size_t live__expect(struct live *l, size_t from, const struct expect *expect);
#define live_expect(l, from, ...) live__expect(l, from, &(struct expect){ __VA_ARGS__ })

/* Check an update that the caller found. */
void live__check(const struct live *l, const json_t *update, const struct expect *expect);

/* Listener, connection and accepted child of server and client, over address and port. */
struct pair {
	struct actor_reply listener, client, child;
};
struct pair live__pair(struct live *l, const char *address, uint16_t port);
/* Client first, then the accepted child, then the listener. */
void live__close_pair(struct live *l, const struct pair *pair);
/* connect, established, established, accept of that pair as the tracker must tell them, in this order. */
size_t live__expect_opening(struct live *l, size_t from, const struct pair *pair);

/* The events of one cookie so far must be exactly these, in this order; all earlier events have been read (a fence). */
void live__assert_history(struct live *l, uint64_t cookie, const char *events);

/*
 * The end of every test: after a fence, the updates replay without ghost or second opening, the table of the namespace
 * equals sock_diag's, and the program ends with status 0.
 */
void live__finish(struct live *l);
/* The same for a stream that polls: no fence, for what is shorter than a poll is not told whole. */
void live__finish_polls(struct live *l);

#endif
