/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is open at one moment: rows of dumps and holders go in, sockets with their owners come out, each once. Pure: no
 * system call. Where rows and holders come from does not matter here:
 *
 *	listing__add for every row
 *	listing__rows_end, then listing__hold for every descriptor that listing__wants
 *	while listing__unheld says that rows are left which somebody should hold:
 *		listing__recheck_begin, listing__add for the rows of a new dump, listing__recheck_end
 *		(what is not in it has closed meanwhile and is left out), listing__hold again
 *	listing__finish, which says whose they are
 */
#ifndef SOCKWATCH_MODEL_LISTING_H
#define SOCKWATCH_MODEL_LISTING_H

#include "model/listed.h"
#include "model/process.h"

#define LISTING_ROWS_MAX (64U * 1024 * 1024) /* more are refused (-E2BIG) */

struct listing;

struct listing_config {
	/*
	 * The last owner of a socket that nobody holds any more, as who kept watch knows it: *ret with the attribution
	 * that was known, or -ENOENT. May be NULL: nobody kept watch.
	 */
	int (*last_owner)(void *ctx, uint64_t cookie, struct process **ret);
	void *ctx;
};

int listing__new(const struct listing_config *config, struct listing **ret);
void listing__free(struct listing *l);

/*
 * A row; names and facts (NULL: none) are copied. The same socket again is the same socket: the later row counts. What
 * begins with "the listing's own" in struct listed is not looked at. 0, -E2BIG or -ENOMEM.
 */
int listing__add(struct listing *l, const struct listed *row, const struct facts *facts);
/* Facts of a row that was added, found by class and cookie; those of another are dropped. Before listing__rows_end. */
int listing__add_facts(struct listing *l, const struct listed *row, const struct facts *facts);

int listing__rows_end(struct listing *l);
/* It will be asked for soon: the row may be fetched into the cache meanwhile. */
void listing__expect(const struct listing *l, uint64_t inode);
/* A row has this inode, and no holder from an earlier look. */
bool listing__wants(const struct listing *l, uint64_t inode);
/* p has descriptor fd of the socket. The process stays the table's. 0 or -ENOMEM. */
int listing__hold(struct listing *l, uint64_t inode, struct process *p, int fd);
/* A look at all processes is over: what has holders now has them all. 0 or -ENOMEM. */
int listing__holders_end(struct listing *l);

/*
 * Rows with a file that nobody was found to hold: their number, each of them as of the last look (start with *pos = 0;
 * NULL at the end), and their classes as CLASS_BIT (of one namespace).
 */
size_t listing__unheld(const struct listing *l);
const struct listed *listing__next_unheld(const struct listing *l, size_t *pos);
uint32_t listing__unheld_classes(const struct listing *l, uint32_t netns);
int listing__recheck_begin(struct listing *l);
/* The dump of these classes of the namespace failed: what it did not show may still be there. */
void listing__recheck_failed(struct listing *l, uint32_t netns, uint32_t classes);
int listing__recheck_end(struct listing *l);

/* Owners and attributions. 0 or -ENOMEM. */
int listing__finish(struct listing *l);

/* The processes that hold; the caller fills in what it needs of them. */
struct process_table *listing__processes(struct listing *l);
/* Rows in the order they came: start with *pos = 0; NULL at the end. */
struct listed *listing__next(const struct listing *l, size_t *pos);
size_t listing__count(const struct listing *l);
/* The row with this inode; NULL: none. Of several (MPTCP) the first. */
const struct listed *listing__by_inode(const struct listing *l, uint64_t inode);
/* The holders in the order they were found, valid until the next call; NULL: none, or no memory. */
const struct holder *listing__holders(struct listing *l, const struct listed *s, size_t *ret_count);

#endif
