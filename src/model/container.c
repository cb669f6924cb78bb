/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How cgroups of containers are named, with <id> for 64 hexadecimal digits, at the end of a component of the path:
 *
 *   docker-<id>.scope          Docker, systemd driver        /docker/<id>               Docker, cgroupfs driver
 *   cri-containerd-<id>.scope  containerd, systemd driver    /kubepods/.../<id>         containerd, cgroupfs driver
 *   ...:cri-containerd:<id>    containerd, cgroup path form  nerdctl-<id>.scope         nerdctl
 *   crio-<id>.scope            CRI-O, systemd driver         crio-<id>                  CRI-O, cgroupfs driver
 *   libpod-<id>.scope          Podman, systemd driver        libpod-<id>                Podman, cgroupfs driver
 *
 * A container may have cgroups of its own below. crio-conmon-<id> and libpod-conmon-<id> are its monitor's: outside.
 */
#include "model/container.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool is_hex(const char *text)
{
	for (size_t i = 0; i < CONTAINER_ID_LEN; i++) {
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
	}
	return true;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && !memcmp(text + len - n, end, n);
}

/* What stands before the id in its component: nothing, or a name that ends in '-' or ':'. */
static bool is_prefix(const char *text, size_t len)
{
	if (!len)
		return true;
	if (text[len - 1] != '-' && text[len - 1] != ':')
		return false;
	return !ends_with(text, len, "conmon-");
}

static const char *find_in(const char *component, size_t len)
{
	size_t at;

	if (ends_with(component, len, ".scope"))
		len -= strlen(".scope");
	if (len < CONTAINER_ID_LEN)
		return NULL;
	at = len - CONTAINER_ID_LEN;
	return is_hex(component + at) && is_prefix(component, at) ? component + at : NULL;
}

const char *container__find(const char *cgroup)
{
	size_t end = strlen(cgroup), begin;

	while (end > CONTAINER_ID_LEN) {
		const char *id;

		for (begin = end; begin && cgroup[begin - 1] != '/'; begin--)
			;
		id = find_in(cgroup + begin, end - begin);
		if (id)
			return id;
		end = begin ? begin - 1 : 0;
	}
	return NULL;
}
