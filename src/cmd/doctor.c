/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sockwatch doctor: what this kernel and this user can do, hook by hook, and the plan that follows. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/escape.h"
#include "cmd/command.h"
#include "cmd/plan.h"
#include "cmd/privileges.h"
#include "render/json.h"
#include "source/bpf_pin.h"

struct plan_report {
	const char *name;
	bool ok;
	char why[320];
};

struct report {
	struct utsname kernel;
	bool btf;
	const struct privilege *privileges;
	size_t privilege_count;
	struct bpf_hook hooks[BPF_HOOKS];
	struct plan_report plans[BPF_PLANS + 1]; /* the last one is plan none */
	const struct plan_report *plan;		 /* the one that is used; NULL: not even that */
	struct pin_about pin;
	int pin_error; /* 0: there is a pin; -errno of bpf_pin__look */
	char pinned_at[32];
};

static void judge(const struct report *r, enum bpf_plan plan, struct plan_report *ret)
{
	char text[256];

	ret->name = bpf_plan__name(plan);
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		const struct bpf_hook *h = &r->hooks[i];

		if (!h->used || !h->required || !h->error || !(h->plans & BPF_PLAN_BIT(plan)))
			continue;
		snprintf(ret->why, sizeof(ret->why), "%s: %s", h->name, plan__explain(h->error, text, sizeof(text)));
		return;
	}
	ret->ok = true;
	snprintf(ret->why, sizeof(ret->why), "every hook that it needs can be attached");
}

static void judge_polling(struct plan_report *ret)
{
	bool hears = false;
	int err = poll__try(&hears);

	ret->name = PLAN_NONE;
	ret->ok = !err;
	if (err)
		snprintf(ret->why, sizeof(ret->why), "sock_diag: %s", strerror(-err));
	else
		snprintf(ret->why, sizeof(ret->why),
			 "without BPF: polls every %llu ms, less often where that takes more than 5 %% of a core; %s",
			 POLL_MIN_NS / 1000000, poll__cost_text(hears));
}

static void try_hooks(struct report *r)
{
	const struct bpf_config config = { .ring_bytes = BPF_RING_MIN };

	bpf_source__survey(r->hooks, &config);
	judge_polling(&r->plans[BPF_PLANS]);
	for (enum bpf_plan i = 0; i <= BPF_PLANS; i++) {
		if (i < BPF_PLANS)
			judge(r, i, &r->plans[i]);
		if (r->plans[i].ok && !r->plan)
			r->plan = &r->plans[i];
	}
}

