/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Live: plan none, which looks at the sockets now and then and hears from the kernel when one ends. */
#include "live/live.h"

#include <fcntl.h>
#include <grp.h>
#include <libmnl/libmnl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "live/program.h"

#define PORT   7600
#define NOBODY 65534

static void start(struct live *l)
{
	live__start(l, PROGRAM_ARGS("--plan", "none"));
}

/*
 * A socket that appears, and its owner: told with it, or with an update of its own when a walk of /proc costs so much here
 * that it had to wait. The index of the first.
 */
static size_t expect_opened(struct live *l, const char *event, const struct actor_reply *r, const struct actor *who,
			    const char *direction)
{
	size_t at = live_expect(l, 0, .event = event, .end = &r->end, .direction = direction);
	const json_t *update = stream__at(l->stream, at);

	if (json_object_get(update, "pid"))
		live_expect(l, at, .event = event, .end = &r->end, .who = who, .attribution = "holder");
	else
		live_expect(l, at, .event = "owner", .end = &r->end, .who = who, .attribution = "holder");
	return at;
}

static bool is_event(const json_t *update, const void *ctx)
{
	return !strcmp(update__text(update, "event"), ctx);
}

static bool is_state_of(const json_t *update, const void *ctx)
{
	return is_event(update, "state") && update__number(update, "cookie") == *(const uint64_t *)ctx;
}

static bool is_close_of(const json_t *update, const void *ctx)
{
	return is_event(update, "close") && update__number(update, "cookie") == *(const uint64_t *)ctx;
}

static void a_connection_is_told_as_by_any_other_plan(void **state)
{
	struct live *l = *state;
	char history[256];
	size_t at;

	start(l);
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	expect_opened(l, "listen", &p.listener, l->server, "listen");
	live_expect(l, 0, .event = "established", .end = &p.child.end, .direction = "in", .state = "ESTABLISHED");
	at = live_expect(l, 0, .event = "accept", .end = &p.child.end, .who = l->server, .attribution = "holder",
			 .direction = "in");
	expect_opened(l, "established", &p.client, l->client, "out");
	live__close_pair(l, &p);
	live_expect(l, at, .event = "close", .end = &p.client.end, .who = l->client, .reason = "local");
	live_expect(l, at, .event = "close", .end = &p.child.end, .who = l->server, .state = "CLOSE");
	live_expect(l, at, .event = "close", .end = &p.listener.end, .who = l->server, .reason = "local");
	assert_string_equal(stream__history(l->stream, p.child.end.cookie, history, sizeof(history)), "established "
												      "accept close");
	live__finish_polls(l);
}

static void ipv6_and_dual_stack_T10(void **state)
{
	struct live *l = *state;

	start(l);
	struct pair six = live__pair(l, "::1", PORT), mapped = live__pair(l, "::ffff:127.0.0.1", PORT + 1);
	live_expect(l, 0, .event = "accept", .end = &six.child.end, .who = l->server);
	live_expect(l, 0, .event = "accept", .end = &mapped.child.end, .who = l->server);
	live__close_pair(l, &six);
	live__close_pair(l, &mapped);
	live_expect(l, 0, .event = "close", .end = &six.client.end, .who = l->client);
	live_expect(l, 0, .event = "close", .end = &mapped.child.end, .who = l->server);
	live__finish_polls(l);
}

static void an_accept_is_told_when_it_is_made(void **state)
{
	struct live *l = *state;
	size_t at;

	start(l);
	struct actor_reply listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	expect_opened(l, "listen", &listener, l->server, "listen");
	struct actor_reply client = actor_must(l->client, .op = ACTOR_CONNECT, .address = "127.0.0.1", .port = PORT);
	at = stream__wait_ports(l->stream, 0, "established", l->netns, PORT, client.end.local_port);
	assert_string_equal(update__text(stream__at(l->stream, at), "attribution"), "listener");
	struct actor_reply child = actor_must(l->server, .op = ACTOR_ACCEPT, .fd = listener.fd);
	live_expect(l, at + 1, .event = "accept", .end = &child.end, .who = l->server, .attribution = "holder");
	live__finish_polls(l);
}

static void what_was_there_first_is_listed_and_followed(void **state)
{
	struct live *l = *state;
	struct pair p = live__pair(l, "127.0.0.1", PORT);

	start(l);
	live_expect(l, 0, .event = "existing", .end = &p.child.end, .who = l->server, .attribution = "holder");
	live__close_pair(l, &p);
	live_expect(l, 0, .event = "close", .end = &p.child.end, .who = l->server);
	live__finish_polls(l);
}

