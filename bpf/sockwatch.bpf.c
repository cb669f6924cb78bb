/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The programs: thin entry points, one per hook; what they do is in the topic headers. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "sockwatch/record.h"

#include "maps.bpf.h"
#include "compat.bpf.h"
#include "exe.bpf.h"
#include "process.bpf.h"
#include "legacy.bpf.h"
#include "tcp.bpf.h"
#include "spare.bpf.h"
#include "accept.bpf.h"
#include "io.bpf.h"
#include "task.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(sock_state, const struct sock *sk, const int old, const int new)
{
	note_seen(sk, new);
	return on_state((struct sock *)sk, old, new);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(sock_state_spare, struct sock *sk, int old, int new)
{
	return on_state_again(sk, old, new);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(sock_state_spare2, struct sock *sk, int old, int new)
{
	return on_state_again(sk, old, new);
}

SEC("fentry/security_sock_graft")
int BPF_PROG(graft_fentry, struct sock *sk, struct socket *parent)
{
	return on_grafted(sk, parent);
}

SEC("fentry/security_sock_graft")
int BPF_PROG(graft_fentry_spare, struct sock *sk, struct socket *parent)
{
	return on_grafted(sk, parent);
}

SEC("kprobe/security_sock_graft")
int BPF_KPROBE(graft_kprobe, struct sock *sk, struct socket *parent)
{
	return on_grafted(sk, parent);
}

/* One program for accept and accept4: attached twice. */
SEC("tracepoint/syscalls/sys_exit_accept4")
int accept_exit(struct trace_event_raw_sys_exit *ctx)
{
	return on_accepted_fd(ctx->ret, true);
}

SEC("tp_btf/io_uring_complete")
int BPF_PROG(uring_complete, void *ring_ctx, struct io_kiocb *req)
{
	return on_accepted_fd(compat_uring_accepted_fd(req), false);
}

/* Listeners that were there first get their owner from the claims, so that it is cloned to their children. */
SEC("iter/tcp")
int adopt_listeners(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct sock_info *info;
	struct sw_owner owner;
	__u64 cookie;

	if (!skc || skc->skc_state != TCP_LISTEN)
		return 0;
	cookie = legacy ? skc->skc_cookie.counter : bpf_get_socket_cookie(skc);
	if (!take_claim(cookie, &owner))
		return 0;
	info = legacy ? legacy_info(cookie, NULL) : bpf_sk_storage_get(&sockets, skc, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!info) {
		count_loss(&losses.map);
		return 0;
	}
	info->owner = owner;
	info->direction = SW_DIR_LISTEN;
	return 0;
}

/* What is known of the live sockets of the reader's network namespace. */
SEC("iter/tcp")
int list_known(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct sock_info *info;
	struct sw_known known;
	__u64 cookie;

	/* Entries without a socket; and up to 6.12 a child reads its listener's cookie until it is established. */
	if (!skc || skc->skc_state == TCP_TIME_WAIT || skc->skc_state == TCP_NEW_SYN_RECV ||
	    skc->skc_state == TCP_SYN_RECV)
		return 0;
	cookie = legacy ? skc->skc_cookie.counter : bpf_get_socket_cookie(skc);
	if (legacy)
		info = bpf_map_lookup_elem(&legacy_sockets, &cookie);
	else
		info = bpf_sk_storage_get(&sockets, skc, 0, 0);
	if (look_up_known(cookie, info, &known))
		bpf_seq_write(ctx->meta->seq, &known, sizeof(known));
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(legacy_destroyed, struct sock *sk)
{
	return legacy_forget(sk);
}

SEC("cgroup/sock_create")
int legacy_created(struct bpf_sock *ctx)
{
	bpf_get_socket_cookie(ctx);
	return 1;
}

SEC("cgroup/connect4")
int legacy_connect4(struct bpf_sock_addr *ctx)
{
	bpf_get_socket_cookie(ctx);
	return 1;
}

SEC("cgroup/connect6")
int legacy_connect6(struct bpf_sock_addr *ctx)
{
	bpf_get_socket_cookie(ctx);
	return 1;
}

SEC("sockops")
int legacy_sockops(struct bpf_sock_ops *ctx)
{
	bpf_get_socket_cookie(ctx);
	return 1;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(io_send, struct sock *sk, int ret, int flags)
{
	return ret > 0 ? on_io(sk, IO_ANY) : 0;
}

SEC("fentry/tcp_sendmsg_locked")
int BPF_PROG(io_send_fentry, struct sock *sk)
{
	return on_send(sk, IO_LOCKED);
}

SEC("fentry/do_tcp_sendpages")
int BPF_PROG(io_pages_fentry, struct sock *sk)
{
	return on_send(sk, IO_LOCKED);
}

SEC("fentry/mptcp_sendmsg")
int BPF_PROG(io_mptcp_fentry, struct sock *sk)
{
	return on_send(sk, IO_ANY);
}

SEC("kprobe/tcp_sendmsg_locked")
int BPF_KPROBE(io_send_kprobe, struct sock *sk)
{
	return on_send(sk, IO_PROBE);
}

SEC("kprobe/do_tcp_sendpages")
int BPF_KPROBE(io_pages_kprobe, struct sock *sk)
{
	return on_send(sk, IO_PROBE);
}

/* Readers hold the lock; what reads in softirq (a stream parser of the kernel) has found it free. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(io_receive, struct sock *sk)
{
	return sk->sk_lock.owned ? on_io(sk, IO_ANY) : 0;
}

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(io_receive_legacy, struct sock *sk)
{
	return sk->sk_lock.owned ? on_io(sk, IO_LOCKED) : 0;
}

/* The first one that runs confirms the use; the other finds that, and is done. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(io_send_spare, struct sock *sk, int ret, int flags)
{
	return ret > 0 ? on_io(sk, IO_ANY) : 0;
}

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(io_receive_spare, struct sock *sk)
{
	return sk->sk_lock.owned ? on_io(sk, IO_ANY) : 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(task_fork, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(parent, child);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(task_exec, struct task_struct *task)
{
	return on_exec(task);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(task_exit, struct task_struct *task)
{
	return on_exit(task);
}

SEC("tracepoint/syscalls/sys_enter_close")
int close_enter(struct trace_event_raw_sys_enter *ctx)
{
	return on_close_fd(ctx->args[0]);
}

/* Also for dup2: the descriptor that is replaced is the second argument of both. */
SEC("tracepoint/syscalls/sys_enter_dup3")
int dup_enter(struct trace_event_raw_sys_enter *ctx)
{
	return on_close_fd(ctx->args[1]);
}

SEC("tracepoint/syscalls/sys_enter_close_range")
int close_range_enter(struct trace_event_raw_sys_enter *ctx)
{
	return on_close_range();
}

SEC("tracepoint/syscalls/sys_exit_recvmsg")
int recvmsg_exit(struct trace_event_raw_sys_exit *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

	return ctx->ret < 0 ? 0 : on_message((struct message *)PT_REGS_PARM2_CORE_SYSCALL(regs));
}

SEC("fexit/scm_detach_fds")
int BPF_PROG(gift_fexit)
{
	return on_gift();
}

SEC("kretprobe/scm_detach_fds")
int BPF_KRETPROBE(gift_kretprobe)
{
	return on_gift();
}

SEC("tracepoint/syscalls/sys_exit_pidfd_getfd")
int getfd_exit(struct trace_event_raw_sys_exit *ctx)
{
	return ctx->ret < 0 ? 0 : on_gift();
}
