/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is running: the current process and its command line, read at the time of the event. */
#ifndef SOCKWATCH_PROCESS_BPF_H
#define SOCKWATCH_PROCESS_BPF_H

static __always_inline void read_process(struct sw_process *p)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_struct *leader = task->group_leader;

	p->start_ns = leader->start_boottime;
	p->cgroup_id = bpf_get_current_cgroup_id();
	p->pid = task->tgid;
	p->ppid = task->real_parent->tgid;
	p->uid = bpf_get_current_uid_gid();
	p->pad = 0;
	if (bpf_probe_read_kernel_str(p->comm, sizeof(p->comm), leader->comm) < 0)
		p->comm[0] = 0;
}

/* The first bytes of the command line. A page that is not in memory cannot be read here: length 0. */
static __always_inline void read_cmdline(struct sw_record_process *r)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	unsigned long start, end;
	__u64 len;

	r->cmdline_len = 0;
	r->pad = 0;
	if (!mm)
		return;
	start = mm->arg_start;
	end = mm->arg_end;
	if (end <= start)
		return;
	len = end - start;
	if (len > SW_CMDLINE_LEN)
		len = SW_CMDLINE_LEN;
	if (!bpf_probe_read_user(r->cmdline, len, (void *)start))
		r->cmdline_len = len;
}

#endif
