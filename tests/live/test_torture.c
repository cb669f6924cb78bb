/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Processes fork, exec, pass sockets on, duplicate, close and exit at random. Now and then all of them stand still: then
 * the sockets that are told, their owners and those who hold them are what /proc, the logs and the rules say.
 *
 *   TORTURE_SECONDS=N   so long, with 50 quiet moments (18, with 6)     TORTURE_SEED=N   what is done, and by whom
 */
#include "live/live.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"
#include "live/program.h"
#include "live/rules.h"
#include "live/torture.h"
#include "source/proc.h"

#define SECONDS		 18
#define SECONDS_MAX	 86400
#define MOMENTS		 6
#define MOMENTS_LONG	 50
#define PLAYERS		 6
#define PLAYERS_KEPT	 8
#define QUIET_TIMEOUT_MS scale__timeout(20000) /* a look may cost 0.5 % of a core: then the next one is 10 s away */
#define PARK_TIMEOUT_MS	 scale__timeout(60000)
#define READ_MS		 20
#define GROWTH_MAX_KIB	 3072 /* the memory of closed sockets and of processes that are gone has a size, but fills up */
#define HOLDERS_MAX	 TORTURE_SLOTS
#define EXACT_PERCENT	 50 /* of the answers have one right owner, at least */

/* A socket that its owner lets go of. */
struct drop {
	struct rules_sock *sock; /* NULL: none */
	uint32_t owner;
	json_t *told; /* its heir */
};

struct game {
	struct live live;
	struct torture *shared;
	int shared_fd, life;
	struct rules rules;
	struct live_table *table; /* as the stream tells it */
	struct proc_scan scan;
	struct drop drops[TORTURE_DROPS];
	size_t asked, exact, passed_on; /* owners */
	uint64_t acts, logged;
	long memory_kib; /* half way */
	char why[4096];
};

static uint64_t setting(const char *name, uint64_t otherwise, uint64_t max)
{
	const char *text = getenv(name);
	uint64_t n = otherwise;

	if (text && *text && parse__u64(text, 1, max, &n))
		fail_msg("%s must be a number up to %llu", name, (unsigned long long)max);
	return n;
}

/* ---- what is told */

static void take_heir(struct game *g, const struct rules_sock *s, const json_t *u)
{
	for (int i = 0; i < TORTURE_DROPS; i++) {
		struct drop *d = &g->drops[i];

		if (d->sock != s || d->told || strcmp(update__text(u, "event"), "owner") || s->told_pid == d->owner)
			continue;
		d->told = json_deep_copy(u);
		assert_non_null(d->told);
	}
}

static void take_update(void *ctx, const json_t *u)
{
	struct game *g = ctx;
	struct rules_sock *s;

	if (!strcmp(update__text(u, "where"), "helper")) {
		print_message("from 7.0 on: the kernel left a program out, and the players' log does not fit a "
			      "repair\n");
		skip();
	}
	if (!strcmp(update__text(u, "event"), "lost"))
		fail_msg("%llu lost (%s)", (unsigned long long)update__number(u, "count"), update__text(u, "where"));
	if (update__number(u, "netns") != g->live.netns)
		return;
	if (live_table__apply(g->table, u, g->why, sizeof(g->why)))
		fail_msg("%s", g->why);
	s = rules__sock(&g->rules, update__number(u, "cookie"));
	s->told = true;
	if (s->closed) /* a time-wait entry */
		return;
	s->closed = !strcmp(update__text(u, "event"), "close");
	s->listens = !strcmp(update__text(u, "direction"), "listen");
	s->port = (uint16_t)update__number(u, "local_port");
	snprintf(s->attribution, sizeof(s->attribution), "%s", update__text(u, "attribution"));
	rules__told(s, (uint32_t)update__number(u, "pid"));
	if (json_object_get(u, "prev_pid"))
		s->users |= 1ULL << (update__number(u, "prev_pid") & 63);
	take_heir(g, s, u);
}

/* ---- the players */

static void put_in_place(int fd, int place)
{
	assert_int_equal(dup3(fd, place, O_CLOEXEC), place);
	close(fd);
}

