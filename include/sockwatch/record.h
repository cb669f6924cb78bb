/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The wire between the BPF programs and the user side: the records of the ring buffer, the values of the owner maps
 * and the loss counters. Compiled on both sides; fixed-width types, explicit padding, host byte order unless said.
 *
 * The user side includes <stdint.h> types through <linux/types.h>; the BPF side has them from vmlinux.h.
 */
#ifndef SOCKWATCH_RECORD_H
#define SOCKWATCH_RECORD_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define SW_RECORD_VERSION 1
#define SW_COMM_LEN	  16  /* TASK_COMM_LEN, include/linux/sched.h */
#define SW_EXE_LEN	  256 /* a power of two: where the last name that fits begins before */
#define SW_EXE_NAME_LEN	  256 /* NAME_MAX and a NUL */
#define SW_CMDLINE_LEN	  256 /* what is kept of a command line; the arguments are separated by NUL */

/* Each is a struct sw_record, with more behind it where that is said; those of processes are short. */
enum sw_record_kind {
	SW_REC_CONNECT = 1, /* CLOSE>SYN_SENT, in the caller of connect */
	SW_REC_LISTEN,	    /* CLOSE>LISTEN, in the caller of listen */
	SW_REC_ACCEPT,	    /* an accept call returned this socket */
	SW_REC_ESTABLISHED, /* SYN_SENT>ESTABLISHED or SYN_RECV>ESTABLISHED */
	SW_REC_STATE,	    /* any other transition, only when asked for */
	SW_REC_CLOSE,	    /* struct sw_record_close: anything>CLOSE */
	SW_REC_OWNER,	    /* a process that was not the owner has read or written it, and is the owner now */
	/* struct sw_record_task: a process that may hold sockets */
	SW_REC_FORK, /* has been made by another one */
	SW_REC_EXEC, /* runs another program */
	SW_REC_EXIT, /* ends; its descriptors are closed next */
	SW_REC_FDS,  /* has got or closed a descriptor that another process has too */
};

/* How the owner is known: the words of the NDJSON key "attribution". */
enum sw_attribution {
	SW_ATTR_NONE,	  /* the kernel's own, or not known */
	SW_ATTR_CONNECT,  /* called connect */
	SW_ATTR_LISTEN,	  /* called listen */
	SW_ATTR_BIND,	  /* called bind */
	SW_ATTR_SOCKET,	  /* called socket */
	SW_ATTR_ACCEPT,	  /* its accept returned the socket */
	SW_ATTR_IO,	  /* first read or wrote it */
	SW_ATTR_HOLDER,	  /* holds a file descriptor of it */
	SW_ATTR_LISTENER, /* owns the listener; nobody accepted yet */
	SW_ATTR_LAST,	  /* owned it before everybody let go */
	SW_ATTR_MAX,
};

enum sw_direction {
	SW_DIR_UNKNOWN,
	SW_DIR_OUT,
	SW_DIR_IN,
	SW_DIR_LISTEN,
};

/* sw_record.flags */
#define SW_F_TIMEWAIT 0x01 /* of CLOSE: a time-wait entry with this cookie took the socket's place */
#define SW_F_MPTCP    0x02 /* the first subflow of an MPTCP connection */
#define SW_F_GOT_FIN  0x04 /* the peer has sent its FIN */
#define SW_F_CMDLINE  0x08 /* struct sw_record_process: the command line follows */

/* Who: a process as it was when it acted. pid 0: nobody. */
struct sw_process {
	__u64 start_ns;	 /* start of the thread group's leader, CLOCK_BOOTTIME ns (task_struct.start_boottime) */
	__u64 cgroup_id; /* cgroup v2 id: the kernfs inode of its directory */
	__u32 pid;	 /* thread group id, in the initial pid namespace */
	__u32 ppid;
	__u32 uid;
	__u32 pad;
	__u8 comm[SW_COMM_LEN]; /* the leader's; bytes another user chose */
};

struct sw_owner {
	struct sw_process process;
	__u8 attribution; /* enum sw_attribution */
	__u8 pad[7];
};

/* Value of the map of claims, keyed by cookie. */
struct sw_claim {
	struct sw_owner owner;
	__u64 time_ns; /* CLOCK_BOOTTIME: what happened to the socket since is newer */
};

#define SW_OWNERS_MAX 65536 /* a power of two */

/* Value of the array of owners; its index is the cookie modulo the array's size. */
struct sw_owner_slot {
	__u64 cookie; /* whose owner it is; 0 while it is being written */
	struct sw_owner owner;
};

/* Value of the map of processes that hold sockets, by pid. */
struct sw_task {
	__u8 shares; /* a socket that another process holds too: its closes are of interest */
	__u8 told;   /* SW_REC_FDS was sent, and user space has not looked since */
	__u8 pad[6];
};

