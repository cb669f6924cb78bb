/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/privileges.h"
#include "source/bpf_pin.h"
#include "source/pseudofs.h"

#define INIT_PID_NAMESPACE 0xeffffffcU /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

static void log_libbpf(bool verbose, const char *text)
{
	/* Its warnings repeat what we say, in more words; its details are hundreds of lines. */
	if (!verbose)
		log_verbose("%s", text);
}

bool plan__have_btf(void)
{
	_cleanup_close_ int fd = open(BTF_PATH, O_RDONLY | O_CLOEXEC);
	uint16_t magic;

	return fd >= 0 && read(fd, &magic, sizeof(magic)) == sizeof(magic) && magic == BTF_MAGIC;
}

/* Without one of these no program can be loaded and attached; the others only narrow what is seen. */
static const char *missing_to_load(char *text, size_t size)
{
	static const char *const loading[] = { "CAP_BPF", "CAP_PERFMON" };
	size_t count, len = 0;
	const struct privilege *p = privileges__look(&count);

	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < sizeof(loading) / sizeof(loading[0]); j++) {
			if (!p[i].have && !strcmp(p[i].name, loading[j]) && len < size)
				len += snprintf(text + len, size - len, "%s%s", len ? ", " : "", p[i].name);
		}
	}
	return text;
}

/* Whoever may load programs is not refused for want of another capability, if it is for the memory. */
static bool lacks_capability(int err)
{
	char text[64];

	return (err == -EPERM || err == -EACCES) &&
	       (missing_to_load(text, sizeof(text))[0] || !bpf_source__map_is_refused());
}

const char *plan__explain(int err, char *text, size_t size)
{
	char missing[160];

	if (privileges__missing(missing, sizeof(missing))[0] && lacks_capability(err))
		snprintf(text, size, "missing: %s; run it as root, or give it these capabilities", missing);
	else if (!plan__have_btf())
		snprintf(text, size, "the kernel has no type information (%s): it needs CONFIG_DEBUG_INFO_BTF=y",
			 BTF_PATH);
	else if (pseudofs__is_confidential())
		snprintf(text, size,
			 "the kernel is locked down (lockdown=confidentiality), which forbids programs to read its "
			 "memory");
	else if (err == -ENOMEM || (err == -EPERM && bpf_source__map_is_refused()))
		snprintf(text, size,
			 "no memory that may be locked: on kernels before 5.11 raise RLIMIT_MEMLOCK (ulimit -l "
			 "unlimited), or give it CAP_SYS_RESOURCE");
	else if (err == -EPERM)
		snprintf(text, size,
			 "the kernel refuses it in spite of all capabilities (lockdown, or a container's filter)");
	else if (err == -ENOENT)
		snprintf(text, size, "the kernel does not have this hook");
	else
		snprintf(text, size, "%s", strerror(-err));
	return text;
}

static void note_missing(struct plan *p)
{
	size_t len = 0;

	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		const struct bpf_hook *h = &p->hooks[i];

		if (!h->used || !h->error)
			continue;
		log_verbose("hook %s cannot be had (%s)%s: %s", h->name, strerror(-h->error),
			    h->replaced ? ", others stand in" : ": not known then", h->purpose);
		if (!h->replaced && len < sizeof(p->missing))
			len += snprintf(p->missing + len, sizeof(p->missing) - len, "%s%s", len ? ", " : "", h->name);
	}
}

/* The kernel side tells pids of the initial namespace; /proc shows ours. */
static void warn_pid_namespace(void)
{
	struct stat st;

	if (!stat("/proc/self/ns/pid", &st) && st.st_ino != INIT_PID_NAMESPACE)
		log_warn("this is not the host's pid namespace: pids are the host's, and owners of sockets that were "
			 "there first cannot be found; run it on the host (docker: --pid=host)");
}

/* The hook that plan cannot do without and does not get; NULL: the kernel refused the whole. */
static const struct bpf_hook *culprit(const struct plan *p)
{
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		const struct bpf_hook *h = &p->hooks[i];

		if (h->used && h->required && h->error && h->error != -ENODATA)
			return h;
	}
	return NULL;
}

static struct bpf_config configure(const struct options *options)
{
	return (struct bpf_config){
		.ring_bytes = options->ring_bytes,
		.all_states = options->states,
		.pinnable = options->command == COMMAND_PIN,
		.log = log_libbpf,
	};
}

static int start(const struct options *options, enum bpf_plan plan, struct plan *ret)
{
	const struct bpf_config config = configure(options);
	int err = bpf_source__probe(plan);
	const struct bpf_hook *h;

	*ret = (struct plan){ .plan = plan, .name = bpf_plan__name(plan) };
	bpf_source__hooks(ret->hooks);
	if (!err)
		err = bpf_source__new(&config, plan, ret->hooks, &ret->bpf);
	h = err ? culprit(ret) : NULL;
	if (err)
		log_verbose("plan %s cannot be had: %s%s%s", ret->name, h ? h->name : "", h ? ": " : "",
			    strerror(-err));
	return err;
}

