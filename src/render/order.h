/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The order of a listing's lines. */
#ifndef SOCKWATCH_RENDER_ORDER_H
#define SOCKWATCH_RENDER_ORDER_H

#include "render/columns.h"

/*
 * The rows that keep (NULL: all) wants. column NULL: what listens first, then as they came, of a listing for people by
 * port. Else by the text of the column, or its number; empty ones last; equal ones stay as they came. 0 or -ENOMEM;
 * *ret is the caller's to free.
 */
int order__rows(const struct column_view *base, const struct column *column, bool descending,
		bool (*keep)(void *ctx, const struct listed *s), void *ctx, struct listed ***ret, size_t *ret_count);

#endif
