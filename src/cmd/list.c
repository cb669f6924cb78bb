/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sockwatch list: every socket that is open now, with its owner. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/collect.h"
#include "cmd/command.h"
#include "cmd/list_filter.h"
#include "cmd/list_names.h"
#include "cmd/list_options.h"
#include "cmd/output.h"
#include "cmd/select.h"
#include "render/csv.h"
#include "render/listed.h"
#include "render/order.h"
#include "render/table.h"
#include "source/bpf_pin.h"
#include "source/diag_filter.h"
#include "source/iter.h"

#define SCRATCH_MAX (1024 * 1024)
#define WIDTH_MAX   10000

struct list {
	const struct list_options *options;
	struct netns_list namespaces;
	struct filter *filter;
	struct buffer bytecode;
	uint32_t states; /* to show */
	struct collect collect;
	struct list_names names;
	struct column_view view;
	struct columns columns;
	struct listed **rows;
	size_t row_count;
	struct output out;
	struct buffer scratch;
	struct sheet *sheet;
	struct render_config render;
	uint64_t time_ns;
	int owners_fd; /* what pinned programs remember; negative: nothing is pinned */
};

/* ---- what to look at */

static uint32_t needs(const struct list *l)
{
	const struct list_options *o = l->options;
	uint32_t all = columns__needs(&o->columns) | o->facts | list_filter__needs(l->filter);
	const struct column *sort;

	if (o->json && !o->chosen)
		all |= COLUMN_HOLDERS | COLUMN_PROCESS;
	if (o->sort) {
		const char *name = o->sort + (*o->sort == '-');

		sort = columns__find(name, strlen(name));
		all |= sort ? sort->needs : 0;
	}
	return all;
}

static void set_up_ask(struct list *l)
{
	const struct list_options *o = l->options;
	uint32_t all = needs(l);
	struct sockets_ask *ask = &l->collect.ask;

	l->states = filter__names_states(l->filter) ? FILTER_STATES : o->states;
	l->states &= filter__states(l->filter);
	ask->classes = list_filter__classes(l->filter, o->classes);
	ask->states = l->states;
	/* Devices have other numbers in other namespaces, and an owner may be in another cgroup than its socket. */
	diag_filter__compile(l->filter, 0, &l->bytecode);
	if (l->bytecode.len) {
		ask->bytecode = l->bytecode.data;
		ask->bytecode_len = l->bytecode.len;
	}
	ask->no_ipv4 = o->ipv6 && !o->ipv4;
	ask->no_ipv6 = o->ipv4 && !o->ipv6;
	if (all & COLUMN_MEMORY)
		ask->facts |= SOCKETS_MEMORY;
	if (all & COLUMN_TCP)
		ask->facts |= SOCKETS_TCP;
	if (all & COLUMN_REFS)
		ask->facts |= SOCKETS_REFS;
	l->collect.holders = all & COLUMN_HOLDERS;
	l->collect.whole = all & COLUMN_PROCESS;
	/* What nobody accepted yet belongs to its listener's owner, so listeners must be known. */
	if (l->collect.holders && ask->classes & CLASS_BIT(CLASS_TCP))
		ask->states |= 1U << STATE_LISTEN;
}

static int set_up_namespaces(struct list *l)
{
	const struct list_options *o = l->options;
	int err;

	if (o->netns) {
		err = netns__find("/proc", o->netns, &l->namespaces);
		if (err)
			log_error("no network namespace '%s': %s", o->netns, strerror(-err));
		return err;
	}
	err = netns__list("/proc", &l->namespaces);
	if (err == -E2BIG) {
		log_warn("there are more network namespaces than can be looked at: some are left out");
		err = 0;
	} else if (err) {
		log_error("cannot find the network namespaces: %s", strerror(-err));
	} else if (l->namespaces.count) {
		l->collect.own = &l->namespaces.items[0];
	}
	return err;
}

static void warn(const struct list *l)
{
	const struct collect *c = &l->collect;

	if (c->failed)
		log_warn("%u of %u network namespaces could not be read whole (%s): sockets may be missing", c->failed,
			 l->namespaces.count, strerror(-c->failed_error));
	if (l->namespaces.unreadable)
		log_warn("%u process%s could not be looked into: sockets there may be missing or without an owner "
			 "(hidepid, or CAP_SYS_PTRACE is missing)",
			 l->namespaces.unreadable, l->namespaces.unreadable == 1 ? "" : "es");
	else if (c->unreadable)
		log_warn("%u process%s could not be looked into: sockets held there have no owner "
			 "(hidepid, or CAP_SYS_PTRACE is missing)",
			 c->unreadable, c->unreadable == 1 ? "" : "es");
	for (unsigned int class = 0; l->options->named && class < CLASS_MAX; class ++) {
		const struct listed s = { .class = (uint8_t) class };

		/* Of several that one letter selects, each kernel lacks some. */
		if (c->missing == l->options->classes && c->missing & CLASS_BIT(class))
			log_warn("this kernel has no list of %s sockets", listed__protocol(&s));
	}
}

