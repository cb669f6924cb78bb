/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The subcommands: each returns the exit status of the program. */
#ifndef SOCKWATCH_CMD_COMMAND_H
#define SOCKWATCH_CMD_COMMAND_H

#include "cmd/list_options.h"
#include "cmd/options.h"

int cmd_stream(const struct options *options);
int cmd_doctor(const struct options *options);
int cmd_list(const struct list_options *options);
int cmd_pin(const struct options *options);
int cmd_unpin(const struct options *options);

#endif
