/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One sock_diag dump: a request, and the kernel's answer datagram by datagram, with everything checked that can be wrong
 * about it. What the messages mean is the caller's.
 */
#ifndef SOCKWATCH_SOURCE_NLDUMP_H
#define SOCKWATCH_SOURCE_NLDUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "model/listed.h"

struct nldump;

/* A message about a socket, whole; not 0 stops the dump and is returned. */
typedef int (*nldump_fn)(void *ctx, const struct nlmsghdr *nlh);

/*
 * Take over fd, a NETLINK_SOCK_DIAG socket already opened in the namespace that is wanted (-1: open one in the present
 * namespace). 0 or -errno.
 */
int nldump__new(int fd, struct nldump **ret);
void nldump__free(struct nldump *d);

/*
 * Send the request (len bytes behind the netlink header) and give every message of the answer to fn. An answer that the
 * kernel marks interrupted (NLM_F_DUMP_INTR) is asked for again, a bounded number of times, so that messages may come
 * more than once; *ret_interrupted is set when even the last try was, and else left alone.
 * 0; what fn returned; -EBADMSG: the answer broke the protocol (truncated, out of sequence, foreign sender, bad length);
 * else the kernel's -errno, also from NLMSG_DONE.
 */
int nldump__run(struct nldump *d, const void *request, size_t len, nldump_fn fn, void *ctx, bool *ret_interrupted);
/* The same with another type of message than SOCK_DIAG_BY_FAMILY: TCPDIAG_GETSOCK, which is struct inet_diag_req. */
int nldump__run_as(struct nldump *d, uint16_t type, const void *request, size_t len, nldump_fn fn, void *ctx,
		   bool *ret_interrupted);

/*
 * Ask for one socket: fn gets the message about it. As nldump__run, and never interrupted; -ENOENT or -ESTALE: the kernel
 * finds no such socket.
 */
int nldump__get(struct nldump *d, const void *request, size_t len, nldump_fn fn, void *ctx);

/* The answer alone, for tests and fuzzing. */
struct nldump_answer {
	unsigned int seq;
	unsigned int portid;
	nldump_fn fn;
	void *ctx;
	bool one;	  /* of one message, and no NLMSG_DONE behind it */
	bool done;	  /* the answer is whole: out */
	bool interrupted; /* NLM_F_DUMP_INTR was seen: out */
};

/* Take one datagram. As nldump__run. */
int nldump_answer__take(struct nldump_answer *answer, const void *data, size_t len);

/* 0, or -EBADMSG: the attributes do not fill the len bytes at payload one behind the other. */
int nldump__check_attributes(const void *payload, size_t len);

/* The same, and fn with each. 0, -EBADMSG, or what fn returned. */
int nldump__each_attribute(const void *payload, size_t len, int (*fn)(const struct nlattr *attr, void *ctx), void *ctx);

/* SK_MEMINFO_* of an attribute. 0 or -EBADMSG; kernels append to it. */
int nldump__memory(const struct nlattr *attr, struct facts *facts);

#endif
