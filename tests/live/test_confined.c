/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: without privilege, type information, locked memory or a whole /proc; doctor; and what is given up after attach. */
#include "live/live.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "live/program.h"

#define PORT   7400
#define NOBODY 65534
#define BTF    "/sys/kernel/btf/vmlinux"

/* What one look takes, with a summary. */
#define SHORT PROGRAM_ARGS("--json", "-l", "--no-existing", "--duration", "0.2")

static const char *const needed[] = { "CAP_BPF",       "CAP_PERFMON",	 "CAP_SYS_ADMIN",
				      "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH" };
static const char *const hooks[] = {
	"tp_btf/inet_sock_set_state",
	"tracepoint/syscalls/sys_exit_accept4",
	"tracepoint/syscalls/sys_exit_accept",
	"tp_btf/io_uring_complete",
	"iter/tcp",
	"fentry/security_sock_graft",
	"kprobe/security_sock_graft",
	"tp_btf/sock_send_length",
	"tp_btf/tcp_rcv_space_adjust",
	"tp_btf/sched_process_fork",
	"tp_btf/sched_process_exec",
	"tp_btf/sched_process_exit",
	"tracepoint/syscalls/sys_enter_close",
	"tracepoint/syscalls/sys_enter_dup3",
	"tracepoint/syscalls/sys_enter_close_range",
	"tracepoint/syscalls/sys_exit_recvmsg",
	"tracepoint/syscalls/sys_exit_pidfd_getfd",
};
/* The rest depend on the kernel. */
#define HOOKS_EVERYWHERE 3

static const char *const plans[] = { "fentry", "kprobe", "tracepoint", "none" };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- what the program is to find */

static int be_nobody(void *ctx)
{
	(void)ctx;
	return setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY);
}

/* Root is given at exec what the bounding set has. */
static int lose_all_capabilities(void *ctx)
{
	(void)ctx;
	capng_clear(CAPNG_SELECT_BOTH);
	return capng_apply(CAPNG_SELECT_BOTH);
}

static int lose_ptrace(void *ctx)
{
	(void)ctx;
	return prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0);
}

static int refuse_locked_memory(void *ctx)
{
	const struct rlimit none = { 0, 0 };

	(void)ctx;
	/* Both would make the limit void. */
	return prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0) || prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0) ||
	       setrlimit(RLIMIT_MEMLOCK, &none);
}

