/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An actor is a process of its own that opens, uses and closes exact sockets on command, and tells what the tracker
 * should say about them. It is the test program run again (so that comm and command line are exact); every test program
 * therefore begins main with `if (actor__is_one()) return actor__main();`.
 *
 * Commands go over a lane, a SOCK_SEQPACKET pair. Lane 0 is served by the main thread; actor__thread and actor__fork
 * give a further actor whose lane is served by a new thread of the process, or by a forked child that shares its
 * descriptors. All failures of the harness itself fail the test; a failed socket call is in the reply.
 */
#ifndef SOCKWATCH_TESTS_ACTOR_H
#define SOCKWATCH_TESTS_ACTOR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ACTOR_LANES 8

enum actor_op {
	ACTOR_LISTEN,	 /* address, port, backlog, protocol, reuseport, v6only, fastopen */
	ACTOR_CONNECT,	 /* address, port, protocol, bind_port, nonblock, fastopen (with bytes), ring; then CONNECTED */
	ACTOR_CONNECTED, /* fd: wait until a connect under way is over */
	ACTOR_ACCEPT,	 /* fd, ring */
	ACTOR_SEND,	 /* fd, bytes, way */
	ACTOR_RECV,	 /* fd, bytes, way: reads until that many or the end; result is their number */
	ACTOR_SHUTDOWN,	 /* fd, how */
	ACTOR_LINGER0,	 /* fd: close will send RST */
	ACTOR_CLOSE,	 /* fd */
	ACTOR_DESCRIBE,	 /* fd */
	ACTOR_THREAD,	 /* lane */
	ACTOR_FORK,	 /* lane */
	ACTOR_EXIT,	 /* of the process, or of the thread when it serves the lane */
	/* actor_share.c */
	ACTOR_DUP,     /* fd: the reply's is the copy */
	ACTOR_PASS,    /* fd, pid: to an actor that has said TAKE before, or will (SCM_RIGHTS) */
	ACTOR_TAKE,    /* the reply's fd is what was passed */
	ACTOR_GETFD,   /* fd, pid: the reply's is a copy of the other process's (pidfd_getfd) */
	ACTOR_EXEC,    /* comm, fd: the same program again, which serves the lane; of its sockets it keeps fd */
	ACTOR_POLL,    /* fd: whether it can be read */
	ACTOR_SURVIVE, /* of a forked one: the end of the process it was forked from */
};

/* How SEND and RECV do it; all but the first transfer bytes at once, at most 4096. */
enum actor_way { ACTOR_CALL, ACTOR_FILE, ACTOR_SENDFILE, ACTOR_SPLICE, ACTOR_URING, ACTOR_URING_ASYNC };

enum actor_ring { ACTOR_SYSCALL, ACTOR_RING_INLINE, ACTOR_RING_ASYNC };

struct actor_command {
	enum actor_op op;
	int fd;
	char address[INET6_ADDRSTRLEN]; /* one with a colon makes an AF_INET6 socket */
	uint16_t port;
	uint16_t bind_port; /* 0: let the kernel choose at connect */
	int protocol;	    /* 0: TCP; IPPROTO_MPTCP */
	int backlog;	    /* 0: 64 */
	bool reuseport, v6only, fastopen, nonblock;
	enum actor_ring ring;
	uint32_t bytes;
	int how; /* SHUT_* */
	int lane;
	enum actor_way way;
	uint32_t pid;
	char comm[16];
};

/* One end as the tracker should show it: an IPv4-mapped pair is IPv4 (trap T10). */
struct end {
	uint64_t cookie;
	uint64_t inode;
	int family; /* 4 or 6 */
	char local[INET6_ADDRSTRLEN];
	char remote[INET6_ADDRSTRLEN]; /* of a socket without peer: the wildcard */
	uint16_t local_port;
	uint16_t remote_port;
};

struct actor_reply {
	int fd;	    /* LISTEN, CONNECT, ACCEPT: the socket, or -1 */
	int result; /* of the call; -1: failed, with error */
	int error;  /* errno */
	uint32_t pid;
	uint32_t tid;
	struct end end; /* of fd, where one is open */
};

struct actor {
	uint32_t pid;
	uint32_t tid;		/* of the thread that serves the lane */
	char comm[16];		/* the leader's */
	int lane_fd;		/* our end */
	int lanes[ACTOR_LANES]; /* lane 0's actor: the ends not given out yet, else -1 */
	bool child;		/* ours to reap */
};

struct actor_config {
	int ns_fd;		 /* network namespace, -1: the test's */
	const char *comm;	 /* at most 15 bytes */
	const char *const *argv; /* command line, NULL: comm alone */
	uint32_t pid;		 /* 0: any; else that one, which must be free */
};

bool actor__is_one(void);
int actor__main(void);

struct actor *actor__spawn(const struct actor_config *config);
/* Thread or forked child of the process of actor, which must be one that spawn returned. */
struct actor *actor__thread(struct actor *actor);
struct actor *actor__fork(struct actor *actor);
/* A program of that comm in its place; fd (-1: none) stays open in it. */
void actor__exec(struct actor *actor, const char *comm, int fd);
/* End the process (of a thread's actor: only the lane) and, if it is our child, reap it. Takes NULL. */
void actor__free(struct actor *actor);

void actor__send(struct actor *actor, const struct actor_command *command);
struct actor_reply actor__reply(struct actor *actor);
/* Both; a failed socket call fails the test. */
struct actor_reply actor__must(struct actor *actor, const struct actor_command *command);
/* Both; a failed socket call is told in the reply. */
struct actor_reply actor__try(struct actor *actor, const struct actor_command *command);

#define actor_send(actor, ...) actor__send(actor, &(struct actor_command){ __VA_ARGS__ })
#define actor_must(actor, ...) actor__must(actor, &(struct actor_command){ __VA_ARGS__ })
#define actor_try(actor, ...)  actor__try(actor, &(struct actor_command){ __VA_ARGS__ })

/* Wait until the serving thread sleeps inside the system call of that number. */
void actor__wait_blocked(const struct actor *actor, long syscall_number);

#endif
