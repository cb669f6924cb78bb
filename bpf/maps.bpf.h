/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map, and the counters of what could not be told. */
#ifndef SOCKWATCH_MAPS_BPF_H
#define SOCKWATCH_MAPS_BPF_H

#define CLAIMS_MAX 1048576
#define DEAD_MAX   65536

/* What the kernel side remembers of one live socket. */
struct sock_info {
	struct sw_owner owner;
	__u64 opened_ns; /* 0: before we looked */
	__u32 seq;	 /* records sent about it */
	__u8 direction;	 /* enum sw_direction */
	__u8 pad[3];
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
 * Key: cookie; value: an owner that could not be written onto the socket itself, because the hook had no trusted pointer
 * to it (accept by syscall exit) or because user space found it (start, repair). Deleted when the socket takes the claim
 * over or closes. When full, the insert is refused and counted in losses.map.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CLAIMS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct sw_owner);
} claims SEC(".maps");

/*
 * Key: cookie; value: last owner of a socket of which only a time-wait entry is left. Inserted at close, never deleted:
 * the least recently used one makes room, so a full map loses the oldest owner only.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, DEAD_MAX);
	__type(key, __u64);
	__type(value, struct sw_owner);
} dead SEC(".maps");

/* Records for user space; size set before load. When full, records are dropped and counted in losses.ring. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 * 1024 * 1024);
} ring SEC(".maps");

struct sw_losses losses = {};

static __always_inline void count_loss(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

#endif
