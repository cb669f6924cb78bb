/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Live: an ordinary user with exactly the capabilities that doctor names, and with one of them less; the same in the sandbox
 * of the systemd unit.
 */
#include "live/live.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "live/program.h"

#define PORT	7700
#define NOBODY	65534
#define UNIT	"sockwatch.service" /* beside the schema */
#define TRACING "/sys/kernel/tracing"

#define BIT(capability) (1ULL << (capability))
#define ALL                                                                                                \
	(BIT(CAP_BPF) | BIT(CAP_PERFMON) | BIT(CAP_SYS_ADMIN) | BIT(CAP_NET_ADMIN) | BIT(CAP_SYS_PTRACE) | \
	 BIT(CAP_DAC_READ_SEARCH))

struct confinement {
	uint64_t capabilities;
	bool tracefs;  /* is mounted */
	bool readonly; /* everything, as ProtectSystem=strict and ProtectKernelTunables= do it */
};

static int own_mounts(const struct confinement *c)
{
	struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY };

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return -1;
	if (c->tracefs && mount("tracefs", TRACING, "tracefs", 0, NULL) && errno != EBUSY) /* it is there */
		return -1;
	if (!c->readonly)
		return 0;
	return (int)syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &readonly, sizeof(readonly));
}

/* As systemd does it for DynamicUser= with AmbientCapabilities=. */
static int confine(void *ctx)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	const struct confinement *c = ctx;

	/* As the unit has it, for kernels before 5.11; where that is not allowed, on later ones, it is not needed. */
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (own_mounts(c) || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return -1;
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned int i = 0; i <= CAP_LAST_CAP; i++) {
		if (c->capabilities & BIT(i))
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE, i);
	}
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY) ||
	    capng_apply(CAPNG_SELECT_CAPS))
		return -1;
	for (unsigned int i = 0; i <= CAP_LAST_CAP; i++) {
		if ((c->capabilities & BIT(i)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0))
			return -1;
	}
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* One look with a listener of root's process in another namespace to find. */
static struct program *look(struct live *l, struct confinement c)
{
	int fd = actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT).fd;
	struct program *p = program_run(0, .args = PROGRAM_ARGS("--json", "-l", "--duration", "0.2"),
					.prepare = confine, .ctx = &c);

	actor_must(l->server, .op = ACTOR_CLOSE, .fd = fd);
	return p;
}

static void assert_polls(const struct program *p, bool polls)
{
	if (!!strstr(p->out.text, "\"plan\":\"none\"") == polls)
		return;
	program__print(p);
	fail_msg("plan none is %s", polls ? "not used" : "used");
}

static void assert_unseen(const struct program *p)
{
	json_t *line = program__find(p, "existing", PORT);

	if (line)
		program__print(p);
	assert_null(line);
}

/* ---- all of them */

static void the_named_capabilities_are_enough(void **state)
{
	struct confinement c = { .capabilities = ALL };
	struct live *l = *state;
	struct program *p;

	actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	p = program_start(.args = PROGRAM_ARGS("--json", "-l"), .prepare = confine, .ctx = &c);
	program__wait_text(p, &p->out, "\"event\":\"sync\"");
	actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT + 1);
	program__wait_line(p, "listen", PORT + 1);
	kill(p->pid, SIGTERM);
	assert_int_equal(program__join(p), 0);
	assert_polls(p, false);
	program__assert_owner(p, "existing", PORT, (pid_t)l->server->pid);
	program__assert_out(p, "\"attribution\":\"listen\"");
	program__assert_error_lacks(p, "running without");
	program__free(p);
}

static void they_are_enough_where_nothing_can_be_written(void **state)
{
	struct live *l = *state;
	struct program *p;

	if (syscall(SYS_mount_setattr, -1, "", 0, NULL, 0) < 0 && errno == ENOSYS) {
		print_message("the kernel has no mount_setattr(2) to make everything read-only (Linux 5.12)\n");
		skip();
	}
	p = look(l, (struct confinement){ .capabilities = ALL, .readonly = true });

	assert_polls(p, false);
	program__assert_owner(p, "existing", PORT, (pid_t)l->server->pid);
	program__free(p);
}

/* ---- one less */

