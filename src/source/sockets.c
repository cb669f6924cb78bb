/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "source/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>

#include "base/cleanup.h"
#include "source/netns.h"
#include "source/nldump.h"

static const struct sockets_family *const families[] = {
	&sockets_inet, &sockets_unix, &sockets_packet, &sockets_netlink, &sockets_vsock, &sockets_xdp, &sockets_tipc,
};

int sockets__uid(const struct nlattr *attr, struct listed *row)
{
	if (mnl_attr_get_payload_len(attr) < sizeof(uint32_t))
		return -EBADMSG;
	row->uid = mnl_attr_get_u32(attr);
	row->flags |= LISTED_HAS_UID;
	return 0;
}

int sockets__queues(const struct nlattr *attr, struct listed *row, struct facts *facts)
{
	if (nldump__memory(attr, facts))
		return -EBADMSG;
	row->recv_queue = facts->memory[SK_MEMINFO_RMEM_ALLOC];
	row->send_queue = facts->memory[SK_MEMINFO_WMEM_ALLOC];
	row->flags |= LISTED_QUEUES;
	return 0;
}

struct asking {
	const struct sockets_place *place;
	const struct sockets_family *family;
	enum socket_class class;
	uint32_t states;
	listed_fn fn;
	void *ctx;
};

static struct listed empty_row(const struct asking *a)
{
	return (struct listed){ .class = (uint8_t)a->class, .netns = a->place->netns };
}

static int take_message(void *ctx, const struct nlmsghdr *nlh)
{
	const struct asking *a = ctx;
	struct listed row = empty_row(a);
	struct facts facts;
	int err;

	/* The strings and numbers are set with their flag; only these are looked at without one. */
	facts.have_memory = facts.have_tcp = false;
	facts.congestion[0] = '\0';
	err = a->family->parse(nlh, &row, &facts);
	if (err)
		return err < 0 ? err : 0;
	return a->fn(a->ctx, &row, facts.have_memory || facts.have_tcp || facts.congestion[0] ? &facts : NULL);
}

int sockets__ask_as(const struct sockets_place *place, const struct sockets_family *family, enum socket_class class,
		    uint16_t type, const void *request, size_t len, listed_fn fn, void *ctx)
{
	struct asking a = { .place = place, .family = family, .class = class, .fn = fn, .ctx = ctx };
	bool interrupted = false;
	int err = -ENOENT;

	if (!(*place->no_diag & CLASS_BIT(class)))
		err = nldump__run_as(place->dump, type, request, len, take_message, &a, &interrupted);
	if (err == -ENOENT)
		*place->no_diag |= CLASS_BIT(class);
	if (err)
		return err;
	return interrupted ? -EINTR : 0;
}

int sockets__ask(const struct sockets_place *place, const struct sockets_family *family, enum socket_class class,
		 const void *request, size_t len, listed_fn fn, void *ctx)
{
	return sockets__ask_as(place, family, class, SOCK_DIAG_BY_FAMILY, request, len, fn, ctx);
}

int sockets__get(const struct sockets_place *place, const struct sockets_family *family, enum socket_class class,
		 const void *request, size_t len, listed_fn fn, void *ctx)
{
	struct asking a = { .place = place, .family = family, .class = class, .fn = fn, .ctx = ctx };

	return nldump__get(place->dump, request, len, take_message, &a);
}

/* ---- /proc/net */

/* Of the thread: a process can have threads in several namespaces. */
static int open_file(void *ctx)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/thread-self/net/%s", (const char *)ctx);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sockets__each_line(const struct sockets_place *place, const char *name,
		       int (*fn)(void *ctx, const char *line, size_t len), void *ctx)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int err, fd = place->ns_fd < 0 ? open_file((void *)name) : netns__call(place->ns_fd, open_file, (void *)name);

	if (fd < 0)
		return fd;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	while ((len = getline(&line, &size, file)) > 0) {
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		err = fn(ctx, line, (size_t)len);
		if (err)
			return err;
	}
	return ferror(file) ? -EIO : 0;
}

static int take_line(void *ctx, const char *line, size_t len)
{
	const struct asking *a = ctx;
	struct listed row = empty_row(a);

	if (a->family->parse_line(line, len, &row) || !(a->states & 1U << row.state))
		return 0;
	return a->fn(a->ctx, &row, NULL);
}

int sockets__read(const struct sockets_place *place, const struct sockets_family *family, enum socket_class class,
		  const char *name, uint32_t states, listed_fn fn, void *ctx)
{
	struct asking a = { .place = place, .family = family, .class = class, .states = states, .fn = fn, .ctx = ctx };

	return sockets__each_line(place, name, take_line, &a);
}

/* ---- all of a namespace */

static int dump_class(const struct sockets_place *place, enum socket_class class, const struct sockets_ask *ask,
		      const struct sockets_out *out)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (families[i]->classes & CLASS_BIT(class))
			return families[i]->dump(place, class, ask, out);
	}
	return -ENOENT;
}

static bool is_fatal(int err)
{
	return err > 0 || err == -ENOMEM || err == -E2BIG;
}

int sockets__dump(int ns_fd, uint32_t netns, const struct sockets_ask *ask, const struct sockets_out *out,
		  struct sockets_result *ret)
{
	struct sockets_result result = { .no_diag = ask->no_diag };
	struct sockets_place place = { .ns_fd = ns_fd, .netns = netns, .no_diag = &result.no_diag };
	int fd = ns_fd < 0 ? -1 : netns__open_diag(ns_fd);
	int err;

	if (ns_fd >= 0 && fd < 0)
		return fd;
	err = nldump__new(fd, &place.dump);
	if (err)
		return err;
	for (unsigned int class = 0; class < CLASS_MAX; class ++) {
		if (!(ask->classes & CLASS_BIT(class)))
			continue;
		err = dump_class(&place, class, ask, out);
		if (is_fatal(err))
			break;
		if (err == -ENOENT) {
			result.missing |= CLASS_BIT(class);
		} else if (err) {
			result.failed |= CLASS_BIT(class);
			result.error = result.error ? result.error : err;
		}
		err = 0;
	}
	nldump__free(place.dump);
	if (!err)
		*ret = result;
	return err;
}
