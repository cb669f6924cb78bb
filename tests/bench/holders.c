/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Opens TCP connections over loopback, each end in another process, prints one line of JSON when all are there, and
 * keeps them until its standard input ends. As many pairs of processes as are asked for, or as the limit of descriptors
 * asks for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/parse.h"

#define SOCKETS_MAX    1000000
#define PROCESSES_MAX  20000
#define FDS_OTHER      32    /* of the limit, for what is no connection */
#define PER_LISTENER   20000 /* connections of one pair: less than there are ephemeral ports */
#define SECONDS_TO_ALL 60

struct pair {
	struct sockaddr_in address;
	uint64_t connections;
	int listener;
};

static void die(const char *what)
{
	fprintf(stderr, "holders: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void open_all(const struct pair *pair, bool server)
{
	for (uint64_t i = 0; i < pair->connections; i++) {
		int fd = server ? accept4(pair->listener, NULL, NULL, SOCK_CLOEXEC)
				: socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			die(server ? "accept" : "socket");
		if (!server && connect(fd, (const struct sockaddr *)&pair->address, sizeof(pair->address)))
			die("connect");
	}
}

static void start(const struct pair *pair, bool server, int ready_fd)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	open_all(pair, server);
	if (write(ready_fd, "", 1) != 1)
		die("write");
	/* Else a failure of another process would not end the parent's wait. */
	close(ready_fd);
	for (;;)
		pause();
}

static void start_pair(uint64_t connections, int ready_fd)
{
	struct pair pair = { .address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
			     .connections = connections };
	socklen_t len = sizeof(pair.address);

	pair.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pair.listener < 0 || bind(pair.listener, (struct sockaddr *)&pair.address, len) ||
	    listen(pair.listener, SOMAXCONN) || getsockname(pair.listener, (struct sockaddr *)&pair.address, &len))
		die("listener");
	start(&pair, true, ready_fd);
	start(&pair, false, ready_fd);
	close(pair.listener);
}

static uint64_t most_per_process(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE");
	if (limit.rlim_cur <= FDS_OTHER) {
		errno = EMFILE;
		die("RLIMIT_NOFILE");
	}
	return limit.rlim_cur - FDS_OTHER < PER_LISTENER ? limit.rlim_cur - FDS_OTHER : PER_LISTENER;
}

int main(int argc, char **argv)
{
	uint64_t sockets, left, most, asked = 2, processes = 0;
	int ready[2];
	char byte;

	if (argc < 2 || argc > 3 || parse__u64(argv[1], 2, SOCKETS_MAX, &sockets) ||
	    (argc == 3 && parse__u64(argv[2], 2, PROCESSES_MAX, &asked))) {
		fprintf(stderr, "usage: holders SOCKETS [PROCESSES]\n");
		return 2;
	}
	most = most_per_process();
	if (most > (sockets + asked - 1) / asked)
		most = (sockets + asked - 1) / asked;
	if (pipe2(ready, O_CLOEXEC))
		die("pipe");
	for (left = sockets / 2; left; processes += 2) {
		uint64_t n = left < most ? left : most;

		start_pair(n, ready[1]);
		left -= n;
	}
	close(ready[1]);
	alarm(SECONDS_TO_ALL);
	for (uint64_t i = 0; i < processes; i++) {
		if (read(ready[0], &byte, 1) != 1)
			die("a process ended early");
	}
	alarm(0);
	uint64_t held = sockets / 2 * 2 + processes / 2; /* with the listeners, which the servers keep */
	printf("{\"sockets\":%llu}\n", (unsigned long long)held);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
