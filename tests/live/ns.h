/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fresh network namespaces for the live tests. The caller's own namespace never changes. A failure fails the test. */
#ifndef SOCKWATCH_TESTS_NS_H
#define SOCKWATCH_TESTS_NS_H

#include <stdint.h>

/* A new namespace with lo up; the nsfs descriptor (O_CLOEXEC) is the caller's and keeps it alive. */
int ns__new(void);
/* A descriptor of the namespace the test runs in. */
int ns__own(void);
uint32_t ns__inode(int ns_fd);
/* Run fn(ctx) in a thread inside the namespace; its return value. */
int ns__call(int ns_fd, int (*fn)(void *ctx), void *ctx);
/* Write a sysctl of the namespace, such as ("net/ipv4/tcp_fastopen", "519"). */
void ns__sysctl(int ns_fd, const char *name, const char *value);

#endif
