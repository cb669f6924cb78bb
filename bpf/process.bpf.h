/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is running: the current process and its command line, read at the time of the event. */
#ifndef SOCKWATCH_PROCESS_BPF_H
#define SOCKWATCH_PROCESS_BPF_H

/*
 * often: plain loads, where every connection comes by. Elsewhere probes: each is a call at run time, but at start the
 * verifier takes half a millisecond for every pointer that is loaded through a trusted one, on each path that leads there.
 */
static __always_inline void read_process(struct sw_process *p, bool often)
{
	struct task_struct *task = often ? compat_task() : (struct task_struct *)bpf_get_current_task();
	bool probe = legacy || !often;
	struct task_struct *leader = probe ? BPF_CORE_READ(task, group_leader) : task->group_leader;

	p->start_ns = probe ? BPF_CORE_READ(leader, start_boottime) : leader->start_boottime;
	p->cgroup_id = bpf_get_current_cgroup_id();
	p->pid = bpf_get_current_pid_tgid() >> 32;
	p->ppid = probe ? BPF_CORE_READ(task, real_parent, tgid) : task->real_parent->tgid;
	p->uid = bpf_get_current_uid_gid();
	p->pad = 0;
	if (probe) {
		bpf_probe_read_kernel(p->comm, sizeof(p->comm), &leader->comm);
	} else {
		((__u64 *)p->comm)[0] = ((const __u64 *)leader->comm)[0];
		((__u64 *)p->comm)[1] = ((const __u64 *)leader->comm)[1];
	}
}

/*
 * Who used a socket last, if that was its owner: a fingerprint of the cookie and the process, in the place that the
 * cookie's low bits name. It spares the owner's I/O everything else. Another socket in the same place, or another user
 * of the same socket, only makes the owner's next I/O take the long way. User space clears the place of a socket that it
 * found an heir for.
 */
#define USES_MAX 16384 /* a power of two */
__u64 last_uses[USES_MAX];

static __always_inline __u64 use_of(__u64 cookie, __u32 pid, __u64 start_ns)
{
	return (cookie * 0x9e3779b97f4a7c15ULL) ^ start_ns ^ ((__u64)pid << 40);
}

static __always_inline __u64 use_of_current(__u64 cookie)
{
	struct task_struct *task = compat_task();
	struct task_struct *leader = TASK_READ(task, group_leader);

	return use_of(cookie, TASK_READ(task, tgid), TASK_READ(leader, start_boottime));
}

/* A cookie of 0 is no socket's own: an accept of fast open may come before there is one. */
static __always_inline void confirm_use(__u64 cookie, const struct sw_process *p)
{
	if (cookie)
		last_uses[cookie & (USES_MAX - 1)] = use_of(cookie, p->pid, p->start_ns);
}

/* True when the command line of p, which is current, has been sent already and no exec has changed it since. */
static __always_inline bool is_told(const struct sw_process *p)
{
	__u64 exec_id = TASK_READ(compat_task(), self_exec_id);
	__u32 slot = p->pid & (TOLD_MAX - 1);
	struct told_process *t = bpf_map_lookup_elem(&told, &slot);

	if (!t)
		return false;
	if (t->start_ns == p->start_ns && t->exec_id == exec_id)
		return true;
	t->start_ns = p->start_ns;
	t->exec_id = exec_id;
	return false;
}

/* What was to tell it was lost. */
static __always_inline void forget_told(const struct sw_process *p)
{
	__u32 slot = p->pid & (TOLD_MAX - 1);
	struct told_process *t = bpf_map_lookup_elem(&told, &slot);

	if (t)
		t->start_ns = 0;
}

/* The first bytes of current's command line. Length 0: a page that is not in memory could not be read here. */
static __always_inline void read_cmdline(struct sw_record_process *r)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	unsigned long start, end;
	__u64 len;

	r->cmdline_len = 0;
	if (!mm)
		return;
	start = BPF_CORE_READ(mm, arg_start);
	end = BPF_CORE_READ(mm, arg_end);
	if (end <= start)
		return;
	len = end - start;
	if (len > SW_CMDLINE_LEN)
		len = SW_CMDLINE_LEN;
	if (!bpf_probe_read_user(r->cmdline, len, (void *)start))
		r->cmdline_len = len;
}

static __always_inline void read_parent(struct sw_record_process *r)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	bpf_probe_read_kernel(r->parent_comm, sizeof(r->parent_comm),
			      &BPF_CORE_READ(task, real_parent, group_leader)->comm);
}

/*
 * Room in the ring for a record of something that the process p, which is current, does: without the command line when
 * user space has it (then *ret_flag is 0, else SW_F_CMDLINE). often: where most processes are seen first, so the program's
 * path goes with the command line; its walk takes the verifier milliseconds at each place. NULL: as reserve().
 */
static __always_inline struct sw_record *reserve_by(const struct sw_process *p, bool often, __u8 *ret_flag)
{
	struct sw_record_process *r;

	*ret_flag = 0;
	if (!have_reader())
		return NULL;
	if (is_told(p))
		return reserve(sizeof(struct sw_record));
	hold_task(p->pid);
	r = reserve(sizeof(*r));
	if (!r) {
		forget_told(p);
		return NULL;
	}
	read_cmdline(r);
	read_parent(r);
	r->exe_len = 0;
	if (often)
		read_exe(r);
	*ret_flag = SW_F_CMDLINE;
	return &r->base;
}

#endif
