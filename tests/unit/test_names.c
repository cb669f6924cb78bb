/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* source/names: names as the running host knows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "source/names.h"

static struct filter_env env;

static int setup(void **state)
{
	(void)state;
	names__env(&env);
	return 0;
}

static void users(void **state)
{
	uint32_t uid = 7;

	(void)state;
	assert_int_equal(env.user(env.ctx, "root", &uid), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(env.user(env.ctx, "no such user", &uid), -ENOENT);
	assert_int_equal(env.user(env.ctx, "", &uid), -ENOENT);
}

static void services(void **state)
{
	uint16_t port;

	(void)state;
	assert_int_equal(env.service(env.ctx, "no such service", &port), -ENOENT);
	if (!getservbyname("domain", "udp")) {
		print_message("skip: no /etc/services (package netbase)\n");
		skip();
	}
	assert_int_equal(env.service(env.ctx, "domain", &port), 0); /* TCP and UDP */
	assert_int_equal(port, 53);
	assert_int_equal(env.service(env.ctx, "https", &port), 0);
	assert_int_equal(port, 443);
	assert_int_equal(env.service(env.ctx, "tftp", &port), 0); /* UDP alone */
	assert_int_equal(port, 69);
}

static void devices(void **state)
{
	uint32_t ifindex;

	(void)state;
	assert_int_equal(env.device(env.ctx, "lo", &ifindex), 0);
	assert_int_equal(ifindex, 1);
	assert_int_equal(env.device(env.ctx, "nosuch0", &ifindex), -ENOENT);
	assert_int_equal(env.device(env.ctx, "a name that is longer than a device can have", &ifindex), -ENOENT);
}

static void hosts(void **state)
{
	static const uint8_t loopback[16] = { 127, 0, 0, 1 }, loopback6[16] = { [15] = 1 };
	struct filter_address found[4];

	(void)state;
	assert_int_equal(env.host(env.ctx, "127.0.0.1", AF_UNSPEC, found, 4), 1);
	assert_int_equal(found[0].family, AF_INET);
	assert_memory_equal(found[0].bytes, loopback, 16);
	assert_int_equal(env.host(env.ctx, "::1", AF_UNSPEC, found, 4), 1);
	assert_int_equal(found[0].family, AF_INET6);
	assert_memory_equal(found[0].bytes, loopback6, 16);
	assert_int_equal(env.host(env.ctx, "127.0.0.1", AF_UNSPEC, found, 0), -ENOTUNIQ);
	assert_int_equal(env.host(env.ctx, "::1", AF_INET, found, 4), -ENOENT);
}

static bool find_cgroup_mount(char *path)
{
	_cleanup_fclose_ FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[1024], type[32];

	while (mounts && fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%*s %511s %31s", path, type) == 2 && !strcmp(type, "cgroup2"))
			return true;
	}
	return false;
}

static void cgroups(void **state)
{
	uint64_t root = 0, same = 0;
	char path[1024], *end;
	const char *below;

	(void)state;
	assert_true(env.cgroup(env.ctx, "/no such cgroup", &root, &below) < 0);
	if (!find_cgroup_mount(path)) {
		print_message("skip: cgroup v2 is not mounted\n");
		skip();
	}
	end = path + strlen(path);
	assert_int_equal(env.cgroup(env.ctx, "/", &root, &below), 0);
	assert_true(root);
	assert_string_equal(below, "/");
	/* As ss takes it. */
	strcpy(end, "/");
	assert_int_equal(env.cgroup(env.ctx, path, &same, &below), 0);
	assert_true(root == same);
	assert_ptr_equal(below, end);
	/* A directory of another file system is none, however it is called; nor is a file. */
	assert_true(env.cgroup(env.ctx, "/proc", &same, &below) < 0);
	assert_int_equal(env.cgroup(env.ctx, "/cgroup.procs", &same, &below), -ENOENT);
}

static void namespaces(void **state)
{
	uint32_t inode;

	(void)state;
	assert_int_equal(env.netns(env.ctx, "no such namespace", &inode), -ENOENT);
	assert_int_equal(env.netns(env.ctx, "../../proc/self/ns/net", &inode), -ENOENT);
	assert_int_equal(env.netns(env.ctx, "..", &inode), -ENOENT);
}

static void the_ports_of_the_kernel(void **state)
{
	(void)state;
	assert_true(env.ephemeral_first > 0);
	assert_true(env.ephemeral_first <= env.ephemeral_last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users),
		cmocka_unit_test(services),
		cmocka_unit_test(devices),
		cmocka_unit_test(hosts),
		cmocka_unit_test(cgroups),
		cmocka_unit_test(namespaces),
		cmocka_unit_test(the_ports_of_the_kernel),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
