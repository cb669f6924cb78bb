/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sockwatch stream: attach, bring in sync, then tell every change until somebody says stop. */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/holders.h"
#include "cmd/output.h"
#include "cmd/plan.h"
#include "cmd/privileges.h"
#include "cmd/select.h"
#include "cmd/sync.h"
#include "render/render.h"

#define BATCH_NS	    20000000ULL /* after a drain the ring is left alone this long: at most 50 wake-ups a second */
#define REPAIR_PAUSE_NS	    1000000000ULL /* between two repairs, at least; ten times what the last one took, if longer */
#define REPAIR_PAUSE_MAX_NS 10000000000ULL
#define LAST_POLL_NS	    1000000000ULL /* at the end one more poll is made, unless they take longer */
#define RECORDS_PER_LOOK    64		  /* at the clock, while records are taken */
#define MINISOCK_PAUSE_NS   5000000000ULL /* between two looks at overdue time-wait entries */

struct stream {
	const struct options *options;
	struct select select;
	struct render_config render;
	struct output out;
	struct plan plan;
	struct model *model;
	struct sync sync;
	struct holders_clock holders;
	uint64_t missed_closes;
	uint64_t settled;      /* losses that a pass was, or need not be, made for */
	struct sw_losses told; /* losses that were told already */
	int epoll_fd;
	int signal_fd;
	uint64_t start_ns;
	uint64_t end_ns;      /* --duration; UINT64_MAX: none */
	uint64_t drain_ns;    /* when the ring is looked at again; 0: when it says so */
	uint64_t repair_ns;   /* when a repair may start; UINT64_MAX: none is due */
	uint64_t repaired_ns; /* end of the last pass */
	uint64_t pass_ns;     /* what it took */
	uint64_t checked_ns;  /* last look at overdue entries */
	uint64_t lines;	      /* about sockets */
	uint64_t updates;
	uint64_t drain_until_ns; /* of the drain that is running */
	int taken;		 /* records it has taken */
	bool stop;
	bool counted; /* --count lines are told: no more */
	bool draining;
};

static bool wants(const struct options *o, const struct update *u)
{
	const struct sock *s = u->sock;

	if (!s)
		return true;
	if ((o->ipv4 || o->ipv6) && !(s->ends.family == 4 ? o->ipv4 : o->ipv6))
		return false;
	if (o->listening && s->direction != SW_DIR_LISTEN)
		return false;
	if (u->event == EV_EXISTING)
		return !o->no_existing;
	if (u->event == EV_STATE)
		return o->states;
	return true;
}

static int take_record(void *ctx, void *data, size_t size)
{
	struct stream *s = ctx;
	int err = model__record(s->model, data, size);

	s->taken++;
	if (err == -EBADMSG) {
		model__lost(s->model, LOSS_HELPER, 1, clock__boot_ns());
		err = 0;
	}
	if (err)
		return err;
	/* Records can come faster than a reader takes lines: signals, the end and losses must have their turn. */
	return s->taken % RECORDS_PER_LOOK == 0 && clock__boot_ns() > s->drain_until_ns ? -EAGAIN : 0;
}

/* Take what is in the ring, for as long as BATCH_NS. The number of records, or -errno. */
static int drain(void *ctx)
{
	struct stream *s = ctx;
	int err;

	if (s->draining) /* told from within a drain: the ring is being read already */
		return 0;
	s->draining = true;
	s->taken = 0;
	s->drain_until_ns = clock__boot_ns() + BATCH_NS;
	if (s->plan.poll)
		s->taken = err = poll__drain(s->plan.poll);
	else
		err = bpf_source__drain(s->plan.bpf, take_record, s);
	s->draining = false;
	return err < 0 && err != -EAGAIN ? err : s->taken;
}

static void tell_update(void *ctx, const struct update *u)
{
	struct stream *s = ctx;

	sync__told(&s->sync, u);
	if (s->counted || !select__wants(&s->select, u) || !wants(s->options, u))
		return;
	render__update(&s->render, &s->out.lines, u);
	s->updates++;
	if (u->sock && ++s->lines == s->options->count)
		s->stop = s->counted = true;
	if (s->out.lines.len < OUTPUT_FLUSH_AT)
		return;
	output__flush(&s->out);
	/* A long list takes its time: the ring must not fill up behind it. Records are kept back until the list is out. */
	if (model__dumping(s->model) && drain(s) < 0)
		s->out.error = -ENOMEM;
}

