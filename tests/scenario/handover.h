/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Servers of one port whose listener goes from one process to another, and tell who serves. A failure fails the test. */
#ifndef SOCKWATCH_TESTS_HANDOVER_H
#define SOCKWATCH_TESTS_HANDOVER_H

#include "scenario/scenario.h"

#define HANDOVER_PORT 8090

/* One answered request: the client's port, and the process that answered, by its own word. */
struct request {
	uint16_t port;
	pid_t pid;
};

/* Ask the server over a connection of the request's own; return when the stream has told the end of it. */
void handover__ask(struct scenario *s, struct request *ret);

/* nginx with one worker; its master's pid. */
pid_t handover__start_nginx(struct scenario *s);
/* USR2: a new master beside the old one; WINCH: the old one's worker ends. The new master. */
pid_t handover__upgrade_nginx(struct scenario *s, pid_t master, pid_t worker);
void handover__quit_nginx(struct scenario *s, pid_t master);

pid_t handover__start_haproxy(struct scenario *s);
/* The new process, which got the listener from the old one; that has ended. */
pid_t handover__reload_haproxy(struct scenario *s, pid_t old);
/* By systemd-socket-activate: haproxy once somebody connects. */
pid_t handover__activate_haproxy(struct scenario *s);

#endif
