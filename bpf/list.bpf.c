/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who holds which socket, for "sockwatch list": every descriptor of every process, without a look at /proc. An object of
 * its own, so that nothing else is loaded for it.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "sockwatch/holder.h"

#include "compat.bpf.h"

#define FMODE_PATH    0x4000 /* include/linux/fs.h: opened with O_PATH, and without operations */
#define PID_LEVEL_MAX 32     /* MAX_PID_NS_LEVEL, include/linux/pid_namespace.h */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The process that was told last, and in which reading. Not static: the compiler would take it apart, against its BTF. */
struct {
	__u64 session;
	__u64 start_ns;
	__u32 tgid; /* in the initial pid namespace */
	__u32 pid;
} told = {};

/* The operations of every socket's file, once the first was seen. */
__u64 socket_ops = 0;

/*
 * The inode is likely to be in no cache, and the host has many files. The node of a unix socket in a filesystem, opened
 * with O_PATH, is a socket by its mode.
 */
static __always_inline bool is_socket(const struct file *file)
{
	const struct inode *inode;

	if ((__u64)file->f_op == socket_ops)
		return true;
	if (socket_ops && !(file->f_mode & FMODE_PATH))
		return false;
	inode = file->f_inode;
	if ((inode->i_mode & S_IFMT) != S_IFSOCK || inode->i_sb->s_magic != SOCKFS_MAGIC)
		return false;
	if (!(file->f_mode & FMODE_PATH))
		socket_ops = (__u64)file->f_op;
	return true;
}

/* Of a leader, in the reader's pid namespace, which is so many levels below the initial one; 0: it has no number there. */
static __always_inline __u32 pid_at(struct task_struct *leader, unsigned int level)
{
	struct pid *pid;
	__u32 nr = 0;

	if (!level)
		return BPF_CORE_READ(leader, tgid);
	pid = BPF_CORE_READ(leader, thread_pid);
	if (!pid || level > PID_LEVEL_MAX || level > BPF_CORE_READ(pid, level))
		return 0;
	bpf_probe_read_kernel(&nr, sizeof(nr),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      level * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, nr));
	return nr;
}

static __always_inline bool is_told(const struct bpf_iter_meta *meta, const struct task_struct *task)
{
	return told.tgid == task->tgid && told.start_ns == task->start_boottime && told.session == meta->session_id;
}

static __always_inline void read_holder(struct sw_holder *holder, struct task_struct *task)
{
	struct task_struct *reader = (struct task_struct *)bpf_get_current_task();
	unsigned int level = BPF_CORE_READ(reader, thread_pid, level);

	holder->start_ns = task->start_boottime;
	holder->pid = pid_at(task, level);
	holder->ppid = pid_at(BPF_CORE_READ(task, real_parent, group_leader), level);
	holder->uid = BPF_CORE_READ(task, real_cred, uid.val);
	bpf_probe_read_kernel(holder->comm, sizeof(holder->comm), &task->comm);
}

/* The first descriptor of a process, with the process before it. */
static __always_inline void tell_first(struct bpf_iter_meta *meta, struct task_struct *task, struct sw_held *held)
{
	struct sw_holder holder = {};

	read_holder(&holder, task);
	held->pid = holder.pid;
	/*
	 * What does not fit is taken back, all of it, and the program is called for the same descriptor again: so nothing
	 * may be remembered before the last byte is written (T14).
	 */
	if (bpf_seq_write(meta->seq, &holder, sizeof(holder)) || bpf_seq_write(meta->seq, held, sizeof(*held)))
		return;
	told.session = meta->session_id;
	told.start_ns = holder.start_ns;
	told.tgid = task->tgid;
	told.pid = holder.pid;
}

SEC("iter/task_file")
int list_holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct sw_held held = {};

	if (!task || !file || !is_socket(file))
		return 0;
	/* The kernel leaves out threads that share their leader's table; one that does not has none in /proc/PID/fd. */
	if (task->pid != task->tgid)
		return 0;
	held.inode = file->f_inode->i_ino;
	held.fd = ctx->fd;
	if (!is_told(ctx->meta, task)) {
		tell_first(ctx->meta, task, &held);
		return 0;
	}
	held.pid = told.pid;
	bpf_seq_write(ctx->meta->seq, &held, sizeof(held));
	return 0;
}
