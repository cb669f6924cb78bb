/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which sockets a user wants: the filter expressions of ss (iproute2, ss(8)) with more fields. Pure: names are resolved
 * while parsing, by callbacks.
 *
 *   FILTER     := TERM { [and|or] TERM }           from left to right, "and" and "or" bind alike, as in ss
 *   TERM       := [not] ( "(" FILTER ")" | STATES | autobound | FIELD [OPERATOR] VALUE )
 *   STATES     := { state NAME | exclude NAME }    names side by side are one set
 *   OPERATOR   := = != < > <= >=                   none: =
 *
 * A comparison with something that is not known of a socket is neither true nor false, and so is its negation; a filter
 * that comes out so does not match: "pid != 1" and "not pid = 1" leave out a socket whose owner is not known. What is
 * known to be nothing (no device, the address of a family that has none) is false, and its negation true.
 */
#ifndef SOCKWATCH_MODEL_FILTER_H
#define SOCKWATCH_MODEL_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filter;

#define FILTER_TEXT_MAX	 16384	 /* bytes of all words */
#define FILTER_NODES_MAX 1024	 /* terms and operators */
#define FILTER_DEPTH_MAX 64	 /* parentheses and negations, one in the other */
#define FILTER_HOSTS_MAX 64	 /* addresses of one host name; more are an error */
#define FILTER_STATES	 0x2ffeu /* bits 1 << enum tcp_state, ESTABLISHED to CLOSING, and STATE_BOUND_INACTIVE */

/* Facts that not every source knows: what a filter asks for, and what a subject knows. */
enum filter_fact {
	FILTER_PID = 1 << 0, /* pid */
	FILTER_COMM = 1 << 1,
	FILTER_EXE = 1 << 2,
	FILTER_UID = 1 << 3,	/* uid, user */
	FILTER_CGROUP = 1 << 4, /* id, path or both */
	FILTER_NETNS = 1 << 5,
	FILTER_INODE = 1 << 6,
	FILTER_COOKIE = 1 << 7,
	FILTER_DEVICE = 1 << 8,				      /* dev */
	FILTER_MARK = 1 << 9,				      /* fwmark */
	FILTER_OWNER = FILTER_PID | FILTER_COMM | FILTER_EXE, /* the facts that need /proc or a record */
};

/* Families as bits, for filter__families. */
enum filter_family {
	FILTER_INET = 1 << 0,
	FILTER_INET6 = 1 << 1,
	FILTER_UNIX = 1 << 2,
	FILTER_PACKET = 1 << 3,
	FILTER_NETLINK = 1 << 4,
	FILTER_VSOCK = 1 << 5,
	FILTER_OTHER = 1 << 6,
	FILTER_FAMILIES = (1 << 7) - 1,
};

/* One socket, as a filter sees it. Strings are NUL-terminated and the caller's. */
struct filter_subject {
	uint32_t known;	 /* enum filter_fact: which facts are filled in; a string also counts as unknown when NULL */
	uint16_t family; /* AF_* */
	uint16_t protocol;
	uint8_t state; /* enum tcp_state, for every family as ss has it: a UDP socket is CLOSE or ESTABLISHED; 0: not known */
	uint8_t local[16];  /* internet families, network order; IPv4 in the first four bytes */
	uint8_t remote[16]; /* AF_INET6 with an IPv4-mapped address matches as IPv4 too */
	/* Host order. Netlink: port id; packet: local_port is the interface; vsock: port. Unix has none: 0 */
	uint32_t local_port, remote_port;
	bool local_port_unknown; /* a socket that connects, in the stream */
	/* Netlink: protocol; packet: protocol (ETH_P_*, host order), local only; vsock: CID */
	uint32_t local_id, remote_id;
	const char *path, *peer_path; /* unix; an abstract name begins with '@'; NULL: has none */
	uint32_t ifindex;	      /* the socket is bound to it; 0: to none */
	uint32_t mark;
	uint32_t uid;
	uint32_t netns; /* inode of the namespace */
	uint64_t inode; /* 0: no file */
	uint64_t cookie;
	uint64_t cgroup_id; /* of cgroup v2; 0 and cgroup set: only the path is known; 0 and NULL: in none */
	const char *cgroup; /* path below the root of cgroup v2 */
	uint32_t pid;	    /* of the owner, as are comm and exe */
	const char *comm;
	const char *exe;
};

struct filter_address {
	uint16_t family;   /* AF_INET or AF_INET6 */
	uint8_t bytes[16]; /* network order */
};

/*
 * Where names come from. Each callback may be NULL: then only numbers are taken. They return 0, -ENOENT (no such name),
 * -ENOTUNIQ (more than one answer) or another -errno.
 */
struct filter_env {
	uint32_t unknown; /* enum filter_fact: what the caller never knows of a socket; to ask for it is a mistake */
	uint16_t family;  /* of an address without a prefix word, as ss -4, -6 and -x have it; AF_UNSPEC: any */
	/* Ports the kernel gives by itself (net.ipv4.ip_local_port_range): "autobound". Both 0: 32768 to 60999. */
	uint16_t ephemeral_first, ephemeral_last;
	int (*service)(void *ctx, const char *name, uint16_t *ret_port);
	/* At most max addresses, of family or, when that is AF_UNSPEC, of both. Returns how many, or -errno. */
	int (*host)(void *ctx, const char *name, int family, struct filter_address *ret, size_t max);
	int (*user)(void *ctx, const char *name, uint32_t *ret_uid);
	int (*device)(void *ctx, const char *name, uint32_t *ret_ifindex);
	/* ret_below: the part of path that is below the root of cgroup v2. */
	int (*cgroup)(void *ctx, const char *path, uint64_t *ret_id, const char **ret_below);
	int (*netns)(void *ctx, const char *name, uint32_t *ret_inode);
	void *ctx;
};

/*
 * What is wrong, for people: "unknown word 'dprt'", the filter (or the part of it around the mistake), and the column
 * of the mistake in that text, from 0. Both are escaped for a terminal.
 */
struct filter_error {
	char message[192];
	char text[320];
	unsigned int column;
};

/*
 * Parse the words of a filter; each may hold several, parted by blanks (a backslash keeps the next byte as it is).
 * No word at all: *ret is NULL, a filter that matches everything; every function below takes it.
 * 0, -EINVAL with *ret_error filled in, or -ENOMEM.
 */
int filter__parse(int argc, char **argv, const struct filter_env *env, struct filter **ret,
		  struct filter_error *ret_error);
void filter__free(struct filter *f);

bool filter__matches(const struct filter *f, const struct filter_subject *s);

/* Facts (enum filter_fact) that the filter looks at. */
uint32_t filter__needs(const struct filter *f);
/* States and families that can match at all, as bits; never fewer than do match. For the request of a dump. */
uint32_t filter__states(const struct filter *f);
uint32_t filter__families(const struct filter *f);
/* The filter names states: ss then shows these, whatever its letters say. */
bool filter__names_states(const struct filter *f);

#endif
