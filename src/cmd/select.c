/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/select.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "source/names.h"

_Static_assert(sizeof(void *) == sizeof(uint64_t), "a cookie is kept as a pointer");

/* The text is escaped already; the mark stands below the mistake. */
static void print_error(const struct filter_error *e)
{
	fprintf(stderr, "sockwatch: filter: %s\n", e->message);
	if (e->text[0])
		fprintf(stderr, "  %s\n  %*s^\n", e->text, (int)e->column, "");
	log_error("try 'sockwatch --help'");
}

uint16_t select__family(bool ipv4, bool ipv6)
{
	if (ipv4 == ipv6)
		return AF_UNSPEC;
	return ipv4 ? AF_INET : AF_INET6;
}

/* The whole file into text, with a NUL. 0, -E2BIG or -errno. */
static int read_file(const char *path, char text[SELECT_FILE_MAX + 1])
{
	bool is_stdin = !strcmp(path, "-");
	FILE *file = is_stdin ? stdin : fopen(path, "re");
	size_t len;
	int err;

	if (!file)
		return -errno;
	errno = EIO;
	len = fread(text, 1, SELECT_FILE_MAX, file);
	err = ferror(file) ? -errno : 0;
	if (!is_stdin)
		fclose(file);
	if (err)
		return err;
	text[len] = '\0';
	if (strlen(text) != len)
		return -EILSEQ;
	return len == SELECT_FILE_MAX ? -E2BIG : 0;
}

/* Those of argv and behind them those of text, which is cut. NULL: no memory. */
static char **join_words(const struct filter_words *words, char *text, int *ret_count)
{
	char **all = reallocarray(NULL, (size_t)words->count + strlen(text) / 2 + 1, sizeof(*all)), *save = NULL;
	int count = words->count;

	if (!all)
		return NULL;
	for (int i = 0; i < count; i++)
		all[i] = words->words[i];
	for (char *word = strtok_r(text, " \t\r\n", &save); word; word = strtok_r(NULL, " \t\r\n", &save))
		all[count++] = word;
	*ret_count = count;
	return all;
}

static int parse(int count, char **words, const struct filter_env *env, struct filter **ret)
{
	struct filter_error error;
	int err;

	if (!count) {
		*ret = NULL;
		return 0;
	}
	err = filter__parse(count, words, env, ret, &error);
	if (err == -EINVAL)
		print_error(&error);
	else if (err)
		log_error("filter: %s", strerror(-err));
	return err;
}

static int parse_with_file(const struct filter_words *words, const struct filter_env *env, struct filter **ret)
{
	char *text = malloc(SELECT_FILE_MAX + 1), **all = NULL;
	int count = 0, err = text ? read_file(words->file, text) : -ENOMEM;

	if (err) {
		log_error("filter: cannot read %s: %s", words->file, strerror(-err));
		err = err == -EINVAL ? -EIO : err;
	} else {
		all = join_words(words, text, &count);
		err = all ? parse(count, all, env, ret) : -ENOMEM;
	}
	free(all);
	free(text);
	return err;
}

int select__parse(const struct filter_words *words, uint16_t family, uint32_t unknown, struct filter **ret)
{
	struct filter_env env;

	names__env(&env);
	env.unknown = unknown;
	env.family = family;
	if (words->file)
		return parse_with_file(words, &env, ret);
	return parse(words->count, words->words, &env, ret);
}

/* A table of cookies, each in the place of the pointer to an item. */
static void *item_of(const struct sock *s)
{
	return (void *)(uintptr_t)s->cookie;
}

static uint64_t hash_cookie(const void *item)
{
	return hash__mix((uintptr_t)item);
}

static bool same_cookie(const void *a, const void *b)
{
	return a == b;
}

void select__init(struct select *s, const struct filter *filter)
{
	s->filter = filter;
	table__init(&s->told, hash_cookie, same_cookie);
}

void select__free(struct select *s)
{
	table__free(&s->told);
}

static void describe_owner(const struct process *p, struct filter_subject *ret)
{
	ret->known |= FILTER_OWNER;
	ret->pid = p->pid;
	ret->comm = p->comm[0] ? p->comm : NULL;
	ret->exe = p->exe;
	if (p->have_ids) {
		ret->known |= FILTER_UID;
		ret->uid = p->uid;
	}
	if (p->cgroup || p->cgroup_id) {
		ret->known |= FILTER_CGROUP;
		ret->cgroup = p->cgroup;
		ret->cgroup_id = p->cgroup_id;
	}
}

/* A socket that is gone is in no state: "not state listening" does not ask for the close of a listener. */
static void describe(const struct sock *s, bool gone, struct filter_subject *ret)
{
	*ret = (struct filter_subject){
		.known = FILTER_NETNS | FILTER_INODE | FILTER_COOKIE,
		.family = s->ends.family == 4 ? AF_INET : AF_INET6,
		.protocol = s->mptcp ? IPPROTO_MPTCP : IPPROTO_TCP,
		.state = gone ? 0 : s->state,
		.local_port = s->ends.local_port,
		.remote_port = s->ends.remote_port,
		.local_port_unknown = !s->ends.local_port,
		.netns = s->netns,
		.inode = s->inode,
		.cookie = s->cookie,
	};
	memcpy(ret->local, s->ends.local, sizeof(ret->local));
	memcpy(ret->remote, s->ends.remote, sizeof(ret->remote));
	if (s->owner)
		describe_owner(s->owner, ret);
}

/* Nothing more will be told of it. A time-wait entry may outlive its socket's close. */
static bool is_end(const struct update *u)
{
	return u->sock->state == STATE_CLOSE && (u->event == EV_CLOSE || u->sock->closed);
}

bool select__wants(struct select *s, const struct update *u)
{
	struct filter_subject subject;
	bool told;

	if (!s->filter || !u->sock)
		return true;
	told = table__find(&s->told, item_of(u->sock));
	if (told && is_end(u)) {
		table__remove(&s->told, item_of(u->sock));
		return true;
	}
	if (told)
		return true;
	describe(u->sock, is_end(u), &subject);
	if (!filter__matches(s->filter, &subject))
		return false;
	/* Without memory the socket is told now, and later only as long as it matches. */
	if (!is_end(u))
		table__add(&s->told, item_of(u->sock));
	return true;
}
