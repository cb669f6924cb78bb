/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Attaches bare.bpf.c, prints "ready", and takes its records out of the ring every 20 ms without looking at them, until
 * SIGTERM or SIGINT; then prints how many there were.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "source/pseudofs.h"
#include "bare.skel.h"

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static int count(void *ctx, void *data, size_t size)
{
	(void)data;
	(void)size;
	++*(unsigned long long *)ctx;
	return 0;
}

static int attach(const struct bare_bpf *b)
{
	static const char *const events[] = { "sys_exit_accept4", "sys_exit_accept" };

	if (!bpf_program__attach(b->progs.bare_state))
		return -errno;
	for (int i = 0; i < 2; i++) {
		int fd = pseudofs__open_tracepoint("syscalls", events[i]);

		if (fd < 0)
			return fd;
		if (!bpf_program__attach_perf_event(b->progs.bare_accept, fd))
			return -errno;
	}
	return 0;
}

int main(void)
{
	const struct timespec batch = { .tv_nsec = 20000000 };
	unsigned long long records = 0;
	struct bare_bpf *b = bare_bpf__open_and_load();
	struct ring_buffer *ring;
	int err = b ? attach(b) : -errno;

	if (err) {
		fprintf(stderr, "bare: %s\n", strerror(-err));
		return 1;
	}
	ring = ring_buffer__new(bpf_map__fd(b->maps.ring), count, &records, NULL);
	if (!ring)
		return 1;
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	puts("ready");
	fflush(stdout);
	while (!stopped) {
		nanosleep(&batch, NULL);
		ring_buffer__consume(ring);
	}
	printf("%llu records\n", records);
	return 0;
}