static void make_places(struct game *g)
{
	int pair[2];

	g->shared_fd = memfd_create("torture", MFD_CLOEXEC);
	assert_true(g->shared_fd >= 0);
	assert_int_equal(ftruncate(g->shared_fd, sizeof(*g->shared)), 0);
	g->shared = mmap(NULL, sizeof(*g->shared), PROT_READ | PROT_WRITE, MAP_SHARED, g->shared_fd, 0);
	assert_true(g->shared != MAP_FAILED);
	put_in_place(g->shared_fd, TORTURE_SHARED_FD);
	for (int i = 0; i < TORTURE_SLOTS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
		put_in_place(pair[0], TORTURE_MAILBOX_FD(i));
		put_in_place(pair[1], TORTURE_MAILBOX_FD(i) + 1);
	}
	assert_int_equal(pipe2(pair, O_CLOEXEC | O_NONBLOCK), 0);
	put_in_place(pair[0], TORTURE_LIFE_FD);
	g->life = pair[1];
}

static void start_player(const struct game *g, int slot, uint64_t seed)
{
	char number[12];
	pid_t pid;

	g->shared->slots[slot].taken = 1;
	g->shared->slots[slot].random = hash__mix(seed + (uint64_t)slot) | 1;
	snprintf(number, sizeof(number), "%d", slot);
	pid = fork();
	assert_true(pid >= 0);
	if (pid) {
		g->shared->slots[slot].pid = (uint32_t)pid;
		return;
	}
	for (int fd = TORTURE_FIRST_FD; fd <= TORTURE_LIFE_FD; fd++)
		fcntl(fd, F_SETFD, 0);
	setenv(TORTURE_ENVIRONMENT, number, 1);
	if (!setns(g->live.ns, CLONE_NEWNET))
		execl("/proc/self/exe", "torture", number, (char *)NULL);
	_exit(127);
}

/* A slot is free again when its process is gone, with all it had. */
static void free_slots(const struct game *g)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	for (int i = 0; i < TORTURE_SLOTS; i++) {
		struct torture_slot *slot = &g->shared->slots[i];
		uint32_t pid = __atomic_load_n(&slot->pid, __ATOMIC_ACQUIRE);

		if (slot->taken && pid && kill((pid_t)pid, 0)) {
			slot->pid = 0;
			__atomic_store_n(&slot->taken, 0, __ATOMIC_RELEASE);
		}
	}
}

static bool all_have_seen(const struct game *g, uint32_t phase)
{
	free_slots(g);
	for (int i = 0; i < TORTURE_SLOTS; i++) {
		const struct torture_slot *slot = &g->shared->slots[i];

		if (slot->taken && __atomic_load_n(&slot->phase, __ATOMIC_ACQUIRE) != phase)
			return false;
	}
	return true;
}

static void print_process(const char *what, uint32_t pid, uint32_t phase)
{
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	FILE *f = fopen(path, "re");
	print_error("%s, phase %u: %s\n", what, phase, f && fgets(line, sizeof(line), f) ? line : "gone");
	if (f)
		fclose(f);
}

static void print_state(const struct game *g)
{
	print_process("the program", (uint32_t)stream__pid(g->live.stream), 0);
	for (int i = 0; i < TORTURE_SLOTS; i++)
		print_process("a player", g->shared->slots[i].pid, g->shared->slots[i].phase);
	stream__print(g->live.stream);
}

static void enter(const struct game *g, uint32_t phase)
{
	int waited = 0;

	__atomic_store_n(&g->shared->phase, phase, __ATOMIC_RELEASE);
	while (!all_have_seen(g, phase)) {
		if (waited >= PARK_TIMEOUT_MS) {
			print_state(g);
			fail_msg("the players do not stand still");
		}
		stream__read(g->live.stream, READ_MS);
		waited += READ_MS;
	}
}

/* ---- a quiet moment */

static void take_log(struct game *g)
{
	struct torture *t = g->shared;

	assert_true(t->log_count <= TORTURE_LOG);
	for (uint64_t i = 0; i < t->log_count; i++)
		rules__log(&g->rules, &t->log[i]);
	g->logged += t->log_count;
	t->log_count = 0;
}