static void sys_admin_includes_bpf_and_perfmon(void **state)
{
	struct live *l = *state;
	struct program *p = look(l, (struct confinement){ .capabilities = ALL & ~BIT(CAP_BPF) & ~BIT(CAP_PERFMON) });

	assert_polls(p, false);
	program__assert_error_lacks(p, "running without");
	program__free(p);
}

static void without_bpf_or_perfmon_it_polls_and_names_the_missing_one(void **state)
{
	static const struct {
		int lost;
		const char *message;
	} cases[] = {
		{ CAP_BPF, "sockwatch: no BPF here (CAP_BPF missing): polling every 200 ms; " },
		{ CAP_PERFMON, "sockwatch: no BPF here (CAP_PERFMON missing): polling every 200 ms; " },
	};
	struct live *l = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct program *p =
			look(l, (struct confinement){ .capabilities = ALL & ~BIT(CAP_SYS_ADMIN) & ~BIT(cases[i].lost),
						      .tracefs = true });

		assert_polls(p, true);
		assert_ptr_equal(strstr(p->error.text, cases[i].message), p->error.text); /* the first line */
		program__free(p);
	}
}

static void without_sys_admin_other_namespaces_are_not_entered(void **state)
{
	struct live *l = *state;
	struct program *p = look(l, (struct confinement){ .capabilities = ALL & ~BIT(CAP_SYS_ADMIN), .tracefs = true });

	assert_polls(p, false);
	assert_unseen(p);
	program__assert_error(p, "network namespaces could not be read");
	program__assert_error(p, "running without CAP_SYS_ADMIN");
	program__free(p);
}

static void without_sys_ptrace_other_namespaces_are_not_found(void **state)
{
	struct live *l = *state;
	struct program *p = look(l, (struct confinement){ .capabilities = ALL & ~BIT(CAP_SYS_PTRACE) });

	assert_polls(p, false);
	assert_unseen(p);
	program__assert_error(p, "running without CAP_SYS_PTRACE");
	program__assert_error(p, "the network namespaces of");
	program__free(p);
}

static void without_dac_read_search_sockets_of_others_have_no_owner(void **state)
{
	struct live *l = *state;
	struct program *p = look(l, (struct confinement){ .capabilities = ALL & ~BIT(CAP_DAC_READ_SEARCH) });

	program__assert_owner(p, "existing", PORT, 0);
	program__assert_error(p, "running without CAP_DAC_READ_SEARCH");
	program__free(p);
}

static int listen_inside(void *ctx)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT + 1) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)ctx;
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) || listen(fd, 1))
		return -1;
	return fd;
}

/*
 * In a namespace of its own an actor listens on PORT, and this process, which is not in there, on PORT + 1; then the actor
 * ends. Is the other listener still followed?
 */
static bool follows_a_namespace_without_process(struct live *l, uint64_t capabilities)
{
	struct confinement c = { .capabilities = capabilities };
	struct live other = { .ns = ns__new() };
	struct actor *actor = live__spawn(&other, LIVE_SERVER);
	int fd = ns__call(other.ns, listen_inside, NULL);
	struct program *p;
	json_t *closed;

	assert_true(fd >= 0);
	close(other.ns);
	actor_must(actor, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT);
	p = program_start(.args = PROGRAM_ARGS("--json", "-l", "--plan", "none"), .prepare = confine, .ctx = &c);
	program__wait_text(p, &p->out, "\"event\":\"sync\"");
	actor__free(actor);
	program__wait_line(p, "close", PORT);
	/* This takes another look. */
	actor_must(l->server, .op = ACTOR_LISTEN, .address = "127.0.0.1", .port = PORT + 2);
	program__wait_line(p, "listen", PORT + 2);
	kill(p->pid, SIGTERM);
	assert_int_equal(program__join(p), 0);
	program__assert_owner(p, "existing", PORT + 1, getpid());
	closed = program__find(p, "close", PORT + 1);
	json_decref(closed);
	program__free(p);
	close(fd);
	return !closed;
}

static void with_net_admin_a_namespace_without_process_is_followed(void **state)
{
	assert_true(follows_a_namespace_without_process(*state, ALL));
}

static void without_net_admin_a_namespace_without_process_is_gone(void **state)
{
	assert_false(follows_a_namespace_without_process(*state, ALL & ~BIT(CAP_NET_ADMIN)));
}

