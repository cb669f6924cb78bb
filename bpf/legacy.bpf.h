/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What stands in on kernels whose tracing programs have no socket storage and cannot make a cookie: see "legacy" in
 * compat.bpf.h. Cookies are made where the helper is to be had: at socket() and connect() by cgroup hooks, for children by
 * the socket-operations hook, which runs before SYN_RECV>ESTABLISHED is told.
 */
#ifndef SOCKWATCH_LEGACY_BPF_H
#define SOCKWATCH_LEGACY_BPF_H

/* A child's event reads its listener's cookie here (up to 6.12). */
static __always_inline void legacy_note_child(struct sock *child)
{
	__u64 listener = child->__sk_common.skc_cookie.counter;
	__u64 address = (__u64)child;

	if (child->sk_protocol == IPPROTO_TCP)
		bpf_map_update_elem(&legacy_children, &address, &listener, BPF_ANY);
}

/* What a clone of the storage would hold. */
static __always_inline void legacy_inherit(struct sock *child, struct sock_info *to)
{
	__u64 address = (__u64)child;
	__u64 *listener = bpf_map_lookup_elem(&legacy_children, &address);
	struct sock_info *from;
	__u64 cookie;

	if (!listener)
		return;
	cookie = *listener;
	bpf_map_delete_elem(&legacy_children, &address);
	from = bpf_map_lookup_elem(&legacy_sockets, &cookie);
	if (from)
		*to = *from;
}

/* As bpf_sk_storage_get() with CREATE; child: a socket that leaves SYN_RECV, or NULL. */
static __always_inline struct sock_info *legacy_info(__u64 cookie, struct sock *child)
{
	struct sock_info *info = bpf_map_lookup_elem(&legacy_sockets, &cookie);
	struct sock_info fresh;

	if (info)
		return info;
	__builtin_memset(&fresh, 0, sizeof(fresh));
	if (child)
		legacy_inherit(child, &fresh);
	bpf_map_update_elem(&legacy_sockets, &cookie, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&legacy_sockets, &cookie);
}

static __always_inline int legacy_forget(struct sock *sk)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;
	__u64 address = (__u64)sk;

	bpf_map_delete_elem(&legacy_sockets, &cookie);
	bpf_map_delete_elem(&legacy_children, &address);
	return 0;
}

#endif
