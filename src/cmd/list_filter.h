/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A listed socket as a filter sees it. */
#ifndef SOCKWATCH_CMD_LIST_FILTER_H
#define SOCKWATCH_CMD_LIST_FILTER_H

#include "base/buffer.h"
#include "model/filter.h"
#include "render/columns.h"

/* What the columns call what a filter asks for: COLUMN_HOLDERS and COLUMN_PROCESS. */
uint32_t list_filter__needs(const struct filter *f);
/* Of classes those that can match. */
uint32_t list_filter__classes(const struct filter *f, uint32_t classes);
/* v as for a column; scratch is used for paths. */
bool list_filter__matches(const struct filter *f, const struct column_view *v, struct buffer *scratch);

#endif
