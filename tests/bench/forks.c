/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A host that forks: forks RATE SECONDS starts so many processes a second, at an even pace, by a process that holds a
 * listening socket and a connection. Each runs another program, which ends at once. Prints how many it started.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
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

#define RATE_MAX    10000
#define SECONDS_MAX 600

static void die(const char *what)
{
	fprintf(stderr, "forks: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Inherited by the children: closed when they run the other program. */
static void open_sockets(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);

	if (listener < 0 || client < 0 || bind(listener, (struct sockaddr *)&address, len) || listen(listener, 8) ||
	    getsockname(listener, (struct sockaddr *)&address, &len) ||
	    connect(client, (struct sockaddr *)&address, len))
		die("socket");
}

static void start_one(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl("/bin/true", "true", (char *)NULL);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct timespec next;
	uint64_t rate, seconds;

	if (argc != 3 || parse__u64(argv[1], 1, RATE_MAX, &rate) || parse__u64(argv[2], 1, SECONDS_MAX, &seconds)) {
		fprintf(stderr, "usage: forks RATE SECONDS\n");
		return 2;
	}
	open_sockets();
	signal(SIGCHLD, SIG_IGN); /* they are reaped by the kernel */
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (uint64_t i = 0; i < rate * seconds; i++) {
		next.tv_nsec += (long)(1000000000 / rate);
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		start_one();
	}
	printf("{\"forks\":%llu}\n", (unsigned long long)(rate * seconds));
	return 0;
}
