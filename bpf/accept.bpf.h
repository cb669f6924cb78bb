/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Accept: where the kernel gives the socket to its file (security_sock_graft, in the task that accepts), or else at the
 * exit of the call, where the descriptor it returned is resolved to the socket. Both catch a call that was blocked before
 * the programs were attached (trap T5). The walk runs over untrusted pointers: no helper takes them, so the owner goes
 * into a map by cookie and not onto the socket.
 */
#ifndef SOCKWATCH_ACCEPT_BPF_H
#define SOCKWATCH_ACCEPT_BPF_H

#define BLOCK_MAX 256 /* a power of two, above the size of struct sock_common and where the inode's number lies */

static __always_inline struct file *current_file(int fd)
{
	struct files_struct *files = TASK_READ(compat_task(), files);
	struct fdtable *fdt = TASK_READ(files, fdt);
	struct file *file = NULL;
	struct file **slots;

	if ((__u32)fd >= TASK_READ(fdt, max_fds))
		return NULL;
	slots = TASK_READ(fdt, fd);
	if (bpf_probe_read_kernel(&file, sizeof(file), slots + fd))
		return NULL;
	return file;
}

/*
 * What is read of an accepted socket, in as few probes as will do: each costs more than the bytes it copies. block is a
 * part of a kernel structure as the running kernel lays it out: first struct socket with the inode behind it, then struct
 * sock_common.
 */
struct accepted {
	struct sock *sk;
	__u64 inode;
	__u8 flags;
	__u8 block[BLOCK_MAX] __attribute__((aligned(8)));
};

/* A field of the structure in the block, at the running kernel's offset. */
#define BLOCK(a, type, field) \
	(*(typeof(((type *)0)->field) *)((a)->block + (bpf_core_field_offset(type, field) & (BLOCK_MAX / 2 - 1))))
#define COMMON(a, field) BLOCK(a, struct sock, __sk_common.field)

static __always_inline bool read_socket(struct accepted *a, struct socket *socket, const struct file *file)
{
	__u32 inode = bpf_core_field_offset(struct socket_alloc, vfs_inode.i_ino);

	if (bpf_probe_read_kernel(a->block, (inode + sizeof(a->inode)) & (BLOCK_MAX - 1), socket))
		return false;
	a->sk = BLOCK(a, struct socket_alloc, socket.sk);
	a->inode = inode <= BLOCK_MAX - sizeof(a->inode)
			   ? *(__u64 *)(a->block + (inode & (BLOCK_MAX - 8)))
			   : BPF_CORE_READ((struct socket_alloc *)socket, vfs_inode.i_ino);
	return BLOCK(a, struct socket_alloc, socket.file) ==
	       file; /* else it is none, or another thread has put something else there */
}

/* The same where the socket is known. */
static __always_inline void use_socket(struct accepted *a, struct sock *sk, struct socket *socket)
{
	a->sk = sk;
	a->inode = BPF_CORE_READ((struct socket_alloc *)socket, vfs_inode.i_ino);
}

/* The TCP socket sk: for MPTCP its first subflow. False: something else. */
static __always_inline bool read_common(struct accepted *a)
{
	struct sock *sk = a->sk;
	__u16 protocol = BPF_CORE_READ(sk, sk_protocol);

	a->flags = 0;
	if (protocol == IPPROTO_MPTCP) {
		sk = compat_first_subflow(sk);
		a->flags = SW_F_MPTCP;
	} else if (protocol != IPPROTO_TCP) {
		return false;
	}
	if (bpf_probe_read_kernel(a->block, bpf_core_field_size(struct sock, __sk_common) & (BLOCK_MAX - 1), sk))
		return false;
	return COMMON(a, skc_family) == AF_INET || COMMON(a, skc_family) == AF_INET6;
}

/* skc_num, not inet_sport: it is at hand, and valid until the socket closes. */
static __always_inline void fill_accepted(struct sw_record *r, const struct accepted *a)
{
	const struct net *net = COMMON(a, skc_net.net);

	r->version = SW_RECORD_VERSION;
	r->kind = SW_REC_ACCEPT;
	r->flags = a->flags;
	r->family = COMMON(a, skc_family);
	r->old_state = r->new_state = COMMON(a, skc_state);
	r->direction = SW_DIR_IN;
	r->seq = 0;
	r->netns = BPF_CORE_READ(net, ns.inum);
	r->time_ns = bpf_ktime_get_boot_ns();
	r->cookie = COMMON(a, skc_cookie.counter);
	r->inode = a->inode;
	r->local_port = COMMON(a, skc_num);
	r->remote_port = bpf_ntohs(COMMON(a, skc_dport));
	__builtin_memset(r->local, 0, sizeof(r->local));
	__builtin_memset(r->remote, 0, sizeof(r->remote));
	if (r->family == AF_INET6) {
		__builtin_memcpy(r->local, &COMMON(a, skc_v6_rcv_saddr), sizeof(r->local));
		__builtin_memcpy(r->remote, &COMMON(a, skc_v6_daddr), sizeof(r->remote));
	} else {
		*(__u32 *)r->local = COMMON(a, skc_rcv_saddr);
		*(__u32 *)r->remote = COMMON(a, skc_daddr);
	}
}

/* The current process has got a->sk, whose file is a->inode, by accept. often: see read_process(). */
static __always_inline int on_accepted(struct accepted *a, bool often)
{
	struct sw_owner owner = { .attribution = SW_ATTR_ACCEPT };
	struct sw_record *r;
	__u8 flag;

	if (!read_common(a))
		return 0;
	read_process(&owner.process, often);
	/* Even when the record is lost. */
	remember_owner(COMMON(a, skc_cookie.counter), &owner);
	confirm_use(COMMON(a, skc_cookie.counter), &owner.process);
	r = reserve_by(&owner.process, often, &flag);
	if (!r)
		return 0;
	fill_accepted(r, a);
	r->flags |= flag;
	r->attribution = owner.attribution;
	r->tid = TASK_READ(compat_task(), pid);
	r->owner = owner.process;
	bpf_ringbuf_submit(r, 0);
	return 0;
}

static __always_inline int on_accepted_fd(long fd, bool often)
{
	struct file *file = fd < 0 ? NULL : current_file(fd);
	struct accepted a;

	if (!file || !read_socket(&a, BPF_CORE_READ(file, private_data), file))
		return 0;
	return on_accepted(&a, often);
}

/* A socket is accepted once. */
static __always_inline bool was_accepted(struct sock *sk)
{
	struct sw_owner owner = { 0 };

	recall_owner(BPF_CORE_READ(sk, __sk_common.skc_cookie.counter), &owner);
	return owner.attribution == SW_ATTR_ACCEPT;
}

static __always_inline int on_grafted(struct sock *sk, struct socket *socket)
{
	struct accepted a;

	use_socket(&a, sk, socket);
	if (has_spares && was_accepted(sk)) /* the other program of this hook has been here */
		return 0;
	return on_accepted(&a, true);
}

#endif
