/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What may change who holds a socket: processes that fork, exec, exit, get a descriptor from another process or close a
 * copy. Only of processes that hold sockets we know of; user space looks at those, and at no others.
 */
#ifndef SOCKWATCH_TASK_BPF_H
#define SOCKWATCH_TASK_BPF_H

#define SOL_SOCKET 1 /* include/linux/socket.h */
#define SCM_RIGHTS 1 /* same */

static __always_inline bool is_holding(__u32 pid)
{
	return bpf_map_lookup_elem(&tasks, &pid);
}

/* By probes: seldom run, and far quicker to load (see read_process). */
static __always_inline __u64 leader_start(struct task_struct *task)
{
	return BPF_CORE_READ(task, group_leader, start_boottime);
}

/* False: nobody reads, or it is lost. */
static __always_inline bool tell_task(__u8 kind, __u32 pid, __u64 start_ns, __u32 ppid, __u64 parent_start_ns)
{
	struct sw_record_task *r = reserve(sizeof(*r));

	if (!r)
		return false;
	r->version = SW_RECORD_VERSION;
	r->kind = kind;
	r->pad = 0;
	r->pid = pid;
	r->start_ns = start_ns;
	r->time_ns = bpf_ktime_get_boot_ns();
	r->parent_start_ns = parent_start_ns;
	r->ppid = ppid;
	r->more_pad = 0;
	bpf_ringbuf_submit(r, 0);
	return true;
}

static __always_inline int on_fork(struct task_struct *parent, struct task_struct *child)
{
	__u32 pid = child->tgid;

	if (child->pid != child->tgid || !have_reader() || !is_holding(parent->tgid))
		return 0;
	hold_task(pid);
	tell_task(SW_REC_FORK, pid, child->start_boottime, parent->tgid, leader_start(parent));
	return 0;
}

static __always_inline int on_exec(struct task_struct *task)
{
	if (is_holding(task->tgid))
		tell_task(SW_REC_EXEC, task->tgid, leader_start(task), 0, 0);
	return 0;
}

/* The last thread of a process: its descriptors are closed next. */
static __always_inline int on_exit(struct task_struct *task)
{
	__u32 pid = task->tgid;

	if (task->signal->live.counter || bpf_map_delete_elem(&tasks, &pid))
		return 0;
	tell_task(SW_REC_EXIT, pid, leader_start(task), 0, 0);
	return 0;
}

/* The current process's descriptors have changed. Told once until user space has looked. */
static __always_inline void tell_descriptors(struct sw_task *info)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	if (!info->told)
		info->told = tell_task(SW_REC_FDS, bpf_get_current_pid_tgid() >> 32, leader_start(task), 0, 0);
}

/* As current_file(), by probes. */
static __always_inline struct file *probe_file(int fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file *file;

	if ((__u32)fd >= BPF_CORE_READ(fdt, max_fds))
		return NULL;
	return bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(fdt, fd) + fd) ? NULL : file;
}

/* A descriptor is about to be closed. It matters when others have the same file. */
static __always_inline int on_close_fd(int fd)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct sw_task *info = bpf_map_lookup_elem(&tasks, &pid);
	struct file *file;

	if (!info || !info->shares)
		return 0;
	file = probe_file(fd);
	if (file && compat_is_shared(file) && (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFSOCK)
		tell_descriptors(info);
	return 0;
}

/* Whichever they are. */
static __always_inline int on_close_range(void)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct sw_task *info = bpf_map_lookup_elem(&tasks, &pid);

	if (info && info->shares)
		tell_descriptors(info);
	return 0;
}

/* A descriptor has come from another process. */
static __always_inline int on_gift(void)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct sw_task *info;

	hold_task(pid);
	info = bpf_map_lookup_elem(&tasks, &pid);
	if (info)
		tell_descriptors(info);
	return 0;
}

/* struct user_msghdr and struct cmsghdr of linux/socket.h: user space's, so there is nothing to relocate. */
struct message {
	void *msg_name;
	int msg_namelen;
	void *msg_iov;
	__u64 msg_iovlen;
	void *msg_control;
	__u64 msg_controllen;
};

struct control {
	__u64 cmsg_len;
	int cmsg_level;
	int cmsg_type;
};

/* As recvmsg leaves it behind, in the caller's memory: did it bring descriptors? Credentials may come before them. */
static __always_inline int on_message(struct message *message)
{
	struct message m;
	struct control head;

	if (bpf_probe_read_user(&m, sizeof(m), message))
		return 0;
	for (int i = 0; i < 2; i++) {
		if (m.msg_controllen < sizeof(head) || bpf_probe_read_user(&head, sizeof(head), m.msg_control))
			return 0;
		if (head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_RIGHTS)
			return on_gift();
		head.cmsg_len = (head.cmsg_len + sizeof(long) - 1) & ~(sizeof(long) - 1);
		if (head.cmsg_len < sizeof(head) || head.cmsg_len > m.msg_controllen)
			return 0;
		m.msg_control += head.cmsg_len;
		m.msg_controllen -= head.cmsg_len;
	}
	return 0;
}

#endif
