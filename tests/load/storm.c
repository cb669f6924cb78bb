/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A storm of short TCP connections over loopback: prefork servers on one listener, clients that connect, exchange a few
 * bytes and close. Nothing but the system calls of the connections runs while it is timed. Prints one line of JSON.
 * SIGINT to the process group (Ctrl-C) ends it early, in good order.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/parse.h"
#include "load/storm.h"

#define PROCESSES_MAX  256
#define BYTES_MAX      65536
#define PORTS_PER_PEER 8000 /* of the some 28 000 ephemeral ones; TIME_WAIT keeps each for a minute */
#define PEERS_MAX      250
#define NS_PER_SECOND  1000000000ull
#define ARREARS_NS     50000000ull
#define GRACE_SECONDS  10 /* for the servers, after the clients' time is up */

struct config {
	uint64_t connections, clients, servers, port, bytes, rate, seconds;
	const char *log_dir;
	bool netns_fresh, server_first;
	uint32_t peers;
};

/* Of one process, on a cache line of its own. */
struct counter {
	_Alignas(64) uint64_t done;
	uint64_t failed;
	int last_errno;
};

struct worker {
	const struct config *config;
	struct counter *counter;
	int listener;
	uint64_t connections;	  /* a client's share */
	struct storm_record *log; /* NULL: no log */
	uint64_t logged, log_size;
	uint32_t pid;
};

static char payload[BYTES_MAX];
static volatile sig_atomic_t stopped;

static void note_stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec;
}

static void die(const char *what)
{
	dprintf(STDERR_FILENO, "storm: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t peer_address(const struct config *config, uint64_t n)
{
	return INADDR_LOOPBACK + (uint32_t)(n % config->peers);
}

static bool receive(int fd, uint64_t bytes)
{
	char buffer[4096];

	while (bytes) {
		ssize_t n = recv(fd, buffer, bytes < sizeof(buffer) ? bytes : sizeof(buffer), 0);

		if (n <= 0)
			return false;
		bytes -= (uint64_t)n;
	}
	return true;
}

static bool transmit(int fd, uint64_t bytes)
{
	return !bytes || send(fd, payload, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

/* True: the peer has closed, in good order. */
static bool at_end(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 0;
}

static void note(struct worker *w, int fd, const struct storm_record *record)
{
	socklen_t len = sizeof(record->cookie);

	if (!w->log || w->logged == w->log_size)
		return;
	struct storm_record *r = &w->log[w->logged++];
	*r = *record;
	r->pid = w->pid;
	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &r->cookie, &len);
}

static void note_client(struct worker *w, int fd, uint32_t address)
{
	struct sockaddr_in own = { 0 };
	socklen_t len = sizeof(own);

	if (!w->log || getsockname(fd, (struct sockaddr *)&own, &len))
		return;
	note(w, fd,
	     &(struct storm_record){ .address = address,
				     .local_port = ntohs(own.sin_port),
				     .remote_port = (uint16_t)w->config->port,
				     .role = STORM_CLIENT });
}

static bool converse(const struct config *config, int fd)
{
	if (!transmit(fd, config->bytes) || !receive(fd, config->bytes))
		return false;
	return !config->server_first || at_end(fd);
}

static bool connect_once(struct worker *w, uint64_t n)
{
	uint32_t address = peer_address(w->config, n);
	struct sockaddr_in peer = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)w->config->port),
				    .sin_addr.s_addr = htonl(address) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool good = false;

	if (fd < 0)
		return false;
	errno = 0; /* of a peer that ended too early */
	if (connect(fd, (struct sockaddr *)&peer, sizeof(peer)) == 0) {
		note_client(w, fd, address);
		good = converse(w->config, fd);
	}
	int err = errno;
	close(fd);
	errno = err;
	return good;
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / NS_PER_SECOND), .tv_nsec = (long)(ns % NS_PER_SECOND) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void run_client(struct worker *w)
{
	const struct config *config = w->config;
	uint64_t due = now_ns(), end = due + config->seconds * NS_PER_SECOND;
	uint64_t gap = config->rate ? NS_PER_SECOND * config->clients / config->rate : 0;

	for (uint64_t i = 0; i < w->connections && !stopped; i++, due += gap) {
		uint64_t now = now_ns();

		if (now >= end)
			break;
		/* Small delays are made up for; a pause (SIGSTOP) is not. */
		if (due + ARREARS_NS < now)
			due = now;
		if (gap && now < due)
			sleep_until(due);
		/* Spread by pid, so that the clients do not fight for one peer's ports. */
		if (connect_once(w, i + w->pid)) {
			w->counter->done++;
		} else {
			w->counter->failed++;
			w->counter->last_errno = errno;
		}
	}
}

static void serve_once(struct worker *w, int fd, const struct sockaddr_in *peer)
{
	const struct config *config = w->config;
	struct sockaddr_in own = { 0 };
	socklen_t len = sizeof(own);

	if (w->log) {
		getsockname(fd, (struct sockaddr *)&own, &len);
		note(w, fd,
		     &(struct storm_record){ .address = ntohl(own.sin_addr.s_addr),
					     .local_port = (uint16_t)config->port,
					     .remote_port = ntohs(peer->sin_port),
					     .role = STORM_SERVER });
	}
	bool good = receive(fd, config->bytes) && transmit(fd, config->bytes);
	if (good && !config->server_first)
		good = at_end(fd);
	close(fd);
	w->counter->failed += !good;
	/* Last: the parent waits for it. */
	__atomic_fetch_add(&w->counter->done, 1, __ATOMIC_RELEASE);
}

/* Until the parent shuts the listener down, after the last connection was served. */
static void run_server(struct worker *w)
{
	struct sockaddr_in peer;

	for (;;) {
		socklen_t len = sizeof(peer);
		int fd = accept4(w->listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);

		if (fd >= 0)
			serve_once(w, fd, &peer);
		else if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static void write_log(const struct worker *w)
{
	const char *data = (const char *)w->log;
	size_t left = w->logged * sizeof(*w->log);
	char path[4096];

	if (!w->log)
		return;
	snprintf(path, sizeof(path), "%s/%u.storm", w->config->log_dir, w->pid);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		die(path);
	while (left) {
		ssize_t n = write(fd, data, left);

		if (n < 0)
			die(path);
		data += n;
		left -= (size_t)n;
	}
	close(fd);
}

static void make_log(struct worker *w)
{
	if (!w->config->log_dir)
		return;
	/* Room for all connections in one process; what is not touched costs nothing. */
	w->log_size = w->config->connections + 1;
	w->log = mmap(NULL, w->log_size * sizeof(*w->log), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (w->log == MAP_FAILED)
		die("mmap");
}

static pid_t start_worker(struct worker *w, bool client, const int gate[2])
{
	pid_t pid = fork();
	char byte;

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, client ? "storm-client" : "storm-server");
	w->pid = (uint32_t)getpid();
	make_log(w);
	/* All start together, when the parent closes its end. */
	close(gate[1]);
	if (read(gate[0], &byte, 1) < 0)
		_exit(1);
	if (client)
		run_client(w);
	else
		run_server(w);
	write_log(w);
	_exit(0);
}

static int make_listener(struct config *config)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons((uint16_t)config->port) };
	socklen_t len = sizeof(own);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&own, sizeof(own)) || listen(fd, SOMAXCONN) ||
	    getsockname(fd, (struct sockaddr *)&own, &len))
		die("listener");
	config->port = ntohs(own.sin_port);
	return fd;
}

