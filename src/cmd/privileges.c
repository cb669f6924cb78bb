/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static struct privilege table[] = {
	{ "CAP_BPF", "load the programs and their maps", CAP_BPF, false, false },
	{ "CAP_PERFMON", "attach to tracepoints", CAP_PERFMON, false, false },
	{ "CAP_SYS_ADMIN",
	  "enter the other network namespaces, at start and at every repair; read tracefs where it is not mounted",
	  CAP_SYS_ADMIN, true, false },
	{ "CAP_NET_ADMIN", "enter a network namespace that no process is in, through one of its sockets", CAP_NET_ADMIN,
	  true, false },
	{ "CAP_SYS_PTRACE", "see whose sockets other users' processes hold (/proc/PID/fd)", CAP_SYS_PTRACE, true,
	  false },
	{ "CAP_DAC_READ_SEARCH", "open other users' /proc/PID/fd, and tracefs", CAP_DAC_READ_SEARCH, true, false },
};

#define COUNT (sizeof(table) / sizeof(table[0]))

static bool have(unsigned int capability)
{
	/* include/linux/capability.h, bpf_capable() and perfmon_capable(): CAP_SYS_ADMIN, which they were cut from, will do. */
	if ((capability == CAP_BPF || capability == CAP_PERFMON) &&
	    capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN))
		return true;
	return capng_have_capability(CAPNG_EFFECTIVE, capability);
}

const struct privilege *privileges__look(size_t *ret_count)
{
	bool readable = capng_get_caps_process() == 0;

	for (size_t i = 0; i < COUNT; i++)
		table[i].have = readable && have(table[i].capability);
	*ret_count = COUNT;
	return table;
}

const char *privileges__missing(char *text, size_t size)
{
	size_t count, len = 0;
	const struct privilege *p = privileges__look(&count);

	text[0] = 0;
	for (size_t i = 0; i < count; i++) {
		if (!p[i].have && len < size)
			len += snprintf(text + len, size - len, "%s%s", len ? ", " : "", p[i].name);
	}
	return text;
}

int privileges__drop(void)
{
	/* The bounding set can only be changed with CAP_SETPCAP; without it the rest still counts. */
	bool bounding;

	if (capng_get_caps_process())
		return -EIO;
	bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < COUNT; i++) {
		if (table[i].kept && table[i].have)
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, table[i].capability);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) ? -EPERM : 0;
}