static int own_mounts(void)
{
	return unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static int hide_btf(void *ctx)
{
	(void)ctx;
	return own_mounts() || mount("none", "/sys/kernel/btf", "tmpfs", 0, NULL);
}

static int empty_btf(void *ctx)
{
	(void)ctx;
	return own_mounts() || mount("/dev/null", BTF, NULL, MS_BIND, NULL);
}

/* In the namespace, because with nothing of /proc to see no other is found. */
static int hide_processes(void *ctx)
{
	const struct live *l = ctx;

	return setns(l->ns, CLONE_NEWNET) || own_mounts() || mount("proc", "/proc", "proc", 0, "hidepid=2") ||
	       lose_ptrace(NULL);
}

static int be_nobody_without_processes(void *ctx)
{
	const struct live *l = ctx;

	return setns(l->ns, CLONE_NEWNET) || own_mounts() || mount("proc", "/proc", "proc", 0, "hidepid=2") ||
	       be_nobody(NULL);
}

static int hide_bpffs(void *ctx)
{
	(void)ctx;
	return own_mounts() || mount("none", "/sys/fs/bpf", "tmpfs", 0, NULL);
}

/* Wherever it is mounted: alone, or beside the hierarchies of version 1. */
static int hide_cgroup2(void *ctx)
{
	(void)ctx;
	return own_mounts() || mount("none", "/sys/fs/cgroup", "tmpfs", 0, NULL);
}

/* A system call that fails with EPERM, whoever makes it. */
static int refuse_call(unsigned int number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = { .len = COUNT(code), .filter = code };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static int refuse_bpf(void *ctx)
{
	(void)ctx;
	return refuse_call(SYS_bpf);
}

static int refuse_perf_events(void *ctx)
{
	(void)ctx;
	return refuse_call(SYS_perf_event_open);
}

/* ---- doctor's report */

static json_t *doctor(int status, int (*prepare)(void *ctx))
{
	struct program *p = program_run(status, .args = PROGRAM_ARGS("doctor", "--json"), .prepare = prepare);
	json_t *report = json_loadb(p->out.text, p->out.len, JSON_REJECT_DUPLICATES, NULL);

	if (!report) {
		program__print(p);
		fail_msg("doctor --json printed no JSON");
	}
	program__free(p);
	return report;
}

/* ---- the stream */

static void assert_names_missing(const struct program *p, const char *name, bool missing)
{
	if (missing)
		program__assert_error(p, name);
	else
		program__assert_error_lacks(p, name);
}

/* The first line on stderr says what is missing and what that costs, and the stream goes on without BPF. */
static struct program *run_polling(int (*prepare)(void *ctx), const char *first_line)
{
	struct program *p = program_run(0, .args = SHORT, .prepare = prepare);
	char want[256];

	snprintf(want, sizeof(want), "sockwatch: no BPF here (%s", first_line);
	if (strstr(p->error.text, want) != p->error.text) {
		program__print(p);
		fail_msg("the first line does not begin with \"%s\"", want);
	}
	program__assert_error(p, "): polling every 200 ms; ");
	program__assert_out(p, "\"event\":\"sync\"");
	program__assert_out(p, "\"plan\":\"none\"");
	program__assert_out(p, "\"lost\":0");
	return p;
}

static void assert_unprivileged(int (*prepare)(void *ctx))
{
	struct program *p = run_polling(prepare, "CAP_BPF, CAP_PERFMON missing");

	for (size_t i = 0; i < COUNT(needed); i++)
		program__assert_error(p, needed[i]);
	program__assert_error(p, "sockwatch doctor");
	program__free(p);
	/* A plan that was asked for is had or not. */
	p = program_run(1, .args = PROGRAM_ARGS("--json", "--plan", "tracepoint"), .prepare = prepare);
	assert_int_equal(p->out.len, 0);
	program__assert_error(p, "missing: ");
	for (size_t i = 0; i < COUNT(needed); i++)
		program__assert_error(p, needed[i]);
	program__assert_error(p, "run it as root");
	program__assert_error(p, "sockwatch doctor");
	program__free(p);
}

static void without_capabilities_it_polls_and_names_them(void **state)
{
	(void)state;
	assert_unprivileged(be_nobody);
	assert_unprivileged(lose_all_capabilities);
}

static int lose_only(void *ctx)
{
	return prctl(PR_CAPBSET_DROP, *(const int *)ctx, 0, 0, 0);
}

static void one_missing_capability_is_named_and_no_other(void **state)
{
	static const int lost[] = { CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH };

	(void)state;
	for (size_t i = 0; i < COUNT(lost); i++) {
		int capability = lost[i];
		struct program *p = program_start(.args = SHORT, .prepare = lose_only, .ctx = &capability);
		char name[32] = "CAP_";

		program__join(p); /* whether it can go on is the kernel's business; that it is told is ours */
		for (const char *from = capng_capability_to_name(lost[i]); *from; from++) {
			size_t len = strlen(name);

			name[len] = (char)(*from == '_' ? '_' : *from - 'a' + 'A');
			name[len + 1] = '\0';
		}
		for (size_t j = 0; j < 2; j++)
			program__assert_error_lacks(p, needed[j]);
		assert_names_missing(p, name, true);
		program__free(p);
	}
}

/* Before 5.11 maps are charged to the limit, later to the memory cgroup. */
static int make_map(void *ctx)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	if (refuse_locked_memory(ctx))
		return -1;
	_exit(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)) < 0);
}

