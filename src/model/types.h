/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The shapes every layer speaks: a row (what a dump said), a process, a socket of the table, an update (what a renderer
 * is told). Times are CLOCK_BOOTTIME nanoseconds unless said. No behaviour here.
 */
#ifndef SOCKWATCH_MODEL_TYPES_H
#define SOCKWATCH_MODEL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sockwatch/record.h"

/* TCP states, include/net/tcp_states.h. The same numbers in sock_diag, in records and in the table. */
enum tcp_state {
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT,
	STATE_SYN_RECV,
	STATE_FIN_WAIT1,
	STATE_FIN_WAIT2,
	STATE_TIME_WAIT,
	STATE_CLOSE,
	STATE_CLOSE_WAIT,
	STATE_LAST_ACK,
	STATE_LISTEN,
	STATE_CLOSING,
	STATE_NEW_SYN_RECV,
	STATE_MAX,
};

/* TCP_BOUND_INACTIVE of linux/tcp.h: only asked for (Linux 6.8) and filtered by; what has a port and no more is CLOSE. */
#define STATE_BOUND_INACTIVE 13

/* Addresses and ports of one socket. family is 4 or 6; an IPv4-mapped IPv6 pair is stored as IPv4 (trap T10). */
struct endpoints {
	uint16_t local_port; /* host order */
	uint16_t remote_port;
	uint8_t family;	   /* 4 or 6 */
	uint8_t pad;	   /* zero: endpoints are compared as bytes */
	uint8_t local[16]; /* network order; IPv4 in the first four bytes, the rest zero */
	uint8_t remote[16];
};

/* One process, named by (pid, start_ticks) so that a reused pid is another process (trap T16). Shared, counted. */
struct process {
	uint32_t pid;
	uint32_t ppid;
	uint32_t uid;
	uint32_t refs;
	uint64_t start_ticks; /* /proc/PID/stat field 22: clock ticks since boot; kernel ns rounded down to it */
	uint64_t cgroup_id;   /* 0: not known */
	char comm[SW_COMM_LEN + 1];
	char parent_comm[SW_COMM_LEN + 1]; /* "": not known */
	bool have_ids;			   /* ppid and uid are known */
	size_t cmdline_len;		   /* bytes of cmdline, arguments separated by NUL */
	char *cmdline;			   /* NULL: not known. Owned */
	char *exe;			   /* NULL: not known. Owned */
	char *cgroup;			   /* path below the cgroup v2 root; NULL: not known. Owned */
	/* model/holders.c */
	uint64_t *held; /* cookies of sockets that list it as a holder, or did. Owned */
	uint32_t held_count, held_size;
	bool gone;    /* it has exited */
	bool renamed; /* it runs another program than the one that was read */
	bool watched; /* its forks are told */
	bool shares;  /* so are its closes */
	bool left;    /* a listener of its own to another, of which the kernel side does not hear */
};

/* A process with a descriptor of the socket. */
struct holder {
	struct process *process; /* referenced */
	int fd;			 /* -1: not known */
};

/* A socket that a process was found to hold. */
struct held_fd {
	uint64_t inode;
	int fd;
};

/* What sock_diag said about one socket at one time. */
struct row {
	uint64_t cookie;
	uint64_t inode; /* 0: no file (TIME_WAIT, SYN_RECV, not accepted yet, orphan) */
	uint32_t netns;
	uint32_t uid;
	uint8_t state;	     /* enum tcp_state */
	bool mptcp;	     /* subflow of an MPTCP connection */
	bool mptcp_join;     /* an additional subflow: not shown */
	bool minisock;	     /* time-wait or request entry: ends without an event */
	uint32_t expires_ms; /* of its timer, 0: none */
	uint32_t recv_queue; /* bytes; of a listener: connections waiting */
	uint32_t send_queue; /* bytes; of a listener: backlog */
	struct endpoints ends;
};

/* What the kernel told when it freed a socket: the last thing there is to know of the cookie. */
struct ended {
	uint64_t time_ns; /* when we heard of it */
	struct row row;	  /* cookie, netns and endpoints; the remote port may be 0 */
	bool told;	  /* the model's */
};

