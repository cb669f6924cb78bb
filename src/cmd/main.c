/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/command.h"

/* A standard stream that is closed must not become a descriptor of ours. False: there is no stdout. */
static bool have_streams(void)
{
	bool out = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	return out;
}

/* What was printed through stdio must have arrived; a reader that went away is no failure. */
static int finish(int status)
{
	if ((!fflush(stdout) && !ferror(stdout)) || errno == EPIPE)
		return status;
	log_error("cannot write: %s", strerror(errno));
	return 1;
}

static int refuse(const char *why, const char *hint)
{
	log_error("%s", why);
	log_error("try '%s'", hint);
	return 2;
}

/* Its letters mean other things than those of the stream. */
static int run_list(int argc, char **argv)
{
	struct list_options options;
	char why[256] = "wrong usage";

	if (list_options__parse(argc, argv, &options, why, sizeof(why)))
		return refuse(why, "sockwatch list --help");
	if (options.verbose)
		log__set_level(LOG_VERBOSE);
	if (!options.help)
		return cmd_list(&options);
	list_options__print_help();
	return finish(0);
}

int main(int argc, char **argv)
{
	struct options options;
	char why[256] = "wrong usage";

	signal(SIGPIPE, SIG_IGN);
	if (!have_streams()) {
		log_error("stdout is closed: there is nowhere to print to");
		return 1;
	}
	if (argc > 1 && !strcmp(argv[1], "list"))
		return run_list(argc - 1, argv + 1);
	if (options__parse(argc, argv, &options, why, sizeof(why)))
		return refuse(why, "sockwatch --help");
	if (options.verbose)
		log__set_level(LOG_VERBOSE);
	switch (options.command) {
	case COMMAND_HELP:
		options__print_help();
		return finish(0);
	case COMMAND_VERSION:
		puts("sockwatch " SOCKWATCH_VERSION);
		return finish(0);
	case COMMAND_DOCTOR:
		return finish(cmd_doctor(&options));
	case COMMAND_PIN:
		return cmd_pin(&options);
	case COMMAND_UNPIN:
		return cmd_unpin(&options);
	default:
		return cmd_stream(&options);
	}
}
