/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/bpf_pin.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "source/bpf_internal.h"
#include "sockwatch.skel.h"

/* Names in the directory; a link has its hook's name. */
#define ABOUT	   "about"
#define KNOWN	   "known"
#define MAP_RING   "ring"
#define MAP_CLAIMS "claims"
#define MAP_OWNERS "owners"
#define MAP_TOLD   "told"
#define MAP_TASKS  "tasks"
#define MAP_BSS	   "bss"

static uint64_t object_hash(void)
{
	size_t size;
	const void *object = bpf_source__object(&size);

	return pin__hash(object, size);
}

static int get(int dir_fd, const char *name)
{
	char path[PIN_PATH_MAX];
	int fd = bpf_obj_get(pin__path(dir_fd, name, path));

	return fd == -ENOENT ? -ENODATA : fd;
}

/* ---- what it says about itself */

static int read_about(int dir_fd, struct pin_about *ret)
{
	_cleanup_close_ int fd = get(dir_fd, ABOUT);
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info), key = 0;
	_cleanup_free_ void *value = NULL;
	int err;

	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (err)
		return err;
	/* Room for our own idea of it, should it be shorter. */
	value = calloc(1, info.value_size + sizeof(*ret));
	if (!value)
		return -ENOMEM;
	err = bpf_map_lookup_elem(fd, &key, value);
	if (!err)
		err = pin__check_about(value, info.value_size, object_hash());
	if (!err)
		memcpy(ret, value, sizeof(*ret));
	return err;
}

int bpf_pin__look(struct pin_about *ret)
{
	_cleanup_close_ int dir_fd = pin__open();

	libbpf_set_print(NULL); /* what fails is told in our words */
	return dir_fd < 0 ? dir_fd : read_about(dir_fd, ret);
}

static int write_about(const struct bpf_source *b, int dir_fd, enum bpf_plan plan)
{
	struct pin_about about = {
		.version = PIN_ABOUT_VERSION,
		.record_version = SW_RECORD_VERSION,
		.programs = object_hash(),
		.since_ns = clock__ns(CLOCK_REALTIME),
		.ring_bytes = bpf_map__max_entries(b->skel->maps.ring),
		.legacy = b->legacy,
	};
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "sockwatch_about", 4, sizeof(about), 1, NULL);
	char path[PIN_PATH_MAX];
	__u32 key = 0;
	int err;

	if (fd < 0)
		return fd;
	strncpy(about.plan, bpf_plan__name(plan), sizeof(about.plan) - 1);
	err = bpf_map_update_elem(fd, &key, &about, BPF_ANY);
	return err ? err : bpf_obj_pin(fd, pin__path(dir_fd, ABOUT, path));
}

/* ---- pinning */

static int keep_maps(const struct bpf_source *b, int dir_fd)
{
	const struct {
		const char *name;
		int fd;
	} maps[] = {
		{ MAP_RING, b->ring_fd }, { MAP_CLAIMS, b->claims_fd }, { MAP_OWNERS, b->owners_fd },
		{ MAP_TOLD, b->told_fd }, { MAP_TASKS, b->tasks_fd },	{ MAP_BSS, b->bss_fd },
	};
	char path[PIN_PATH_MAX];
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(maps) / sizeof(maps[0]); i++)
		err = bpf_obj_pin(maps[i].fd, pin__path(dir_fd, maps[i].name, path));
	return err;
}

/* The library's way to let go of a link would switch its event off, whoever else has it. */
static int keep_link(struct bpf_link *link, int dir_fd, const char *name)
{
	char path[PIN_PATH_MAX];
	int err = bpf_obj_pin(bpf_link__fd(link), pin__path(dir_fd, name, path));

	if (!err)
		bpf_link__disconnect(link);
	return err;
}

int bpf_pin__keep(struct bpf_source *b, int dir_fd, enum bpf_plan plan)
{
	int err = keep_maps(b, dir_fd);

	if (!err)
		err = keep_link(b->known, dir_fd, KNOWN);
	for (unsigned int i = 0; !err && i < BPF_HOOKS; i++) {
		if (!b->links[i])
			continue;
		err = keep_link(b->links[i], dir_fd, hook_table[i].name);
		if (err != -EINVAL || hook_table[i].required)
			continue;
		/* Up to 5.14 the kernel keeps no perf event: whoever joins names the hook as missing. */
		bpf_link__destroy(b->links[i]);
		b->links[i] = NULL;
		err = 0;
	}
	return err ? err : write_about(b, dir_fd, plan);
}

/* ---- joining */

static int open_link(int dir_fd, const char *name, struct bpf_link **ret)
{
	char path[PIN_PATH_MAX];
	struct bpf_link *link = bpf_link__open(pin__path(dir_fd, name, path));

	if (!link)
		return errno == ENOENT ? -ENODATA : -errno;
	*ret = link;
	return 0;
}

