/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/hooks.h"

#include <errno.h>
#include <string.h>

#define FENTRY	   BPF_PLAN_BIT(BPF_PLAN_FENTRY)
#define KPROBE	   BPF_PLAN_BIT(BPF_PLAN_KPROBE)
#define TRACEPOINT BPF_PLAN_BIT(BPF_PLAN_TRACEPOINT)
#define ALL_PLANS  (FENTRY | KPROBE | TRACEPOINT)
#define COOKIES	   "the ids of new sockets, on kernels before 5.12"

const struct hook hook_table[BPF_HOOKS] = {
	[HOOK_STATE] = { .name = "tp_btf/inet_sock_set_state",
			 .purpose = "connect, listen, established and close of every TCP socket",
			 .program = "sock_state",
			 .plans = ALL_PLANS,
			 .required = true },
	[HOOK_ADOPT] = { .name = "iter/tcp",
			 .purpose = "owners of listeners that were there first, for their children",
			 .program = "adopt_listeners",
			 .plans = ALL_PLANS },
	{ .name = "fentry/security_sock_graft",
	  .purpose = "who accepted a connection",
	  .program = "graft_fentry",
	  .plans = FENTRY,
	  .required = true },
	{ .name = "kprobe/security_sock_graft",
	  .purpose = "who accepted a connection",
	  .program = "graft_kprobe",
	  .plans = KPROBE,
	  .required = true },
	{ .name = "tracepoint/syscalls/sys_exit_accept4",
	  .purpose = "who accepted a connection (accept4)",
	  .program = "accept_exit",
	  .way = HOOK_TRACEPOINT,
	  .category = "syscalls",
	  .event = "sys_exit_accept4",
	  .plans = TRACEPOINT,
	  .required = true },
	{ .name = "tracepoint/syscalls/sys_exit_accept",
	  .purpose = "who accepted a connection (accept)",
	  .program = "accept_exit",
	  .way = HOOK_TRACEPOINT,
	  .category = "syscalls",
	  .event = "sys_exit_accept",
	  .plans = TRACEPOINT,
	  .required = true },
	{ .name = "tp_btf/io_uring_complete",
	  .purpose = "who accepted a connection (io_uring)",
	  .program = "uring_complete",
	  .plans = TRACEPOINT },
	{ .name = "tp_btf/tcp_destroy_sock",
	  .purpose = "the end of a socket's owner, on kernels before 5.12",
	  .program = "legacy_destroyed",
	  .plans = ALL_PLANS,
	  .required = true,
	  .legacy = true },
	{ .name = "cgroup/sock_create",
	  .purpose = COOKIES,
	  .program = "legacy_created",
	  .way = HOOK_CGROUP,
	  .plans = ALL_PLANS,
	  .required = true,
	  .legacy = true },
	{ .name = "cgroup/connect4",
	  .purpose = COOKIES,
	  .program = "legacy_connect4",
	  .way = HOOK_CGROUP,
	  .plans = ALL_PLANS,
	  .required = true,
	  .legacy = true },
	{ .name = "cgroup/connect6",
	  .purpose = COOKIES,
	  .program = "legacy_connect6",
	  .way = HOOK_CGROUP,
	  .plans = ALL_PLANS,
	  .legacy = true },
	{ .name = "sockops",
	  .purpose = COOKIES,
	  .program = "legacy_sockops",
	  .way = HOOK_CGROUP,
	  .plans = ALL_PLANS,
	  .required = true,
	  .legacy = true },
	{ .name = "tp_btf/sock_send_length",
	  .purpose = "who writes to a connection, and takes it over",
	  .program = "io_send",
	  .plans = ALL_PLANS },
	{ .name = "tp_btf/tcp_rcv_space_adjust",
	  .purpose = "who reads from a connection, and takes it over",
	  .program = "io_receive",
	  .plans = ALL_PLANS },
};

static const char *const plan_names[BPF_PLANS] = {
	[BPF_PLAN_FENTRY] = "fentry",
	[BPF_PLAN_KPROBE] = "kprobe",
	[BPF_PLAN_TRACEPOINT] = "tracepoint",
};

const char *bpf_plan__name(enum bpf_plan plan)
{
	return plan_names[plan];
}

int bpf_plan__find(const char *name, enum bpf_plan *ret)
{
	for (unsigned int i = 0; i < BPF_PLANS; i++) {
		if (!strcmp(name, plan_names[i])) {
			*ret = (enum bpf_plan)i;
			return 0;
		}
	}
	return -EINVAL;
}
