/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/list_names.h"

#include <errno.h>
#include <string.h>

#include "render/listed.h"

#define PATIENCE_MS 2000

static const char *name_netns(void *ctx, uint32_t inode)
{
	return labels__netns(((struct list_names *)ctx)->labels, inode);
}

static const char *name_device(void *ctx, uint32_t netns, uint32_t ifindex)
{
	return labels__device(((struct list_names *)ctx)->labels, netns, ifindex);
}

static const char *name_cgroup(void *ctx, uint64_t id)
{
	return labels__cgroup(((struct list_names *)ctx)->labels, id);
}

static const char *name_context(void *ctx, const struct process *p)
{
	return labels__context(((struct list_names *)ctx)->labels, p->pid);
}

static const char *name_host(void *ctx, uint8_t family, const uint8_t *address)
{
	return resolver__host(((struct list_names *)ctx)->resolver, family, address);
}

/* MPTCP has the services of TCP, UDP-Lite those of UDP. */
static const char *service_protocol(const struct listed *s)
{
	switch (s->class) {
	case CLASS_TCP:
	case CLASS_MPTCP:
		return "tcp";
	case CLASS_UDP:
	case CLASS_UDPLITE:
		return "udp";
	case CLASS_SCTP:
		return "sctp";
	default:
		return NULL;
	}
}

static const char *name_service(void *ctx, const struct listed *s, uint16_t port)
{
	const char *protocol = service_protocol(s);

	return protocol ? resolver__service(((struct list_names *)ctx)->resolver, protocol, port) : NULL;
}

static const char *name_user(void *ctx, uint32_t uid)
{
	return resolver__user(((struct list_names *)ctx)->resolver, uid);
}

int list_names__init(struct list_names *n, const struct netns_list *namespaces, bool context)
{
	*n = (struct list_names){ .labels = labels__new(namespaces) };
	if (!n->labels)
		return -ENOMEM;
	n->columns = (struct column_names){
		.netns = name_netns,
		.device = name_device,
		.cgroup = name_cgroup,
		.context = context ? name_context : NULL,
		.ctx = n,
	};
	return 0;
}

void list_names__free(struct list_names *n)
{
	labels__free(n->labels);
	resolver__free(n->resolver);
}

static bool is_any(const uint8_t *address)
{
	static const uint8_t any[16];

	return !memcmp(address, any, sizeof(any));
}

static void want_end(struct resolver *r, const struct listed *s, const uint8_t *address, uint16_t port)
{
	const char *protocol = service_protocol(s);

	if (!is_any(address))
		resolver__want_host(r, s->ends.family, address);
	if (protocol && port)
		resolver__want_service(r, protocol, port);
}

int list_names__resolve(struct list_names *n, struct listed *const *rows, size_t count)
{
	n->resolver = resolver__new();
	if (!n->resolver)
		return -ENOMEM;
	n->columns.host = name_host;
	n->columns.service = name_service;
	n->columns.user = name_user;
	for (size_t i = 0; i < count; i++) {
		const struct listed *s = rows[i];

		if (s->flags & LISTED_HAS_UID)
			resolver__want_user(n->resolver, s->uid);
		if (!listed__is_inet(s))
			continue;
		want_end(n->resolver, s, s->ends.local, s->ends.local_port);
		want_end(n->resolver, s, s->ends.remote, s->ends.remote_port);
	}
	return resolver__run(n->resolver, PATIENCE_MS);
}