/* As listing_config.last_owner: from pinned programs. */
static int last_owner(void *ctx, uint64_t cookie, struct process **ret)
{
	struct list *l = ctx;
	struct sw_owner owner;
	struct process *p;
	bool fresh;
	int err = bpf_pin__last_owner(l->owners_fd, cookie, &owner);

	if (err)
		return err;
	p = process_table__get(listing__processes(l->collect.listing), owner.process.pid,
			       owner.process.start_ns / (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK)), &fresh);
	if (!p)
		return -ENOMEM;
	if (fresh) {
		process__set_comm(p, owner.process.comm, sizeof(owner.process.comm));
		p->ppid = owner.process.ppid;
		p->uid = owner.process.uid;
		p->have_ids = true;
	}
	*ret = p;
	return 0;
}

static int collect(struct list *l)
{
	const struct listing_config config = { .last_owner = l->owners_fd < 0 ? NULL : last_owner, .ctx = l };
	int err = listing__new(&config, &l->collect.listing);

	if (!err)
		err = collect__run(&l->collect);
	if (err)
		log_error("cannot list the sockets: %s", strerror(-err));
	return err;
}

/* ---- what to show */

static bool is_shown(void *ctx, const struct listed *s)
{
	struct list *l = ctx;
	struct column_view view = l->view;

	view.socket = s;
	return l->states & 1U << listed__asked_state(s) && list_filter__matches(l->filter, &view, &l->scratch);
}

static int choose_rows(struct list *l)
{
	const char *sort = l->options->sort;
	bool descending = sort && *sort == '-';
	const struct column *column = NULL;
	int err;

	if (sort)
		column = columns__find(sort + descending, strlen(sort + descending));
	err = order__rows(&l->view, column, descending, is_shown, l, &l->rows, &l->row_count);
	if (err)
		log_error("cannot sort: %s", strerror(-err));
	return err;
}

static bool has_column(const struct columns *c, const char *name, unsigned int *ret)
{
	for (*ret = 0; *ret < c->count; ++*ret) {
		if (!strcmp(c->items[*ret]->name, name))
			return true;
	}
	return false;
}

/* One namespace needs no column. */
static void choose_columns(struct list *l)
{
	unsigned int i;

	l->columns = l->options->columns;
	if (l->options->chosen || l->options->csv || !has_column(&l->columns, "netns", &i))
		return;
	for (size_t row = 1; row < l->row_count; row++) {
		if (l->rows[row]->netns != l->rows[0]->netns)
			return;
	}
	columns__remove(&l->columns, i);
}

static unsigned int terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t width;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (columns && !parse__u64(columns, 1, WIDTH_MAX, &width))
		return (unsigned int)width;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ? 0 : size.ws_col;
}

/* fn with each line: a socket, or each of its holders. Until fn fails or the reader is gone. */
static int each_line(struct list *l, int (*fn)(struct list *l))
{
	int err = 0;

	for (size_t i = 0; i < l->row_count && !err && !l->out.error; i++) {
		const struct holder *holders;
		size_t count = 0;

		l->view.socket = l->rows[i];
		l->view.holder = NULL;
		if (!l->columns.by_holder || !l->rows[i]->holder_count) {
			err = fn(l);
			continue;
		}
		/* The list is only valid until the next is asked for, so it is asked for again. */
		count = l->rows[i]->holder_count;
		for (size_t h = 0; h < count && !err; h++) {
			struct holder one;

			holders = listing__holders(l->view.listing, l->rows[i], &count);
			if (!holders)
				return -ENOMEM;
			one = holders[h];
			l->view.holder = &one;
			err = fn(l);
			l->view.holder = NULL;
		}
	}
	return err;
}

static int finish_line(struct list *l)
{
	if (l->out.lines.len >= OUTPUT_FLUSH_AT)
		output__flush(&l->out);
	return 0;
}