struct sw_record {
	__u8 version;	  /* SW_RECORD_VERSION */
	__u8 kind;	  /* enum sw_record_kind */
	__u8 flags;	  /* SW_F_* */
	__u8 attribution; /* enum sw_attribution, of owner */
	__u8 family;	  /* AF_INET or AF_INET6, as the socket's */
	__u8 old_state;	  /* TCP_* of include/net/tcp_states.h; of ACCEPT and OWNER both are the state at that time */
	__u8 new_state;
	__u8 direction; /* enum sw_direction */
	__u32 seq;	/* per socket, from 1; 0 on ACCEPT and OWNER, which cannot count */
	__u32 netns;	/* inode of the network namespace */
	__u64 time_ns;	/* CLOCK_BOOTTIME */
	__u64 cookie;	/* 0 only on ACCEPT of a socket that has none yet: join by inode */
	__u64 inode;	/* of sockfs; 0: no file */
	__u16 local_port;
	__u16 remote_port;
	__u32 tid;	/* the actor: thread that ran the hook; meaningless in softirq */
	__u8 local[16]; /* network byte order; IPv4 in the first four bytes */
	__u8 remote[16];
	struct sw_process owner;
};

/* CONNECT, LISTEN, ACCEPT and OWNER with SW_F_CMDLINE: the first one of a process since its exec. */
struct sw_record_process {
	struct sw_record base;
	__u32 cmdline_len; /* bytes used of cmdline, at most SW_CMDLINE_LEN; 0: could not be read */
	__u8 cmdline[SW_CMDLINE_LEN];
	__u8 parent_comm[SW_COMM_LEN]; /* of the process base.owner.ppid; bytes another user chose */
	__u32 exe_len;		       /* bytes used of exe; 0: not known */
	/* The names of the program's path from the last one up to the root, each with a NUL behind it. */
	__u8 exe[SW_EXE_LEN + SW_EXE_NAME_LEN];
};

struct sw_record_close {
	struct sw_record base;
	__u64 opened_ns;      /* CLOCK_BOOTTIME of connect, listen or establishment; 0: before we looked */
	__u64 bytes_sent;     /* payload handed to the network, without retransmissions */
	__u64 bytes_received; /* payload received in order */
	__u32 retransmits;    /* segments, tcp_sock.total_retrans */
	__u32 rtt_us;	      /* smoothed, 0: never measured */
	__u32 error;	      /* sk_err, positive errno */
	__u32 pad;
};

/* Begins as sw_record does. */
struct sw_record_task {
	__u8 version;
	__u8 kind;
	__u16 pad;
	__u32 pid; /* thread group id */
	__u64 start_ns;
	__u64 time_ns;
	__u64 parent_start_ns; /* of FORK, as ppid */
	__u32 ppid;
	__u32 more_pad;
};

/* Losses, counted where they happen. The user side reads them through the mapped .bss. */
struct sw_losses {
	__u64 ring;   /* records that did not fit into the ring */
	__u64 map;    /* owners that a full map refused */
	__u64 helper; /* runs that the kernel skipped; counted by it, not by the programs */
	__u64 spared; /* of those of the state hook: another program of the same hook ran in its place */
};

/*
 * What user space tells the programs, in their mapped .bss. One process at a time reads the ring: while it lives its
 * thread id is in the low bits of reader (FUTEX_TID_MASK, linux/futex.h), and the kernel clears them when it dies. Without
 * a reader owners are kept, but no records are made.
 */
struct sw_control {
	__u32 reader;
	__u32 all_states; /* records of every transition, not only of those that open or end a connection */
};

/* What is remembered of a live socket: the iterator's output, for a run that begins later. */
struct sw_known {
	__u64 cookie;
	__u64 opened_ns; /* CLOCK_BOOTTIME; 0: not known */
	struct sw_owner owner;
	__u8 direction; /* enum sw_direction */
	__u8 pad[7];
};

#ifdef __cplusplus
#error "C only"
#endif
_Static_assert(sizeof(struct sw_process) == 48, "sw_process layout");
_Static_assert(sizeof(struct sw_owner) == 56, "sw_owner layout");
_Static_assert(sizeof(struct sw_claim) == 64, "sw_claim layout");
_Static_assert(sizeof(struct sw_owner_slot) == 64, "sw_owner_slot layout");
_Static_assert(sizeof(struct sw_known) == 80, "sw_known layout");
_Static_assert(sizeof(struct sw_record) == 128, "sw_record layout");
_Static_assert(sizeof(struct sw_record_process) == sizeof(struct sw_record) + 280 + 512, "sw_record_process layout");
_Static_assert(sizeof(struct sw_record_task) == 40, "sw_record_task layout");
_Static_assert(__builtin_offsetof(struct sw_record_task, time_ns) == __builtin_offsetof(struct sw_record, time_ns),
	       "the time is in the same place in every record");
_Static_assert(sizeof(struct sw_record_close) == sizeof(struct sw_record) + 40, "sw_record_close layout");

#endif
