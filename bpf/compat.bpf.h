/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One accessor for each thing that kernels lay out differently, and constants that BTF does not carry. */
#ifndef SOCKWATCH_COMPAT_BPF_H
#define SOCKWATCH_COMPAT_BPF_H

#define AF_INET	      2		 /* include/linux/socket.h */
#define AF_INET6      10	 /* same */
#define IPPROTO_TCP   6		 /* uapi/linux/in.h */
#define IPPROTO_MPTCP 262	 /* same */
#define S_IFMT	      00170000	 /* uapi/linux/stat.h */
#define S_IFSOCK      0140000	 /* same */
#define SOCKFS_MAGIC  0x534f434b /* uapi/linux/magic.h */

/*
 * Up to 5.11 a tracing program has neither socket storage nor the cookie helper nor a trusted pointer to the current
 * task. Then maps by cookie stand in for the storage, cgroup hooks make the cookies (legacy.bpf.h), and tasks are read by
 * probes. Set before load, when the kernel refuses the programs as they are. All of it can go with 5.10.
 */
const volatile bool legacy = false;

static __always_inline struct task_struct *compat_task(void)
{
	return legacy ? (struct task_struct *)bpf_get_current_task() : bpf_get_current_task_btf();
}

/* A field of a task, or of what a task points to. */
#define TASK_READ(pointer, field) (legacy ? BPF_CORE_READ(pointer, field) : (pointer)->field)

/* tcp_sock.is_mptcp: from 5.6, and only with CONFIG_MPTCP. */
static __always_inline bool compat_is_mptcp(const struct tcp_sock *tp)
{
	return bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp;
}

/* The subflow that was there first, of an MPTCP connection: msk is a struct mptcp_sock. */
static __always_inline struct sock *compat_first_subflow(struct sock *msk)
{
	return bpf_core_field_exists(struct mptcp_sock, first) ? BPF_CORE_READ((struct mptcp_sock *)msk, first) : NULL;
}

/* An additional subflow of an MPTCP connection that is shown by its first one. */
static __always_inline bool compat_is_mptcp_join(const struct tcp_sock *tp)
{
	struct mptcp_subflow_context *subflow;

	subflow = BPF_CORE_READ(tp, inet_conn.icsk_ulp_data);
	if (!subflow)
		return false;
	return BPF_CORE_READ_BITFIELD_PROBED(subflow, request_join) || BPF_CORE_READ_BITFIELD_PROBED(subflow, mp_join);
}

/* More than one descriptor, or a message under way, refers to the file. f_ref counts from 0; it replaced f_count in 6.13. */
struct file___count {
	atomic_long_t f_count;
};

static __always_inline bool compat_is_shared(struct file *file)
{
	struct file___count *old = (struct file___count *)file;

	if (bpf_core_field_exists(file->f_ref))
		return BPF_CORE_READ(file, f_ref.refcnt.counter) > 0;
	return BPF_CORE_READ(old, f_count.counter) > 1;
}

/*
 * The descriptor an accept through io_uring installed, or -1 when req is another operation, failed, or went into the
 * table of registered files. io_kiocb.cqe: from 5.19 (before: result). Multishot accepts come without a req.
 */
static __always_inline int compat_uring_accepted_fd(struct io_kiocb *req)
{
	if (!req || BPF_CORE_READ(req, opcode) != IORING_OP_ACCEPT)
		return -1;
	if (BPF_CORE_READ((struct io_accept *)req, file_slot))
		return -1;
	return BPF_CORE_READ(req, cqe.res);
}

#endif
