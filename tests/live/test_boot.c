/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: kernels that were started in a special way, as tests/vm/boots does. Everywhere else these tests are skipped. */
#include "live/live.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "live/program.h"
#include "source/pseudofs.h"

#define PORT   7950
#define LOCKED "the kernel is locked down (lockdown=confidentiality)"

static const char *const plans[] = { "fentry", "kprobe", "tracepoint" };

static json_t *doctor(void)
{
	struct program *p = program_run(0, .args = PROGRAM_ARGS("doctor", "--json"));
	json_t *report = json_loadb(p->out.text, p->out.len, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(report);
	program__free(p);
	return report;
}

static const json_t *find(const json_t *report, const char *key, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(report, key), i, item) {
		if (!strcmp(update__text(item, "name"), name))
			return item;
	}
	fail_msg("doctor does not name %s", name);
	return NULL;
}

static void needs_confidentiality(void)
{
	if (pseudofs__is_confidential())
		return;
	print_message("this kernel was not started with lockdown=confidentiality\n");
	skip();
}

static void a_locked_kernel_is_polled_and_named(void **state)
{
	struct live *l = *state;
	struct program *p;

	needs_confidentiality();
	actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	p = program_run(0, .args = PROGRAM_ARGS("--json", "-l", "--duration", "0.2"));
	assert_ptr_equal(strstr(p->error.text, "sockwatch: no BPF here (" LOCKED), p->error.text);
	program__assert_owner(p, "existing", PORT, l->server->pid);
	program__assert_out(p, "\"plan\":\"none\"");
	program__assert_out(p, "\"lost\":0");
	program__free(p);
}

static void a_forced_plan_fails_clearly_where_the_kernel_is_locked(void **state)
{
	(void)state;
	needs_confidentiality();
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		struct program *p = program_run(1, .args = PROGRAM_ARGS("--json", "--plan", plans[i]));

		assert_int_equal(p->out.len, 0);
		program__assert_error(p, plans[i]);
		program__assert_error(p, LOCKED);
		program__assert_error_lacks(p, "CAP_");
		program__free(p);
	}
}

static void doctor_says_that_the_kernel_is_locked(void **state)
{
	json_t *report;

	(void)state;
	needs_confidentiality();
	report = doctor();
	assert_string_equal(update__text(report, "plan"), "none");
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
		assert_non_null(strstr(update__text(find(report, "plans", plans[i]), "why"), LOCKED));
	json_decref(report);
}

/* Hooks beside those of security modules are the kernel's own functions, which are there without any module. */
static void hooks_need_no_security_module(void **state)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/cmdline", "re");
	char line[1024] = "";
	json_t *report;

	(void)state;
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	if (!strstr(line, "lsm=")) {
		print_message("this kernel was not started with lsm=\n");
		skip();
	}
	report = doctor();
	assert_string_equal(update__text(report, "plan"), plans[0]);
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
		assert_true(json_is_true(json_object_get(find(report, "plans", plans[i]), "ok")));
	assert_string_equal(update__text(find(report, "hooks", "fentry/security_sock_graft"), "result"), "ok");
	assert_string_equal(update__text(find(report, "hooks", "kprobe/security_sock_graft"), "result"), "ok");
	json_decref(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		live_test_quiet(a_locked_kernel_is_polled_and_named),
		cmocka_unit_test(a_forced_plan_fails_clearly_where_the_kernel_is_locked),
		cmocka_unit_test(doctor_says_that_the_kernel_is_locked),
		cmocka_unit_test(hooks_need_no_security_module),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
