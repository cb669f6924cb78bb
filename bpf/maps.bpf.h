/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map, and the counters of what could not be told. */
#ifndef SOCKWATCH_MAPS_BPF_H
#define SOCKWATCH_MAPS_BPF_H

#define CLAIMS_MAX	    131072
#define TOLD_MAX	    4096 /* a power of two */
#define TASKS_MAX	    131072
#define LEGACY_CHILDREN_MAX 16384

/* What the kernel side remembers of one live socket. */
struct sock_info {
	struct sw_owner owner;
	__u64 opened_ns; /* 0: before we looked */
	__u32 seq;	 /* records sent about it */
	__u8 direction;	 /* enum sw_direction */
	__u8 state;	 /* where the last transition that was told went: bpf/spare.bpf.h */
	__u8 pad[2];
	/* bpf/io.bpf.h */
	__u32 busy; /* a change of owner is under way */
	__u32 more_pad;
	__u64 users;	/* who has used it: user_bit() of each */
	__u64 taken_ns; /* CLOCK_BOOTTIME of the last take-over, 0: none */
};

/*
 * Key: the socket itself; value: its owner. Inserted by connect, listen, establishment and (for listeners that were
 * there first) by the iterator; cloned from a listener to its children; freed by the kernel with the socket. Cannot
 * fill up: the memory belongs to the socket. A failed allocation is counted in losses.map.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct sock_info);
} sockets SEC(".maps");

/*
 * Stands in for the storage on kernels that do not give it to tracing programs; not made elsewhere. Key: cookie. Inserted
 * as there, a child's copied from its listener's; deleted when the socket is destroyed. When full, the insert is refused
 * and counted in losses.map.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CLAIMS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct sock_info);
} legacy_sockets SEC(".maps");

/*
 * Goes with it. Key: address of a child that is not established yet; value: its listener's cookie. Inserted at
 * LISTEN>SYN_RECV, deleted at the child's next step. When full, the oldest is dropped: that child has no owner until it
 * is accepted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LEGACY_CHILDREN_MAX);
	__type(key, __u64);
	__type(value, __u64);
} legacy_children SEC(".maps");

/*
 * Key: cookie; value: the owner of a socket that was there first, written by user space at start and at a repair, or the
 * heir of one whose owner let go of it. Deleted when a listener takes it over (the iterator), at the first use after it, at
 * the socket's close, or by user space when it sees that it came too late. When full, the insert is refused.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CLAIMS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct sw_claim);
} claims SEC(".maps");

/*
 * Key: the low bits of the cookie; value: the owner of that socket, where it cannot stand on the socket itself. Inserted
 * at accept (the hook has no trusted pointer to the socket; the socket fetches its owner from here when it closes) and
 * when only a time-wait entry is left. Never deleted: a newer socket takes the place after some 65 000 others, so the
 * oldest is forgotten first, as in an LRU map; but an array needs no lock, no allocation and no call (an LRU insert took
 * 700 ns, a third of all that a connection costs). An accepted socket that finds another's cookie here keeps its
 * listener's owner, and says so (attribution listener); user space, which was told of the accept, knows better.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SW_OWNERS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE); /* begins on a page, so each value is one cache line */
	__type(key, __u32);
	__type(value, struct sw_owner_slot);
} owners SEC(".maps");

/* The transition that this CPU looked at last. */
struct seen {
	__u64 sk;
	__u32 new;
	__u32 pad;
};

/* Key: 0; value: see there. Written by the state hook, only where it has spares (bpf/spare.bpf.h). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

struct told_process {
	__u64 start_ns;
	__u64 exec_id;
};

/*
 * Key: the low bits of the pid; value: the process whose command line was sent last. Spares the reading and sending of
 * a command line that user space has; another process in the same place only makes it be sent again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TOLD_MAX);
	__type(key, __u32);
	__type(value, struct told_process);
} told SEC(".maps");

/*
 * Key: pid (thread group); value: what is known of it. The processes that hold sockets: inserted with the first record of
 * what one does, at the fork of one that holds, when a descriptor comes from another process, and by user space for the
 * holders that were there first. Deleted at exit. When full, the insert is refused and counted in losses.map.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TASKS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct sw_task);
} tasks SEC(".maps");

/*
 * Records for user space; size set before load. When full, records are dropped and counted in losses.ring. None are made
 * when nobody reads.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} ring SEC(".maps");

#define READER_MASK 0x3fffffff /* FUTEX_TID_MASK, uapi/linux/futex.h */

struct sw_losses losses = {};
volatile struct sw_control control = {};

static __always_inline void count_loss(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static __always_inline bool have_reader(void)
{
	return control.reader & READER_MASK;
}

/* Room for a record. NULL: nobody reads, or the ring is full, and the loss is counted. */
static __always_inline void *reserve(__u64 size)
{
	void *r;

	if (!have_reader())
		return NULL;
	r = bpf_ringbuf_reserve(&ring, size, 0);
	if (!r)
		count_loss(&losses.ring);
	return r;
}

static __always_inline void hold_task(__u32 pid)
{
	struct sw_task task = { 0 };

	if (bpf_map_lookup_elem(&tasks, &pid))
		return;
	if (bpf_map_update_elem(&tasks, &pid, &task, BPF_ANY))
		count_loss(&losses.map);
}

static __always_inline void remember_owner(__u64 cookie, const struct sw_owner *owner)
{
	__u32 slot = cookie & (SW_OWNERS_MAX - 1);
	struct sw_owner_slot *to = bpf_map_lookup_elem(&owners, &slot);

	if (!to || !cookie)
		return;
	to->cookie = 0;
	barrier();
	to->owner = *owner;
	barrier();
	to->cookie = cookie;
}

static __always_inline void recall_owner(__u64 cookie, struct sw_owner *owner)
{
	__u32 slot = cookie & (SW_OWNERS_MAX - 1);
	struct sw_owner_slot *from = bpf_map_lookup_elem(&owners, &slot);
	struct sw_owner found;

	if (!from || from->cookie != cookie)
		return;
	found = from->owner;
	barrier();
	if (from->cookie == cookie) /* nobody has written meanwhile */
		*owner = found;
}

#endif