/* One socket of the table. */
struct sock {
	uint64_t cookie;
	uint64_t inode;
	struct endpoints ends;
	uint32_t netns;
	struct process *owner; /* NULL: none */
	uint8_t attribution;   /* enum sw_attribution */
	uint8_t state;	       /* enum tcp_state */
	uint8_t direction;     /* enum sw_direction */
	bool mptcp;
	bool minisock; /* only a time-wait or request entry is left in the kernel */
	bool closed;   /* its close was told; what is left is a minisock */
	bool accepted; /* its accept was told; a socket is accepted once */
	bool untold;   /* a listener whose port is not known yet: told when it is */
	bool searched; /* polls: its holder was looked for in vain */
	bool doubtful; /* records were lost since its owner was told: another one may have taken it */
	uint16_t holder_count;
	uint32_t seq;		    /* of the last record, 0: none */
	struct holder *holders;	    /* owned, NULL when none is known */
	struct sock *next_listener; /* of a listener: the next one with its namespace and port */
	uint64_t opened_ns;	    /* 0: before we looked */
	uint64_t owned_ns;	    /* time of what the owner is known by: its act, or the look that found it */
	uint64_t seen_ns;	    /* time of the last record, or of the dump that listed it */
	uint64_t deadline_ns;	    /* of a minisock: when the kernel should have dropped it */
};

enum event {
	EV_EXISTING,
	EV_OPEN,
	EV_BIND,
	EV_LISTEN,
	EV_CONNECT,
	EV_ESTABLISHED,
	EV_ACCEPT,
	EV_STATE,
	EV_OWNER,
	EV_CLOSE,
	EV_SYNC,
	EV_LOST,
	EV_SUMMARY,
	EV_MAX,
};

/* Why a connection ended; the NDJSON key "reason". */
enum close_reason {
	REASON_UNKNOWN,
	REASON_LOCAL,	    /* "local": closed here first */
	REASON_REMOTE,	    /* "remote": the peer closed first */
	REASON_RESET,	    /* "reset": RST received */
	REASON_ABORTED,	    /* "aborted": RST sent, by linger 0, unread data, or a listener that went away */
	REASON_REFUSED,	    /* "refused": RST as answer to SYN */
	REASON_TIMEOUT,	    /* "timeout" */
	REASON_UNREACHABLE, /* "unreachable" */
	REASON_UNSEEN,	    /* "unseen": gone in a dump, its close was lost */
	REASON_EXPIRED,	    /* "expired": end of a TIME_WAIT or SYN_RECV entry */
	REASON_MAX,
};

enum loss_where { LOSS_RING, LOSS_MAP, LOSS_DUMP, LOSS_HELPER, LOSS_MAX };

/*
 * What the model tells a renderer. Everything pointed to is the model's and valid during the call only. sock is NULL on
 * EV_SYNC, EV_LOST and EV_SUMMARY.
 */
struct update {
	enum event event;
	uint64_t time_ns; /* CLOCK_BOOTTIME */
	const struct sock *sock;
	uint32_t tid;			  /* the actor; 0: not known */
	const struct process *prev_owner; /* EV_OWNER */
	/* EV_EXISTING, from the row */
	bool have_queues;
	uint32_t recv_queue, send_queue;
	/* EV_CLOSE */
	struct {
		bool have_stats;      /* bytes and retransmits are known */
		uint64_t duration_us; /* 0: not known */
		uint64_t bytes_sent, bytes_received;
		uint32_t retransmits, rtt_us; /* rtt_us 0: not known */
		enum close_reason reason;
	} close;
	/* EV_SYNC */
	struct {
		uint64_t sockets, unowned, bootstrap_us;
		const char *plan;	   /* NULL: left out */
		const char *missing_hooks; /* names joined by ", "; NULL: none */
	} sync;
	/* EV_LOST */
	struct {
		uint64_t count;
		enum loss_where where;
	} lost;
	/* EV_SUMMARY */
	struct {
		uint64_t updates, lost; /* updates told and records lost in all */
	} summary;
};

#endif
