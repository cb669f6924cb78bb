/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/table.h"

#define THREADS	  8
#define STACK_MAX (256 * 1024)
#define ENTRY_MAX 4096 /* bytes of a line of services or passwd */

enum kind { KIND_HOST, KIND_SERVICE, KIND_USER };

struct question {
	enum kind kind;
	uint8_t family;
	uint8_t address[16];
	char protocol[16];
	uint32_t number; /* port or uid */
	char *name;	 /* NULL: no answer (yet). Set once, before the deadline */
};

/* Shared with threads that may outlive the resolver: the last one out frees it. */
struct resolver {
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct table table;
	struct question *items[RESOLVE_MAX];
	size_t count, next, answered;
	unsigned int users; /* threads, and the caller */
	bool over;	    /* the deadline has passed: answers are not wanted any more */
};

static uint64_t hash(const void *item)
{
	const struct question *q = item;
	uint64_t words[2];

	memcpy(words, q->address, sizeof(words));
	return hash__mix(words[0] ^ hash__mix(words[1] + q->number) ^ (uint64_t)q->kind << 60);
}

static bool equal(const void *a, const void *b)
{
	const struct question *x = a, *y = b;

	return x->kind == y->kind && x->family == y->family && x->number == y->number &&
	       !memcmp(x->address, y->address, sizeof(x->address)) && !strcmp(x->protocol, y->protocol);
}

struct resolver *resolver__new(void)
{
	struct resolver *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->done, &attr);
	pthread_condattr_destroy(&attr);
	table__init(&r->table, hash, equal);
	r->users = 1;
	return r;
}

static void leave(struct resolver *r)
{
	bool last;

	pthread_mutex_lock(&r->lock);
	last = --r->users == 0;
	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	for (size_t i = 0; i < r->count; i++) {
		free(r->items[i]->name);
		free(r->items[i]);
	}
	table__free(&r->table);
	pthread_cond_destroy(&r->done);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void resolver__free(struct resolver *r)
{
	if (r)
		leave(r);
}

/* ---- questions */

static void want(struct resolver *r, const struct question *key)
{
	struct question *q;

	if (r->count == RESOLVE_MAX || table__find(&r->table, key))
		return;
	q = malloc(sizeof(*q));
	if (!q)
		return;
	*q = *key;
	if (table__add(&r->table, q)) {
		free(q);
		return;
	}
	r->items[r->count++] = q;
}

static struct question host_question(uint8_t family, const uint8_t *address)
{
	struct question q = { .kind = KIND_HOST, .family = family };

	memcpy(q.address, address, family == 4 ? 4 : 16);
	return q;
}

static struct question service_question(const char *protocol, uint16_t port)
{
	struct question q = { .kind = KIND_SERVICE, .number = port };

	strncpy(q.protocol, protocol, sizeof(q.protocol) - 1);
	return q;
}

void resolver__want_host(struct resolver *r, uint8_t family, const uint8_t *address)
{
	const struct question q = host_question(family, address);

	want(r, &q);
}

void resolver__want_service(struct resolver *r, const char *protocol, uint16_t port)
{
	const struct question q = service_question(protocol, port);

	want(r, &q);
}

void resolver__want_user(struct resolver *r, uint32_t uid)
{
	const struct question q = { .kind = KIND_USER, .number = uid };

	want(r, &q);
}

/* ---- answers */

static char *ask_host(const struct question *q)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	const struct sockaddr *address = (const struct sockaddr *)&v6;
	socklen_t len = sizeof(v6);
	char host[NI_MAXHOST];

	memcpy(&v4.sin_addr, q->address, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, q->address, sizeof(v6.sin6_addr));
	if (q->family == 4) {
		address = (const struct sockaddr *)&v4;
		len = sizeof(v4);
	}
	return getnameinfo(address, len, host, sizeof(host), NULL, 0, NI_NAMEREQD) ? NULL : strdup(host);
}

static char *ask_service(const struct question *q)
{
	struct servent entry, *found = NULL;
	char space[ENTRY_MAX];

	if (getservbyport_r(htons((uint16_t)q->number), q->protocol, &entry, space, sizeof(space), &found) || !found)
		return NULL;
	return strdup(found->s_name);
}

static char *ask_user(const struct question *q)
{
	struct passwd entry, *found = NULL;
	char space[ENTRY_MAX];

	if (getpwuid_r(q->number, &entry, space, sizeof(space), &found) || !found)
		return NULL;
	return strdup(found->pw_name);
}

static char *ask(const struct question *q)
{
	switch (q->kind) {
	case KIND_HOST:
		return ask_host(q);
	case KIND_SERVICE:
		return ask_service(q);
	default:
		return ask_user(q);
	}
}

static void *work(void *arg)
{
	struct resolver *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->over && r->next < r->count) {
		struct question *q = r->items[r->next++];
		char *name;

		pthread_mutex_unlock(&r->lock);
		name = ask(q);
		pthread_mutex_lock(&r->lock);
		if (r->over)
			free(name);
		else
			q->name = name;
		r->answered++;
	}
	pthread_cond_signal(&r->done);
	pthread_mutex_unlock(&r->lock);
	leave(r);
	return NULL;
}

static int start_threads(struct resolver *r)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err = 0, started = 0;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_MAX);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (started < THREADS && (size_t)started < r->count) {
		pthread_t thread;

		pthread_mutex_lock(&r->lock);
		r->users++;
		pthread_mutex_unlock(&r->lock);
		err = pthread_create(&thread, &attr, work, r);
		if (err) {
			pthread_mutex_lock(&r->lock);
			r->users--;
			pthread_mutex_unlock(&r->lock);
			break;
		}
		started++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return started || !err ? 0 : -err;
}

int resolver__run(struct resolver *r, unsigned int timeout_ms)
{
	struct timespec end;
	int err = start_threads(r);

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	end.tv_sec += (time_t)(timeout_ms / 1000) + end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	pthread_mutex_lock(&r->lock);
	while (!err && r->answered < r->count && !pthread_cond_timedwait(&r->done, &r->lock, &end))
		;
	r->over = true;
	pthread_mutex_unlock(&r->lock);
	return err;
}

/* After the run nobody writes a name any more. */
static const char *answer(const struct resolver *r, const struct question *key)
{
	const struct question *q = table__find(&r->table, key);

	return q ? q->name : NULL;
}

const char *resolver__host(const struct resolver *r, uint8_t family, const uint8_t *address)
{
	const struct question q = host_question(family, address);

	return answer(r, &q);
}

const char *resolver__service(const struct resolver *r, const char *protocol, uint16_t port)
{
	const struct question q = service_question(protocol, port);

	return answer(r, &q);
}

const char *resolver__user(const struct resolver *r, uint32_t uid)
{
	const struct question q = { .kind = KIND_USER, .number = uid };

	return answer(r, &q);
}
