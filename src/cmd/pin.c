/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sockwatch pin and unpin: programs and maps that stay when no sockwatch runs. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/plan.h"
#include "cmd/privileges.h"
#include "cmd/sync.h"
#include "source/bpf_pin.h"

static void tell(void *ctx, const struct update *u)
{
	sync__told(ctx, u);
}

static int take(void *ctx, void *data, size_t size)
{
	int err = model__record(ctx, data, size);

	return err == -EBADMSG ? 0 : err;
}

static int drain(void *ctx)
{
	const struct sync *s = ctx;

	return bpf_source__drain(s->bpf, take, s->model);
}

/* The owners of sockets that were there first are found once, so that they are remembered too. */
static int claim_existing(struct bpf_source *bpf)
{
	struct sync s = { .bpf = bpf, .proc = "/proc", .drain = drain, .ctx = &s };
	const struct model_config config = {
		.ns_per_tick = 1000000000ULL / (unsigned long)sysconf(_SC_CLK_TCK),
		.tell = tell,
		.ctx = &s,
	};
	int err = model__new(&config, &s.model);

	if (!err)
		err = sync__run(&s);
	model__free(s.model);
	return err;
}

static int keep(const struct options *options, int dir_fd)
{
	struct plan plan;
	int err = plan__start(options, NULL, &plan);

	if (err)
		return err; /* it said why */
	err = claim_existing(plan.bpf);
	if (err)
		log_warn("cannot look at the sockets that are open: %s; only later ones have an owner", strerror(-err));
	err = bpf_pin__keep(plan.bpf, dir_fd, plan.plan);
	plan__end(&plan);
	if (err == -EINVAL)
		log_error("cannot pin plan %s: this kernel keeps no perf events without a process (from 5.15 it does)",
			  plan.name);
	else if (err)
		log_error("cannot pin plan %s: %s", plan.name, strerror(-err));
	else
		log_info("pinned in " PIN_PATH ": plan %s; 'sockwatch unpin' removes it", plan.name);
	return err;
}

/* What is there already is as good, when it is what was asked for. */
static int judge_existing(const struct options *options)
{
	struct pin_about about;
	int err = bpf_pin__look(&about);

	if (err)
		log_error("cannot pin: %s", pin__why(err));
	else if ((options->plan && strcmp(options->plan, about.plan) != 0) ||
		 (options->ring_given && options->ring_bytes != about.ring_bytes)) {
		log_error("cannot pin: plan %s with a ring of %llu KiB is pinned already: 'sockwatch unpin' first",
			  about.plan, (unsigned long long)(about.ring_bytes / 1024));
		err = -EEXIST;
	} else {
		log_info("pinned already: plan %s", about.plan);
	}
	return err;
}

static bool is_root(const char *what)
{
	char missing[160];

	if (!geteuid() && !privileges__missing(missing, sizeof(missing))[0])
		return true;
	privileges__missing(missing, sizeof(missing));
	log_error("cannot %s: only root may, with all that is needed%s%s", what, missing[0] ? "; missing: " : "",
		  missing);
	return false;
}

int cmd_pin(const struct options *options)
{
	_cleanup_close_ int dir_fd = -1;
	int err;

	if (!is_root("pin"))
		return 1;
	if (options->plan && !strcmp(options->plan, PLAN_NONE)) {
		log_error("cannot pin: plan " PLAN_NONE " has no programs");
		return 1;
	}
	dir_fd = pin__create();
	if (dir_fd == -EEXIST)
		return judge_existing(options) ? 1 : 0;
	if (dir_fd < 0) {
		log_error("cannot pin: %s", pin__why(dir_fd));
		return 1;
	}
	err = pin__lock(dir_fd);
	if (!err)
		err = keep(options, dir_fd);
	if (err)
		pin__remove();
	return err ? 1 : 0;
}

int cmd_unpin(const struct options *options)
{
	int err;

	(void)options;
	if (!is_root("unpin"))
		return 1;
	err = pin__remove();
	if (!err)
		log_info("unpinned");
	else if (err == -ENOENT || err == -ENODEV)
		log_info("nothing is pinned");
	else
		log_error("cannot unpin: %s", pin__why(err));
	return err && err != -ENOENT && err != -ENODEV ? 1 : 0;
}