static int open_maps(struct bpf_source *b, int dir_fd)
{
	const struct {
		const char *name;
		int *fd;
	} maps[] = {
		{ MAP_RING, &b->ring_fd }, { MAP_CLAIMS, &b->claims_fd }, { MAP_OWNERS, &b->owners_fd },
		{ MAP_TOLD, &b->told_fd }, { MAP_TASKS, &b->tasks_fd },	  { MAP_BSS, &b->bss_fd },
	};

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		*maps[i].fd = get(dir_fd, maps[i].name);
		if (*maps[i].fd < 0)
			return *maps[i].fd;
	}
	b->bss = mmap(NULL, sizeof(*b->bss), PROT_READ | PROT_WRITE, MAP_SHARED, b->bss_fd, 0);
	if (b->bss == MAP_FAILED) {
		b->bss = NULL;
		return -errno;
	}
	return 0;
}

/* The descriptor of a link's program, by which the kernel tells the runs that it skipped. */
static int program_of(const struct bpf_link *link)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &len);

	return err ? err : bpf_prog_get_fd_by_id(info.prog_id);
}

static int open_hooks(struct bpf_source *b, int dir_fd, enum bpf_plan plan, struct bpf_hook *hooks)
{
	int err = open_link(dir_fd, KNOWN, &b->known);

	for (unsigned int i = 0; !err && i < BPF_HOOKS; i++) {
		if (!hooks[i].used)
			continue;
		hooks[i].error = open_link(dir_fd, hook_table[i].name, &b->links[i]);
		if (!hooks[i].error && (!i || strcmp(hook_table[i].program, hook_table[i - 1].program) != 0))
			b->program_fds[i] = program_of(b->links[i]);
		if (hooks[i].required)
			err = hooks[i].error;
		if (hooks[i].error)
			bpf_source__replace(hooks, i, BPF_PLAN_BIT(plan), b->legacy);
	}
	return err;
}

/* Command lines that were told to another reader are to be told again. Nobody reads: no program writes there now. */
static int forget_told(const struct bpf_source *b)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info), count;
	int err = bpf_obj_get_info_by_fd(b->told_fd, &info, &len);
	__u32 *keys;
	void *values;

	if (err)
		return err;
	count = info.max_entries;
	keys = calloc(count, sizeof(*keys));
	values = calloc(count, info.value_size);
	for (__u32 i = 0; keys && i < count; i++)
		keys[i] = i;
	err = keys && values ? bpf_map_update_batch(b->told_fd, keys, values, &count, NULL) : -ENOMEM;
	free(keys);
	free(values);
	return err;
}

/* Nor is a process told that another reader was interested in; the holders that are found at start are named again. */
static void forget_tasks(const struct bpf_source *b)
{
	uint32_t pid, next;
	int err = bpf_map_get_next_key(b->tasks_fd, NULL, &next);

	while (!err) {
		pid = next;
		err = bpf_map_get_next_key(b->tasks_fd, &pid, &next);
		bpf_map_delete_elem(b->tasks_fd, &pid);
	}
}

static int open_all(struct bpf_source *b, int dir_fd, struct bpf_hook *hooks)
{
	struct pin_about about;
	enum bpf_plan plan;
	int err = read_about(dir_fd, &about);

	if (err)
		return err;
	if (bpf_plan__find(about.plan, &plan))
		return -ESTALE;
	b->legacy = about.legacy;
	bpf_source__use_plans(hooks, BPF_PLAN_BIT(plan), b->legacy);
	err = open_maps(b, dir_fd);
	b->memory_fd = b->owners_fd;
	return err ? err : open_hooks(b, dir_fd, plan, hooks);
}

static int join(struct bpf_source *b, const struct bpf_config *config, struct bpf_hook *hooks)
{
	int err;

	b->lock_fd = pin__open();
	if (b->lock_fd < 0)
		return b->lock_fd;
	err = pin__lock(b->lock_fd);
	if (!err)
		err = open_all(b, b->lock_fd, hooks);
	if (!err)
		err = forget_told(b);
	if (err)
		return err;
	forget_tasks(b);
	/* What was lost before is not our loss, and what a reader that was killed left in the ring not our news. */
	bpf_source__losses(b, &b->before);
	b->since_ns = clock__boot_ns();
	return bpf_source__hear(b, config->all_states);
}

int bpf_pin__join(const struct bpf_config *config, struct bpf_hook *hooks, struct bpf_source **ret)
{
	struct bpf_source *b = bpf_source__make();
	int err;

	libbpf_set_print(NULL);
	err = b ? join(b, config, hooks) : -ENOMEM;

	if (err) {
		bpf_source__free(b);
		return err;
	}
	*ret = b;
	return 0;
}

int bpf_pin__remember(struct bpf_source *b)
{
	_cleanup_close_ int dir_fd = pin__open();
	struct pin_about about;
	int err = dir_fd < 0 ? dir_fd : read_about(dir_fd, &about);

	libbpf_set_print(NULL);
	if (!err)
		err = open_link(dir_fd, KNOWN, &b->known);
	if (err)
		return err;
	b->memory_fd = get(dir_fd, MAP_OWNERS);
	return b->memory_fd < 0 ? b->memory_fd : 0;
}

int bpf_pin__open_owners(void)
{
	_cleanup_close_ int dir_fd = pin__open();
	struct pin_about about;
	int err = dir_fd < 0 ? dir_fd : read_about(dir_fd, &about);

	return err ? err : get(dir_fd, MAP_OWNERS);
}

int bpf_pin__last_owner(int owners_fd, uint64_t cookie, struct sw_owner *ret)
{
	return bpf_owners__find(owners_fd, cookie, ret);
}
