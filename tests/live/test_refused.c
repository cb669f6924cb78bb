/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: hooks that can be loaded and not attached: the plan that is taken then, and what is said. */
#include "live/live.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "live/program.h"

#define PORT	     7960
#define HOOK	     "security_sock_graft"
#define LINKS_MAX    64 /* the kernel allows some forty programs at a function */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static json_t *doctor(int (*prepare)(void *ctx))
{
	struct program *p = program_run(0, .args = PROGRAM_ARGS("doctor", "--json"), .prepare = prepare);
	json_t *report = json_loadb(p->out.text, p->out.len, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(report);
	program__free(p);
	return report;
}

static const json_t *find_plan(const json_t *report, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(report, "plans"), i, item) {
		if (!strcmp(update__text(item, "name"), name))
			return item;
	}
	fail_msg("doctor does not name %s", name);
	return NULL;
}

/* What the stream takes, with the first of its plans that has all it needs. */
static struct program *run_by_plan(int (*prepare)(void *ctx), const char *plan, const char *more)
{
	struct program *p =
		program_run(0, .args = PROGRAM_ARGS("--json", "-l", "--duration", "0.2", more), .prepare = prepare);
	char want[64];

	snprintf(want, sizeof(want), "\"plan\":\"%s\"", plan);
	program__assert_out(p, want);
	program__assert_out(p, "\"lost\":0");
	return p;
}

/* ---- perf_event_open(2), by which classic tracepoints and kprobes are attached, by a container's filter */

static int refuse_perf_events(void *ctx)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = { .len = COUNT(code), .filter = code };

	(void)ctx;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static void without_perf_events_only_fentry_is_left(void **state)
{
	json_t *usual = doctor(NULL), *report = doctor(refuse_perf_events);
	bool fentry = json_is_true(json_object_get(find_plan(usual, "fentry"), "ok"));
	const char *plan = fentry ? "fentry" : "none";
	struct program *p;

	(void)state;
	assert_string_equal(update__text(report, "plan"), plan);
	for (size_t i = 0; i < 2; i++) {
		const json_t *lost = find_plan(report, i ? "kprobe" : "tracepoint");

		assert_true(json_is_false(json_object_get(lost, "ok")));
		if (json_is_true(json_object_get(find_plan(usual, i ? "kprobe" : "tracepoint"), "ok")))
			assert_non_null(strstr(update__text(lost, "why"), "in spite of all capabilities"));
	}
	p = run_by_plan(refuse_perf_events, plan, NULL);
	/* What it does without is named; without any plan the reason comes first. */
	if (fentry)
		program__assert_out(p, "tracepoint/syscalls/sys_enter_close");
	else
		assert_ptr_equal(strstr(p->error.text, "sockwatch: no BPF here"), p->error.text);
	program__free(p);
	json_decref(usual);
	json_decref(report);
}

/* ---- a function that has all the programs that the kernel allows */

struct crowd_of_links {
	int fds[LINKS_MAX];
	size_t count;
};

/* Attach a program that does nothing. 0 or -errno. */
static int attach_one(int function, struct crowd_of_links *links)
{
	const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_prog_load_opts options = {
		.sz = sizeof(options),
		.expected_attach_type = BPF_TRACE_FENTRY,
		.attach_btf_id = (__u32)function,
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_TRACING, NULL, "Dual BSD/GPL", nothing, 2, &options);
	int link = program < 0 ? program : bpf_raw_tracepoint_open(NULL, program);

	if (program >= 0)
		close(program);
	if (link < 0)
		return link;
	assert_true(links->count < LINKS_MAX);
	links->fds[links->count++] = link;
	return 0;
}

static void fill_up(struct crowd_of_links *links)
{
	int function = libbpf_find_vmlinux_btf_id(HOOK, BPF_TRACE_FENTRY), err = 0;

	links->count = 0;
	while (function > 0 && !err)
		err = attach_one(function, links);
	if (links->count) {
		assert_int_equal(err, -E2BIG);
		return;
	}
	print_message("this kernel refuses programs at functions: %s\n", strerror(function > 0 ? -err : -function));
	skip();
}

static void a_function_that_is_full_costs_plan_fentry_and_no_other(void **state)
{
	struct live *l = *state;
	struct crowd_of_links links;
	struct program *p;
	json_t *report;

	fill_up(&links);
	report = doctor(NULL);
	assert_non_null(strstr(update__text(find_plan(report, "fentry"), "why"), "fentry/" HOOK ": "));
	assert_string_equal(update__text(report, "plan"), "kprobe");
	json_decref(report);
	/* A plan that was asked for is had or not. */
	p = program_run(1, .args = PROGRAM_ARGS("--json", "--plan", "fentry"));
	assert_int_equal(p->out.len, 0);
	program__assert_error(p, "cannot watch sockets by plan fentry: Argument list too long");
	program__free(p);
	actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	p = run_by_plan(NULL, "kprobe", "-v");
	program__assert_error(p, "plan fentry cannot be had: fentry/" HOOK ": Argument list too long");
	program__assert_owner(p, "existing", PORT, (pid_t)l->server->pid);
	program__free(p);
	while (links.count)
		close(links.fds[--links.count]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_perf_events_only_fentry_is_left),
		live_test_quiet(a_function_that_is_full_costs_plan_fentry_and_no_other),
	};

	libbpf_set_print(NULL);
	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