/* The first that can be had, or the one that was asked for. */
static int start_any(const struct options *options, struct plan *ret)
{
	enum bpf_plan plan;
	int err = -EOPNOTSUPP;

	if (options->plan && !bpf_plan__find(options->plan, &plan))
		return start(options, plan, ret);
	for (plan = 0; err && plan < BPF_PLANS; plan++)
		err = start(options, plan, ret);
	return err;
}

static bool is_what_was_asked_for(const struct options *options, const struct pin_about *about)
{
	if (options->plan && strcmp(options->plan, about->plan) != 0)
		return false;
	return !options->ring_given || options->ring_bytes == about->ring_bytes;
}

/* 0, or -errno: the caller starts programs of its own. */
static int join(const struct options *options, struct plan *ret)
{
	const struct bpf_config config = configure(options);
	struct pin_about about;
	int err = bpf_pin__look(&about);

	if (!err && !is_what_was_asked_for(options, &about)) {
		log_info("what is pinned has plan %s and a ring of %llu KiB: not joined", about.plan,
			 (unsigned long long)(about.ring_bytes / 1024));
		return -EINVAL;
	}
	if (!err && bpf_plan__find(about.plan, &ret->plan))
		err = -ESTALE;
	if (!err) {
		ret->name = bpf_plan__name(ret->plan);
		bpf_source__hooks(ret->hooks);
		err = bpf_pin__join(&config, ret->hooks, &ret->bpf);
	}
	if (!err)
		log_verbose("joined the programs in " PIN_PATH);
	else if (err == -EBUSY)
		log_info("what is pinned is read by another sockwatch: this one uses programs of its own");
	else if (err == -EACCES || err == -EPERM)
		log_verbose("what may be pinned is for root alone: not joined");
	else if (err != -ENOENT && err != -ENODEV)
		log_warn("what is pinned cannot be joined: %s", pin__why(err));
	return err;
}

/* Programs of our own, and what pinned ones remember of the time before. */
static int start_own(const struct options *options, struct plan *ret)
{
	int err = start_any(options, ret);

	if (!err && options->command != COMMAND_PIN)
		bpf_pin__remember(ret->bpf);
	return err;
}

/* 0, or -errno: there is no plan with programs, but maybe plan none. */
static int start_programs(const struct options *options, struct plan *ret)
{
	int err = -ENOENT;

	*ret = (struct plan){ 0 };
	if (options->command != COMMAND_PIN)
		err = join(options, ret);
	return err ? start_own(options, ret) : 0;
}

static const char *explain_none(int err, char *text, size_t size)
{
	size_t len;

	if ((err != -EPERM && err != -EACCES) || !missing_to_load(text, size)[0])
		return plan__explain(err, text, size);
	len = strlen(text);
	snprintf(text + len, size - len, " missing");
	return text;
}

/* Every hook of the plan that needs the least is one that is missing. */
static void name_missing(struct plan *p)
{
	size_t len = 0;

	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		const struct hook *h = &hook_table[i];

		if (h->kernels != HOOK_LEGACY && !h->instead_of && (h->plans & BPF_PLAN_BIT(BPF_PLAN_TRACEPOINT)) &&
		    len < sizeof(p->missing))
			len += snprintf(p->missing + len, sizeof(p->missing) - len, "%s%s", len ? ", " : "", h->name);
	}
}

/* bpf_error: why there is no other plan; 0: this one was asked for. */
static int start_polling(int bpf_error, struct model *model, struct plan *ret)
{
	char why[256], text[320] = "plan " PLAN_NONE;
	int err;

	*ret = (struct plan){ .name = PLAN_NONE };
	err = poll__new(model, &ret->poll);
	if (err) {
		log_error("cannot watch sockets: %s", strerror(-err));
		return err;
	}
	if (bpf_error)
		snprintf(text, sizeof(text), "no BPF here (%s)", explain_none(bpf_error, why, sizeof(why)));
	log_warn("%s: polling every %llu ms; %s", text, POLL_MIN_NS / 1000000, poll__cost_text(poll__hears(ret->poll)));
	name_missing(ret);
	return 0;
}

int plan__start(const struct options *options, struct model *model, struct plan *ret)
{
	bool forced = options->plan && !strcmp(options->plan, PLAN_NONE);
	char lacking[160], text[256];
	int err = forced ? 0 : start_programs(options, ret);

	if (forced || (err && !options->plan && options->command != COMMAND_PIN)) {
		err = start_polling(err, model, ret);
		if (err)
			return err;
	} else if (err) {
		log_error("cannot watch sockets%s%s: %s", options->plan ? " by plan " : "",
			  options->plan ? options->plan : "", plan__explain(err, text, sizeof(text)));
		log_error("'sockwatch doctor' tries each hook and says more");
		return err;
	} else {
		note_missing(ret);
		warn_pid_namespace();
		log_verbose("plan %s, ring of %zu KiB", ret->name, options->ring_bytes / 1024);
	}
	if (privileges__missing(lacking, sizeof(lacking))[0])
		log_warn("running without %s: see 'sockwatch doctor' for what cannot be seen then", lacking);
	return 0;
}

void plan__end(struct plan *p)
{
	bpf_source__free(p->bpf);
	poll__free(p->poll);
}
