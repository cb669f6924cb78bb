/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel does not run a program for an event that comes, on the same CPU, while that program is at another one; it
 * only counts it. Up to 6.19 that takes an interrupt, since tracepoints run with preemption off. From 7.0 on they do not: a
 * program that is preempted misses everything until its task goes on, in a storm some events in a hundred. So there the
 * state hook has spares, programs that run right after it for the same event: each does nothing when the event was seen,
 * and the whole work when it was not. An event is lost only when all of them are under way on one CPU.
 */
#ifndef SOCKWATCH_SPARE_BPF_H
#define SOCKWATCH_SPARE_BPF_H

/* Set before load, where preemption is left on. */
const volatile bool has_spares = false;

static __always_inline struct seen *last_seen(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&seen, &zero);
}

static __always_inline void note_seen(const struct sock *sk, int new)
{
	struct seen *s = has_spares ? last_seen() : NULL;

	if (!s)
		return;
	s->sk = (__u64)sk;
	s->new = new;
}

/*
 * False too when the task was preempted since, and another event has been seen on this CPU. What was told is then known
 * from the socket itself: two transitions of one socket that are told never go to the same state in a row.
 */
static __always_inline bool was_seen(struct sock *sk, int new)
{
	const struct seen *s = last_seen();
	const struct sock_info *info;

	if (s && s->sk == (__u64)sk && s->new == (__u32) new)
		return true;
	info = bpf_sk_storage_get(&sockets, sk, 0, 0);
	return info && info->state == new;
}

static __always_inline int on_state_again(struct sock *sk, int old, int new)
{
	if (legacy || was_seen(sk, new))
		return 0;
	note_seen(sk, new);
	count_loss(&losses.spared);
	return on_state(sk, old, new);
}

#endif
