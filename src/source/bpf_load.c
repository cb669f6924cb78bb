/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What of the hooks can be had here: loading them, alone or together, and attaching them. */
#include "source/bpf_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "source/kernel_btf.h"
#include "source/pseudofs.h"
#include "sockwatch.skel.h"

#define EVERY_PLAN   (~0U)
#define MANY_ENTRIES (1024 * 1024) /* of a map that takes as much as ours */

/* libbpf has one print function for the process, and only there it tells which program was refused. */
static void (*log_fn)(bool verbose, const char *text);
static char refused[BPF_OBJ_NAME_LEN * 2];

static int print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char text[1024], name[sizeof(refused)];
	int end = 0;

	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = 0;
	if (sscanf(text, "libbpf: prog '%31[^']': failed to load%n", name, &end) == 1 && end)
		memcpy(refused, name, sizeof(refused));
	if (log_fn)
		log_fn(level != LIBBPF_WARN, text);
	return 0;
}

void bpf_source__hooks(struct bpf_hook *ret_hooks)
{
	for (unsigned int i = 0; i < BPF_HOOKS; i++)
		ret_hooks[i] = (struct bpf_hook){
			.name = hook_table[i].name,
			.purpose = hook_table[i].purpose,
			.required = hook_table[i].required,
			.plans = hook_table[i].plans,
			.error = -ENODATA,
		};
}

static struct bpf_program *program_of(const struct sockwatch_bpf *skel, unsigned int i)
{
	return bpf_object__find_program_by_name(skel->obj, hook_table[i].program);
}

/* The kernel has this helper, one without arguments. True also when nothing may be loaded. */
static bool knows_helper(enum bpf_func_id helper)
{
	const struct bpf_insn call[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = helper },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "Dual BSD/GPL", call, 3, NULL);

	if (fd >= 0)
		close(fd);
	return fd != -EINVAL;
}

/*
 * Up to 6.0 the kernel warns, once and with a backtrace, of a program at a kprobe or tracepoint that allocates an entry of
 * a map: its entries are then allocated with it. The helper came with the allocator that put an end to that.
 */
static void allocate_now(struct sockwatch_bpf *skel, bool legacy)
{
	if (knows_helper(BPF_FUNC_ktime_get_tai_ns))
		return;
	bpf_map__set_map_flags(skel->maps.tasks, 0);
	if (!legacy) /* there is no program that uses the others at a kprobe */
		return;
	bpf_map__set_map_flags(skel->maps.claims, 0);
	bpf_map__set_map_flags(skel->maps.legacy_sockets, 0);
}

/* Maps of the way that is not gone are not made. */
static void choose_maps(struct sockwatch_bpf *skel, bool legacy)
{
	skel->rodata->legacy = legacy;
	skel->rodata->has_spares = !legacy && kernel_btf__preempts_tracepoints();
	allocate_now(skel, legacy);
	bpf_map__set_autocreate(skel->maps.sockets, !legacy);
	bpf_map__set_autocreate(skel->maps.legacy_sockets, legacy);
	bpf_map__set_autocreate(skel->maps.legacy_children, legacy);
}

/* An object with the programs whose hook is in use and has no error but -ENODATA, loaded. */
static int load(const struct bpf_config *config, const struct bpf_hook *hooks, bool legacy, struct sockwatch_bpf **ret)
{
	struct sockwatch_bpf *skel;
	int err;

	log_fn = config->log;
	refused[0] = '\0';
	libbpf_set_print(print);
	skel = sockwatch_bpf__open();
	if (!skel)
		return -errno;
	choose_maps(skel, legacy);
	bpf_map__set_max_entries(skel->maps.ring, config->ring_bytes);
	for (unsigned int i = 0; i < BPF_HOOKS; i++)
		bpf_program__set_autoload(program_of(skel, i), false);
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		if (hooks[i].used && hooks[i].error == -ENODATA)
			bpf_program__set_autoload(program_of(skel, i), true);
	}
	bpf_program__set_autoload(skel->progs.list_known, config->pinnable);
	err = sockwatch_bpf__load(skel);
	if (err) {
		sockwatch_bpf__destroy(skel);
		return err == -ESRCH ? -ENOENT : err; /* no such type, so no such tracepoint or function */
	}
	*ret = skel;
	return 0;
}

