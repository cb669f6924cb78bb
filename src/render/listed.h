/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words for listed sockets. */
#ifndef SOCKWATCH_RENDER_LISTED_H
#define SOCKWATCH_RENDER_LISTED_H

#include "model/listed.h"
#include "render/columns.h"
#include "render/render.h"

/* "tcp", "udp", "unix" ..; of a listed socket also the number that socket(2) takes as protocol. */
const char *listed__protocol(const struct listed *s);
uint32_t listed__protocol_number(const struct listed *s);
const char *listed__family(const struct listed *s);
uint32_t listed__family_number(const struct listed *s);
const char *listed__type(const struct listed *s);
/* netstat's words; what has no connection and is not TCP is UNCONN, as ss has it. */
const char *listed__state(const struct listed *s);
const char *listed__timer(const struct listed *s);
/* "route", "audit" ..; NULL: not known. */
const char *listed__netlink_protocol(uint32_t protocol);

/* The path of a unix socket, of an abstract one with @ for each NUL. */
void listed__add_path(const struct listed *s, struct buffer *out);
/* One whole record: an "existing" update of the stream with what else is known. */
void listed__json(const struct render_config *config, const struct column_view *v, uint64_t time_ns,
		  struct buffer *out);
/* The chosen columns as one object, keys as columns are called. */
void listed__json_columns(const struct columns *c, const struct column_view *v, struct buffer *scratch,
			  struct buffer *out);

#endif