static void describe(void *ctx, struct process *p)
{
	const struct stream *s = ctx;

	sync__describe(s->sync.proc, p);
}

static void watch_process(void *ctx, uint32_t pid, bool shares)
{
	const struct stream *s = ctx;

	if (s->plan.bpf)
		bpf_source__watch(s->plan.bpf, pid, shares);
}

static void check_closes(struct stream *s)
{
	uint64_t missed = s->plan.bpf ? bpf_source__missed_closes(s->plan.bpf) : 0;

	if (missed == s->missed_closes)
		return;
	s->missed_closes = missed;
	model__closes_missed(s->model);
	holders__arm(&s->holders, s->model, clock__boot_ns());
}

static void tell_loss(struct stream *s, enum loss_where where, __u64 now, __u64 *told)
{
	if (now <= *told)
		return;
	model__lost(s->model, where, now - *told, clock__boot_ns());
	*told = now;
}

/* What the kernel side could not tell: say so, and look again. */
static void check_losses(struct stream *s)
{
	struct sw_losses now = { 0 };
	uint64_t pause;

	if (s->plan.poll)
		now.ring = poll__lost(s->plan.poll);
	else
		bpf_source__losses(s->plan.bpf, &now);
	tell_loss(s, LOSS_RING, now.ring, &s->told.ring);
	tell_loss(s, LOSS_MAP, now.map, &s->told.map);
	tell_loss(s, LOSS_HELPER, now.helper, &s->told.helper);
	check_closes(s);
	if ((model__lost_total(s->model) == s->settled && !model__look_due(s->model)) || s->repair_ns != UINT64_MAX)
		return;
	pause = s->pass_ns * 10 > REPAIR_PAUSE_NS ? s->pass_ns * 10 : REPAIR_PAUSE_NS;
	if (pause > REPAIR_PAUSE_MAX_NS)
		pause = REPAIR_PAUSE_MAX_NS;
	s->repair_ns = s->repaired_ns + pause;
}

/* Bring in sync: at start and after a loss. */
static int run_pass(struct stream *s, uint64_t began_ns)
{
	uint64_t start = clock__boot_ns();
	bool quiet = s->plan.poll && s->sync.started && model__lost_total(s->model) == s->settled;
	int err;

	s->repair_ns = UINT64_MAX;
	s->settled = model__lost_total(s->model);
	if (s->plan.poll)
		poll__begin(s->plan.poll);
	err = sync__run(&s->sync);
	if (s->plan.poll)
		s->repair_ns = poll__end(s->plan.poll);
	/* What can never be read is told, and looked at again only with the next loss. */
	s->settled += s->sync.refused;
	s->repaired_ns = clock__boot_ns();
	s->pass_ns = s->repaired_ns - start;
	/* A pass holds every row and descriptor of the host for a moment; that memory is not needed again soon. */
	if (!quiet)
		malloc_trim(0);
	/* The next poll sees what this one could not. */
	if (err && err != -ENOMEM && quiet) {
		log_verbose("a look failed: %s", strerror(-err));
		return 0;
	}
	if (err) {
		log_error("cannot look at the sockets that are open: %s", strerror(-err));
		return err;
	}
	/* A poll is no news, unless something was lost before it. */
	if (quiet)
		return 0;
	model__sync(s->model, s->repaired_ns, (s->repaired_ns - began_ns) / 1000, s->plan.name,
		    s->plan.missing[0] ? s->plan.missing : NULL);
	if (s->sync.failed)
		log_warn("%u of %u network namespaces could not be read (%s): their older sockets are not listed",
			 s->sync.failed, s->sync.namespaces, strerror(-s->sync.failed_error));
	if (s->sync.hidden)
		log_warn("the network namespaces of %u process%s could not be read: sockets there may be missing "
			 "(hidepid, or CAP_SYS_PTRACE is missing)",
			 s->sync.hidden, s->sync.hidden == 1 ? "" : "es");
	if (s->sync.unreadable)
		log_warn("%u process%s could not be looked into: sockets held there may have no owner "
			 "(hidepid, or CAP_SYS_PTRACE is missing)",
			 s->sync.unreadable, s->sync.unreadable == 1 ? "" : "es");
	return 0;
}

