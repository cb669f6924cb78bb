/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "source/tracefs.h"
#include "sockwatch.skel.h"

/* What hook needs which program of the skeleton. Two may share one: then they stand side by side. */
static const struct {
	const char *name, *purpose;
	bool required;
	const char *program;
	const char *category, *event; /* of a classic tracepoint; NULL: libbpf attaches it */
} hook_table[BPF_HOOKS] = {
	{ .name = "tp_btf/inet_sock_set_state",
	  .purpose = "connect, listen, established and close of every TCP socket",
	  .required = true,
	  .program = "sock_state" },
	{ .name = "tracepoint/syscalls/sys_exit_accept4",
	  .purpose = "who accepted a connection (accept4)",
	  .required = true,
	  .program = "accept_exit",
	  .category = "syscalls",
	  .event = "sys_exit_accept4" },
	{ .name = "tracepoint/syscalls/sys_exit_accept",
	  .purpose = "who accepted a connection (accept)",
	  .required = true,
	  .program = "accept_exit",
	  .category = "syscalls",
	  .event = "sys_exit_accept" },
	{ .name = "tp_btf/io_uring_complete",
	  .purpose = "who accepted a connection (io_uring)",
	  .program = "uring_complete" },
	{ .name = "iter/tcp",
	  .purpose = "owners of listeners that were there first, for their children",
	  .program = "adopt_listeners" },
};

struct bpf_source {
	struct sockwatch_bpf *skel;
	struct ring_buffer *ring;
	struct bpf_link *links[BPF_HOOKS];
	int program_fds[BPF_HOOKS];
	/* of the drain that is running */
	bpf_record_fn fn;
	void *ctx;
};

/* libbpf has one print function for the process. */
static void (*log_fn)(bool verbose, const char *text);

static int print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char text[1024];

	if (!log_fn)
		return 0;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = 0;
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
			.error = -ENODATA,
		};
}

static struct bpf_program *program_of(const struct sockwatch_bpf *skel, unsigned int i)
{
	return bpf_object__find_program_by_name(skel->obj, hook_table[i].program);
}

/* An object with the programs whose hook has no error but -ENODATA, loaded. */
static int load(const struct bpf_config *config, const struct bpf_hook *hooks, struct sockwatch_bpf **ret)
{
	struct sockwatch_bpf *skel;
	int err;

	log_fn = config->log;
	libbpf_set_print(print);
	skel = sockwatch_bpf__open();
	if (!skel)
		return -errno;
	skel->rodata->all_states = config->all_states;
	bpf_map__set_max_entries(skel->maps.ring, config->ring_bytes);
	for (unsigned int i = 0; i < BPF_HOOKS; i++)
		bpf_program__set_autoload(program_of(skel, i), false);
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		if (hooks[i].error == -ENODATA)
			bpf_program__set_autoload(program_of(skel, i), true);
	}
	err = sockwatch_bpf__load(skel);
	if (err) {
		sockwatch_bpf__destroy(skel);
		return err;
	}
	*ret = skel;
	return 0;
}

static int attach(struct sockwatch_bpf *skel, unsigned int i, struct bpf_link **ret)
{
	struct bpf_program *p = program_of(skel, i);
	struct bpf_link *link;
	int fd;

	if (!hook_table[i].category) {
		link = bpf_program__attach(p);
		if (!link)
			return -errno;
	} else {
		fd = tracefs__open_event(hook_table[i].category, hook_table[i].event);
		if (fd < 0)
			return fd;
		link = bpf_program__attach_perf_event(p, fd); /* the link owns fd */
		if (!link) {
			int err = -errno;

			close(fd);
			return err;
		}
	}
	*ret = link;
	return 0;
}

int bpf_source__try(struct bpf_hook *hooks, unsigned int i, const struct bpf_config *config)
{
	struct bpf_hook alone[BPF_HOOKS];
	struct sockwatch_bpf *skel = NULL;
	struct bpf_link *link = NULL;
	int err;

	for (unsigned int j = 0; j < BPF_HOOKS; j++)
		alone[j].error = j == i ? -ENODATA : -ECANCELED;
	err = load(config, alone, &skel);
	if (!err)
		err = attach(skel, i, &link);
	bpf_link__destroy(link);
	sockwatch_bpf__destroy(skel);
	hooks[i].error = err;
	return err;
}

