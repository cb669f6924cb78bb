/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: starts while namespaces and processes come and go under the eyes of the dump. */
#include "live/live.h"

#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live/program.h"

#define STARTS scale__load(20)
#define PORT   7600

/* A process that makes trouble, and how often it has done so. */
struct trouble {
	pid_t pid;
	volatile unsigned long *rounds; /* shared with it */
};

static void open_listener(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 1))
		_exit(1);
	/* Left open: it goes with the process. */
}

/* A process in a namespace of its own, with a socket; both are gone a moment later. */
static void vanish_with_namespace(void)
{
	if (unshare(CLONE_NEWNET))
		_exit(1);
	open_listener();
	_exit(0);
}

/* The same in the namespace of everybody, with descriptors. */
static void vanish(void)
{
	for (int i = 0; i < 8; i++)
		open_listener();
	_exit(0);
}

static void repeat(const struct trouble *t, void (*fn)(void))
{
	int status;

	for (;;) {
		pid_t child = fork();

		if (!child)
			fn();
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			_exit(1);
		++*t->rounds;
	}
}

static void begin(struct trouble *t, void (*fn)(void))
{
	t->rounds = mmap(NULL, sizeof(*t->rounds), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(t->rounds, MAP_FAILED);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (!t->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		repeat(t, fn);
	}
}

/* It must have gone on all the time. */
static void finish(struct trouble *t)
{
	int status;

	assert_int_equal(waitpid(t->pid, &status, WNOHANG), 0);
	kill(t->pid, SIGKILL);
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	munmap((void *)t->rounds, sizeof(*t->rounds));
}

static void start_amid(void (*fn)(void))
{
	struct trouble t;

	begin(&t, fn);
	for (unsigned int i = 0; i < STARTS; i++) {
		unsigned long before = *t.rounds;
		struct program *p = program_run(0, .args = PROGRAM_ARGS("--json", "-l", "--duration", "0.05"));

		program__assert_out(p, "\"event\":\"sync\"");
		program__assert_out(p, "\"event\":\"summary\"");
		program__free(p);
		assert_true(*t.rounds > before);
	}
	finish(&t);
}

static void namespaces_that_vanish_during_the_dump(void **state)
{
	(void)state;
	start_amid(vanish_with_namespace);
}

static void processes_that_exit_while_they_are_read(void **state)
{
	(void)state;
	start_amid(vanish);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(namespaces_that_vanish_during_the_dump),
		cmocka_unit_test(processes_that_exit_while_they_are_read),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