static int minimum_ms(uint64_t now, const uint64_t *times, size_t count)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < count; i++) {
		if (times[i] < first)
			first = times[i];
	}
	if (first == UINT64_MAX)
		return -1;
	if (first <= now)
		return 0;
	first = (first - now + 999999) / 1000000;
	return first > INT_MAX ? INT_MAX : (int)first;
}

static uint64_t minisock_time(const struct stream *s)
{
	/* Every poll sees which entries are left. */
	uint64_t deadline = s->plan.poll ? UINT64_MAX : model__next_deadline(s->model);

	if (deadline == UINT64_MAX)
		return deadline;
	return deadline > s->checked_ns + MINISOCK_PAUSE_NS ? deadline : s->checked_ns + MINISOCK_PAUSE_NS;
}

static int source_fd(const struct stream *s)
{
	return s->plan.poll ? poll__fd(s->plan.poll) : bpf_source__fd(s->plan.bpf);
}

/*
 * The ring wakes us once; then it is left alone for the batch time and drained, until a drain finds nothing. An idle
 * host wakes nobody, a storm at most every batch time.
 */
static int watch_ring(struct stream *s, bool watch)
{
	struct epoll_event ev = { .events = watch ? EPOLLIN : 0, .data.fd = source_fd(s) };

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, ev.data.fd, &ev) ? -errno : 0;
}

static int drain_batch(struct stream *s, uint64_t now)
{
	int n = drain(s);

	if (n < 0)
		return n;
	check_losses(s);
	output__flush(&s->out);
	if (!n && s->drain_ns) {
		s->drain_ns = 0;
		return watch_ring(s, true);
	}
	if (n && !s->drain_ns) {
		int err = watch_ring(s, false);

		if (err)
			return err;
	}
	if (n)
		s->drain_ns = now + BATCH_NS;
	return 0;
}

static int do_due(struct stream *s)
{
	uint64_t now = clock__boot_ns();
	int err = 0;

	if (s->drain_ns && now >= s->drain_ns)
		err = drain_batch(s, now);
	if (!err && now >= s->repair_ns) {
		err = run_pass(s, now);
		check_losses(s);
	}
	if (!err && s->holders.due_ns && now >= s->holders.due_ns)
		err = holders__look(&s->holders, &s->sync);
	if (s->plan.bpf)
		holders__arm(&s->holders, s->model, now);
	if (!err && now >= minisock_time(s)) {
		s->checked_ns = now;
		sync__check_minisocks(&s->sync);
	}
	if (now >= s->end_ns)
		s->stop = true;
	return err;
}

static int wait_once(struct stream *s)
{
	uint64_t now = clock__boot_ns();
	uint64_t times[] = {
		s->drain_ns ? s->drain_ns : UINT64_MAX,
		s->repair_ns,
		s->end_ns,
		minisock_time(s),
		s->holders.due_ns ? s->holders.due_ns : UINT64_MAX,
	};
	struct epoll_event events[4];
	int n = epoll_wait(s->epoll_fd, events, 4, minimum_ms(now, times, sizeof(times) / sizeof(times[0])));
	int err = 0;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n && !err; i++) {
		if (events[i].data.fd == s->signal_fd)
			s->stop = true;
		else if (events[i].data.fd == s->out.fd)
			s->out.error = -EPIPE;
		else if (!s->drain_ns)
			err = drain_batch(s, clock__boot_ns());
	}
	return err;
}

static bool is_over(const struct stream *s)
{
	return s->stop || s->out.stopped || s->out.error;
}

static int loop(struct stream *s)
{
	int err = 0;

	while (!err && !is_over(s)) {
		err = wait_once(s);
		if (!err && !is_over(s))
			err = do_due(s);
		output__flush(&s->out);
	}
	/* What happened until the stop belongs to the stream; with a slow reader, as much as one drain takes. */
	if (!err && !s->out.stopped && !s->out.error && drain(s) >= 0) {
		check_losses(s);
		if (s->plan.poll && !s->counted && s->pass_ns < LAST_POLL_NS)
			err = run_pass(s, clock__boot_ns());
	}
	return err;
}

