/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/pinned.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "live/live.h"
#include "live/program.h"
#include "source/pin.h"

#define GONE_TIMEOUT_MS 10000
#define ARGS_MAX	6
#define REFUSAL		"this kernel keeps no perf events without a process"

static bool have_own_mounts;

int pinned__setup(void **state)
{
	/* Threads and children of the test are made later, and see what it sees. */
	if (!have_own_mounts && (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)))
		return -1;
	have_own_mounts = true;
	/* A new file system each time, with the mode that the kernel gives it: others may write there. */
	if (mount("bpf", PIN_ROOT, "bpf", 0, NULL))
		return -1;
	return live__setup_quiet(state);
}

int pinned__teardown(void **state)
{
	int err = live__teardown(state);

	/* With its last user goes all that is pinned there. */
	return umount2(PIN_ROOT, MNT_DETACH) ? -1 : err;
}

void pinned__pin(const char *const *more)
{
	const char *args[ARGS_MAX + 4] = { "pin" };
	const char *plan = getenv("SOCKWATCH_PLAN");
	int count = 1;

	for (int i = 0; more && more[i] && i < ARGS_MAX; i++)
		args[count++] = more[i];
	/* That of the streams, which would not join another. */
	if (plan && plan[0]) {
		args[count++] = "--plan";
		args[count++] = plan;
	}
	struct program *p = program_start(.args = args);
	int status = program__join(p);

	if (status && strstr(p->error.text, REFUSAL)) {
		assert_int_not_equal(access(PIN_PATH, F_OK), 0); /* nothing is left of it */
		print_message("%s", p->error.text);
		program__free(p);
		skip();
	}
	if (status)
		program__print(p);
	assert_int_equal(status, 0);
	program__free(p);
}

void pinned__unpin(void)
{
	program__free(program_run(0, .args = PROGRAM_ARGS("unpin")));
}

void bpf_ids__look(struct bpf_ids *ret)
{
	int (*const next[])(__u32 id, __u32 * ret_id) = { bpf_prog_get_next_id, bpf_map_get_next_id,
							  bpf_link_get_next_id };

	for (int kind = 0; kind < 3; kind++) {
		__u32 id = 0;

		ret->counts[kind] = 0;
		while (!next[kind](id, &id)) {
			assert_true(ret->counts[kind] < PINNED_IDS_MAX);
			ret->ids[kind][ret->counts[kind]++] = id;
		}
	}
}

static bool has(const struct bpf_ids *all, int kind, uint32_t id)
{
	for (size_t i = 0; i < all->counts[kind]; i++) {
		if (all->ids[kind][i] == id)
			return true;
	}
	return false;
}

size_t bpf_ids__new(const struct bpf_ids *before, const struct bpf_ids *now, int kind)
{
	size_t n = 0;

	for (size_t i = 0; i < now->counts[kind]; i++)
		n += !has(before, kind, now->ids[kind][i]);
	return n;
}

/* Of what came between the two looks. */
static size_t left(const struct bpf_ids *before, const struct bpf_ids *during)
{
	static struct bpf_ids now;
	size_t n = 0;

	bpf_ids__look(&now);
	for (int kind = 0; kind < 3; kind++) {
		for (size_t i = 0; i < during->counts[kind]; i++) {
			uint32_t id = during->ids[kind][i];

			n += !has(before, kind, id) && has(&now, kind, id);
		}
	}
	return n;
}

/* The kernel frees them a while after their last user is gone. */
void bpf_ids__wait_gone(const struct bpf_ids *before, const struct bpf_ids *during)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	size_t n;

	for (int kind = 0; kind < 3; kind++)
		assert_true(bpf_ids__new(before, during, kind) > 0);
	for (int waited = 0; (n = left(before, during)) && waited < GONE_TIMEOUT_MS; waited += 10)
		nanosleep(&pause, NULL);
	if (n)
		fail_msg("%zu programs, maps and links are still in the kernel", n);
}
