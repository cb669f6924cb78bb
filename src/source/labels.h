/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names of numbers: namespaces, devices, control groups. Looked up once each and kept. */
#ifndef SOCKWATCH_SOURCE_LABELS_H
#define SOCKWATCH_SOURCE_LABELS_H

#include <stdint.h>

#include "source/netns.h"

struct labels;

/* The list (NULL: none) is looked into for devices, and must outlive the names. NULL: no memory. */
struct labels *labels__new(const struct netns_list *namespaces);
void labels__free(struct labels *n);

/* Each NULL when there is no name; what is returned lives as long as n. */
const char *labels__netns(struct labels *n, uint32_t inode); /* as ip-netns(8) calls it */
const char *labels__device(struct labels *n, uint32_t netns, uint32_t ifindex);
const char *labels__cgroup(struct labels *n, uint64_t id);   /* path below the root of cgroup v2 */
const char *labels__context(struct labels *n, uint32_t pid); /* LSM context of the process as it is now */

#endif