static int attach_tracepoint(const struct bpf_program *p, const struct hook *h, struct bpf_link **ret)
{
	int fd = pseudofs__open_tracepoint(h->category, h->event);
	int err;

	if (fd < 0)
		return fd;
	*ret = bpf_program__attach_perf_event(p, fd); /* the link owns fd */
	if (*ret)
		return 0;
	err = -errno;
	close(fd);
	return err;
}

static int attach_cgroup(const struct bpf_program *p, struct bpf_link **ret)
{
	_cleanup_close_ int fd = pseudofs__open_cgroup2();

	if (fd < 0)
		return fd;
	*ret = bpf_program__attach_cgroup(p, fd);
	return *ret ? 0 : -errno;
}

static int attach(const struct sockwatch_bpf *skel, unsigned int i, struct bpf_link **ret)
{
	const struct bpf_program *p = program_of(skel, i);

	switch (hook_table[i].way) {
	case HOOK_TRACEPOINT:
		return attach_tracepoint(p, &hook_table[i], ret);
	case HOOK_CGROUP:
		return attach_cgroup(p, ret);
	default:
		*ret = bpf_program__attach(p);
		return *ret ? 0 : -errno;
	}
}

static void use_only(struct bpf_hook *hooks, unsigned int i)
{
	for (unsigned int j = 0; j < BPF_HOOKS; j++)
		hooks[j].used = j == i;
	hooks[i].error = -ENODATA;
}

/* Load and attach hook i alone, and take it down again. */
static int try(const struct bpf_hook *hooks, unsigned int i, bool legacy, const struct bpf_config *config)
{
	struct sockwatch_bpf *skel = NULL;
	struct bpf_hook alone[BPF_HOOKS];
	struct bpf_link *link = NULL;
	int err;

	memcpy(alone, hooks, sizeof(alone));
	use_only(alone, i);
	err = load(config, alone, legacy, &skel);
	if (!err)
		err = attach(skel, i, &link);
	bpf_link__destroy(link);
	sockwatch_bpf__destroy(skel);
	return err;
}

static bool suits(const struct hook *h, bool legacy)
{
	if (h->kernels == HOOK_SPARE)
		return !legacy && kernel_btf__preempts_tracepoints();
	return h->kernels != (legacy ? HOOK_MODERN : HOOK_LEGACY);
}

/* The error that needs no attempt to be known; -ENODATA: none. */
static int foretell(const struct hook *h, bool legacy)
{
	if (legacy && h->kernels == HOOK_MISSED)
		return -EOPNOTSUPP;
	if (h->way == HOOK_LIBBPF && h->category && pseudofs__lacks_tracepoint(h->category, h->event))
		return -ENOENT;
	return -ENODATA;
}

void bpf_source__replace(struct bpf_hook *hooks, unsigned int i, unsigned int plans, bool legacy)
{
	for (unsigned int j = i + 1; j < BPF_HOOKS; j++) {
		const struct hook *h = &hook_table[j];

		if (h->instead_of != i || !(h->plans & plans) || !suits(h, legacy))
			continue;
		hooks[j].used = true;
		hooks[i].replaced = true;
	}
}

void bpf_source__use_plans(struct bpf_hook *hooks, unsigned int plans, bool legacy)
{
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		const struct hook *h = &hook_table[i];

		hooks[i].used = (h->plans & plans) && suits(h, legacy) && !h->instead_of;
		hooks[i].replaced = false;
		hooks[i].error = -ENODATA;
	}
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		hooks[i].error = hooks[i].used ? foretell(&hook_table[i], legacy) : -ENODATA;
		if (hooks[i].error != -ENODATA)
			bpf_source__replace(hooks, i, plans, legacy);
	}
}

/* The hook whose program the last load failed with; BPF_HOOKS: all can be loaded, each alone. */
static unsigned int find_refused(const struct bpf_config *config, const struct bpf_hook *hooks, bool legacy)
{
	const bool named = refused[0];

	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		if (!hooks[i].used || hooks[i].error != -ENODATA)
			continue;
		if (named ? !strcmp(hook_table[i].program, refused) : try(hooks, i, legacy, config) != 0)
			return i;
	}
	return BPF_HOOKS;
}

