/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which program the current process runs: bpf_d_path() is not to be had where its sockets act, so the path is walked. */
#ifndef SOCKWATCH_EXE_BPF_H
#define SOCKWATCH_EXE_BPF_H

#define EXE_NAMES_MAX 16 /* directories and mounts that are passed; a longer path is not told */

/*
 * The names of the path of current's program, the last one first, each ended by NUL. exe_len 0: there is none (a kernel
 * thread), or it does not fit.
 */
static __always_inline void read_exe(struct sw_record_process *r)
{
	struct task_struct *task = compat_task();
	struct mm_struct *mm = TASK_READ(task, mm);
	struct file *file;
	struct dentry *dentry, *parent;
	struct mount *mount;
	__u32 len = 0;

	r->exe_len = 0;
	if (!mm)
		return;
	file = BPF_CORE_READ(mm, exe_file);
	dentry = BPF_CORE_READ(file, f_path.dentry);
	mount = (void *)BPF_CORE_READ(file, f_path.mnt) - bpf_core_field_offset(struct mount, mnt);
	for (int i = 0; i < EXE_NAMES_MAX; i++) {
		long n;

		parent = BPF_CORE_READ(dentry, d_parent);
		if (dentry == BPF_CORE_READ(mount, mnt.mnt_root) || dentry == parent) {
			struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			if (above == mount || !above) { /* the root */
				r->exe_len = len;
				return;
			}
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		if (len >= SW_EXE_LEN)
			return;
		n = bpf_probe_read_kernel_str(r->exe + (len & (SW_EXE_LEN - 1)), SW_EXE_NAME_LEN,
					      BPF_CORE_READ(dentry, d_name.name));
		if (n <= 1)
			return;
		len += n;
		dentry = parent;
	}
}

#endif
