/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/list_filter.h"

#include <string.h>

#include "render/listed.h"

uint32_t list_filter__needs(const struct filter *f)
{
	uint32_t facts = filter__needs(f), needs = 0;

	if (facts & (FILTER_OWNER | FILTER_UID | FILTER_CGROUP))
		needs |= COLUMN_HOLDERS;
	if (facts & (FILTER_EXE | FILTER_UID | FILTER_CGROUP))
		needs |= COLUMN_PROCESS;
	return needs;
}

static uint32_t families_of(unsigned int class)
{
	switch (class) {
	case CLASS_UNIX:
		return FILTER_UNIX;
	case CLASS_PACKET:
		return FILTER_PACKET;
	case CLASS_NETLINK:
		return FILTER_NETLINK;
	case CLASS_VSOCK:
		return FILTER_VSOCK;
	case CLASS_XDP:
	case CLASS_TIPC:
		return FILTER_OTHER;
	default:
		return FILTER_INET | FILTER_INET6;
	}
}

uint32_t list_filter__classes(const struct filter *f, uint32_t classes)
{
	uint32_t families = filter__families(f);

	for (unsigned int class = 0; class < CLASS_MAX; class ++) {
		if (!(families & families_of(class)))
			classes &= ~CLASS_BIT(class);
	}
	return classes;
}

static void describe_owner(const struct process *p, struct filter_subject *ret)
{
	ret->known |= FILTER_OWNER;
	ret->pid = p->pid;
	ret->comm = p->comm;
	ret->exe = p->exe;
	if (p->have_ids) {
		ret->known |= FILTER_UID;
		ret->uid = p->uid;
	}
}

/* The kernel's id, which ss looks at; a socket that has none is in its owner's. */
static void describe_cgroup(const struct column_view *v, struct filter_subject *ret)
{
	const struct listed *s = v->socket;
	const struct column_names *n = v->names;

	ret->cgroup_id = s->cgroup_id;
	if (s->cgroup_id && n && n->cgroup)
		ret->cgroup = n->cgroup(n->ctx, s->cgroup_id);
	else if (!s->cgroup_id && s->owner)
		ret->cgroup = s->owner->cgroup;
	if (ret->cgroup_id || ret->cgroup)
		ret->known |= FILTER_CGROUP;
}

static void describe_place(const struct listed *s, struct filter_subject *ret)
{
	switch (s->class) {
	case CLASS_UNIX:
		return;
	case CLASS_PACKET:
		ret->local_port = s->ifindex;
		ret->local_id = s->packet.protocol;
		return;
	case CLASS_NETLINK:
		ret->local_port = s->netlink.port;
		ret->local_id = s->netlink.protocol;
		ret->remote_port = s->netlink.peer_port;
		return;
	case CLASS_VSOCK:
		ret->local_port = s->vsock.port;
		ret->local_id = s->vsock.cid;
		ret->remote_port = s->vsock.peer_port;
		ret->remote_id = s->vsock.peer_cid;
		return;
	case CLASS_XDP:
	case CLASS_TIPC:
		return;
	default:
		memcpy(ret->local, s->ends.local, sizeof(ret->local));
		memcpy(ret->remote, s->ends.remote, sizeof(ret->remote));
		ret->local_port = s->ends.local_port;
		ret->remote_port = s->ends.remote_port;
	}
}

/* Both paths into scratch, each with its NUL; which grows meanwhile, so pointers are taken at the end. */
static void describe_paths(const struct column_view *v, struct buffer *scratch, struct filter_subject *ret)
{
	const struct listed *s = v->socket, *peer = NULL;
	size_t second;

	buffer__reset(scratch);
	listed__add_path(s, scratch);
	buffer__addc(scratch, '\0');
	second = scratch->len;
	if (s->un.peer_inode)
		peer = listing__by_inode(v->listing, s->un.peer_inode);
	if (peer && peer->class == CLASS_UNIX)
		listed__add_path(peer, scratch);
	buffer__addc(scratch, '\0');
	if (scratch->failed)
		return;
	ret->path = scratch->data[0] ? scratch->data : NULL;
	ret->peer_path = scratch->data[second] ? scratch->data + second : NULL;
}

bool list_filter__matches(const struct filter *f, const struct column_view *v, struct buffer *scratch)
{
	const struct listed *s = v->socket;
	struct filter_subject subject = {
		.known = FILTER_NETNS | FILTER_INODE | FILTER_COOKIE | FILTER_DEVICE,
		.family = (uint16_t)listed__family_number(s),
		.protocol = (uint16_t)listed__protocol_number(s),
		.state = listed__asked_state(s),
		.ifindex = s->ifindex,
		.netns = s->netns,
		.inode = s->inode,
		.cookie = s->cookie,
		.mark = s->mark,
	};

	if (!f)
		return true;
	if (s->flags & LISTED_HAS_MARK)
		subject.known |= FILTER_MARK;
	if (!s->cookie)
		subject.known &= ~(uint32_t)FILTER_COOKIE;
	describe_place(s, &subject);
	describe_cgroup(v, &subject);
	if (s->owner)
		describe_owner(s->owner, &subject);
	if (s->class == CLASS_UNIX)
		describe_paths(v, scratch, &subject);
	return filter__matches(f, &subject);
}