static int add_fd(const struct stream *s, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int set_up_waiting(struct stream *s)
{
	struct rlimit files;
	sigset_t set;
	int err;

	/* A pass holds a descriptor of every network namespace. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->signal_fd < 0 || s->epoll_fd < 0)
		return -errno;
	err = add_fd(s, s->signal_fd, EPOLLIN);
	/* Only to hear that the reader went away; a plain file cannot say that. */
	if (!err)
		err = add_fd(s, STDOUT_FILENO, 0);
	return err == -EPERM ? 0 : err;
}

static int set_up_model(struct stream *s)
{
	const char *no_colour = getenv("NO_COLOR");
	long ticks = sysconf(_SC_CLK_TCK);
	const struct model_config config = {
		.ns_per_tick = 1000000000ULL / ticks,
		.tell = tell_update,
		.describe = describe,
		.watch = watch_process,
		.ctx = s,
	};

	s->render = (struct render_config){
		.json = s->options->json,
		.colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour),
		.boot_to_realtime_ns = (int64_t)(clock__ns(CLOCK_REALTIME) - clock__boot_ns()),
		.ticks_per_second = ticks,
	};
	return model__new(&config, &s->model);
}

static void summary(struct stream *s)
{
	struct update u = { .event = EV_SUMMARY, .time_ns = clock__boot_ns() };
	double seconds = (double)(u.time_ns - s->start_ns) / 1e9;

	u.summary.updates = s->updates;
	u.summary.lost = model__lost_total(s->model);
	if (s->options->json) {
		render__update(&s->render, &s->out.lines, &u);
		output__flush(&s->out);
	}
	if (s->out.error && s->out.error != -EPIPE)
		log_error("cannot write: %s", strerror(-s->out.error));
	log_info("%llu updates in %.1f s, %zu sockets open, %llu records lost", (unsigned long long)s->updates, seconds,
		 model__count(s->model), (unsigned long long)u.summary.lost);
}

static int run(struct stream *s)
{
	int err;

	err = add_fd(s, source_fd(s), EPOLLIN);
	if (!err) {
		render__header(&s->render, &s->out.lines);
		err = run_pass(s, s->start_ns);
	}
	if (!err) {
		check_losses(s);
		output__flush(&s->out);
		err = privileges__drop();
		if (err)
			log_error("cannot give up capabilities that are not needed any more: %s", strerror(-err));
	}
	if (!err)
		err = loop(s);
	output__flush(&s->out);
	summary(s);
	if (s->out.error == -EPIPE)
		return 0;
	return err ? err : s->out.error;
}

int cmd_stream(const struct options *options)
{
	struct stream s = {
		.options = options,
		.start_ns = clock__boot_ns(),
		.repair_ns = UINT64_MAX,
		.end_ns = UINT64_MAX,
		.epoll_fd = -1,
		.signal_fd = -1,
	};
	struct filter *filter;
	int err = select__parse(&(struct filter_words){ options->filter, options->filter_words, options->filter_file },
				select__family(options->ipv4, options->ipv6), SELECT_STREAM_UNKNOWN, &filter);

	if (err)
		return err == -EINVAL ? 2 : 1;
	select__init(&s.select, filter);
	err = set_up_waiting(&s);
	if (options->duration_ns)
		s.end_ns = s.start_ns + options->duration_ns;
	output__init(&s.out, STDOUT_FILENO, s.signal_fd);
	s.out.end_ns = s.end_ns;
	if (!err)
		err = set_up_model(&s);
	if (err)
		log_error("cannot start: %s", strerror(-err));
	else
		err = plan__start(options, s.model, &s.plan);
	if (!err) {
		s.sync = (struct sync){ .model = s.model,
					.bpf = s.plan.bpf,
					.poll = s.plan.poll,
					.proc = "/proc",
					.drain = drain,
					.ctx = &s };
		err = run(&s);
	}
	model__free(s.model);
	plan__end(&s.plan);
	output__free(&s.out);
	select__free(&s.select);
	filter__free(filter);
	cleanup_close(&s.epoll_fd);
	cleanup_close(&s.signal_fd);
	return err ? 1 : 0;
}
