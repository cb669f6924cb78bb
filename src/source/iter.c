/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/iter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "list.skel.h"

/* The kernel gathers this much before it gives it out: PAGE_SIZE << 3 of bpf_iter.c, with pages of 4 kB. */
#define READ_SIZE (32 * 1024)
/* Readings in vain, each of a million descriptors (MAX_ITER_OBJECTS of bpf_iter.c): more than a host can have. */
#define VAIN_MAX 4096

struct iter {
	struct list_bpf *skel; /* NULL: not loaded yet */
	struct bpf_link *link;
	struct buffer read; /* by the thread */
	struct buffer done; /* what was waited for */
	pthread_t thread;
	bool running;
	atomic_bool unwanted;
	int error; /* of the last reading */
};

int iter__new(struct iter **ret)
{
	struct iter *it = calloc(1, sizeof(*it));

	if (!it)
		return -ENOMEM;
	buffer__init(&it->read, ITER_BYTES_MAX);
	buffer__init(&it->done, ITER_BYTES_MAX);
	*ret = it;
	return 0;
}

void iter__free(struct iter *it)
{
	if (!it)
		return;
	iter__stop(it);
	bpf_link__destroy(it->link);
	list_bpf__destroy(it->skel);
	buffer__free(&it->read);
	buffer__free(&it->done);
	free(it);
}

static int load(struct iter *it)
{
	libbpf_set_print(NULL);
	it->skel = list_bpf__open_and_load();
	if (!it->skel)
		return -errno;
	it->link = bpf_program__attach_iter(it->skel->progs.list_holders, NULL);
	return it->link ? 0 : -errno;
}

/*
 * A reading ends with nothing, and may end anywhere within a record. Over a million descriptors of which none was written
 * it is EAGAIN, and goes on where it was (T14).
 */
static int read_all(struct iter *it, int fd)
{
	char data[READ_SIZE];
	unsigned int vain = 0;
	ssize_t n;

	while (!it->unwanted && (n = read(fd, data, sizeof(data)))) {
		if (n > 0) {
			buffer__add(&it->read, data, (size_t)n);
			if (it->read.failed)
				return it->read.len + (size_t)n > it->read.max ? -E2BIG : -ENOMEM;
		} else if (errno != EINTR && (errno != EAGAIN || ++vain > VAIN_MAX)) {
			return -errno;
		}
	}
	return 0;
}

static int run(struct iter *it)
{
	_cleanup_close_ int fd = -1;
	int err = it->link ? 0 : load(it);

	if (err)
		return err;
	fd = bpf_iter_create(bpf_link__fd(it->link));
	return fd < 0 ? -errno : read_all(it, fd);
}

static void *run_thread(void *ctx)
{
	struct iter *it = ctx;

	it->error = run(it);
	return NULL;
}

int iter__start(struct iter *it)
{
	int err;

	it->unwanted = false;
	err = pthread_create(&it->thread, NULL, run_thread, it);
	it->running = !err;
	return -err;
}

bool iter__is_running(const struct iter *it)
{
	return it->running;
}

int iter__wait(struct iter *it)
{
	if (!it->running)
		return -ECANCELED;
	pthread_join(it->thread, NULL);
	it->running = false;
	buffer__free(&it->done);
	it->done = it->read;
	buffer__init(&it->read, ITER_BYTES_MAX);
	return it->error;
}

void iter__stop(struct iter *it)
{
	it->unwanted = true;
	if (it->running)
		pthread_join(it->thread, NULL);
	it->running = false;
	buffer__free(&it->read);
}

int iter__parse(const void *data, size_t len, iter_fd_fn fn, void *ctx)
{
	const struct sw_holder *holder = NULL;
	const char *at = data, *end = at + len;
	int err;

	while (at < end) {
		const struct sw_held *held = (const void *)at;

		if ((size_t)(end - at) < sizeof(*held))
			return -EBADMSG;
		if (!held->inode) {
			holder = (const void *)at;
			at += sizeof(*holder);
			if (at > end)
				return -EBADMSG;
			continue;
		}
		if (!holder || holder->pid != held->pid || held->fd > INT_MAX)
			return -EBADMSG;
		err = fn(ctx, holder, (int)held->fd, held->inode);
		if (err)
			return err;
		at += sizeof(*held);
	}
	return 0;
}

int iter__each(const struct iter *it, iter_fd_fn fn, void *ctx)
{
	return iter__parse(it->done.data, it->done.len, fn, ctx);
}

void iter__forget(struct iter *it)
{
	buffer__free(&it->done);
}
