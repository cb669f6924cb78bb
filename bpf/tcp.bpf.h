/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What happens to TCP sockets, turned into records and owners. The bodies here are called by thin programs, one per kind
 * of hook. Where the fields lie at each transition: see the comments; they differ from what one would expect.
 */
#ifndef SOCKWATCH_TCP_BPF_H
#define SOCKWATCH_TCP_BPF_H

/* Generated when it has none yet; 0 only with legacy. */
static __always_inline __u64 sock_cookie(struct sock *sk)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;

	return cookie || legacy ? cookie : bpf_get_socket_cookie(sk);
}

/*
 * One transition. What lies behind pointers is read once, before the ways part: the verifier searches the kernel's type
 * information for every load of a pointer, on each path that leads there (half a millisecond each at start).
 */
struct change {
	struct sock *sk;
	struct net *net;
	const struct tcp_sock *tp;
	__u64 cookie;
	__u64 inode; /* 0: not read, or there is no file */
	__u32 netns;
	int old, new;
	__u8 flags;
};

static __always_inline void read_change(struct change *c)
{
	const struct sock *sk = c->sk;
	const struct socket_alloc *alloc;

	c->cookie = sock_cookie(c->sk);
	c->netns = c->net->ns.inum;
	/*
	 * Once in a socket's life, when it opens: it costs three cold cache lines. A child has no file yet, unless it is one
	 * of fast open, accepted before it was established; its accept waits for this inode.
	 */
	if (c->new != TCP_SYN_SENT && c->new != TCP_LISTEN && c->old != TCP_SYN_RECV)
		return;
	alloc = (const void *)BPF_CORE_READ(sk, sk_socket);
	if (alloc)
		c->inode = BPF_CORE_READ(alloc, vfs_inode.i_ino);
}

/*
 * All but kind, attribution, seq, direction and owner. inet_sport, not skc_num: the latter is already 0 at CLOSE of a
 * port that was not bound. At SYN_SENT it is 0 unless bound first.
 */
