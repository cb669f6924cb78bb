/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A listing as a table for people: aligned, every control byte escaped. On a terminal of known width columns that do not
 * fit are left out by their rank, names are cut and addresses go on in the next line; else nothing is cut.
 */
#ifndef SOCKWATCH_RENDER_TABLE_H
#define SOCKWATCH_RENDER_TABLE_H

#include "render/columns.h"

/* So many rows a person may look at; longer tables are aligned by their first rows only, and are not fitted. */
#define SHEET_PEOPLE_MAX 10000

struct sheet_config {
	struct columns columns;
	bool header;
	bool colour;
	bool chosen;	    /* the user named the columns: none is left out */
	unsigned int width; /* of the terminal; 0: none, or not to be fitted */
	size_t rows;	    /* that will come */
};

struct sheet;

int sheet__new(const struct sheet_config *config, struct sheet **ret);
void sheet__free(struct sheet *t);
/* Every line once, or the first ones of a table too long for people. */
void sheet__measure(struct sheet *t, const struct column_view *v);
bool sheet__wants_measure(const struct sheet *t);
/* Then every line; what is whole is appended to out. 0 or -ENOMEM. */
int sheet__line(struct sheet *t, const struct column_view *v, struct buffer *out);
/* The rest. 0 or -errno. */
int sheet__end(struct sheet *t, struct buffer *out);

#endif
