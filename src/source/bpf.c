/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/bpf_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sockwatch.skel.h"

#define KNOWN_BATCH 400 /* what the kernel gives with one read is at most 8 pages */

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

/* Runs of a hook's program that the kernel skipped, and only counted (from 6.2), since it was running already. */
static uint64_t misses(const struct bpf_source *b, unsigned int i)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	if (b->program_fds[i] < 0 || bpf_obj_get_info_by_fd(b->program_fds[i], &info, &len))
		return 0;
	return info.recursion_misses;
}

static bool has_spare(const struct bpf_source *b, unsigned int i)
{
	return i + 1 < BPF_HOOKS && hook_table[i + 1].kernels == HOOK_SPARE && b->program_fds[i + 1] >= 0;
}

/* Those of hook i that no spare made up for: what both missed, both have counted. */
static uint64_t skipped_at(const struct bpf_source *b, unsigned int i)
{
	uint64_t own, spares;

	if (hook_table[i].kernels == HOOK_SPARE || hook_table[i].closes || (hook_table[i].recurs && has_spare(b, i)))
		return 0;
	own = misses(b, i);
	if (i == HOOK_STATE) /* its spares count what they do in its place */
		spares = own - (own > b->bss->losses.spared ? b->bss->losses.spared : own);
	else
		spares = own && has_spare(b, i) ? misses(b, i + 1) : own;
	return own < spares ? own : spares;
}

static uint64_t skipped_runs(const struct bpf_source *b)
{
	uint64_t runs = 0;

	for (unsigned int i = 0; i < BPF_HOOKS; i++)
		runs += skipped_at(b, i);
	return runs;
}

int bpf_source__new(const struct bpf_config *config, enum bpf_plan plan, struct bpf_hook *hooks,
		    struct bpf_source **ret)
{
	struct bpf_source *b = bpf_source__make();
	int err;

	if (!b)
		return -ENOMEM;
	err = bpf_source__load(config, plan, hooks, b);
	if (!err) {
		use_skeleton(b);
		err = bpf_source__hear(b, config->all_states);
	}
	if (!err)
		err = bpf_source__attach(b, hooks);
	/* What was skipped until the spares stood too the first dump will find. */
	if (!err)
		b->before.helper = skipped_runs(b);
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

uint64_t bpf_source__missed_closes(const struct bpf_source *b)
{
	uint64_t runs = 0;

	for (unsigned int i = 0; i < BPF_HOOKS; i++)
		runs += hook_table[i].closes ? misses(b, i) : 0;
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
