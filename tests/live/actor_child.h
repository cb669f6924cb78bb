/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the two sides of an actor agree on. */
#ifndef SOCKWATCH_TESTS_ACTOR_CHILD_H
#define SOCKWATCH_TESTS_ACTOR_CHILD_H

#define ACTOR_ENVIRONMENT "SOCKWATCH_TEST_ACTOR" /* set in an actor, to its comm */
#define ACTOR_AGAIN	  "SOCKWATCH_TEST_LANE"	 /* set after ACTOR_EXEC, to the lane that is served */
#define ACTOR_LANE_FD	  100			 /* descriptor of lane 0; lane n is n further */

struct actor_command;
struct actor_reply;

/* actor_share.c. Each returns as the system call does: -1 with errno. */
int actor_share__transfer(const struct actor_command *c);
int actor_share__pass(const struct actor_command *c);
int actor_share__take(struct actor_reply *reply);
int actor_share__getfd(const struct actor_command *c, struct actor_reply *reply);
int actor_share__exec(const struct actor_command *c, int lane);

#endif
