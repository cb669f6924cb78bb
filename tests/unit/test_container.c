/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which container a cgroup belongs to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/container.h"

#define ID	     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER	     "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void every_runtime_names_its_containers(void **state)
{
	static const char *const paths[] = {
		"/docker/" ID,
		"/system.slice/docker-" ID ".scope",
		"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID ".scope",
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-" ID ".scope",
		"/kubepods/besteffort/pod7e1b2c3d-0000-1111-2222-333344445555/" ID,
		"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID,
		"/default/" ID,
		"/system.slice/nerdctl-" ID ".scope",
		"/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope",
		"/kubepods/pod1/crio-" ID,
		"/machine.slice/libpod-" ID ".scope",
		"/machine.slice/libpod-" ID ".scope/container",
		"/libpod_parent/libpod-" ID,
		"/docker/" ID "/init.scope",
		"/docker/" ID "/system.slice/nginx.service",
		"/docker/" OTHER "/docker/" ID, /* the inner one of two */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		const char *id = container__find(paths[i]);

		assert_non_null(id);
		assert_memory_equal(id, ID, CONTAINER_ID_LEN);
	}
}

static void what_is_no_container_has_none(void **state)
{
	static const char *const paths[] = {
		"",
		"/",
		"/init.scope",
		"/system.slice/nginx.service",
		"/system.slice/docker.service",
		"/docker",
		"/docker/0123456789abcdef", /* too short */
		"/docker/" ID "0",	    /* too long */
		"/docker/x" ID,
		"/docker/" ID ".service",
		"/docker/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
		"/machine.slice/libpod-conmon-" ID ".scope",
		"/kubepods.slice/crio-conmon-" ID ".scope",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn.scope",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++)
		assert_null(container__find(paths[i]));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_runtime_names_its_containers),
		cmocka_unit_test(what_is_no_container_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
