/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Accept, seen at the exit of the call: the descriptor it returned is resolved to the socket. This also catches a call
 * that was blocked before the programs were attached (trap T5). The walk runs over untrusted pointers: no helper takes
 * them, so the owner goes into the claims by cookie and not onto the socket.
 */
#ifndef SOCKWATCH_ACCEPT_BPF_H
#define SOCKWATCH_ACCEPT_BPF_H

static __always_inline struct file *current_file(int fd)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fdtable *fdt = task->files->fdt;
	struct file *file = NULL;
	struct file **slots;

	if ((__u32)fd >= fdt->max_fds)
		return NULL;
	slots = fdt->fd;
	if (bpf_probe_read_kernel(&file, sizeof(file), slots + fd))
		return NULL;
	return file;
}

/* The TCP socket behind a descriptor of the current process: for MPTCP its first subflow. NULL: something else. */
static __always_inline struct sock *current_tcp_sock(int fd, __u64 *ret_inode, __u8 *ret_flags)
{
	struct file *file = current_file(fd);
	struct socket *socket;
	struct inode *inode;
	struct sock *sk;
	__u16 protocol;
	__u16 family;

	if (!file)
		return NULL;
	inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return NULL;
	*ret_flags = 0;
	protocol = BPF_CORE_READ(sk, sk_protocol);
	if (protocol == IPPROTO_MPTCP) {
		sk = BPF_CORE_READ((struct mptcp_sock *)sk, first);
		*ret_flags = SW_F_MPTCP;
	} else if (protocol != IPPROTO_TCP) {
		return NULL;
	}
	*ret_inode = BPF_CORE_READ(inode, i_ino);
	return sk;
}

static __always_inline void fill_untrusted(struct sw_record *r, struct sock *sk)
{
	struct inet_sock *inet = (struct inet_sock *)sk;

	r->version = SW_RECORD_VERSION;
	r->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	r->old_state = r->new_state = BPF_CORE_READ(sk, __sk_common.skc_state);
	r->seq = 0;
	r->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	r->time_ns = bpf_ktime_get_boot_ns();
	r->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	r->local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
	r->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	__builtin_memset(r->local, 0, sizeof(r->local));
	__builtin_memset(r->remote, 0, sizeof(r->remote));
	if (r->family == AF_INET6) {
		BPF_CORE_READ_INTO(&r->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&r->remote, sk, __sk_common.skc_v6_daddr);
	} else {
		*(__u32 *)r->local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		*(__u32 *)r->remote = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	}
}

/*
 * Remember the owner even when the record is lost. A socket that is closed already (reset meanwhile) will not come for
 * its claim.
 */
static __always_inline void claim(struct sock *sk, const struct sw_owner *owner)
{
	__u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);

	if (!cookie || BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE)
		return;
	if (bpf_map_update_elem(&claims, &cookie, owner, BPF_ANY))
		count_loss(&losses.map);
}

static __always_inline int on_accepted(long fd)
{
	struct sw_owner owner = { .attribution = SW_ATTR_ACCEPT };
	struct sw_record_process *r;
	struct sock *sk;
	__u64 inode;
	__u8 flags;

	if (fd < 0)
		return 0;
	sk = current_tcp_sock(fd, &inode, &flags);
	if (!sk)
		return 0;
	read_process(&owner.process);
	claim(sk, &owner);
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count_loss(&losses.ring);
		return 0;
	}
	fill_untrusted(&r->base, sk);
	r->base.kind = SW_REC_ACCEPT;
	r->base.flags = flags;
	r->base.attribution = owner.attribution;
	r->base.direction = SW_DIR_IN;
	r->base.inode = inode;
	r->base.tid = (__u32)bpf_get_current_pid_tgid();
	r->base.owner = owner.process;
	read_cmdline(r);
	bpf_ringbuf_submit(r, 0);
	return 0;
}

#endif
