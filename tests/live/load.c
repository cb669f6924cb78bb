/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/load.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "live/scale.h"
#include "live/table.h"

#define START_TIMEOUT_MS scale__timeout(10000)
#define SECONDS		 "600" /* at which it ends by itself; the tests have shorter deadlines */

struct load {
	pid_t pid; /* and process group; 0: reaped */
	uint32_t listener_pid;
	int out_fd;
	char log_dir[32];
	char report[1024];
	size_t report_len;
	uint64_t connections;
	struct storm_record *records; /* by cookie */
	size_t count;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void become(const struct load *load, const struct load_config *config, int out_fd)
{
	const char *build = getenv("BUILD");
	char path[512], connections[24], rate[24];

	snprintf(path, sizeof(path), "%s/load/storm", build && *build ? build : "build");
	snprintf(connections, sizeof(connections), "%llu", (unsigned long long)config->connections);
	snprintf(rate, sizeof(rate), "%llu", (unsigned long long)config->rate);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	dup2(out_fd, STDOUT_FILENO);
	if (setns(config->ns_fd, CLONE_NEWNET) == 0)
		execl(path, path, "--connections", connections, "--rate", rate, "--log-dir", load->log_dir, "--seconds",
		      SECONDS, NULL);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", path, strerror(errno));
	_exit(127);
}

static size_t count_sockets(int ns_fd)
{
	struct live_table *t;

	assert_int_equal(live_table__kernel(ns_fd, true, &t), 0);
	size_t count = live_table__count(t);
	live_table__free(t);
	return count;
}

/* What is over leaves time-wait entries. */
static void wait_for_traffic(int ns_fd, size_t before)
{
	int64_t deadline = now_ms() + START_TIMEOUT_MS;

	/* The listener, and one more. */
	while (count_sockets(ns_fd) < before + 2)
		if (now_ms() > deadline)
			fail_msg("no connection of the storm within %d ms", START_TIMEOUT_MS);
}

struct load *load__start(const struct load_config *config)
{
	struct load *load = calloc(1, sizeof(*load));
	size_t before = count_sockets(config->ns_fd);
	int pair[2];

	assert_non_null(load);
	strcpy(load->log_dir, "/tmp/storm-XXXXXX");
	assert_non_null(mkdtemp(load->log_dir));
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	load->out_fd = pair[0];
	load->pid = fork();
	assert_true(load->pid >= 0);
	if (!load->pid)
		become(load, config, pair[1]);
	/* Also here: the group must be there before anybody signals it. */
	setpgid(load->pid, load->pid);
	close(pair[1]);
	load->listener_pid = (uint32_t)load->pid;
	wait_for_traffic(config->ns_fd, before);
	return load;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void load__free(struct load *load)
{
	if (!load)
		return;
	if (load->pid > 0) {
		kill(-load->pid, SIGKILL);
		waitpid(load->pid, NULL, 0);
	}
	nftw(load->log_dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	close(load->out_fd);
	free(load->records);
	free(load);
}

static void signal_all(const struct load *load, int signal_number)
{
	assert_true(load->pid > 0);
	assert_int_equal(kill(-load->pid, signal_number), 0);
}

void load__pause(const struct load *load)
{
	signal_all(load, SIGSTOP);
}

void load__resume(const struct load *load)
{
	signal_all(load, SIGCONT);
}

void load__stop(const struct load *load)
{
	signal_all(load, SIGINT);
}

static int compare(const void *a, const void *b)
{
	const struct storm_record *x = a, *y = b;

	return x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

static void read_log(struct load *load, const char *name)
{
	char path[320];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", load->log_dir, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	size_t n = (size_t)st.st_size / sizeof(*load->records);
	load->records = reallocarray(load->records, load->count + n + 1, sizeof(*load->records));
	assert_non_null(load->records);
	assert_int_equal(read(fd, load->records + load->count, (size_t)st.st_size), st.st_size);
	load->count += n;
}

static void read_logs(struct load *load)
{
	_cleanup_closedir_ DIR *dir = opendir(load->log_dir);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			read_log(load, entry->d_name);
	qsort(load->records, load->count, sizeof(*load->records), compare);
	assert_int_equal(load->count, LOAD_ENDS * load->connections);
	for (size_t i = 1; i < load->count; i++)
		assert_true(load->records[i - 1].cookie < load->records[i].cookie);
}

/* To the end: the last of its processes has closed the pipe. */
static void read_report(struct load *load, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = load->out_fd, .events = POLLIN };
	int64_t deadline = now_ms() + timeout_ms;
	ssize_t n = 1;

	while (n > 0) {
		int64_t left = deadline - now_ms();

		if (poll(&poll_fd, 1, left > 0 ? (int)left : 0) != 1)
			fail_msg("the storm did not end within %d ms", timeout_ms);
		n = read(load->out_fd, load->report + load->report_len, sizeof(load->report) - load->report_len - 1);
		if (n > 0)
			load->report_len += (size_t)n;
	}
}

double load__join(struct load *load, int timeout_ms)
{
	json_t *report;
	int status;

	read_report(load, timeout_ms);
	assert_int_equal(waitpid(load->pid, &status, 0), load->pid);
	load->pid = 0;
	if (status)
		fail_msg("the storm ended with wait status %#x: %s", (unsigned int)status, load->report);
	report = json_loads(load->report, 0, NULL);
	assert_non_null(report);
	double seconds = json_real_value(json_object_get(report, "seconds"));
	load->connections = (uint64_t)json_integer_value(json_object_get(report, "connections"));
	json_decref(report);
	read_logs(load);
	return seconds;
}

uint64_t load__connections(const struct load *load)
{
	return load->connections;
}

const struct storm_record *load__record(const struct load *load, size_t index)
{
	return index < load->count ? &load->records[index] : NULL;
}

uint32_t load__listener_pid(const struct load *load)
{
	return load->listener_pid;
}
