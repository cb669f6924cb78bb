/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The least that tells of every connection: the hooks of plan "tracepoint", a record of the same size for each of the same
 * six events, the time and a pid. No owner is kept, none is right for an accepted connection, no loss is counted. What
 * sockwatch costs beyond this is what its answers cost.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "sockwatch/record.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} ring SEC(".maps");

static __always_inline int send(__u64 cookie, __u8 state)
{
	struct sw_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r)
		return 0;
	r->time_ns = bpf_ktime_get_boot_ns();
	r->cookie = cookie;
	r->new_state = state;
	r->owner.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_ringbuf_submit(r, 0);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(bare_state, const struct sock *sk, const int old, const int new)
{
	if (new != TCP_SYN_SENT &&new != TCP_LISTEN &&new != TCP_ESTABLISHED &&new != TCP_CLOSE)
		return 0;
	return sk->sk_protocol == IPPROTO_TCP ? send(sk->__sk_common.skc_cookie.counter, new) : 0;
}

SEC("tracepoint/syscalls/sys_exit_accept4")
int bare_accept(struct trace_event_raw_sys_exit *ctx)
{
	return ctx->ret < 0 ? 0 : send(0, 0);
}
