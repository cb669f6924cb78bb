/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/bpf_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "source/pseudofs.h"
#include "sockwatch.skel.h"

#define MANY_ENTRIES (1024 * 1024) /* of a map that takes as much as ours */
#define KNOWN_BATCH  400	   /* what the kernel gives with one read is at most 8 pages */

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

void bpf_source__survey(struct bpf_hook *hooks, const struct bpf_config *config)
{
	bool legacy = false;

	bpf_source__hooks(hooks);
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		const struct hook *h = &hook_table[i];

		if (!suits(h, legacy) || (h->instead_of && !hooks[h->instead_of].error))
			continue;
		hooks[i].used = true;
		hooks[i].error = legacy && h->kernels == HOOK_MISSED ? -EOPNOTSUPP : try(hooks, i, legacy, config);
		if (i != HOOK_STATE || !hooks[i].error || try(hooks, i, true, config))
			continue;
		hooks[i].error = 0;
		legacy = true;
	}
}

/* The state hook, the first one, comes last: whatever it opens is accepted under our eyes. */
static int attach_all(struct bpf_source *b, struct bpf_hook *hooks)
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

void bpf_source__replace(struct bpf_hook *hooks, unsigned int i, enum bpf_plan plan, bool legacy)
{
	for (unsigned int j = i + 1; j < BPF_HOOKS; j++) {
		const struct hook *h = &hook_table[j];

		if (h->instead_of != i || !(h->plans & BPF_PLAN_BIT(plan)) || !suits(h, legacy))
			continue;
		hooks[j].used = true;
		hooks[i].replaced = true;
	}
}

void bpf_source__use_plan(struct bpf_hook *hooks, enum bpf_plan plan, bool legacy)
{
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		const struct hook *h = &hook_table[i];

		hooks[i].used = (h->plans & BPF_PLAN_BIT(plan)) && suits(h, legacy) && !h->instead_of;
		hooks[i].replaced = false;
		hooks[i].error = -ENODATA;
	}
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		hooks[i].error = hooks[i].used ? foretell(&hook_table[i], legacy) : -ENODATA;
		if (hooks[i].error != -ENODATA)
			bpf_source__replace(hooks, i, plan, legacy);
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

/*
 * One object with everything. A hook that the kernel refuses is left out, with the others of its program, and what stands
 * in for it is taken; where it cannot be left out, all is tried again as on old kernels.
 */
static int load_best(const struct bpf_config *config, enum bpf_plan plan, struct bpf_hook *hooks,
		     struct bpf_source *ret)
{
	/* The surest sign of a kernel from before 5.11; what 5.11 lacks is found by loading. */
	bool legacy = !knows_helper(BPF_FUNC_get_current_task_btf);

	bpf_source__use_plan(hooks, plan, legacy);
	for (;;) {
		int err = load(config, hooks, legacy, &ret->skel);
		unsigned int i = err ? find_refused(config, hooks, legacy) : BPF_HOOKS;

		ret->legacy = legacy;
		if (i == BPF_HOOKS)
			return err;
		if (hooks[i].required && !legacy && err != -EPERM) { /* then it is not that it cannot */
			legacy = true;
			bpf_source__use_plan(hooks, plan, legacy);
			continue;
		}
		hooks[i].error = err;
		if (hooks[i].required)
			return err;
		bpf_source__replace(hooks, i, plan, legacy);
	}
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

struct bpf_source *bpf_source__make(void)
{
	struct bpf_source *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->ring_fd = b->claims_fd = b->owners_fd = b->told_fd = b->tasks_fd = b->bss_fd = b->memory_fd = b->lock_fd =
		-1;
	for (unsigned int i = 0; i < BPF_HOOKS; i++)
		b->program_fds[i] = -1;
	return b;
}

static void use_skeleton(struct bpf_source *b)
{
	b->bss = b->skel->bss;
	b->ring_fd = bpf_map__fd(b->skel->maps.ring);
	b->claims_fd = bpf_map__fd(b->skel->maps.claims);
	b->owners_fd = bpf_map__fd(b->skel->maps.owners);
	b->told_fd = bpf_map__fd(b->skel->maps.told);
	b->tasks_fd = bpf_map__fd(b->skel->maps.tasks);
	b->bss_fd = bpf_map__fd(b->skel->maps.bss);
}

static int give(void *ctx, void *data, size_t size)
{
	struct bpf_source *b = ctx;
	const struct sw_record_task *r = data; /* the time is in the same place in every record */

	if (size >= sizeof(*r) && r->time_ns < b->since_ns)
		return 0;
	return b->fn(b->ctx, data, size);
}

int bpf_source__hear(struct bpf_source *b, bool all_states)
{
	int err;

	b->ring = ring_buffer__new(b->ring_fd, give, b, NULL);
	if (!b->ring)
		return -errno;
	/* What another reader left must not take the place of what comes. */
	err = ring_buffer__consume(b->ring);
	if (err < 0)
		return err;
	b->bss->control.all_states = all_states;
	reader__begin(&b->reader, (uint32_t *)&b->bss->control.reader);
	return 0;
}

int bpf_source__new(const struct bpf_config *config, enum bpf_plan plan, struct bpf_hook *hooks,
		    struct bpf_source **ret)
{
	struct bpf_source *b = bpf_source__make();
	int err;