static int give(void *ctx, void *data, size_t size)
{
	struct bpf_source *b = ctx;

	return b->fn(b->ctx, data, size);
}

/* The state hook, the first one, comes last: whatever it opens is accepted under our eyes. */
static int attach_all(struct bpf_source *b, struct bpf_hook *hooks)
{
	for (unsigned int i = BPF_HOOKS; i-- > 0;) {
		b->program_fds[i] = -1;
		if (hooks[i].error != -ENODATA)
			continue;
		hooks[i].error = attach(b->skel, i, &b->links[i]);
		if (hooks[i].error && hooks[i].required)
			return hooks[i].error;
		b->program_fds[i] = bpf_program__fd(program_of(b->skel, i));
	}
	return 0;
}

/* One object with everything; when the kernel refuses it, find out which optional hook it is and leave that out. */
static int load_best(const struct bpf_config *config, struct bpf_hook *hooks, struct sockwatch_bpf **ret)
{
	int err = load(config, hooks, ret);

	if (!err)
		return 0;
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		err = bpf_source__try(hooks, i, config);
		if (err && hooks[i].required)
			return err;
		if (!hooks[i].error)
			hooks[i].error = -ENODATA;
	}
	return load(config, hooks, ret);
}

int bpf_source__new(const struct bpf_config *config, struct bpf_hook *hooks, struct bpf_source **ret)
{
	struct bpf_source *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	err = load_best(config, hooks, &b->skel);
	if (!err) {
		b->ring = ring_buffer__new(bpf_map__fd(b->skel->maps.ring), give, b, NULL);
		err = b->ring ? attach_all(b, hooks) : -errno;
	}
	if (err) {
		bpf_source__free(b);
		return err;
	}
	*ret = b;
	return 0;
}

void bpf_source__free(struct bpf_source *b)
{
	if (!b)
		return;
	for (unsigned int i = 0; i < BPF_HOOKS; i++)
		bpf_link__destroy(b->links[i]);
	ring_buffer__free(b->ring);
	sockwatch_bpf__destroy(b->skel);
	free(b);
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

void bpf_source__losses(const struct bpf_source *b, struct sw_losses *ret)
{
	const volatile struct sw_losses *now = &b->skel->bss->losses;

	ret->ring = now->ring;
	ret->map = now->map;
	ret->helper = now->helper;
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);

		/*
		 * A program that is interrupted by an event of its own kind is not run again for that event (from 6.2);
		 * the kernel only counts it.
		 */
		if (i && b->program_fds[i] == b->program_fds[i - 1])
			continue;
		if (b->program_fds[i] >= 0 && !bpf_obj_get_info_by_fd(b->program_fds[i], &info, &len))
			ret->helper += info.recursion_misses;
	}
}

int bpf_source__claim(struct bpf_source *b, uint64_t cookie, const struct sw_owner *owner)
{
	/* What the programs wrote is newer. */
	int err =
		bpf_map__update_elem(b->skel->maps.claims, &cookie, sizeof(cookie), owner, sizeof(*owner), BPF_NOEXIST);

	return err == -EEXIST ? 0 : err;
}

void bpf_source__unclaim(struct bpf_source *b, uint64_t cookie)
{
	bpf_map__delete_elem(b->skel->maps.claims, &cookie, sizeof(cookie), 0);
}

int bpf_source__adopt(struct bpf_source *b)
{
	_cleanup_close_ int fd = -1;
	char none[64];
	ssize_t n;

	if (!b->links[BPF_HOOKS - 1])
		return -EOPNOTSUPP;
	fd = bpf_iter_create(bpf_link__fd(b->links[BPF_HOOKS - 1]));
	if (fd < 0)
		return -errno;
	do {
		n = read(fd, none, sizeof(none)); /* the program prints nothing; reading runs it */
	} while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	return n < 0 ? -errno : 0;
}

int bpf_source__last_owner(struct bpf_source *b, uint64_t cookie, struct sw_owner *ret)
{
	struct sw_owner_slot slot;
	__u32 key = cookie & (bpf_map__max_entries(b->skel->maps.owners) - 1);
	int err = bpf_map__lookup_elem(b->skel->maps.owners, &key, sizeof(key), &slot, sizeof(slot), 0);

	if (err)
		return err;
	if (slot.cookie != cookie)
		return -ENOENT;
	*ret = slot.owner;
	return 0;
}
