/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The columns that take more than a line to write. For columns.c only. */
#ifndef SOCKWATCH_RENDER_COLUMN_TEXTS_H
#define SOCKWATCH_RENDER_COLUMN_TEXTS_H

#include "render/columns.h"

void column__local(const struct column_view *v, struct buffer *out);
void column__remote(const struct column_view *v, struct buffer *out);
void column__local_address(const struct column_view *v, struct buffer *out);
void column__remote_address(const struct column_view *v, struct buffer *out);
void column__local_port(const struct column_view *v, struct buffer *out);
void column__remote_port(const struct column_view *v, struct buffer *out);
void column__timer(const struct column_view *v, struct buffer *out);
void column__memory(const struct column_view *v, struct buffer *out);
void column__info(const struct column_view *v, struct buffer *out);
void column__start_time(const struct column_view *v, struct buffer *out);
void column__add_device(const struct column_view *v, struct buffer *out);

#endif