static uint64_t total(const struct counter *counters, uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += __atomic_load_n(&counters[i].done, __ATOMIC_ACQUIRE);
	return sum;
}

static uint64_t failures(const struct counter *counters, uint64_t n, int *ret_errno)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i++) {
		sum += counters[i].failed;
		if (counters[i].last_errno)
			*ret_errno = counters[i].last_errno;
	}
	return sum;
}

static bool reap(const pid_t *pids, uint64_t n)
{
	bool good = true;
	int status;

	for (uint64_t i = 0; i < n; i++)
		good &= waitpid(pids[i], &status, 0) == pids[i] && status == 0;
	return good;
}

static void report(const struct config *config, uint64_t done, uint64_t failed, uint64_t ns)
{
	struct stat st = { 0 };

	stat("/proc/self/ns/net", &st);
	printf("{\"connections\":%llu,\"failed\":%llu,\"seconds\":%.6f,\"us_per_connection\":%.3f,\"clients\":%llu,"
	       "\"servers\":%llu,\"port\":%llu,\"bytes\":%llu,\"netns\":%llu}\n",
	       (unsigned long long)done, (unsigned long long)failed, (double)ns / 1e9,
	       done ? (double)ns / 1e3 / (double)done : 0, (unsigned long long)config->clients,
	       (unsigned long long)config->servers, (unsigned long long)config->port, (unsigned long long)config->bytes,
	       (unsigned long long)st.st_ino);
}

