/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/poll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "source/destroy.h"

#define DATAGRAMS_PER_DRAIN 4096 /* of one namespace: signals and the end must have their turn */
#define EVENTS_PER_DRAIN    64

/* A namespace as the last look found it. */
struct place {
	uint32_t inode;
	int fd;	       /* hears of ends; -1: refused */
	uint64_t lost; /* as destroy__lost said last */
	bool found;    /* by the look that is running */
	bool refused;  /* cannot be dumped, which was told */
};

struct poll {
	struct model *model;
	int epoll_fd;
	struct place *places; /* the first one is our own namespace */
	unsigned int count, size;
	uint64_t lost;
	uint64_t begin_ns;     /* of the look that is running, CLOCK_BOOTTIME */
	uint64_t begin_cpu_ns; /* CPU time of the process then */
	uint64_t scan_cpu_ns;  /* what walks of /proc took of this look */
	uint64_t interval_ns;  /* the last one */
	uint64_t scan_ns;      /* begin of the last walk; 0: none yet */
	uint64_t refresh_ns;   /* begin of the last one for everything */
	uint64_t scan_begin_cpu_ns;
	uint64_t scan_interval_ns;
};

static uint64_t cpu_ns(void)
{
	return clock__ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t poll__interval(uint64_t cost_ns)
{
	if (cost_ns >= POLL_MAX_NS / POLL_SHARE)
		return POLL_MAX_NS;
	return cost_ns * POLL_SHARE < POLL_MIN_NS ? POLL_MIN_NS : cost_ns * POLL_SHARE;
}

static void open_place(struct poll *p, struct place *place, int ns_fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	place->fd = destroy__open(ns_fd);
	if (place->fd < 0)
		return;
	ev.data.fd = place->fd;
	if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, place->fd, &ev))
		cleanup_close(&place->fd);
}

static int add_place(struct poll *p, uint32_t inode, int ns_fd)
{
	if (p->count == p->size) {
		unsigned int size = p->size ? p->size * 2 : 8;
		struct place *places = reallocarray(p->places, size, sizeof(*places));

		if (!places)
			return -ENOMEM;
		p->places = places;
		p->size = size;
	}
	p->places[p->count] = (struct place){ .inode = inode, .found = true };
	open_place(p, &p->places[p->count++], ns_fd);
	return 0;
}

static struct place *find_fd(const struct poll *p, int fd)
{
	for (unsigned int i = 0; i < p->count; i++) {
		if (p->places[i].fd == fd)
			return &p->places[i];
	}
	return NULL;
}

static struct place *find_place(const struct poll *p, uint32_t inode)
{
	for (unsigned int i = 0; i < p->count; i++) {
		if (p->places[i].inode == inode)
			return &p->places[i];
	}
	return NULL;
}

int poll__new(struct model *model, struct poll **ret)
{
	struct poll *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->model = model;
	model__use_polls(model);
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = p->epoll_fd < 0 ? -errno : add_place(p, 0, -1);
	if (err) {
		poll__free(p);
		return err;
	}
	*ret = p;
	return 0;
}

void poll__free(struct poll *p)
{
	if (!p)
		return;
	for (unsigned int i = 0; i < p->count; i++)
		cleanup_close(&p->places[i].fd);
	free(p->places);
	cleanup_close(&p->epoll_fd);
	free(p);
}

int poll__fd(const struct poll *p)
{
	return p->epoll_fd;
}

bool poll__hears(const struct poll *p)
{
	return p->places[0].fd >= 0;
}

static int take_end(void *ctx, const struct row *row)
{
	const struct poll *p = ctx;
	const struct ended e = { .time_ns = clock__boot_ns(), .row = *row };

	model__ended(p->model, &e);
	return 0;
}

static void count_lost(struct poll *p, struct place *place)
{
	uint64_t lost = destroy__lost(place->fd);

	p->lost += lost - place->lost;
	place->lost = lost;
}