static void works_without_locked_memory(void **state)
{
	struct program *p = program_start(.prepare = make_map);
	int charged = program__join(p);

	(void)state;
	program__free(p);
	if (charged) {
		p = run_polling(refuse_locked_memory, "no memory that may be locked");
		program__assert_error(p, "CAP_SYS_RESOURCE");
		program__assert_error(p, "RLIMIT_MEMLOCK");
		program__free(p);
		return;
	}
	p = program_run(0, .args = SHORT, .prepare = refuse_locked_memory);
	program__assert_out(p, "\"event\":\"sync\"");
	program__assert_out(p, "\"lost\":0");
	program__free(p);
}

static void assert_no_type_information(int (*prepare)(void *ctx))
{
	struct program *p = run_polling(prepare, "the kernel has no type information (" BTF ")");

	program__assert_error_lacks(p, "CAP_BPF");
	program__free(p);
	p = program_run(1, .args = PROGRAM_ARGS("--json", "--plan", "tracepoint"), .prepare = prepare);
	assert_int_equal(p->out.len, 0);
	program__assert_error(p, BTF);
	program__assert_error(p, "CONFIG_DEBUG_INFO_BTF");
	program__assert_error_lacks(p, "CAP_");
	program__free(p);
}

/* Also when the file is there and says nothing: "No such process" of libbpf helps nobody. */
static void missing_type_information_is_named(void **state)
{
	(void)state;
	assert_no_type_information(hide_btf);
	assert_no_type_information(empty_btf);
}

/* bpf(2) by a container's filter, perf_event_open(2) alone: then programs can be loaded and not attached. */
static void a_refusal_in_spite_of_all_capabilities_is_told_as_such(void **state)
{
	static int (*const refusals[])(void *ctx) = { refuse_bpf, refuse_perf_events };

	(void)state;
	for (size_t i = 0; i < COUNT(refusals); i++) {
		struct program *p =
			program_run(1, .args = PROGRAM_ARGS("--json", "--plan", "tracepoint"), .prepare = refusals[i]);

		program__assert_error(p, "container's filter");
		assert_int_equal(p->out.len, 0);
		program__free(p);
	}
	/* Without perf events another plan may be had. */
	program__free(run_polling(refuse_bpf, "the kernel refuses it in spite of all capabilities"));
}

/* Neither is used where programs are attached to tracepoints, and nothing is pinned. */
static void works_without_bpffs_and_cgroup2(void **state)
{
	static int (*const losses[])(void *ctx) = { hide_bpffs, hide_cgroup2 };

	(void)state;
	for (size_t i = 0; i < COUNT(losses); i++) {
		json_t *report = doctor(0, NULL);
		struct program *p = program_run(0, .args = SHORT, .prepare = losses[i]);
		char plan[64];

		snprintf(plan, sizeof(plan), "\"plan\":\"%s\"", update__text(report, "plan"));
		program__assert_out(p, plan);
		program__assert_error_lacks(p, "no BPF here");
		json_decref(report);
		program__free(p);
	}
}

/* An ordinary user who sees no other process: sockets all the same. */
static void nobody_with_hidden_processes_sees_sockets_without_owners(void **state)
{
	struct live *l = *state;
	struct program *p;

	actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	p = program_run(0, .args = PROGRAM_ARGS("--json", "-l", "--duration", "0.2"),
			.prepare = be_nobody_without_processes, .ctx = l);
	program__assert_owner(p, "existing", PORT, 0);
	program__assert_out(p, "\"plan\":\"none\"");
	program__assert_error(p, "running without CAP_BPF");
	program__free(p);
}

