/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the two sides of an actor agree on. */
#ifndef SOCKWATCH_TESTS_ACTOR_CHILD_H
#define SOCKWATCH_TESTS_ACTOR_CHILD_H

#define ACTOR_ENVIRONMENT "SOCKWATCH_TEST_ACTOR" /* set in an actor, to its comm */
#define ACTOR_LANE_FD	  100			 /* descriptor of lane 0; lane n is n further */

#endif
