/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One run of `$SOCKWATCH ARGS...` (default build/sockwatch) as a user sees it: what it printed where, and how it ended.
 * stream.h is for those who want the updates. A program that dies of a signal, or does not end in time, fails the test
 * after both outputs were printed.
 */
#ifndef SOCKWATCH_TESTS_PROGRAM_H
#define SOCKWATCH_TESTS_PROGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "live/scale.h"

#define PROGRAM_TIMEOUT_MS scale__timeout(20000)

struct program_text {
	int fd;	    /* of the pipe; -1: end of file seen */
	char *text; /* NUL-terminated; never NULL */
	size_t len;
};

struct program {
	pid_t pid;			/* 0: reaped */
	struct program_text out, error; /* what was read so far */
};

struct program_config {
	const char *const *args; /* NULL: none */
	/* In the child, before the program: what it shall find. Not 0 is a failure of the test. */
	int (*prepare)(void *ctx);
	void *ctx;
};

struct program *program__start(const struct program_config *config);
/* Kills it if it still runs. Takes NULL. */
void program__free(struct program *p);

/* Read until the text is in what it prints. */
void program__wait_text(struct program *p, const struct program_text *where, const char *text);
/* Read to the end of both outputs; the exit status. */
int program__join(struct program *p);
/* Both outputs, to the test's stderr. */
void program__print(const struct program *p);

/* start and join. The exit status must be the one that is wanted. */
struct program *program__run(const struct program_config *config, int status);
/* The outputs must have the text, or must not have it. */
void program__assert_out(const struct program *p, const char *text);
void program__assert_error(const struct program *p, const char *text);
void program__assert_error_lacks(const struct program *p, const char *text);
/* Of --json: the line of that event and local port; NULL: none. The caller frees it. */
json_t *program__find(const struct program *p, const char *event, uint16_t port);
/* Read until there is such a line. */
void program__wait_line(struct program *p, const char *event, uint16_t port);
/* There is such a line, and the owner is the process that was found to hold the socket; pid 0: nobody. */
void program__assert_owner(const struct program *p, const char *event, uint16_t port, pid_t pid);

#define PROGRAM_ARGS(...)	 ((const char *const[]){ __VA_ARGS__, NULL })
#define program_start(...)	 program__start(&(struct program_config){ __VA_ARGS__ })
#define program_run(status, ...) program__run(&(struct program_config){ __VA_ARGS__ }, status)

#endif
