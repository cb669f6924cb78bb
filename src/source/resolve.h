/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names of hosts, services and users, asked of the name service switch by a few threads at once and only until a
 * deadline: what has no answer then stays a number.
 */
#ifndef SOCKWATCH_SOURCE_RESOLVE_H
#define SOCKWATCH_SOURCE_RESOLVE_H

#include <stdint.h>

#define RESOLVE_MAX 4096 /* questions; more are not asked */

struct resolver;

/* NULL: no memory. */
struct resolver *resolver__new(void);
/* An answer that is still awaited is dropped when it comes. Takes NULL. */
void resolver__free(struct resolver *r);

/* What will be asked; each once. family is 4 or 6, protocol a name of getservbyport(3). */
void resolver__want_host(struct resolver *r, uint8_t family, const uint8_t *address);
void resolver__want_service(struct resolver *r, const char *protocol, uint16_t port);
void resolver__want_user(struct resolver *r, uint32_t uid);
/* Ask, and wait for all answers or so many milliseconds. 0 or -errno: no thread could be started. */
int resolver__run(struct resolver *r, unsigned int timeout_ms);

/* NULL: no name, or none in time. Valid as long as r. */
const char *resolver__host(const struct resolver *r, uint8_t family, const uint8_t *address);
const char *resolver__service(const struct resolver *r, const char *protocol, uint16_t port);
const char *resolver__user(const struct resolver *r, uint32_t uid);

#endif
