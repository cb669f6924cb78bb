/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The container that a cgroup belongs to, from its name alone. */
#ifndef SOCKWATCH_MODEL_CONTAINER_H
#define SOCKWATCH_MODEL_CONTAINER_H

#define CONTAINER_ID_LEN 64 /* hexadecimal digits */

/* The id, CONTAINER_ID_LEN bytes within cgroup, of the innermost container; NULL: it is none that we know the naming of. */
const char *container__find(const char *cgroup);

#endif