/* While the program stands still, everything is between two looks. */
static void of_a_short_connection_the_end_is_told_without_owner(void **state)
{
	struct live *l = *state;
	char history[256];

	start(l);
	kill(stream__pid(l->stream), SIGSTOP);
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	live__close_pair(l, &p);
	kill(stream__pid(l->stream), SIGCONT);
	size_t client = live_expect(l, 0, .event = "close", .end = &p.client.end, .attribution = "none");
	size_t child =
		live_expect(l, 0, .event = "close", .end = &p.child.end, .attribution = "none", .state = "CLOSE");
	assert_null(json_object_get(stream__at(l->stream, client), "pid"));
	assert_null(json_object_get(stream__at(l->stream, child), "pid"));
	assert_string_equal(stream__history(l->stream, p.listener.end.cookie, history, sizeof(history)), "");
	live__finish_polls(l);
}

static void a_reset_connection_is_closed_once(void **state)
{
	struct live *l = *state;

	start(l);
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	live_expect(l, 0, .event = "accept", .end = &p.child.end, .who = l->server);
	actor_must(l->server, .op = ACTOR_LINGER0, .fd = p.child.fd);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = p.child.fd);
	live_expect(l, 0, .event = "close", .end = &p.client.end, .who = l->client, .state = "CLOSE");
	/* Only now the kernel frees it. */
	actor_must(l->client, .op = ACTOR_CLOSE, .fd = p.client.fd);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = p.listener.fd);
	live_expect(l, 0, .event = "close", .end = &p.listener.end, .who = l->server);
	assert_int_equal(stream__matches(l->stream, is_close_of, &p.client.end.cookie), 1);
	live__finish_polls(l);
}

static void a_socket_that_moved_is_told_T3(void **state)
{
	struct live *l = *state;
	size_t at;

	start(l);
	struct actor_reply listener = actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	at = expect_opened(l, "listen", &listener, l->server, "listen");
	struct actor *child = live__fork(l, l->server);
	actor_must(l->server, .op = ACTOR_CLOSE, .fd = listener.fd);
	at = live_expect(l, at + 1, .event = "owner", .end = &listener.end, .who = child, .attribution = "holder");
	assert_int_equal(update__number(stream__at(l->stream, at), "prev_pid"), l->server->pid);
	live__finish_polls(l);
}

static void states_are_told_on_demand(void **state)
{
	struct live *l = *state;

	live__start(l, PROGRAM_ARGS("--plan", "none", "--states"));
	struct pair p = live__pair(l, "127.0.0.1", PORT);
	live_expect(l, 0, .event = "established", .end = &p.client.end);
	actor_must(l->client, .op = ACTOR_SHUTDOWN, .fd = p.client.fd, .how = SHUT_WR);
	stream__wait(l->stream, 0, is_state_of, &p.child.end.cookie, STREAM_TIMEOUT_MS);
	live_expect(l, 0, .event = "state", .end = &p.child.end, .state = "CLOSE_WAIT");
	live__close_pair(l, &p);
	live_expect(l, 0, .event = "close", .end = &p.child.end, .reason = "remote");
	live__finish_polls(l);
}

static void sync_is_told_once_and_names_what_is_missing(void **state)
{
	struct live *l = *state;
	const json_t *sync;

	start(l);
	/* Each of these takes a poll of its own. */
	for (uint16_t i = 0; i < 3; i++) {
		struct actor_reply r =
			actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT + i);

		expect_opened(l, "listen", &r, l->server, "listen");
	}
	sync = stream__at(l->stream, stream__wait_sync(l->stream, 0));
	assert_string_equal(update__text(sync, "plan"), "none");
	assert_non_null(strstr(update__text(sync, "missing_hooks"), "tp_btf/inet_sock_set_state"));
	assert_int_equal(stream__matches(l->stream, is_event, "sync"), 1);
	live__finish_polls(l);
}

/* ---- a namespace that nobody is in any more */

/* Give the namespace a number in ours, and hear when it is taken away: that is when the namespace dies. */
static struct mnl_socket *watch_namespace(int ns)
{
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int group = RTNLGRP_NSID;
	ssize_t n;

	assert_non_null(s);
	assert_int_equal(mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID), 0);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct rtgenmsg));
	nlh->nlmsg_type = RTM_NEWNSID;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	mnl_attr_put_u32(nlh, NETNSA_NSID, (uint32_t)-1);
	mnl_attr_put_u32(nlh, NETNSA_FD, (uint32_t)ns);
	assert_true(mnl_socket_sendto(s, nlh, nlh->nlmsg_len) > 0);
	n = mnl_socket_recvfrom(s, buf, sizeof(buf));
	assert_true(n > 0 && mnl_cb_run(buf, (size_t)n, 0, 0, NULL, NULL) >= 0);
	assert_int_equal(mnl_socket_setsockopt(s, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)), 0);
	return s;
}