static void hidden_processes_are_counted_and_told(void **state)
{
	struct live *l = *state;
	const char *line, *end;
	struct program *p;
	json_t *sync;

	actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	p = program_run(0, .args = SHORT, .prepare = hide_processes, .ctx = l);
	program__assert_error(p, "CAP_SYS_PTRACE");
	program__assert_error(p, "hidepid");
	line = strstr(p->out.text, "{\"v\":1,\"event\":\"sync\"");
	assert_non_null(line);
	end = strchr(line, '\n');
	assert_non_null(end);
	sync = json_loadb(line, (size_t)(end - line), 0, NULL);
	assert_true(update__number(sync, "sockets") >= 1);
	assert_true(update__number(sync, "unowned") >= 1);
	json_decref(sync);
	program__free(p);
}

/* Without CAP_SYS_PTRACE the namespaces of other users' processes cannot be found: sockets are missing, not only owners. */
static void namespaces_that_cannot_be_found_are_told(void **state)
{
	struct live *l = *state;
	struct program *p;

	actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	p = program_run(0, .args = PROGRAM_ARGS("-l", "--duration", "0.2"), .prepare = lose_ptrace);
	/* Should it be seen all the same, there is nothing to tell. */
	if (!strstr(p->out.text, "127.0.0.1:7400"))
		program__assert_error(p, "namespace");
	program__free(p);
}

/* ---- doctor */

/* The entry of that name; fails the test when there is none. */
static const json_t *find_named(const json_t *list, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		if (!strcmp(update__text(item, "name"), name))
			return item;
	}
	fail_msg("doctor does not name %s", name);
	return NULL;
}

static void assert_complete(const json_t *report, bool have, const char *result)
{
	const json_t *list = json_object_get(report, "privileges");

	assert_int_equal(json_array_size(list), COUNT(needed));
	for (size_t i = 0; i < COUNT(needed); i++) {
		const json_t *item = find_named(list, needed[i]);

		assert_true(json_is_boolean(json_object_get(item, "kept")));
		assert_int_equal(json_is_true(json_object_get(item, "have")), have);
		assert_true(update__text(item, "purpose")[0]);
	}
	list = json_object_get(report, "hooks");
	assert_true(json_array_size(list) >= COUNT(hooks)); /* more on kernels before 5.12 */
	for (size_t i = 0; i < COUNT(hooks); i++) {
		const json_t *item = find_named(list, hooks[i]);

		assert_true(json_is_boolean(json_object_get(item, "required")));
		assert_true(update__text(item, "purpose")[0]);
		if (!result)
			assert_string_not_equal(update__text(item, "result"), "ok");
		else if (i < HOOKS_EVERYWHERE || strcmp(result, "ok") != 0)
			assert_string_equal(update__text(item, "result"), result);
	}
}

/* The plan in use is the first of those that can be had; fails the test when it is not. */
static const char *assert_plans(const json_t *report)
{
	const json_t *list = json_object_get(report, "plans");
	const char *chosen = update__text(report, "plan");
	const char *first = NULL;

	for (size_t i = 0; i < COUNT(plans); i++) {
		const json_t *item = find_named(list, plans[i]);

		assert_true(update__text(item, "why")[0]);
		if (json_is_true(json_object_get(item, "ok")) && !first)
			first = plans[i];
	}
	assert_non_null(first);
	assert_string_equal(chosen, first);
	return chosen;
}

static const char *why(const json_t *report, const char *plan)
{
	return update__text(find_named(json_object_get(report, "plans"), plan), "why");
}

static void doctor_lists_every_hook_and_privilege(void **state)
{
	json_t *report = doctor(0, NULL);
	struct program *p = program_run(0, .args = PROGRAM_ARGS("doctor"));

	(void)state;
	assert_complete(report, true, "ok");
	assert_true(json_is_true(json_object_get(report, "btf")));
	assert_string_not_equal(assert_plans(report), "none");
	assert_int_equal(update__number(report, "v"), 1);
	for (size_t i = 0; i < COUNT(needed); i++)
		program__assert_out(p, needed[i]);
	for (size_t i = 0; i < COUNT(hooks); i++)
		program__assert_out(p, hooks[i]);
	for (size_t i = 0; i < COUNT(plans); i++)
		program__assert_out(p, plans[i]);
	program__free(p);
	json_decref(report);
}

