/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * First use takes over: a process that reads or writes a TCP socket it does not own becomes its owner. The hooks run in
 * the caller of every send and receive, so what matters is the cost of the usual case, the owner itself.
 *
 * Sends: sock_send_length (from 6.3), also for write, sendfile, splice and io_uring. Before, the functions that all of
 * these come to with the socket locked: tcp_sendmsg_locked, and do_tcp_sendpages for sendfile and splice. Receives:
 * tcp_rcv_space_adjust, also for read, splice, io_uring and TCP_ZEROCOPY_RECEIVE; sock_recv_length would miss splice, and
 * sees every other family.
 */
#ifndef SOCKWATCH_IO_BPF_H
#define SOCKWATCH_IO_BPF_H

/* Of a hook, and known when it is compiled. */
enum io_hook {
	IO_ANY,
	IO_LOCKED, /* runs with the socket locked, and so do all others of the same plan; nothing from 5.12 is needed */
	IO_PROBE,  /* the same, and its pointers are not trusted; only with legacy */
};

#define IO_READ(how, pointer, field) ((how) == IO_PROBE ? BPF_CORE_READ(pointer, field) : (pointer)->field)

/*
 * Two processes that use one socket in turn would make each call a change of owner. A process takes a socket over with
 * its first use of it. One that has used it before, and lost it to another since, takes it again only this long after
 * the last change: what is told is bounded by the number of users and by time, and the last user is right again soon.
 */
#define TAKE_AGAIN_NS 1000000000ULL

#define NS_PER_TICK 10000000ULL /* USER_HZ, include/asm-generic/param.h: what a claim's start time is rounded down to */
#define PF_KTHREAD  0x00200000	/* include/linux/sched.h */

/* Of a pid, modulo 64. Two processes that share a bit: the second one waits as if it had used the socket before. */
static __always_inline __u64 user_bit(__u32 pid)
{
	return 1ULL << (pid & 63);
}

static __always_inline bool is_same(const struct sw_process *p, const struct sw_process *me)
{
	return p->pid == me->pid && me->start_ns - p->start_ns < NS_PER_TICK;
}

/*
 * The owner that info has is compared with the current process, me. True: it is news that me uses the socket, and me is
 * the owner now.
 */
static __always_inline bool take_over(struct sock_info *info, const struct sw_process *me)
{
	struct sw_owner *owner = &info->owner;
	bool known = owner->attribution != SW_ATTR_NONE && owner->attribution != SW_ATTR_LISTENER;
	__u64 users, now;

	if (known && is_same(&owner->process, me)) {
		owner->process.start_ns = me->start_ns; /* exactly: the next look is a short one */
		return false;
	}
	users = known ? info->users | user_bit(owner->process.pid) : 0;
	now = bpf_ktime_get_boot_ns();
	if (users & user_bit(me->pid) && now - info->taken_ns < TAKE_AGAIN_NS)
		return false;
	info->users = users | user_bit(me->pid);
	info->taken_ns = now;
	owner->process = *me;
	owner->attribution = SW_ATTR_IO;
	return true;
}

/*
 * The owner let go of the socket, and user space found another who holds it: else the old owner, who may get it back,
 * would not be news.
 */
static __always_inline void take_heir(__u64 cookie, struct sock_info *info)
{
	struct sw_claim *claim = bpf_map_lookup_elem(&claims, &cookie);

	if (!claim)
		return;
	if (claim->time_ns > info->taken_ns && claim->time_ns > info->opened_ns) {
		info->users |= user_bit(info->owner.process.pid);
		info->taken_ns = claim->time_ns;
		info->owner = claim->owner;
	}
	bpf_map_delete_elem(&claims, &cookie);
}

static __always_inline void tell_owner(struct sock *sk, const struct sock_info *info)
{
	struct accepted a; /* read as at accept: in blocks, which the verifier passes in no time */
	struct sw_record *r;
	__u8 flag;

	use_socket(&a, sk, BPF_CORE_READ(sk, sk_socket));
	if (!read_common(&a))
		return;
	r = reserve_by(&info->owner.process, false, &flag);
	if (!r)
		return;
	fill_accepted(r, &a); /* seq 0: not counted, this runs outside the socket's lock */
	r->flags |= flag;
	r->kind = SW_REC_OWNER;
	r->direction = a.flags & SW_F_MPTCP ? SW_DIR_UNKNOWN : info->direction;
	r->attribution = info->owner.attribution;
	r->tid = bpf_get_current_pid_tgid();
	r->owner = info->owner.process;
	bpf_ringbuf_submit(r, 0);
}

/*
 * The current process is not known to be the owner: it may become it. This also writes the owner of an accepted socket
 * onto the socket, where it does not depend on the arrays' size, once another socket has taken its place in last_uses.
 *
 * What there is to know of an MPTCP connection lies with its first subflow, to which no trusted pointer leads: every
 * connection's first use is told, and user space, which knows the owner, drops what is no news. Nor is its use confirmed:
 * its cookie can be its listener's, so its storage is asked each time.
 */
static __always_inline void on_use(struct change *c, bool mptcp, enum io_hook how)
{
	struct sock_info *info = sock_info(c);
	struct sw_process me;
	bool is_owner;

	if (!info)
		return;
	/* Busy: somebody else is at it, on another CPU. The next use will do. */
	if (how == IO_ANY && __sync_val_compare_and_swap(&info->busy, 0, 1))
		return;
	if (!mptcp) {
		update_owner(c->cookie, info);
		take_heir(c->cookie, info);
	}
	read_process(&me, false);
	if (take_over(info, &me))
		tell_owner(c->sk, info);
	is_owner = info->owner.process.pid == me.pid && info->owner.process.start_ns == me.start_ns &&
		   info->owner.attribution != SW_ATTR_LISTENER;
	if (how == IO_ANY)
		__sync_lock_test_and_set(&info->busy, 0);
	if (is_owner && !mptcp)
		confirm_use(c->cookie, &me);
}

static __always_inline int on_io(struct sock *sk, enum io_hook how)
{
	struct change c = { .sk = sk, .cookie = IO_READ(how, sk, __sk_common.skc_cookie.counter) };
	__u16 protocol;

	if (last_uses[c.cookie & (USES_MAX - 1)] == use_of_current(c.cookie))
		return 0;
	protocol = IO_READ(how, sk, sk_protocol);
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP)
		return 0;
	/* Kernel threads own nothing, and nobody owns the kernel's sockets (NFS sends in the caller of write). */
	if (TASK_READ(compat_task(), flags) & PF_KTHREAD || BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock))
		return 0;
	if (how != IO_PROBE)
		c.cookie = sock_cookie(sk);
	if (!c.cookie)
		return 0;
	c.old = c.new = IO_READ(how, sk, __sk_common.skc_state);
	on_use(&c, protocol == IPPROTO_MPTCP, how);
	return 0;
}

/* At the start of a send, which may turn out to be none: what is closed is no use, or opens first (fast open). */
static __always_inline int on_send(struct sock *sk, enum io_hook how)
{
	return IO_READ(how, sk, __sk_common.skc_state) == TCP_CLOSE ? 0 : on_io(sk, how);
}

#endif
