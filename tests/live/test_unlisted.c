/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: a loss in a namespace that no process is in, which lives through its sockets alone (trap T12). */
#include "live/live.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 7700
/* Each leaves six records of more than 128 bytes: far more than the smallest ring holds. */
#define OVERFLOW 40

/* Ends of connections that this process, which is not in their namespace, holds. */
struct distant {
	int listener;
	int client[2], child[2];
	uint64_t cookie[2]; /* of the clients */
};

static int connect_two(void *ctx)
{
	struct distant *d = ctx;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	d->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (d->listener < 0 || bind(d->listener, (struct sockaddr *)&to, sizeof(to)) || listen(d->listener, 4))
		return -errno;
	for (int i = 0; i < 2; i++) {
		socklen_t len = sizeof(d->cookie[i]);

		d->client[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (d->client[i] < 0 || connect(d->client[i], (struct sockaddr *)&to, sizeof(to)))
			return -errno;
		d->child[i] = accept4(d->listener, NULL, NULL, SOCK_CLOEXEC);
		if (d->child[i] < 0 || getsockopt(d->client[i], SOL_SOCKET, SO_COOKIE, &d->cookie[i], &len))
			return -errno;
	}
	return 0;
}

/* The namespace has no descriptor of its own any more. */
static void open_distant(struct live *l, struct distant *d)
{
	int ns = ns__new();

	assert_int_equal(ns__call(ns, connect_two, d), 0);
	assert_int_equal(close(ns), 0);
	for (int i = 0; i < 2; i++)
		stream__wait_event(l->stream, 0, "established", d->cookie[i]);
}

static void reset(int fd)
{
	struct linger now = { .l_onoff = 1 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	assert_int_equal(close(fd), 0);
}

static void close_one(const struct distant *d, int i)
{
	reset(d->client[i]);
	assert_int_equal(close(d->child[i]), 0);
}

/* The program sleeps while the ring runs over; what is done in between it never hears of. */
static void stop_program(struct live *l)
{
	int status;

	assert_int_equal(kill(stream__pid(l->stream), SIGSTOP), 0);
	assert_int_equal(waitpid(stream__pid(l->stream), &status, WUNTRACED), stream__pid(l->stream));
	assert_true(WIFSTOPPED(status));
	for (int i = 0; i < OVERFLOW; i++) {
		struct pair pair = live__pair(l, "127.0.0.1", PORT);

		live__close_pair(l, &pair);
	}
}

static bool is_lost(const json_t *update, const void *ctx)
{
	(void)ctx;
	return !strcmp(update__text(update, "event"), "lost");
}

static void go_on(struct live *l)
{
	size_t at;

	assert_int_equal(kill(stream__pid(l->stream), SIGCONT), 0);
	at = stream__wait(l->stream, 0, is_lost, NULL, STREAM_TIMEOUT_MS);
	stream__wait_sync(l->stream, at);
}

static void what_a_loss_left_is_repaired_in_a_namespace_without_a_process_T12(void **state)
{
	struct live *l = *state;
	struct distant d;
	char text[256];
	size_t at;

	live__start(l, (const char *const[]){ "--ring", "4", NULL });
	open_distant(l, &d);
	stop_program(l);
	close_one(&d, 0);
	go_on(l);
	at = stream__wait_event(l->stream, 0, "close", d.cookie[0]);
	assert_string_equal(update__text(stream__at(l->stream, at), "reason"), "unseen");
	/* The other one is open, and was not called gone. */
	assert_null(strstr(stream__history(l->stream, d.cookie[1], text, sizeof(text)), "close"));
	close_one(&d, 1);
	at = stream__wait_event(l->stream, at, "close", d.cookie[1]);
	assert_string_equal(update__text(stream__at(l->stream, at), "reason"), "aborted");
	assert_int_equal(close(d.listener), 0);
	live__finish(l);
}

/* A process whose network namespace even root cannot see; 0: none. */
static long hidden_process(void)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	long hidden = 0;

	assert_non_null(proc);
	while (!hidden && (entry = readdir(proc))) {
		char path[300], target[64];

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/ns/net", entry->d_name);
		if (readlink(path, target, sizeof(target)) < 0 && (errno == EACCES || errno == EPERM))
			hidden = strtol(entry->d_name, NULL, 10);
	}
	closedir(proc);
	return hidden;
}

static void sockets_of_a_namespace_that_went_during_a_loss_are_gone_T12(void **state)
{
	struct live *l = *state;
	struct distant d;
	long hidden = hidden_process();

	if (hidden) {
		print_message("skipped: process %ld cannot be looked into, so nobody knows who is gone\n", hidden);
		skip();
	}
	live__start(l, (const char *const[]){ "--ring", "4", NULL });
	open_distant(l, &d);
	stop_program(l);
	close_one(&d, 0);
	close_one(&d, 1);
	assert_int_equal(close(d.listener), 0);
	go_on(l);
	for (int i = 0; i < 2; i++)
		stream__wait_event(l->stream, 0, "close", d.cookie[i]);
	live__finish(l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		live_test_quiet(what_a_loss_left_is_repaired_in_a_namespace_without_a_process_T12),
		live_test_quiet(sockets_of_a_namespace_that_went_during_a_loss_are_gone_T12),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
