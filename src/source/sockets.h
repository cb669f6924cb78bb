/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets of every family, one namespace at a time: sock_diag, and where the kernel lacks the module for a family, the
 * list in /proc/net. Each family is a file of its own (inet, unix, packet, netlink, vsock, xdp, tipc) behind one table.
 */
#ifndef SOCKWATCH_SOURCE_SOCKETS_H
#define SOCKWATCH_SOURCE_SOCKETS_H

#include <linux/netlink.h>

#include "model/listed.h"

/* struct sockets_ask.facts: what costs extra */
#define SOCKETS_MEMORY 0x01 /* facts.memory */
#define SOCKETS_TCP    0x02 /* facts.tcp and congestion, in calls of facts_fn after the rows of their class */
#define SOCKETS_REFS   0x04 /* references of unix sockets */

#define SOCKETS_STATES 0x2ffeu /* 1 << TCP_ESTABLISHED .. 1 << TCP_CLOSING, and 1 << STATE_BOUND_INACTIVE */

struct sockets_ask {
	uint32_t classes; /* CLASS_BIT */
	uint32_t states;  /* 1 << enum tcp_state */
	uint32_t facts;	  /* SOCKETS_* */
	uint32_t no_diag; /* classes for which the kernel has no module, from an earlier result: asking is slow */
	/* INET_DIAG_REQ_BYTECODE for TCP, MPTCP, UDP and UDP-Lite; of TCP listeners come all. It may be ignored. */
	const void *bytecode;
	size_t bytecode_len;
	/*
	 * Of all TCP sockets only these are wanted, which a dump has given before and which are few; of each that is still
	 * there comes the row. NULL: all. It may be ignored.
	 */
	const struct listed *const *tcp;
	size_t tcp_count;
	bool no_ipv4; /* IPv4 over AF_INET6 is given all the same */
	bool no_ipv6; /* as is IPv6 over AF_INET6, of which IPv4 may be one: the caller looks */
};

/* The row is valid during the call, facts is NULL when there are none. Not 0 stops the dump and is returned. */
typedef int (*listed_fn)(void *ctx, const struct listed *row, const struct facts *facts);

struct sockets_out {
	listed_fn row;
	/* Facts of a row that was given before, with its class, cookie and inode. NULL: not wanted. */
	listed_fn facts;
	void *ctx;
};

/* What came of the classes that were asked for: CLASS_BIT. */
struct sockets_result {
	uint32_t no_diag; /* the kernel has no module for these */
	uint32_t missing; /* the kernel has no such sockets, or no list of them */
	uint32_t failed;  /* what was given of them is true, but some may be left out */
	int error;	  /* -errno of the first that failed */
};

/*
 * All sockets of the namespace ns_fd refers to (-1: the present one), whose inode is netns. A socket may be given more
 * than once; the later row counts. 0, what a callback returned, or -errno: nothing of it could be read.
 */
int sockets__dump(int ns_fd, uint32_t netns, const struct sockets_ask *ask, const struct sockets_out *out,
		  struct sockets_result *ret);

/* ---- for the files of the families, tests and fuzzing */

struct nldump;

/* Where a family looks. */
struct sockets_place {
	int ns_fd; /* -1: the present namespace */
	uint32_t netns;
	struct nldump *dump;
	uint32_t *no_diag;
};

struct sockets_family {
	uint32_t classes;
	/* One class. As sockets__dump; -ENOENT: there is no list of it; -EINTR: still interrupted, rows are true. */
	int (*dump)(const struct sockets_place *place, enum socket_class class, const struct sockets_ask *ask,
		    const struct sockets_out *out);
	/*
	 * A message about a socket of that class: fill in row (which has class and netns) and facts (zeroed).
	 * 0, 1: not to be shown, or -EBADMSG.
	 */
	int (*parse)(const struct nlmsghdr *nlh, struct listed *row, struct facts *facts);
	/* A line of its file in /proc/net, without the newline. NULL: has none. 0 or -EBADMSG: not one of its lines. */
	int (*parse_line)(const char *line, size_t len, struct listed *row);
};

extern const struct sockets_family sockets_inet, sockets_unix, sockets_packet, sockets_netlink, sockets_vsock,
	sockets_xdp, sockets_tipc;

/* An attribute that families share: a uid, and the memory, by which they tell the queues. 0 or -EBADMSG. */
int sockets__uid(const struct nlattr *attr, struct listed *row);
int sockets__queues(const struct nlattr *attr, struct listed *row, struct facts *facts);

/* Run one request and give every socket of the answer that family->parse takes. As sockets_family.dump. */
int sockets__ask(const struct sockets_place *place, const struct sockets_family *family, enum socket_class class,
		 const void *request, size_t len, listed_fn fn, void *ctx);
/* The same with another type of message, as nldump__run_as. */
int sockets__ask_as(const struct sockets_place *place, const struct sockets_family *family, enum socket_class class,
		    uint16_t type, const void *request, size_t len, listed_fn fn, void *ctx);
/* One socket of a class; see nldump__get. */
int sockets__get(const struct sockets_place *place, const struct sockets_family *family, enum socket_class class,
		 const void *request, size_t len, listed_fn fn, void *ctx);
/* As sockets__ask, with the lines of /proc/net/NAME; states (1 << enum tcp_state) picks. */
int sockets__read(const struct sockets_place *place, const struct sockets_family *family, enum socket_class class,
		  const char *name, uint32_t states, listed_fn fn, void *ctx);
/* fn with each line, of that file of the namespace. 0, what fn returned, or -errno. */
int sockets__each_line(const struct sockets_place *place, const char *name,
		       int (*fn)(void *ctx, const char *line, size_t len), void *ctx);

#endif
