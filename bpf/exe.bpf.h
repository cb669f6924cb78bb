/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which program the current process runs: bpf_d_path() is not to be had where its sockets act, so the path is walked. */
#ifndef SOCKWATCH_EXE_BPF_H
#define SOCKWATCH_EXE_BPF_H

#define EXE_NAMES_MAX 16 /* directories and mounts that are passed; a longer path is not told */

/* False: it does not fit. The length is kept in the record, where the verifier takes it for any: it follows no path twice. */
static __always_inline bool walk_exe(struct sw_record_process *r, struct file *file)
{
	struct mount *mount = (void *)BPF_CORE_READ(file, f_path.mnt) - bpf_core_field_offset(struct mount, mnt);
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);

	for (int i = 0; i < EXE_NAMES_MAX; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		__u32 len = r->exe_len;
		long n;

		if (dentry == BPF_CORE_READ(mount, mnt.mnt_root) || dentry == parent) {
			struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			if (above == mount || !above) /* the root */
				return true;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		if (len >= SW_EXE_LEN)
			return false;
		n = bpf_probe_read_kernel_str(r->exe + (len & (SW_EXE_LEN - 1)), SW_EXE_NAME_LEN,
					      BPF_CORE_READ(dentry, d_name.name));
		if (n <= 1)
			return false;
		r->exe_len = len + n;
		dentry = parent;
	}
	return false;
}

/*
 * The names of the path of current's program, the last one first, each ended by NUL. exe_len, which is 0,
 * stays so when there is none (a kernel thread), or it does not fit.
 */
static __always_inline void read_exe(struct sw_record_process *r)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct file *file = BPF_CORE_READ(task, mm, exe_file);

	if (file && !walk_exe(r, file))
		r->exe_len = 0;
}

#endif
