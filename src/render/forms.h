/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two forms behind render__update, and what they share. For render/ only. */
#ifndef SOCKWATCH_RENDER_FORMS_H
#define SOCKWATCH_RENDER_FORMS_H

#include "render/render.h"

void ndjson__update(const struct render_config *config, struct buffer *out, const struct update *u);

/* Parts of it that a listing has too. */
void ndjson__endpoints(struct buffer *out, const struct endpoints *ends, bool has_remote);
void ndjson__owner(const struct render_config *config, struct buffer *out, const struct process *owner, uint32_t tid);
void ndjson__holders(struct buffer *out, const struct holder *holders, size_t count);

void text__header(struct buffer *out);
void text__update(const struct render_config *config, struct buffer *out, const struct update *u);

const char *render__loss_name(unsigned int where);

/* CLOCK_REALTIME ns of a CLOCK_BOOTTIME time; a clock set before 1970 is shown as 1970. */
static inline uint64_t forms__realtime_ns(const struct render_config *config, uint64_t boot_ns)
{
	int64_t ns = (int64_t)(boot_ns + (uint64_t)config->boot_to_realtime_ns);

	return ns < 0 ? 0 : (uint64_t)ns;
}

/* A socket that waits has no other end: its zero address and port are no facts. */
static inline bool forms__is_listener(const struct sock *sock)
{
	return sock->state == STATE_LISTEN || sock->direction == SW_DIR_LISTEN;
}

#endif
