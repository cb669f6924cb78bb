/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A renderer appends updates to a buffer. Two kinds: text for people, NDJSON v1 for programs. */
#ifndef SOCKWATCH_RENDER_RENDER_H
#define SOCKWATCH_RENDER_RENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "model/types.h"

struct render_config {
	bool json;
	bool colour;		     /* text only */
	int64_t boot_to_realtime_ns; /* CLOCK_REALTIME - CLOCK_BOOTTIME, taken once at start */
	long ticks_per_second;	     /* sysconf(_SC_CLK_TCK), unit of process.start_ticks */
};

/* Append the header line of the text form; nothing for JSON. */
void render__header(const struct render_config *config, struct buffer *out);
/* Append one update as exactly one line. */
void render__update(const struct render_config *config, struct buffer *out, const struct update *u);

/* The words, for other users of them (schema test, doctor, option help). NULL when out of range. */
const char *render__event_name(enum event event);
const char *render__state_name(unsigned int state);
const char *render__attribution_name(unsigned int attribution);
const char *render__reason_name(unsigned int reason);

#endif