static uint64_t start_of(uint32_t pid)
{
	uint64_t ticks = 0;

	assert_int_equal(proc__start("/proc", pid, &ticks), 0);
	return ticks;
}

static size_t read_holders(const struct game *g, const struct rules_sock *s, struct rules_holder *holders)
{
	const struct live_table_entry *e = live_table__find(g->table, s->cookie);
	size_t count, n = 0;
	const struct proc_fd *fds = e && e->inode ? proc__holders(&g->scan, e->inode, &count) : (count = 0, NULL);

	for (size_t i = 0; i < count; i++) {
		if (n && holders[n - 1].pid == fds[i].pid)
			continue;
		assert_true(n < HOLDERS_MAX);
		holders[n++] = (struct rules_holder){ .pid = fds[i].pid, .start_ticks = start_of(fds[i].pid) };
	}
	return n;
}

static bool is_listeners_owner(const struct game *g, const struct rules_sock *child)
{
	const struct rules_sock *s;
	size_t pos = 0;

	while ((s = table__next(&g->rules.socks, &pos))) {
		if (s->listens && !s->closed && s->port == child->port)
			return s->told_pid == child->told_pid;
	}
	return false;
}

/* NULL: right. exact: there was one right answer. */
static const char *check_owner(const struct game *g, const struct rules_sock *s, bool *exact)
{
	struct rules_holder holders[HOLDERS_MAX];
	size_t count = read_holders(g, s, holders);
	struct rules_pids right;

	*exact = true;
	if (!count && s->opened)
		return rules__has(&s->ever, s->told_pid) ? NULL : "nobody holds it, and the last owner never has";
	if (!count)
		return is_listeners_owner(g, s) ? NULL : "nobody accepted it, and it is not the listener's owner's";
	right = rules__owners(s, holders, count);
	*exact = right.count == 1;
	return rules__has(&right, s->told_pid) ? NULL : "the wrong owner";
}

static bool is_open(const struct rules_sock *s)
{
	return s->told && !s->closed;
}

static void explain(struct game *g, const struct rules_sock *s, const char *what)
{
	struct rules_holder holders[HOLDERS_MAX];
	size_t count = read_holders(g, s, holders), at = strlen(g->why), size = sizeof(g->why);

#define ADD(...) (at < size ? at += (size_t)snprintf(g->why + at, size - at, __VA_ARGS__) : at)
	ADD("cookie %llu: %s: told pid %u (%s); held by", (unsigned long long)s->cookie, what, s->told_pid,
	    s->attribution);
	for (size_t i = 0; i < count; i++)
		ADD(" %u@%llu%s", holders[i].pid, (unsigned long long)holders[i].start_ticks,
		    rules__has(&s->got, holders[i].pid) ? "(got)" : "");
	ADD("; by the log%s%s:", s->loose ? " (loose)" : "", s->listens ? " (listens)" : "");
	for (unsigned int i = 0; i < s->owners.count; i++)
		ADD(" %u", s->owners.pids[i]);
	ADD("\n");
#undef ADD
}

/* The number of sockets that are told in another way than they are. */
static size_t compare(struct game *g)
{
	struct live_table *kernel;
	struct rules_sock *s;
	size_t pos = 0, wrong;
	bool exact;

	assert_int_equal(live_table__kernel(g->live.ns, false, &kernel), 0);
	wrong = live_table__difference(g->table, kernel, g->why, sizeof(g->why));
	live_table__free(kernel);
	assert_int_equal(proc__scan("/proc", &g->scan), 0);
	while ((s = table__next(&g->rules.socks, &pos))) {
		const char *what = is_open(s) ? check_owner(g, s, &exact) : NULL;

		if (!what)
			continue;
		wrong++;
		explain(g, s, what);
	}
	proc__scan_free(&g->scan);
	return wrong;
}

static void wait_right(struct game *g)
{
	uint64_t end = clock__boot_ns() + (uint64_t)QUIET_TIMEOUT_MS * 1000000;

	while (compare(g)) {
		if (clock__boot_ns() >= end) {
			print_state(g);
			fail_msg("%s", g->why);
		}
		stream__read(g->live.stream, READ_MS);
	}
}

