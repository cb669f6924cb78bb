/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "cmd/command.h"

int main(int argc, char **argv)
{
	struct options options;
	char why[256] = "wrong usage";

	signal(SIGPIPE, SIG_IGN);
	if (options__parse(argc, argv, &options, why, sizeof(why))) {
		log_error("%s", why);
		log_error("try 'sockwatch --help'");
		return 2;
	}
	if (options.verbose)
		log__set_level(LOG_VERBOSE);
	switch (options.command) {
	case COMMAND_HELP:
		options__print_help();
		return 0;
	case COMMAND_VERSION:
		puts("sockwatch " SOCKWATCH_VERSION);
		return 0;
	case COMMAND_DOCTOR:
		return cmd_doctor(&options);
	default:
		return cmd_stream(&options);
	}
}
