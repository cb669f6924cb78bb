/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel's type information tells beyond what libbpf asks of it. */
#ifndef SOCKWATCH_SOURCE_KERNEL_BTF_H
#define SOCKWATCH_SOURCE_KERNEL_BTF_H

#include <stdbool.h>

/* Programs at tracepoints run with preemption on: Linux 7.0 and later. False too when that cannot be found out. */
bool kernel_btf__preempts_tracepoints(void);

#endif