static int print_json(struct list *l)
{
	if (l->options->chosen)
		listed__json_columns(&l->columns, &l->view, &l->scratch, &l->out.lines);
	else
		listed__json(&l->render, &l->view, l->time_ns, &l->out.lines);
	return finish_line(l);
}

static int print_csv(struct list *l)
{
	csv__line(&l->columns, &l->view, &l->scratch, &l->out.lines);
	return finish_line(l);
}

static int measure(struct list *l)
{
	if (sheet__wants_measure(l->sheet))
		sheet__measure(l->sheet, &l->view);
	return 0;
}

static int print_table_line(struct list *l)
{
	int err = sheet__line(l->sheet, &l->view, &l->out.lines);

	return err ? err : finish_line(l);
}

static int print_table(struct list *l)
{
	const char *no_colour = getenv("NO_COLOR");
	struct sheet_config config = {
		.columns = l->columns,
		.header = !l->options->no_header,
		.colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour),
		.chosen = l->options->chosen,
		.width = l->options->wide ? 0 : terminal_width(),
		.rows = l->row_count,
	};
	int err = sheet__new(&config, &l->sheet);

	if (!err)
		err = each_line(l, measure);
	if (!err)
		err = each_line(l, print_table_line);
	if (!err)
		err = sheet__end(l->sheet, &l->out.lines);
	return err;
}

static int print(struct list *l)
{
	int err;

	if (l->options->json) {
		err = each_line(l, print_json);
	} else if (l->options->csv) {
		if (!l->options->no_header)
			csv__header(&l->columns, &l->out.lines);
		err = each_line(l, print_csv);
	} else {
		err = print_table(l);
	}
	output__flush(&l->out);
	if (err)
		log_error("cannot print: %s", strerror(-err));
	else if (l->out.error && l->out.error != -EPIPE)
		log_error("cannot write: %s", strerror(-l->out.error));
	if (l->out.error == -EPIPE)
		return 0;
	return err ? err : l->out.error;
}

static void set_up_view(struct list *l)
{
	l->time_ns = clock__boot_ns();
	l->render = (struct render_config){
		.json = true,
		.boot_to_realtime_ns = (int64_t)(clock__ns(CLOCK_REALTIME) - l->time_ns),
		.ticks_per_second = sysconf(_SC_CLK_TCK),
	};
	l->view = (struct column_view){
		.listing = l->collect.listing,
		.names = &l->names.columns,
		.ticks_per_second = l->render.ticks_per_second,
		.boot_to_realtime_ns = l->render.boot_to_realtime_ns,
	};
}

static int run(struct list *l)
{
	int err;

	set_up_ask(l);
	collect__choose(&l->collect);
	err = set_up_namespaces(l);
	if (err)
		return err;
	err = list_names__init(&l->names, &l->namespaces, needs(l) & COLUMN_CONTEXT);
	if (err)
		return err;
	err = collect(l);
	if (err)
		return err;
	set_up_view(l);
	err = choose_rows(l);
	if (err)
		return err;
	if (l->options->resolve && list_names__resolve(&l->names, l->rows, l->row_count))
		log_warn("names cannot be looked up: numbers are shown");
	choose_columns(l);
	err = print(l);
	warn(l);
	return err ? err : l->collect.failed ? -EIO : 0;
}

int cmd_list(const struct list_options *options)
{
	struct list l = {
		.options = options,
		.collect = { .proc = "/proc" },
		.owners_fd = bpf_pin__open_owners(),
	};
	int err = select__parse(&(struct filter_words){ options->filter, options->filter_count, options->filter_file },
				select__family(options->ipv4, options->ipv6), 0, &l.filter);

	if (err)
		return err == -EINVAL ? 2 : 1;
	/* Only how wide a character is; numbers and messages stay as they are. */
	setlocale(LC_CTYPE, "");
	l.collect.namespaces = &l.namespaces;
	output__init(&l.out, STDOUT_FILENO, -1);
	buffer__init(&l.scratch, SCRATCH_MAX);
	buffer__init(&l.bytecode, DIAG_FILTER_MAX);
	err = run(&l);
	sheet__free(l.sheet);
	free(l.rows);
	filter__free(l.filter);
	buffer__free(&l.scratch);
	buffer__free(&l.bytecode);
	output__free(&l.out);
	list_names__free(&l.names);
	listing__free(l.collect.listing);
	cleanup_close(&l.owners_fd);
	iter__free(l.collect.iter);
	netns__list_free(&l.namespaces);
	return err ? 1 : 0;
}
