/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The names that the columns of a listing ask for. */
#ifndef SOCKWATCH_CMD_LIST_NAMES_H
#define SOCKWATCH_CMD_LIST_NAMES_H

#include <stdbool.h>

#include "render/columns.h"
#include "source/labels.h"
#include "source/resolve.h"

struct list_names {
	struct column_names columns;
	struct labels *labels;
	struct resolver *resolver; /* NULL: -r was not given */
};

/* 0 or -ENOMEM. The namespaces must outlive the names. */
int list_names__init(struct list_names *n, const struct netns_list *namespaces, bool context);
void list_names__free(struct list_names *n);
/* Look up hosts, services and users of the rows, for as long as people wait gladly. 0 or -errno. */
int list_names__resolve(struct list_names *n, struct listed *const *rows, size_t count);

#endif