static __always_inline void fill_sock(struct sw_record *r, const struct change *c)
{
	const struct sock *sk = c->sk;

	r->version = SW_RECORD_VERSION;
	r->flags = c->flags;
	r->family = sk->__sk_common.skc_family;
	r->old_state = c->old;
	r->new_state = c->new;
	r->netns = c->netns;
	r->time_ns = bpf_ktime_get_boot_ns();
	r->cookie = c->cookie;
	r->inode = c->inode;
	r->local_port = bpf_ntohs(c->tp->inet_conn.icsk_inet.inet_sport);
	r->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	r->tid = 0;
	__builtin_memset(r->local, 0, sizeof(r->local));
	__builtin_memset(r->remote, 0, sizeof(r->remote));
	if (r->family == AF_INET6) {
		bpf_probe_read_kernel(r->local, sizeof(r->local), &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(r->remote, sizeof(r->remote), &sk->__sk_common.skc_v6_daddr);
	} else {
		*(__u32 *)r->local = sk->__sk_common.skc_rcv_saddr;
		*(__u32 *)r->remote = sk->__sk_common.skc_daddr;
	}
}

static __always_inline void fill_info(struct sw_record *r, const struct sock_info *info)
{
	r->seq = info->seq;
	r->direction = info->direction;
	r->attribution = info->owner.attribution;
	r->owner = info->owner.process;
}

/* Made when there is none. NULL: no memory, and the loss is counted. */
static __always_inline struct sock_info *sock_info(const struct change *c)
{
	struct sock_info *info;

	if (legacy)
		info = legacy_info(c->cookie, c->old == TCP_SYN_RECV ? c->sk : NULL);
	else
		info = bpf_sk_storage_get(&sockets, c->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!info)
		count_loss(&losses.map);
	return info;
}

/* The socket becomes the current process's: connect and listen, which run in the caller. */
static __always_inline void on_open(const struct change *c)
{
	struct sock_info *info = sock_info(c);
	bool listen = c->new == TCP_LISTEN;
	struct sw_record *r;
	__u8 flag;

	if (!info)
		return;
	read_process(&info->owner.process, true);
	info->owner.attribution = listen ? SW_ATTR_LISTEN : SW_ATTR_CONNECT;
	confirm_use(c->cookie, &info->owner.process);
	info->direction = listen ? SW_DIR_LISTEN : SW_DIR_OUT;
	info->state = c->new;
	info->seq++;

	r = reserve_by(&info->owner.process, true, &flag);
	if (!r) {
		info->opened_ns = bpf_ktime_get_boot_ns();
		return;
	}
	fill_sock(r, c);
	r->flags |= flag;
	info->opened_ns = r->time_ns;
	fill_info(r, info);
	r->kind = listen ? SW_REC_LISTEN : SW_REC_CONNECT;
	r->tid = TASK_READ(compat_task(), pid);
	bpf_ringbuf_submit(r, 0);
}

/* Move a claim by cookie onto the socket. True when there was one. */
static __always_inline bool take_claim(__u64 cookie, struct sw_owner *owner)
{
	struct sw_claim *claim = bpf_map_lookup_elem(&claims, &cookie);

	if (!claim)
		return false;
	*owner = claim->owner;
	bpf_map_delete_elem(&claims, &cookie);
	return true;
}

/* What was learned about the owner where it could not be written onto the socket. */
static __always_inline void update_owner(__u64 cookie, struct sock_info *info)
{
	if (info->owner.attribution == SW_ATTR_NONE && take_claim(cookie, &info->owner))
		return;
	if (info->direction != SW_DIR_OUT && info->owner.attribution != SW_ATTR_ACCEPT &&
	    info->owner.attribution != SW_ATTR_IO && info->owner.attribution != SW_ATTR_LISTEN)
		recall_owner(cookie, &info->owner);
}

/* What is remembered of a live socket, info being its own, or NULL. False: nothing. */
static __always_inline bool look_up_known(__u64 cookie, const struct sock_info *info, struct sw_known *known)
{
	const struct sw_claim *claim;

	__builtin_memset(known, 0, sizeof(*known));
	known->cookie = cookie;
	if (info) {
		known->opened_ns = info->opened_ns;
		known->owner = info->owner;
		known->direction = info->direction;
	}
	if (known->owner.attribution == SW_ATTR_NONE || known->owner.attribution == SW_ATTR_LISTENER)
		recall_owner(cookie, &known->owner);
	if (known->owner.attribution)
		return true;
	claim = bpf_map_lookup_elem(&claims, &cookie);
	if (claim)
		known->owner = claim->owner;
	return claim;
}

/*
 * A child carries a clone of its listener's storage: it belongs to the listener's owner until somebody accepts it. A
 * self-connect comes from SYN_RECV too, but opened itself.
 */
static __always_inline void begin_child(struct sock_info *info)
{
	info->opened_ns = 0; /* the listener's */
	info->seq = 0;
	info->direction = SW_DIR_IN;
	/* One of fast open may have been used before it is established; a listener never has. */
	if (info->owner.attribution && info->owner.attribution != SW_ATTR_ACCEPT &&
	    info->owner.attribution != SW_ATTR_IO)
		info->owner.attribution = SW_ATTR_LISTENER;
}

static __always_inline __u8 kind_of(int new)
{
	switch (new) {
	case TCP_SYN_SENT:
		return SW_REC_CONNECT;
	case TCP_LISTEN:
		return SW_REC_LISTEN;
	case TCP_ESTABLISHED:
		return SW_REC_ESTABLISHED;
	default:
		return SW_REC_STATE;
	}
}

/*
 * ESTABLISHED, connect and listen of the kernel's own sockets (NFS: nobody owns them), and any other transition when all
 * are wanted. At ESTABLISHED the current task means nothing: the packet's softirq ran on top of somebody. FIN_WAIT1 and
 * LAST_ACK run in the caller of close or shutdown.
 */
static __always_inline void on_progress(const struct change *c)
{
	struct sock_info *info = sock_info(c);
	struct sw_record *r;
	bool begins;

	if (!info)
		return;
	if (c->new != TCP_ESTABLISHED)
		update_owner(c->cookie, info);
	else if (c->old == TCP_SYN_RECV && info->direction != SW_DIR_OUT)
		begin_child(info);
	else
		info->direction = SW_DIR_OUT;
	info->state = c->new;
	info->seq++;
	begins = c->new == TCP_ESTABLISHED && !info->opened_ns && info->direction == SW_DIR_IN;

	r = reserve(sizeof(*r));
	if (!r) {
		if (begins)
			info->opened_ns = bpf_ktime_get_boot_ns();
		return;
	}
	fill_sock(r, c);
	if (begins)
		info->opened_ns = r->time_ns;
	fill_info(r, info);
	r->kind = kind_of(c->new);
	if (c->new == TCP_FIN_WAIT1 || c->new == TCP_LAST_ACK)
		r->tid = TASK_READ(compat_task(), pid);
	bpf_ringbuf_submit(r, 0);
}

/*
 * tcp_time_wait() puts the time-wait entry into the hash in the socket's place before it closes the socket; every other
 * way to CLOSE unhashes only after this event. An unhashed socket therefore has a time-wait successor.
 */
static __always_inline bool became_time_wait(const struct change *c)
{
	if (c->old != TCP_FIN_WAIT1 && c->old != TCP_FIN_WAIT2 && c->old != TCP_CLOSING)
		return false;
	return !c->sk->__sk_common.skc_node.pprev;
}

static __always_inline void fill_close(struct sw_record_close *r, const struct change *c, __u64 opened_ns)
{
	const struct tcp_sock *tp = c->tp;
	__u64 received = tp->bytes_received;

	/* The kernel counts the FIN as a byte (tcp_rcv_nxt_update up to end_seq). */
	if (received && (c->flags & SW_F_GOT_FIN))
		received--;
	r->opened_ns = opened_ns;
	r->bytes_sent = tp->bytes_sent - tp->bytes_retrans;
	r->bytes_received = received;
	r->retransmits = tp->total_retrans;
	r->rtt_us = tp->srtt_us >> 3;
	r->error = c->sk->sk_err;
	r->pad = 0;
}

static __always_inline void on_close(struct change *c)
{
	/* Made even now, for a socket older than us: it may be used again, and goes on counting then. */
	struct sock_info *info = sock_info(c);
	struct sw_record_close *r;
	struct sock_info unknown;

	if (!info) {
		__builtin_memset(&unknown, 0, sizeof(unknown));
		info = &unknown;
	}
	if (c->old == TCP_SYN_RECV && info->direction != SW_DIR_OUT)
		begin_child(info);
	info->state = c->new;
	info->seq++;
	update_owner(c->cookie, info);
	/* Older than we are: user space may have claimed it after its first use told us the owner. */
	if (info->direction == SW_DIR_UNKNOWN)
		bpf_map_delete_elem(&claims, &c->cookie);
	if (c->sk->__sk_common.skc_flags & (1UL << SOCK_DONE)) /* set by tcp_fin() */
		c->flags |= SW_F_GOT_FIN;
	if (became_time_wait(c)) {
		c->flags |= SW_F_TIMEWAIT;
		if (info->owner.attribution)
			remember_owner(c->cookie, &info->owner);
	}

	r = reserve(sizeof(*r));
	if (!r)
		return;
	fill_sock(&r->base, c);
	fill_info(&r->base, info);
	r->base.kind = SW_REC_CLOSE;
	fill_close(r, c, info->opened_ns);
	bpf_ringbuf_submit(r, 0);
}

/* Transitions nobody asked for, decided from the two states alone. */
static __always_inline bool is_wanted(int old, int new)
{
	switch (new) {
	case TCP_SYN_SENT:
	case TCP_LISTEN:
	case TCP_ESTABLISHED:
	case TCP_CLOSE:
		return old != new; /* MPTCP sets the same state twice */
	case TCP_SYN_RECV:
		/* Up to 6.12 a child still reads its listener's cookie here. */
		return control.all_states && have_reader() && old != TCP_LISTEN;
	default:
		return control.all_states && have_reader() && old != new;
	}
}

/* The kernel's own; the subflow of an MPTCP socket is made by it too, but in the caller of connect or listen. */
static __always_inline bool is_kernels(const struct change *c)
{
	const struct sock *sk = c->sk;

	return !(c->flags & SW_F_MPTCP) && BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

static __always_inline int on_state(struct sock *sk, int old, int new)
{
	struct change c = { .sk = sk, .net = sk->__sk_common.skc_net.net, .old = old, .new = new };

	barrier_var(c.net); /* else clang loads it where it is used */
	if (legacy && old == TCP_LISTEN && new == TCP_SYN_RECV)
		legacy_note_child(sk);
	if (!is_wanted(old, new))
		return 0;
	/*
	 * An MPTCP parent (protocol 262) changes state too; its first subflow, a TCP socket, speaks for both. SCTP and DCCP
	 * pass here as well.
	 */
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	c.tp = bpf_skc_to_tcp_sock(sk);
	if (!c.tp)
		return 0;
	if (compat_is_mptcp(c.tp)) {
		if (compat_is_mptcp_join(c.tp))
			return 0;
		c.flags = SW_F_MPTCP;
	}
	read_change(&c);
	if (legacy && !c.cookie) { /* made before we watched, and never in a dump: a repair will find it */
		count_loss(&losses.helper);
		return 0;
	}

	if ((new == TCP_SYN_SENT || new == TCP_LISTEN) && !is_kernels(&c))
		on_open(&c);
	else if (new == TCP_CLOSE)
		on_close(&c);
	else
		on_progress(&c);
	return 0;
}

#endif