static void wait_namespace_gone(struct live *l, struct mnl_socket *s)
{
	struct pollfd fd = { .fd = mnl_socket_get_fd(s), .events = POLLIN };
	char buf[4096] __attribute__((aligned(8)));
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;

	do {
		if (poll(&fd, 1, STREAM_TIMEOUT_MS) != 1) {
			stream__print(l->stream);
			fail_msg("the namespace is still there");
		}
		assert_true(mnl_socket_recvfrom(s, buf, sizeof(buf)) > 0);
	} while (nlh->nlmsg_type != RTM_DELNSID);
	mnl_socket_close(s);
}

static void an_empty_namespace_is_not_kept_alive(void **state)
{
	struct live *l = *state;
	struct live gone = { .ns = ns__new() };
	struct mnl_socket *s = watch_namespace(gone.ns);
	struct actor_reply r;

	start(l);
	gone.netns = ns__inode(gone.ns);
	gone.stream = l->stream;
	gone.server = live__spawn(&gone, LIVE_SERVER);
	r = actor_must(gone.server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	expect_opened(&gone, "listen", &r, gone.server, "listen");
	close(gone.ns);
	actor__free(gone.server);
	wait_namespace_gone(l, s);
	stream__wait_event(l->stream, 0, "close", r.end.cookie);
	live__finish_polls(l);
}

/* ---- an ordinary user */

static int be_nobody(int ns)
{
	return setns(ns, CLONE_NEWNET) || setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY);
}

static int be_nobody_inside(void *ctx)
{
	return be_nobody(((const struct live *)ctx)->ns);
}

/* A process of that user with a listener of its own, in the namespace. */
static pid_t listen_as_nobody(const struct live *l, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		int fd;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* A change of credentials hides a process from its own user until it calls exec. */
		if (be_nobody(l->ns) || prctl(PR_SET_DUMPABLE, 1) || prctl(PR_SET_PDEATHSIG, SIGKILL))
			_exit(1);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) || listen(fd, 1) || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* As expect_opened. */
static void wait_owned(struct program *p, uint16_t port)
{
	json_t *line;

	program__wait_line(p, "listen", port);
	line = program__find(p, "listen", port);
	if (!json_object_get(line, "pid"))
		program__wait_line(p, "owner", port);
	json_decref(line);
}

static void an_ordinary_user_sees_all_sockets_and_owns_their_own(void **state)
{
	struct live *l = *state;
	pid_t before = listen_as_nobody(l, PORT), after;
	struct program *p;

	actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT + 1);
	p = program_start(.args = PROGRAM_ARGS("--json"), .prepare = be_nobody_inside, .ctx = l);
	program__wait_text(p, &p->out, "\"event\":\"sync\"");
	after = listen_as_nobody(l, PORT + 2);
	actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT + 3);
	wait_owned(p, PORT + 2);
	program__wait_line(p, "listen", PORT + 3);
	end_process(after);
	program__wait_line(p, "close", PORT + 2);
	kill(p->pid, SIGTERM);
	assert_int_equal(program__join(p), 0);
	end_process(before);

	program__assert_owner(p, "existing", PORT, before);
	program__assert_owner(p, "existing", PORT + 1, 0);
	program__assert_owner(p, "listen", PORT + 3, 0);
	program__assert_owner(p, "close", PORT + 2, after);
	program__assert_out(p, "\"plan\":\"none\"");
	program__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		live_test_quiet(a_connection_is_told_as_by_any_other_plan),
		live_test_quiet(ipv6_and_dual_stack_T10),
		live_test_quiet(an_accept_is_told_when_it_is_made),
		live_test_quiet(what_was_there_first_is_listed_and_followed),
		live_test_quiet(of_a_short_connection_the_end_is_told_without_owner),
		live_test_quiet(a_reset_connection_is_closed_once),
		live_test_quiet(a_socket_that_moved_is_told_T3),
		live_test_quiet(states_are_told_on_demand),
		live_test_quiet(sync_is_told_once_and_names_what_is_missing),
		live_test_quiet(an_empty_namespace_is_not_kept_alive),
		live_test_quiet(an_ordinary_user_sees_all_sockets_and_owns_their_own),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
