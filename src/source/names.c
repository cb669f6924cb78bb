/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"

#define NETNS_DIR   "/run/netns" /* ip-netns(8) */
#define PORTS_RANGE "/proc/sys/net/ipv4/ip_local_port_range"

/* A name that TCP and UDP use for different ports says nothing. */
static int find_service(void *ctx, const char *name, uint16_t *ret)
{
	const struct servent *entry = getservbyname(name, "udp");
	uint16_t udp = entry ? ntohs((uint16_t)entry->s_port) : 0;
	uint16_t tcp;

	(void)ctx;
	entry = getservbyname(name, "tcp");
	tcp = entry ? ntohs((uint16_t)entry->s_port) : udp;
	if (!entry && !udp)
		return -ENOENT;
	if (udp && udp != tcp)
		return -ENOTUNIQ;
	*ret = tcp;
	return 0;
}

static void take_address(const struct addrinfo *info, struct filter_address *ret)
{
	*ret = (struct filter_address){ .family = (uint16_t)info->ai_family };
	if (info->ai_family == AF_INET)
		memcpy(ret->bytes, &((const struct sockaddr_in *)(const void *)info->ai_addr)->sin_addr, 4);
	else
		memcpy(ret->bytes, &((const struct sockaddr_in6 *)(const void *)info->ai_addr)->sin6_addr, 16);
}

static int find_host(void *ctx, const char *name, int family, struct filter_address *ret, size_t max)
{
	const struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	size_t n = 0;

	(void)ctx;
	if (getaddrinfo(name, NULL, &hints, &list))
		return -ENOENT;
	for (const struct addrinfo *info = list; info; info = info->ai_next) {
		if (info->ai_family != AF_INET && info->ai_family != AF_INET6)
			continue;
		if (n < max)
			take_address(info, &ret[n]);
		n++;
	}
	freeaddrinfo(list);
	return n > max ? -ENOTUNIQ : (int)n;
}

static int find_user(void *ctx, const char *name, uint32_t *ret)
{
	const struct passwd *entry = getpwnam(name);

	(void)ctx;
	if (!entry)
		return -ENOENT;
	*ret = entry->pw_uid;
	return 0;
}

static int find_device(void *ctx, const char *name, uint32_t *ret)
{
	uint32_t ifindex = if_nametoindex(name);

	(void)ctx;
	if (!ifindex)
		return -ENOENT;
	*ret = ifindex;
	return 0;
}

/* Where cgroup v2 is mounted, without a slash at the end. 0 or -errno. */
static int find_cgroup_mount(char *path, size_t size)
{
	_cleanup_fclose_ FILE *mounts = NULL;
	char line[PATH_MAX + 256], type[32], where[PATH_MAX];

	mounts = fopen("/proc/self/mounts", "re");
	if (!mounts)
		return -errno;
	while (fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%*s %4095s %31s", where, type) != 2 || strcmp(type, "cgroup2") != 0)
			continue;
		return snprintf(path, size, "%s", where) < (int)size ? 0 : -ENAMETOOLONG;
	}
	return -ENOENT;
}

/* A cgroup's id is the inode of its directory (kernfs, on 64-bit machines). */
static int id_of(const char *path, uint64_t *ret)
{
	struct statfs fs;
	struct stat st;

	if (statfs(path, &fs) || stat(path, &st))
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC || !S_ISDIR(st.st_mode))
		return -ENOENT;
	*ret = st.st_ino;
	return 0;
}

/* Below the root of the hierarchy, as it is shown; or, as ss takes it too, in the file system. */
static int find_cgroup(void *ctx, const char *path, uint64_t *ret_id, const char **ret_below)
{
	char mount[PATH_MAX], whole[2 * PATH_MAX];
	size_t n;
	int err = find_cgroup_mount(mount, sizeof(mount));

	(void)ctx;
	if (err)
		return err;
	if (snprintf(whole, sizeof(whole), "%s/%s", mount, path) >= (int)sizeof(whole))
		return -ENAMETOOLONG;
	*ret_below = path;
	if (!id_of(whole, ret_id))
		return 0;
	n = strlen(mount);
	if (strncmp(path, mount, n) != 0 || path[n] != '/')
		return -ENOENT;
	*ret_below = path + n;
	return id_of(path, ret_id);
}

static int find_netns(void *ctx, const char *name, uint32_t *ret)
{
	char path[PATH_MAX];
	struct stat st;

	(void)ctx;
	if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -ENOENT;
	if (snprintf(path, sizeof(path), NETNS_DIR "/%s", name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (stat(path, &st))
		return -errno;
	*ret = (uint32_t)st.st_ino;
	return 0;
}

static void read_port_range(struct filter_env *env)
{
	_cleanup_close_ int fd = open(PORTS_RANGE, O_RDONLY | O_CLOEXEC);
	unsigned short first, last;
	char text[32] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0 || sscanf(text, "%hu %hu", &first, &last) != 2)
		return;
	env->ephemeral_first = first;
	env->ephemeral_last = last;
}

void names__env(struct filter_env *ret)
{
	*ret = (struct filter_env){
		.service = find_service,
		.host = find_host,
		.user = find_user,
		.device = find_device,
		.cgroup = find_cgroup,
		.netns = find_netns,
	};
	read_port_range(ret);
}