int poll__drain(struct poll *p)
{
	struct epoll_event events[EVENTS_PER_DRAIN];
	int ready = epoll_wait(p->epoll_fd, events, EVENTS_PER_DRAIN, 0), count = 0;

	for (int i = 0; i < ready; i++) {
		struct place *place = find_fd(p, events[i].data.fd);
		int n;

		if (!place)
			continue;
		n = destroy__receive(place->fd, place->inode, DATAGRAMS_PER_DRAIN, take_end, p);
		/* One that cannot be read is one that is lost; the next look finds out what it was about. */
		p->lost += n < 0;
		count += n < 0 ? 1 : n;
		count_lost(p, place);
	}
	return count;
}

uint64_t poll__lost(const struct poll *p)
{
	return p->lost;
}

void poll__begin(struct poll *p)
{
	p->begin_ns = clock__boot_ns();
	p->begin_cpu_ns = cpu_ns();
	p->scan_cpu_ns = 0;
}

uint64_t poll__end(struct poll *p)
{
	uint64_t interval = poll__interval(cpu_ns() - p->begin_cpu_ns - p->scan_cpu_ns);

	if (interval >= 2 * p->interval_ns || 2 * interval <= p->interval_ns)
		log_verbose("a look every %llu ms", (unsigned long long)interval / 1000000);
	p->interval_ns = interval;
	return p->begin_ns + interval;
}

/* Nobody is in there any more: a namespace that we cannot look into has no socket that we could tell of. */
static int drop_places(struct poll *p)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < p->count; i++) {
		struct place *place = &p->places[i];

		if (place->found) {
			p->places[kept++] = *place;
			continue;
		}
		if (place->fd >= 0)
			count_lost(p, place);
		cleanup_close(&place->fd);
		if (model__netns_complete(p->model, place->inode))
			return -ENOMEM;
	}
	p->count = kept;
	return 0;
}

int poll__follow(struct poll *p, const struct netns_list *list)
{
	p->places[0].inode = list->items[0].inode;
	for (unsigned int i = 0; i < p->count; i++)
		p->places[i].found = !i;
	for (unsigned int i = 1; i < list->count; i++) {
		struct place *place = find_place(p, list->items[i].inode);

		if (place)
			place->found = true;
		else if (add_place(p, list->items[i].inode, list->items[i].fd))
			return -ENOMEM;
	}
	return drop_places(p);
}

bool poll__is_new_refusal(struct poll *p, uint32_t netns)
{
	struct place *place = find_place(p, netns);
	bool fresh = place && !place->refused;

	if (place)
		place->refused = true;
	return fresh;
}

bool poll__scan_begin(struct poll *p, unsigned int wanted, bool *ret_all)
{
	uint64_t now = clock__boot_ns();
	bool all = !p->refresh_ns || now >= p->refresh_ns + POLL_REFRESH_NS;

	if ((!wanted && !all) || (p->scan_ns && now < p->scan_ns + p->scan_interval_ns))
		return false;
	p->scan_ns = now;
	if (all)
		p->refresh_ns = now;
	p->scan_begin_cpu_ns = cpu_ns();
	*ret_all = all;
	return true;
}

void poll__scan_end(struct poll *p)
{
	uint64_t cost = cpu_ns() - p->scan_begin_cpu_ns;

	p->scan_cpu_ns += cost;
	p->scan_interval_ns = cost * POLL_SHARE;
}

static int take_none(void *ctx, const struct row *row)
{
	(void)ctx;
	(void)row;
	return 0;
}

int poll__try(bool *ret_hears)
{
	_cleanup_close_ int fd = destroy__open(-1);
	struct diag *d;
	int err = diag__new(-1, 0, &d);

	if (err)
		return err;
	err = diag__dump(d, 1U << STATE_LISTEN, take_none, NULL);
	diag__free(d);
	*ret_hears = fd >= 0;
	return err == -EINTR ? 0 : err;
}

const char *poll__cost_text(bool hears)
{
	return hears ? "of connections shorter than that only the end is seen, and no owner"
		     : "connections shorter than that are not seen";
}