/* ---- the systemd unit */

/* Where the schema is, the unit is too; skips where it is not. */
static void find_unit(char *path, size_t size)
{
	const char *schema = getenv("SOCKWATCH_SCHEMA");
	const char *slash = schema ? strrchr(schema, '/') : NULL;

	snprintf(path, size, "%.*s/" UNIT, slash ? (int)(slash - schema) : 8, slash ? schema : "src/data");
	if (access(path, R_OK)) {
		print_message("there is no %s\n", path);
		skip();
	}
}

static void read_unit(char *text, size_t size)
{
	char path[512];

	find_unit(path, sizeof(path));
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, size - 1, f);
	assert_true(n > 0 && n < size - 1);
	text[n] = '\0';
}

/* The value of a key of the unit must be the same words, in the same order. */
static void assert_value(const char *unit, const char *key, const char *want)
{
	char line[512];

	snprintf(line, sizeof(line), "\n%s=%s\n", key, want);
	if (!strstr(unit, line))
		fail_msg("no line \"%s=%s\" in %s", key, want, UNIT);
}

static void the_unit_has_exactly_the_capabilities_of_doctor(void **state)
{
	struct program *p = program_run(0, .args = PROGRAM_ARGS("doctor", "--json"));
	json_t *report = json_loadb(p->out.text, p->out.len, 0, NULL);
	char unit[8192], want[256] = "";
	const json_t *item;
	size_t i, len = 0;

	(void)state;
	read_unit(unit, sizeof(unit));
	json_array_foreach(json_object_get(report, "privileges"), i, item)
		len += (size_t)snprintf(want + len, sizeof(want) - len, "%s%s", i ? " " : "",
					update__text(item, "name"));
	assert_true(len && len < sizeof(want));
	assert_value(unit, "AmbientCapabilities", want);
	assert_value(unit, "CapabilityBoundingSet", want);
	assert_value(unit, "ProtectSystem", "strict");
	assert_value(unit, "NoNewPrivileges", "yes");
	json_decref(report);
	program__free(p);
}

static bool have_command(const char *name)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", name);
	return system(command) == 0; /* NOLINT(cert-env33-c): a constant */
}

static void systemd_takes_the_unit(void **state)
{
	const char *program = getenv("SOCKWATCH");
	char dir[] = "/tmp/sockwatch-unit-XXXXXX", unit[512], command[2048];
	_cleanup_free_ char *path = realpath(program && *program ? program : "build/sockwatch", NULL);
	int status;

	(void)state;
	find_unit(unit, sizeof(unit));
	if (!have_command("systemd-analyze")) {
		print_message("systemd-analyze is not installed (package systemd)\n");
		skip();
	}
	assert_non_null(path);
	assert_non_null(mkdtemp(dir));
	/* The program need not be installed where the unit has it. */
	snprintf(command, sizeof(command),
		 "sed 's|^ExecStart=[^ ]*|ExecStart=%s|' %s >%s/sockwatch.service && "
		 "out=$(systemd-analyze verify --man=no %s/sockwatch.service 2>&1); rc=$?; printf '%%s' \"$out\" >&2; "
		 "rm -r %s; test $rc = 0 && test -z \"$out\"",
		 path, unit, dir, dir, dir);
	status = system(command); /* NOLINT(cert-env33-c): made here */
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		live_test_quiet(the_named_capabilities_are_enough),
		live_test_quiet(they_are_enough_where_nothing_can_be_written),
		live_test_quiet(sys_admin_includes_bpf_and_perfmon),
		live_test_quiet(without_bpf_or_perfmon_it_polls_and_names_the_missing_one),
		live_test_quiet(without_sys_admin_other_namespaces_are_not_entered),
		live_test_quiet(without_sys_ptrace_other_namespaces_are_not_found),
		live_test_quiet(without_dac_read_search_sockets_of_others_have_no_owner),
		live_test_quiet(with_net_admin_a_namespace_without_process_is_followed),
		live_test_quiet(without_net_admin_a_namespace_without_process_is_gone),
		cmocka_unit_test(the_unit_has_exactly_the_capabilities_of_doctor),
		cmocka_unit_test(systemd_takes_the_unit),
	};

	if (actor__is_one())
		return actor__main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