static void look_at_pin(struct report *r)
{
	time_t since;
	struct tm tm;

	r->pin_error = bpf_pin__look(&r->pin);
	if (r->pin_error)
		return;
	since = (time_t)(r->pin.since_ns / 1000000000);
	if (gmtime_r(&since, &tm))
		strftime(r->pinned_at, sizeof(r->pinned_at), "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static const char *result(const struct bpf_hook *h)
{
	if (!h->error)
		return "ok";
	if (h->error == -ENOENT)
		return "missing";
	return h->error == -EPERM ? "refused" : strerror(-h->error);
}

static void print_text(const struct report *r)
{
	char release[sizeof(r->kernel.release) * 4];

	escape__terminal(release, sizeof(release), r->kernel.release, strlen(r->kernel.release));
	printf("kernel      %s %s\n", release, r->kernel.machine);
	printf("BTF         %s\n", r->btf ? BTF_PATH : "missing: the kernel needs CONFIG_DEBUG_INFO_BTF=y");
	printf("\nprivileges\n");
	for (size_t i = 0; i < r->privilege_count; i++) {
		const struct privilege *p = &r->privileges[i];

		printf("  %-20s %-8s %s%s\n", p->name, p->have ? "ok" : "missing", p->purpose,
		       p->kept ? " (kept while it runs)" : " (given up after attach)");
	}
	printf("  everything else is given up after attach\n\nhooks\n");
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		if (r->hooks[i].used)
			printf("  %-38s %-8s %s\n", r->hooks[i].name, result(&r->hooks[i]), r->hooks[i].purpose);
	}
	printf("\nplans\n");
	for (unsigned int i = 0; i <= BPF_PLANS; i++)
		printf("  %-10s %-8s %s\n", r->plans[i].name, r->plans[i].ok ? "ok" : "no", r->plans[i].why);
	printf("\nplan        %s\n", r->plan ? r->plan->name : "none can be had");
	if (r->pin_error)
		printf("pin         none: %s\n", pin__why(r->pin_error));
	else
		printf("pin         plan %s since %s, ring of %llu KiB\n", r->pin.plan, r->pinned_at,
		       (unsigned long long)(r->pin.ring_bytes / 1024));
}

/* A key of doctor's object: the name, a purpose, and what follows is the caller's. */
static void open_item(struct buffer *b, bool first, const char *name, const char *purpose)
{
	buffer__adds(b, first ? "{\"name\":" : ",{\"name\":");
	json__string(b, name, strlen(name));
	json__bytes(b, "purpose", purpose, strlen(purpose));
}

static void add_bool(struct buffer *b, const char *key, bool value)
{
	buffer__addf(b, ",\"%s\":%s", key, value ? "true" : "false");
}

static void print_json(const struct report *r)
{
	struct buffer b;
	bool first = true;

	buffer__init(&b, 1 << 20);
	json__literal(&b, "{\"v\":1");
	json__bytes(&b, "kernel", r->kernel.release, strlen(r->kernel.release));
	json__bytes(&b, "machine", r->kernel.machine, strlen(r->kernel.machine));
	add_bool(&b, "btf", r->btf);
	json__literal(&b, ",\"privileges\":[");
	for (size_t i = 0; i < r->privilege_count; i++) {
		open_item(&b, !i, r->privileges[i].name, r->privileges[i].purpose);
		add_bool(&b, "have", r->privileges[i].have);
		add_bool(&b, "kept", r->privileges[i].kept);
		buffer__addc(&b, '}');
	}
	json__literal(&b, "],\"hooks\":[");
	for (unsigned int i = 0; i < BPF_HOOKS; i++) {
		const char *text = result(&r->hooks[i]);

		if (!r->hooks[i].used)
			continue;
		open_item(&b, first, r->hooks[i].name, r->hooks[i].purpose);
		first = false;
		json__bytes(&b, "result", text, strlen(text));
		add_bool(&b, "required", r->hooks[i].required);
		buffer__addc(&b, '}');
	}
	json__literal(&b, "],\"plans\":[");
	for (unsigned int i = 0; i <= BPF_PLANS; i++) {
		buffer__addf(&b, "%s{\"name\":\"%s\"", i ? "," : "", r->plans[i].name);
		add_bool(&b, "ok", r->plans[i].ok);
		json__bytes(&b, "why", r->plans[i].why, strlen(r->plans[i].why));
		buffer__addc(&b, '}');
	}
	json__literal(&b, "]");
	if (r->plan)
		json__word(&b, "plan", r->plan->name);
	buffer__addf(&b, ",\"pin\":{\"there\":%s", r->pin_error ? "false" : "true");
	if (r->pin_error) {
		json__bytes(&b, "why", pin__why(r->pin_error), strlen(pin__why(r->pin_error)));
	} else {
		json__word(&b, "plan", r->pin.plan);
		json__word(&b, "since", r->pinned_at);
	}
	json__literal(&b, "}}\n");
	fwrite(b.data, 1, b.len, stdout);
	buffer__free(&b);
}

int cmd_doctor(const struct options *options)
{
	struct report r = { 0 };

	uname(&r.kernel);
	r.btf = plan__have_btf();
	r.privileges = privileges__look(&r.privilege_count);
	try_hooks(&r);
	look_at_pin(&r);
	if (options->json)
		print_json(&r);
	else
		print_text(&r);
	return r.plan ? 0 : 1;
}
