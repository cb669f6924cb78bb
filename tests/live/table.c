/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "live/stream.h"
#include "model/types.h"
#include "render/render.h"
#include "source/diag.h"
#include "source/netns.h"

#define REPORTED 20

struct live_table {
	struct live_table_config config;
	void *root;		 /* tsearch tree of struct live_table_entry by cookie */
	size_t minisocks, count; /* minisocks are among count */
};

static int compare(const void *a, const void *b)
{
	const struct live_table_entry *x = a, *y = b;

	return x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

struct live_table *live_table__new(const struct live_table_config *config)
{
	struct live_table *t = calloc(1, sizeof(*t));

	if (t && config)
		t->config = *config;
	return t;
}

void live_table__free(struct live_table *t)
{
	if (!t)
		return;
	tdestroy(t->root, free);
	free(t);
}

static struct live_table_entry *look_up(const struct live_table *t, uint64_t cookie)
{
	struct live_table_entry key = { .cookie = cookie };
	void *node = tfind(&key, &t->root, compare);

	return node ? *(struct live_table_entry **)node : NULL;
}

static struct live_table_entry *insert(struct live_table *t, uint64_t cookie)
{
	struct live_table_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->cookie = cookie;
	if (!tsearch(e, &t->root, compare)) {
		free(e);
		return NULL;
	}
	t->count++;
	return e;
}

static void set_minisock(struct live_table *t, struct live_table_entry *e, bool minisock)
{
	t->minisocks += minisock;
	t->minisocks -= e->minisock;
	e->minisock = minisock;
}

static void drop(struct live_table *t, struct live_table_entry *e)
{
	set_minisock(t, e, false);
	tdelete(e, &t->root, compare);
	t->count--;
	free(e);
}

static void copy_text(char *dst, size_t size, const json_t *update, const char *key)
{
	const char *text = update__text(update, key);

	if (*text)
		snprintf(dst, size, "%s", text);
}

static void fill(struct live_table_entry *e, const json_t *update)
{
	e->netns = (uint32_t)update__number(update, "netns");
	e->pid = (uint32_t)update__number(update, "pid");
	if (json_object_get(update, "inode"))
		e->inode = update__number(update, "inode");
	if (json_object_get(update, "local_port"))
		e->local_port = (uint16_t)update__number(update, "local_port");
	if (json_object_get(update, "remote_port"))
		e->remote_port = (uint16_t)update__number(update, "remote_port");
	copy_text(e->local, sizeof(e->local), update, "local_address");
	copy_text(e->remote, sizeof(e->remote), update, "remote_address");
	copy_text(e->state, sizeof(e->state), update, "state");
	copy_text(e->protocol, sizeof(e->protocol), update, "protocol");
	copy_text(e->attribution, sizeof(e->attribution), update, "attribution");
}

static bool among(const char *word, const char *const *words)
{
	while (*words && strcmp(word, *words))
		words++;
	return *words;
}

static bool is_timewait(const char *state)
{
	return !strcmp(state, "TIME_WAIT") || !strcmp(state, "FIN_WAIT2");
}

static int refuse(char *why, size_t why_size, const char *what, const json_t *update)
{
	char *text = json_dumps(update, JSON_COMPACT | JSON_PRESERVE_ORDER);

	snprintf(why, why_size, "%s: %s", what, text ? text : "(?)");
	free(text);
	return -EPROTO;
}

int live_table__apply(struct live_table *t, const json_t *update, char *why, size_t why_size)
{
	static const char *const opening[] = { "existing", "open", "connect", "listen", "established", "accept", NULL };
	static const char *const only_opening[] = { "existing", "open", NULL };
	static const char *const calls[] = { "connect", "listen", NULL };
	const char *event = update__text(update, "event"), *state = update__text(update, "state");
	uint64_t cookie = update__number(update, "cookie");
	bool closing = !strcmp(event, "close");

	if (!cookie || (t->config.netns && update__number(update, "netns") != t->config.netns))
		return 0;
	/* An accept that was told after the close only says whose the socket was (T11). */
	if (!strcmp(event, "accept") && !strcmp(state, "CLOSE"))
		return 0;
	struct live_table_entry *e = look_up(t, cookie);
	/* Closed while the first dump was made: not listed, and closed; but its time-wait entry is there. */
	if (!e && closing && !is_timewait(state))
		return 0;
	if (!e && !closing && !among(event, opening))
		return refuse(why, why_size, "ghost", update);
	if (e && (among(event, only_opening) || (among(event, calls) && strcmp(e->state, "CLOSE"))))
		return refuse(why, why_size, "second opening", update);
	if (!e && !(e = insert(t, cookie)))
		return refuse(why, why_size, "out of memory", update);
	if ((closing && (e->minisock || !is_timewait(state))) || (!strcmp(event, "state") && !strcmp(state, "CLOSE"))) {
		drop(t, e);
		return 0;
	}
	fill(e, update);
	/* Of a dump, only an entry without file is one that the kernel ends by itself. */
	set_minisock(t, e,
		     closing || e->minisock || !strcmp(state, "TIME_WAIT") ||
			     (!strcmp(event, "existing") && is_timewait(state) && !e->inode));
	return 0;
}

static void print_address(const struct endpoints *ends, const uint8_t *address, char text[INET6_ADDRSTRLEN])
{
	inet_ntop(ends->family == 4 ? AF_INET : AF_INET6, address, text, INET6_ADDRSTRLEN);
}

static int take_row(void *ctx, const struct row *row)
{
	struct live_table *t = ctx;
	struct live_table_entry *e = look_up(t, row->cookie);

	if (row->mptcp_join)
		return 0;
	/* A dump that was interrupted gives rows again. */
	if (!e && !(e = insert(t, row->cookie)))
		return -ENOMEM;
	e->inode = row->inode;
	e->netns = row->netns;
	e->local_port = row->ends.local_port;
	e->remote_port = row->ends.remote_port;
	print_address(&row->ends, row->ends.local, e->local);
	print_address(&row->ends, row->ends.remote, e->remote);
	snprintf(e->state, sizeof(e->state), "%s", render__state_name(row->state));
	snprintf(e->protocol, sizeof(e->protocol), "%s", row->mptcp ? "mptcp" : "tcp");
	set_minisock(t, e, row->minisock && is_timewait(e->state));
	return 0;
}

int live_table__kernel(int ns_fd, bool keep_timewait, struct live_table **ret)
{
	struct diag *diag = NULL;
	struct stat st;
	int fd = netns__open_diag(ns_fd);

	if (fd < 0)
		return fd;
	int err = fstat(ns_fd, &st) ? -errno : diag__new(fd, (uint32_t)st.st_ino, &diag);
	if (err)
		return err;
	struct live_table *t = live_table__new(&(struct live_table_config){ .keep_timewait = keep_timewait });
	err = t ? diag__dump(diag, DIAG_ALL_STATES, take_row, t) : -ENOMEM;
	diag__free(diag);
	if (err) {
		live_table__free(t);
		return err;
	}
	*ret = t;
	return 0;
}

static bool listed(const struct live_table *t, const struct live_table_entry *e)
{
	return e && (t->config.keep_timewait || !e->minisock);
}

size_t live_table__count(const struct live_table *t)
{
	return t->config.keep_timewait ? t->count : t->count - t->minisocks;
}

const struct live_table_entry *live_table__find(const struct live_table *t, uint64_t cookie)
{
	const struct live_table_entry *e = look_up(t, cookie);

	return listed(t, e) ? e : NULL;
}

struct comparison {
	const struct live_table *mine, *other;
	const char *only;  /* said of an entry that the other table lacks */
	bool compare_both; /* one of the two passes looks at the fields */
	char *report;
	size_t size, len, differences;
};

static void tell(struct comparison *c, const char *what, const struct live_table_entry *e)
{
	if (c->differences++ >= REPORTED || c->len >= c->size)
		return;
	c->len += (size_t)snprintf(c->report + c->len, c->size - c->len,
				   "%s: cookie %llu netns %u %s %s:%u > %s:%u %s\n", what,
				   (unsigned long long)e->cookie, e->netns, e->protocol, e->local, e->local_port,
				   e->remote, e->remote_port, e->state);
}

static bool same(const struct live_table_entry *stream, const struct live_table_entry *kernel)
{
	bool port = stream->local_port == kernel->local_port || (!stream->local_port && !strcmp(stream->state, "SYN_"
													       "SENT"));
	/* A listener's wildcard is not told. */
	bool remote = !strcmp(stream->remote, kernel->remote) || (!*stream->remote && !kernel->remote_port);

	return port && remote && stream->netns == kernel->netns && stream->remote_port == kernel->remote_port &&
	       !strcmp(stream->local, kernel->local);
}

static void compare_entry(const void *node, VISIT which, void *ctx)
{
	const struct live_table_entry *e = *(const struct live_table_entry *const *)node;
	struct comparison *c = ctx;

	if ((which != postorder && which != leaf) || !listed(c->mine, e))
		return;
	const struct live_table_entry *twin = live_table__find(c->other, e->cookie);
	if (!twin) {
		tell(c, c->only, e);
	} else if (c->compare_both && !same(e, twin)) {
		tell(c, "stream says", e);
		c->differences--;
		tell(c, "kernel says", twin);
	}
}

size_t live_table__difference(const struct live_table *stream, const struct live_table *kernel, char *report,
			      size_t report_size)
{
	struct comparison c = { .report = report, .size = report_size };

	report[0] = '\0';
	c.mine = stream, c.other = kernel, c.only = "only in the stream", c.compare_both = true;
	twalk_r(stream->root, compare_entry, &c);
	c.mine = kernel, c.other = stream, c.only = "only in the kernel", c.compare_both = false;
	twalk_r(kernel->root, compare_entry, &c);
	return c.differences;
}