static void forget_closed(struct game *g)
{
	struct table old = g->rules.socks;
	struct rules_sock *s;
	size_t pos = 0;

	rules__init(&g->rules);
	while ((s = table__next(&old, &pos))) {
		if (is_open(s)) {
			assert_int_equal(table__add(&g->rules.socks, s), 0);
			continue;
		}
		/* It closed as somebody's who had it, or before it was accepted. */
		if (s->closed && s->opened && strcmp(s->attribution, "listener") && !rules__has(&s->ever, s->told_pid))
			fail_msg("cookie %llu: closed by %u (%s), who never had it", (unsigned long long)s->cookie,
				 s->told_pid, s->attribution);
		free(s);
	}
	table__free(&old);
}

static void settle(struct game *g)
{
	struct rules_sock *s;
	size_t pos = 0;
	bool exact;

	assert_int_equal(proc__scan("/proc", &g->scan), 0);
	while ((s = table__next(&g->rules.socks, &pos))) {
		check_owner(g, s, &exact);
		g->asked++;
		g->exact += exact;
		if (s->opened)
			rules__settle(s, s->told_pid);
	}
}

/* ---- who holds a socket is told with its next owner */

static void choose_drops(struct game *g)
{
	struct rules_holder holders[HOLDERS_MAX];
	struct rules_sock *s;
	size_t pos = 0;
	int n = 0;

	memset(g->shared->drops, 0, sizeof(g->shared->drops));
	while (n < TORTURE_DROPS && (s = table__next(&g->rules.socks, &pos))) {
		if (!s->opened || read_holders(g, s, holders) < 2)
			continue;
		g->shared->drops[n] = (struct torture_drop){ .cookie = s->cookie, .pid = s->told_pid };
		g->drops[n++] = (struct drop){ .sock = s, .owner = s->told_pid };
	}
}

static bool holds(const json_t *told, const struct proc_fd *fd)
{
	const json_t *holder;
	size_t i;

	json_array_foreach(told, i, holder) {
		if (update__number(holder, "pid") == fd->pid && json_object_get(holder, "fd") &&
		    update__number(holder, "fd") == (uint64_t)fd->fd)
			return true;
	}
	return false;
}

static void check_heir(const struct game *g, const struct rules_sock *s, const json_t *u)
{
	struct rules_holder holders[HOLDERS_MAX];
	size_t people = read_holders(g, s, holders), count;
	const struct proc_fd *fds = proc__holders(&g->scan, update__number(u, "inode"), &count);
	const json_t *told = json_object_get(u, "holders");
	bool right = people && json_array_size(told) == count && !strcmp(s->attribution, "holder") &&
		     s->told_pid == rules__oldest(holders, people)->pid;

	for (size_t i = 0; right && i < count; i++)
		right = holds(told, &fds[i]);
	if (right)
		return;
	for (size_t i = 0; i < count; i++)
		print_error("/proc: pid %u fd %d\n", fds[i].pid, fds[i].fd);
	stream__print(g->live.stream);
	fail_msg("cookie %llu: the heir or the holders are wrong", (unsigned long long)s->cookie);
}

static bool all_have_heirs(const struct game *g)
{
	for (int i = 0; i < TORTURE_DROPS && g->drops[i].sock; i++) {
		if (!g->drops[i].told)
			return false;
	}
	return true;
}

static void pass_on(struct game *g)
{
	uint64_t end;

	choose_drops(g);
	proc__scan_free(&g->scan);
	enter(g, TORTURE_DROP);
	end = clock__boot_ns() + (uint64_t)QUIET_TIMEOUT_MS * 1000000;
	while (!all_have_heirs(g)) {
		if (clock__boot_ns() >= end) {
			print_state(g);
			fail_msg("the owner let go of a socket, and no heir is told");
		}
		stream__read(g->live.stream, READ_MS);
	}
	assert_int_equal(proc__scan("/proc", &g->scan), 0);
	for (int i = 0; i < TORTURE_DROPS && g->drops[i].sock; i++) {
		check_heir(g, g->drops[i].sock, g->drops[i].told);
		rules__settle(g->drops[i].sock, g->drops[i].sock->told_pid);
		json_decref(g->drops[i].told);
		g->drops[i] = (struct drop){ 0 };
		g->passed_on++;
	}
	proc__scan_free(&g->scan);
}

