/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests and responses over one warm loopback connection, between two processes on one CPU: no idle CPU has to wake up
 * for each, so what a call costs is not lost in that. pingpong ROUNDS prints one line of JSON: the rounds, and how long
 * one took. A round is two sends and two receives.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/parse.h"

#define ROUNDS_MAX  100000000
#define BYTES	    64	 /* of a request, and of a response */
#define ROUNDS_WARM 1000 /* before the clock is read */

static void die(const char *what)
{
	fprintf(stderr, "pingpong: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void stay_on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static int set_no_delay(int fd)
{
	int on = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void answer(int listener)
{
	char bytes[BYTES];
	int fd = accept(listener, NULL, NULL);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || set_no_delay(fd))
		_exit(1);
	while (recv(fd, bytes, sizeof(bytes), MSG_WAITALL) == BYTES) {
		if (send(fd, bytes, sizeof(bytes), 0) != BYTES)
			_exit(1);
	}
	_exit(0);
}

static void ask(int fd, uint64_t rounds)
{
	char bytes[BYTES] = { 0 };

	while (rounds--) {
		if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) != BYTES ||
		    recv(fd, bytes, sizeof(bytes), MSG_WAITALL) != BYTES)
			die("connection");
	}
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd, status;
	socklen_t len = sizeof(address);
	uint64_t rounds, begin, end;
	pid_t server;

	if (argc != 2 || parse__u64(argv[1], 1, ROUNDS_MAX, &rounds)) {
		fprintf(stderr, "usage: pingpong ROUNDS\n");
		return 2;
	}
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &len))
		die("listener");
	stay_on_one_cpu();
	server = fork();
	if (!server)
		answer(listener);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server < 0 || fd < 0 || connect(fd, (struct sockaddr *)&address, len) || set_no_delay(fd))
		die("connect");
	ask(fd, ROUNDS_WARM);
	begin = now_ns();
	ask(fd, rounds);
	end = now_ns();
	close(fd);
	if (waitpid(server, &status, 0) != server || status)
		die("server");
	printf("{\"rounds\":%llu,\"ns_per_round\":%.1f}\n", (unsigned long long)rounds,
	       (double)(end - begin) / (double)rounds);
	return 0;
}
