/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Network namespaces that the table knows sockets of, and that no process is in any more. */
#ifndef SOCKWATCH_CMD_UNLISTED_H
#define SOCKWATCH_CMD_UNLISTED_H

#include "model/model.h"
#include "source/netns.h"

/*
 * Such a namespace lives on through its sockets: enter it through one that somebody holds, and add it to list. Where
 * nobody holds any, its sockets are gone, unless some process could not be looked into: the model is told that it is
 * complete. Call within a dump. 0 or -errno.
 */
int unlisted__find(struct model *m, const char *proc, struct netns_list *list);

#endif