static void be_quiet(struct game *g)
{
	enter(g, TORTURE_STOP);
	for (int i = 0; i < TORTURE_SLOTS; i++) {
		while (!g->shared->slots[i].taken && torture__discard(g->shared, i))
			;
	}
	enter(g, TORTURE_DRAIN);
	take_log(g);
	wait_right(g);
	forget_closed(g);
	settle(g);
	pass_on(g);
}

/* ---- the game */

static long resident_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "VmRSS:", 6))
			kib = strtol(line + 6, NULL, 10);
	}
	fclose(f);
	assert_true(kib > 0);
	return kib;
}

static void play(struct game *g, uint64_t ns)
{
	uint64_t end = clock__boot_ns() + ns;

	__atomic_store_n(&g->shared->phase, TORTURE_RUN, __ATOMIC_RELEASE);
	while (clock__boot_ns() < end) {
		stream__read(g->live.stream, READ_MS);
		free_slots(g);
	}
}

static void owners_and_holders_stay_true_whatever_is_done(void **state)
{
	struct game *g = *state;
	uint64_t seconds = setting("TORTURE_SECONDS", SECONDS, SECONDS_MAX);
	uint64_t seed = setting("TORTURE_SEED", clock__boot_ns() % 1000000 + 1, UINT64_MAX);
	uint64_t moments = seconds > SECONDS ? MOMENTS_LONG : MOMENTS;
	long growth;

	print_message("TORTURE_SEED=%llu TORTURE_SECONDS=%llu\n", (unsigned long long)seed,
		      (unsigned long long)seconds);
	for (int i = 0; i < PLAYERS; i++)
		start_player(g, i, seed);
	for (uint64_t i = 0; i < moments; i++) {
		play(g, seconds * 1000000000 / moments);
		be_quiet(g);
		if (i == moments / 2)
			g->memory_kib = resident_kib(stream__pid(g->live.stream));
	}
	growth = resident_kib(stream__pid(g->live.stream)) - g->memory_kib;
	print_message("%llu acts, %llu logged; %zu owners asked for, %zu of them exactly; %zu handed on; "
		      "memory %ld kB, grown by %ld kB since half way\n",
		      (unsigned long long)g->shared->acts, (unsigned long long)g->logged, g->asked, g->exact,
		      g->passed_on, g->memory_kib, growth);
	assert_true(g->exact * 100 >= g->asked * EXACT_PERCENT);
	assert_true(g->passed_on >= moments);
	assert_true(growth <= GROWTH_MAX_KIB);
	stream__stop(g->live.stream);
}

static int set_up(void **state)
{
	struct game *g = calloc(1, sizeof(*g));

	*state = g;
	if (!g)
		return -1;
	/* Whose parent is gone comes to us. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	rules__init(&g->rules);
	g->live.ns = ns__new();
	g->live.netns = ns__inode(g->live.ns);
	g->table = live_table__new(&(struct live_table_config){ .netns = g->live.netns });
	make_places(g);
	g->shared->keep = PLAYERS_KEPT;
	g->live.stream = stream__start(
		&(struct stream_config){ .on_update = take_update, .ctx = g, .discard = true, .netns = g->live.netns });
	size_t sync = stream__wait_sync(g->live.stream, 0);
	const char *missing = update__text(stream__at(g->live.stream, sync), "missing_hooks");
	g->shared->send_blind = strstr(missing, "sock_send_length") != NULL; /* it came with 6.3 */
	return 0;
}

static int tear_down(void **state)
{
	struct game *g = *state;

	for (int i = 0; i < TORTURE_SLOTS; i++) {
		if (g->shared->slots[i].taken && g->shared->slots[i].pid)
			kill((pid_t)g->shared->slots[i].pid, SIGKILL);
	}
	stream__free(g->live.stream);
	live_table__free(g->table);
	rules__free(&g->rules);
	close(g->life);
	close(g->live.ns);
	free(g);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(owners_and_holders_stay_true_whatever_is_done, set_up, tear_down),
	};

	if (torture__is_one())
		return torture__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