	if (!b)
		return -ENOMEM;
	err = load_best(config, plan, hooks, b);
	if (!err) {
		use_skeleton(b);
		err = bpf_source__hear(b, config->all_states);
	}
	if (!err)
		err = attach_all(b, hooks);
	if (!err && config->pinnable) {
		b->known = bpf_program__attach(b->skel->progs.list_known);
		err = b->known ? 0 : -errno;
	}
	if (err) {
		bpf_source__free(b);
		return err;
	}
	*ret = b;
	return 0;
}

/* What was opened from a pin. */
static void close_joined(struct bpf_source *b)
{
	const int fds[] = { b->ring_fd, b->claims_fd, b->owners_fd, b->told_fd, b->tasks_fd, b->bss_fd };

	if (b->bss)
		munmap(b->bss, sizeof(*b->bss));
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		cleanup_close(&fds[i]);
	for (unsigned int i = 0; i < BPF_HOOKS; i++)
		cleanup_close(&b->program_fds[i]);
}

void bpf_source__free(struct bpf_source *b)
{
	if (!b)
		return;
	reader__end(&b->reader);
	for (unsigned int i = 0; i < BPF_HOOKS; i++)
		bpf_link__destroy(b->links[i]);
	bpf_link__destroy(b->known);
	ring_buffer__free(b->ring);
	if (b->memory_fd != b->owners_fd)
		cleanup_close(&b->memory_fd);
	if (!b->skel)
		close_joined(b);
	sockwatch_bpf__destroy(b->skel);
	cleanup_close(&b->lock_fd);
	free(b);
}

const void *bpf_source__object(size_t *ret_size)
{
	return sockwatch_bpf__elf_bytes(ret_size);
}

int bpf_source__fd(const struct bpf_source *b)
{
	return ring_buffer__epoll_fd(b->ring);
}

int bpf_source__drain(struct bpf_source *b, bpf_record_fn fn, void *ctx)
{
	b->fn = fn;
	b->ctx = ctx;
	return ring_buffer__consume(b->ring);
}

/*
 * A program that is interrupted by an event of its own kind is not run again for that event (from 6.2); the kernel only
 * counts it.
 */
static uint64_t skipped_runs(const struct bpf_source *b)
{
	uint64_t runs = 0;

	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);

		if (b->program_fds[i] >= 0 && !bpf_obj_get_info_by_fd(b->program_fds[i], &info, &len))
			runs += info.recursion_misses;
	}
	return runs;
}

void bpf_source__losses(const struct bpf_source *b, struct sw_losses *ret)
{
	const volatile struct sw_losses *now = &b->bss->losses;

	ret->ring = now->ring - b->before.ring;
	ret->map = now->map - b->before.map;
	ret->helper = now->helper + skipped_runs(b) - b->before.helper;
}

int bpf_source__claim(struct bpf_source *b, uint64_t cookie, const struct sw_owner *owner, uint64_t time_ns)
{
	const struct sw_claim claim = { .owner = *owner, .time_ns = time_ns };
	volatile __u64 *uses = b->bss->last_uses;
	int err = bpf_map_update_elem(b->claims_fd, &cookie, &claim, BPF_ANY);

	/* Whoever used it last looks for the claim. */
	if (!err)
		uses[cookie % (sizeof(b->bss->last_uses) / sizeof(b->bss->last_uses[0]))] = 0;
	return err;
}

void bpf_source__unclaim(struct bpf_source *b, uint64_t cookie)
{
	bpf_map_delete_elem(b->claims_fd, &cookie);
}

int bpf_source__adopt(struct bpf_source *b)
{
	_cleanup_close_ int fd = -1;
	char none[64];
	ssize_t n;

	if (!b->links[HOOK_ADOPT])
		return -EOPNOTSUPP;
	fd = bpf_iter_create(bpf_link__fd(b->links[HOOK_ADOPT]));
	if (fd < 0)
		return -errno;
	do {
		n = read(fd, none, sizeof(none)); /* the program prints nothing; reading runs it */
	} while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	return n < 0 ? -errno : 0;
}

int bpf_owners__find(int fd, uint64_t cookie, struct sw_owner *ret)
{
	struct sw_owner_slot slot;
	__u32 key = cookie & (SW_OWNERS_MAX - 1);
	int err = bpf_map_lookup_elem(fd, &key, &slot);

	if (err)
		return err;
	if (slot.cookie != cookie)
		return -ENOENT;
	*ret = slot.owner;
	return 0;
}

int bpf_source__last_owner(struct bpf_source *b, uint64_t cookie, struct sw_owner *ret)
{
	int err = bpf_owners__find(b->owners_fd, cookie, ret);

	return err && b->memory_fd >= 0 ? bpf_owners__find(b->memory_fd, cookie, ret) : err;
}

bool bpf_source__remembers(const struct bpf_source *b)
{
	return b->memory_fd >= 0;
}

int bpf_source__each_known(struct bpf_source *b, bpf_known_fn fn, void *ctx)
{
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(b->known));
	struct sw_known batch[KNOWN_BATCH];
	ssize_t n;
	int err;

	if (fd < 0)
		return fd;
	for (;;) {
		n = read(fd, batch, sizeof(batch));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (size_t i = 0; i < (size_t)n / sizeof(*batch); i++) {
			err = fn(ctx, &batch[i]);
			if (err)
				return err;
		}
	}
}

int bpf_source__watch(struct bpf_source *b, uint32_t pid, bool shares)
{
	struct sw_task task = { .shares = shares };

	return bpf_map_update_elem(b->tasks_fd, &pid, &task, BPF_ANY);
}

void bpf_source__look(struct bpf_source *b, uint32_t pid)
{
	struct sw_task task;

	if (bpf_map_lookup_elem(b->tasks_fd, &pid, &task) || !task.told)
		return;
	task.told = 0;
	/* It may have ended meanwhile. */
	bpf_map_update_elem(b->tasks_fd, &pid, &task, BPF_EXIST);
}