static void start_workers(const struct config *config, int listener, struct counter *counters, pid_t *pids)
{
	struct worker w = { .config = config, .listener = listener };
	int gate[2];

	if (pipe2(gate, O_CLOEXEC))
		die("pipe");
	for (uint64_t i = 0; i < config->clients + config->servers; i++) {
		w.counter = &counters[i];
		w.connections = config->connections / config->clients + (i < config->connections % config->clients);
		pids[i] = start_worker(&w, i < config->clients, gate);
	}
	close(gate[0]);
	close(gate[1]);
}

/* What clients have done is there to be accepted: wait until it was. */
static void drain_servers(const struct counter *servers, uint64_t n, uint64_t done)
{
	uint64_t end = now_ns() + GRACE_SECONDS * NS_PER_SECOND / 2;

	while (total(servers, n) < done && now_ns() < end)
		usleep(200);
}

static int run(struct config *config)
{
	uint64_t processes = config->clients + config->servers;
	struct counter *clients =
		mmap(NULL, processes * sizeof(*clients), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[2 * PROCESSES_MAX] = { 0 };
	int err = 0, listener = make_listener(config);

	if (clients == MAP_FAILED)
		die("mmap");
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = note_stop, .sa_flags = SA_RESTART }, NULL);
	/* Ends the workers too: whatever hangs. */
	alarm((unsigned int)(config->seconds + GRACE_SECONDS));
	start_workers(config, listener, clients, pids);
	uint64_t start = now_ns();
	bool good = reap(pids, config->clients);
	uint64_t elapsed = now_ns() - start, done = total(clients, config->clients);
	drain_servers(clients + config->clients, config->servers, done);
	shutdown(listener, SHUT_RDWR);
	good &= reap(pids + config->clients, config->servers);
	uint64_t failed = failures(clients, processes, &err);
	report(config, done, failed, elapsed);
	if (failed)
		dprintf(STDERR_FILENO, "storm: %llu failures, the last: %s\n", (unsigned long long)failed,
			strerror(err));
	return good && !failed ? 0 : 1;
}

static void enter_fresh_netns(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET))
		die("unshare");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		die("lo");
	close(fd);
}

static const char usage_text[] = "usage: storm [--connections N] [--clients C] [--servers S] [--port P] [--bytes B] "
				 "[--rate PER_SECOND]\n"
				 "             [--seconds LIMIT] [--log-dir DIR] [--netns-fresh] [--server-first]\n";

static int usage(int fd, int status)
{
	dprintf(fd, "%s", usage_text);
	return status;
}

struct number_option {
	const char *name;
	uint64_t min, max;
	size_t offset; /* in struct config */
};

static const struct number_option numbers[] = {
	{ "connections", 1, 100000000, offsetof(struct config, connections) },
	{ "clients", 1, PROCESSES_MAX, offsetof(struct config, clients) },
	{ "servers", 1, PROCESSES_MAX, offsetof(struct config, servers) },
	{ "port", 0, 65535, offsetof(struct config, port) },
	{ "bytes", 0, BYTES_MAX, offsetof(struct config, bytes) },
	{ "rate", 0, 1000000, offsetof(struct config, rate) },
	{ "seconds", 1, 3600, offsetof(struct config, seconds) },
};

#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static int parse_options(int argc, char **argv, struct config *config)
{
	struct option options[NUMBERS + 5] = { 0 };
	int c;

	for (size_t i = 0; i < NUMBERS; i++)
		options[i] = (struct option){ numbers[i].name, required_argument, NULL, (int)i };
	options[NUMBERS] = (struct option){ "log-dir", required_argument, NULL, 'l' };
	options[NUMBERS + 1] = (struct option){ "netns-fresh", no_argument, NULL, 'n' };
	options[NUMBERS + 2] = (struct option){ "server-first", no_argument, NULL, 's' };
	options[NUMBERS + 3] = (struct option){ "help", no_argument, NULL, 'h' };
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'l')
			config->log_dir = optarg;
		else if (c == 'n')
			config->netns_fresh = true;
		else if (c == 's')
			config->server_first = true;
		else if (c == 'h')
			exit(usage(STDOUT_FILENO, 0));
		else if (c < 0 || (size_t)c >= NUMBERS ||
			 parse__u64(optarg, numbers[c].min, numbers[c].max,
				    (uint64_t *)((char *)config + numbers[c].offset)))
			return -EINVAL;
	}
	return optind == argc ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct config config = { .connections = 10000, .clients = 2, .servers = 3, .bytes = 1, .seconds = 60 };

	if (parse_options(argc, argv, &config))
		return usage(STDERR_FILENO, 2);
	uint64_t peers = 1 + config.connections / PORTS_PER_PEER;
	config.peers = peers < PEERS_MAX ? (uint32_t)peers : PEERS_MAX;
	if (config.netns_fresh)
		enter_fresh_netns();
	return run(&config);
}