static void doctor_says_why_without_privilege(void **state)
{
	static int (*const losses[])(void *ctx) = { be_nobody, lose_all_capabilities };

	(void)state;
	for (size_t i = 0; i < COUNT(losses); i++) {
		json_t *report = doctor(0, losses[i]);

		assert_complete(report, false, "refused");
		assert_string_equal(assert_plans(report), "none");
		assert_non_null(strstr(why(report, "tracepoint"), "CAP_BPF"));
		/* What it costs. */
		assert_non_null(strstr(why(report, "none"), "polls every 200 ms"));
		assert_non_null(strstr(why(report, "none"), "connections shorter than that"));
		json_decref(report);
	}
}

static void doctor_says_why_without_type_information(void **state)
{
	json_t *report = doctor(0, hide_btf);
	struct program *p = program_run(0, .args = PROGRAM_ARGS("doctor"), .prepare = hide_btf);

	(void)state;
	assert_complete(report, true, NULL);
	assert_true(json_is_false(json_object_get(report, "btf")));
	assert_string_equal(assert_plans(report), "none");
	assert_non_null(strstr(why(report, "tracepoint"), BTF));
	program__assert_out(p, "CONFIG_DEBUG_INFO_BTF");
	program__free(p);
	json_decref(report);
}

/* ---- after attach */

static uint64_t status_mask(pid_t pid, const char *key)
{
	uint64_t value = UINT64_MAX;
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, strlen(key)))
			assert_int_equal(sscanf(line + strlen(key), ": %" SCNx64, &value), 1);
	}
	return value;
}

static uint64_t kept_capabilities(void)
{
	json_t *report = doctor(0, NULL);
	const json_t *item;
	uint64_t mask = 0;
	size_t i;

	json_array_foreach(json_object_get(report, "privileges"), i, item) {
		if (json_is_true(json_object_get(item, "kept")) && json_is_true(json_object_get(item, "have")))
			mask |= 1ULL << capng_name_to_capability(update__text(item, "name") + strlen("CAP_"));
	}
	json_decref(report);
	return mask;
}

static void only_the_named_capabilities_are_kept(void **state)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t kept = kept_capabilities();
	struct live *l = *state;
	pid_t pid = stream__pid(l->stream);

	assert_true(kept != 0);
	/* They are given up just after the sync was told. */
	for (int i = 0; status_mask(pid, "CapPrm") != kept && i < STREAM_TIMEOUT_MS; i++)
		nanosleep(&pause, NULL);
	assert_int_equal(status_mask(pid, "CapPrm"), kept);
	assert_int_equal(status_mask(pid, "CapEff"), kept);
	assert_int_equal(status_mask(pid, "CapInh"), 0);
	assert_int_equal(status_mask(pid, "CapAmb"), 0);
	assert_int_equal(status_mask(pid, "CapBnd"), 0);
	assert_int_equal(status_mask(pid, "NoNewPrivs"), 1);
	stream__stop(l->stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_capabilities_it_polls_and_names_them),
		cmocka_unit_test(one_missing_capability_is_named_and_no_other),
		cmocka_unit_test(works_without_locked_memory),
		cmocka_unit_test(missing_type_information_is_named),
		cmocka_unit_test(a_refusal_in_spite_of_all_capabilities_is_told_as_such),
		cmocka_unit_test(works_without_bpffs_and_cgroup2),
		live_test_quiet(nobody_with_hidden_processes_sees_sockets_without_owners),
		live_test_quiet(hidden_processes_are_counted_and_told),
		live_test_quiet(namespaces_that_cannot_be_found_are_told),
		cmocka_unit_test(doctor_lists_every_hook_and_privilege),
		cmocka_unit_test(doctor_says_why_without_privilege),
		cmocka_unit_test(doctor_says_why_without_type_information),
		live_test(only_the_named_capabilities_are_kept),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