/* The surest sign of a kernel from before 5.11; what 5.11 lacks is found by loading. */
static bool needs_legacy(void)
{
	return !knows_helper(BPF_FUNC_get_current_task_btf);
}

/*
 * One object with everything. A hook that the kernel refuses is left out, with the others of its program, and what stands
 * in for it is taken; where it cannot be left out, all is tried again as on old kernels. Of several plans only the state
 * hook is needed.
 */
static int load_best(const struct bpf_config *config, unsigned int plans, struct bpf_hook *hooks,
		     struct bpf_source *ret)
{
	bool legacy = needs_legacy();

	bpf_source__use_plans(hooks, plans, legacy);
	for (;;) {
		int err = load(config, hooks, legacy, &ret->skel);
		unsigned int i = err ? find_refused(config, hooks, legacy) : BPF_HOOKS;
		bool needed = i == HOOK_STATE || (i < BPF_HOOKS && hooks[i].required && plans != EVERY_PLAN);

		ret->legacy = legacy;
		if (i == BPF_HOOKS)
			return err;
		if (needed && !legacy && err != -EPERM) { /* then it is not that it cannot */
			legacy = true;
			bpf_source__use_plans(hooks, plans, legacy);
			continue;
		}
		hooks[i].error = err;
		if (needed)
			return err;
		bpf_source__replace(hooks, i, plans, legacy);
	}
}

int bpf_source__load(const struct bpf_config *config, enum bpf_plan plan, struct bpf_hook *hooks,
		     struct bpf_source *ret)
{
	return load_best(config, BPF_PLAN_BIT(plan), hooks, ret);
}

void bpf_source__survey(struct bpf_hook *hooks, const struct bpf_config *config)
{
	const bool legacy = needs_legacy();
	struct bpf_source b = { 0 };
	int err;

	bpf_source__hooks(hooks);
	err = load_best(config, EVERY_PLAN, hooks, &b);
	if (err)
		bpf_source__use_plans(hooks, EVERY_PLAN, legacy);
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		struct bpf_link *link = NULL;

		if (!hooks[i].used || (!err && hooks[i].error != -ENODATA))
			continue;
		hooks[i].error = err ? try(hooks, i, legacy, config) : attach(b.skel, i, &link);
		bpf_link__destroy(link);
	}
	sockwatch_bpf__destroy(b.skel);
}

/* The state hook, the first one, comes last: whatever it opens is accepted under our eyes. */
int bpf_source__attach(struct bpf_source *b, struct bpf_hook *hooks)
{
	for (unsigned int i = BPF_HOOKS; i-- > 0;) {
		if (!hooks[i].used || hooks[i].error != -ENODATA)
			continue;
		hooks[i].error = attach(b->skel, i, &b->links[i]);
		if (hooks[i].error && hooks[i].required)
			return hooks[i].error;
		/* Hooks that share a program stand side by side. */
		if (!i || strcmp(hook_table[i].program, hook_table[i - 1].program) != 0)
			b->program_fds[i] = bpf_program__fd(program_of(b->skel, i));
	}
	return 0;
}

/* Trampolines are refused before the kernel looks at what they are for: an id that is no function's is answer enough. */
static int probe_trampolines(void)
{
	const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_prog_load_opts options = {
		.sz = sizeof(options),
		.expected_attach_type = BPF_TRACE_FENTRY,
		.attach_btf_id = 1,
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, NULL, "Dual BSD/GPL", nothing, 2, &options);

	if (fd >= 0)
		close(fd);
	return fd == -EPERM ? -EPERM : 0;
}

static bool can_make_map(uint32_t entries)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, sizeof(uint32_t), sizeof(uint32_t), entries, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool bpf_source__map_is_refused(void)
{
	uint32_t id;

	/* A filter that refuses the whole system call refuses the last one too, which takes no memory. */
	return !can_make_map(MANY_ENTRIES) && (can_make_map(1) || bpf_map_get_next_id(0, &id) != -EPERM);
}

int bpf_source__probe(enum bpf_plan plan)
{
	switch (plan) {
	case BPF_PLAN_FENTRY:
		return probe_trampolines();
	case BPF_PLAN_KPROBE:
		return access("/sys/bus/event_source/devices/kprobe/type", F_OK) ? -ENOENT : 0;
	default:
		return 0;
	}
}
