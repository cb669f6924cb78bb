/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Network namespaces: found once each, by process and by mount; visited without leaving our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <netinet/in.h>

#include "source/diag.h"
#include "source/netns.h"
#include "tree.h"

#define NOBODY 54321 /* nobody at all: uid 65534 may have processes elsewhere */

static const char *no_privilege; /* why there is none */

static int prepare(void **state)
{
	(void)state;
	/* Mounts of the tests are to be ours alone; whether namespaces may be made shows here, too. */
	if (unshare(CLONE_NEWNS | CLONE_NEWNET))
		no_privilege = "needs CAP_SYS_ADMIN to make network and mount namespaces";
	else if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		no_privilege = "mount propagation cannot be changed";
	return 0;
}

#define need_privilege()                                           \
	do {                                                       \
		if (no_privilege) {                                \
			print_message("skip: %s\n", no_privilege); \
			skip();                                    \
		}                                                  \
	} while (0)

static uint32_t own_inode(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/thread-self/ns/net", &st), 0);
	return (uint32_t)st.st_ino;
}

/* A process in a namespace of its own, until it is ended. */
struct guest {
	pid_t pid;
	uint32_t inode;
};

static void run_guest(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) || write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static struct guest start_guest(void)
{
	struct guest g;
	char path[64], c;
	struct stat st;
	int ready[2];

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	g.pid = fork();
	if (g.pid == 0)
		run_guest(ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", g.pid);
	assert_int_equal(stat(path, &st), 0);
	g.inode = (uint32_t)st.st_ino;
	return g;
}

static void end_guest(struct guest *g)
{
	int status;

	assert_int_equal(kill(g->pid, SIGKILL), 0);
	assert_int_equal(waitpid(g->pid, &status, 0), g->pid);
	assert_true(WIFSIGNALED(status));
}

static const struct netns *find(const struct netns_list *list, uint32_t inode, unsigned int *ret_times)
{
	const struct netns *found = NULL;
	unsigned int i;

	*ret_times = 0;
	for (i = 0; i < list->count; i++) {
		if (list->items[i].inode == inode) {
			found = &list->items[i];
			(*ret_times)++;
		}
	}
	return found;
}

static void our_own_namespace_comes_first_and_once(void **state)
{
	struct netns_list list;
	unsigned int times, i;

	(void)state;
	assert_int_equal(netns__list("/proc", &list), 0);
	assert_int_equal(list.items[0].inode, own_inode());
	assert_ptr_equal(find(&list, own_inode(), &times), &list.items[0]);
	assert_int_equal(times, 1);
	for (i = 0; i < list.count; i++)
		assert_int_equal(fcntl(list.items[i].fd, F_GETFD), FD_CLOEXEC);
	netns__list_free(&list);
	assert_int_equal(list.count, 0);
}

static void the_namespace_of_a_process_is_found_once(void **state)
{
	struct netns_list list;
	struct guest guest;
	unsigned int times;
	struct stat st;

	(void)state;
	need_privilege();
	guest = start_guest();
	assert_int_equal(netns__list("/proc", &list), 0);
	assert_non_null(find(&list, guest.inode, &times));
	assert_int_equal(times, 1);
	assert_int_equal(fstat(find(&list, guest.inode, &times)->fd, &st), 0);
	assert_true(st.st_ino == guest.inode);
	netns__list_free(&list);
	end_guest(&guest);
	assert_int_equal(netns__list("/proc", &list), 0);
	assert_null(find(&list, guest.inode, &times));
	netns__list_free(&list);
}

static void bind_process(const struct guest *guest, const char *name)
{
	char from[64];
	int fd = open(in_tree(name), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	snprintf(from, sizeof(from), "/proc/%d/ns/net", guest->pid);
	assert_int_equal(mount(from, in_tree(name), NULL, MS_BIND, NULL), 0);
}

static void a_namespace_kept_by_a_mount_alone_is_found(void **state)
{
	/* mountinfo writes \040, \011 and \134 for these. */
	static const char name[] = "a b\tc\\d";
	struct netns_list list;
	struct guest guest;
	unsigned int times;

	(void)state;
	need_privilege();
	guest = start_guest();
	bind_process(&guest, name);
	end_guest(&guest);
	assert_int_equal(netns__list("/proc", &list), 0);
	assert_non_null(find(&list, guest.inode, &times));
	assert_int_equal(times, 1);
	netns__list_free(&list);
	assert_int_equal(umount(in_tree(name)), 0);
}

/* A made-up root of procfs: our own namespace, and a mountinfo that lies. */
static void put_proc(const char *mountinfo)
{
	FILE *file;

	assert_int_equal(mkdir(in_tree("self"), 0700), 0);
	assert_int_equal(mkdir(in_tree("self/ns"), 0700), 0);
	assert_int_equal(symlink("/proc/self/ns/net", in_tree("self/ns/net")), 0);
	file = fopen(in_tree("self/mountinfo"), "we");
	assert_non_null(file);
	assert_true(fputs(mountinfo, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void what_is_no_namespace_is_not_opened(void **state)
{
	struct netns_list list;
	char text[8 * PATH_MAX];
	FILE *file;

	(void)state;
	/* Opened, a FIFO that nobody writes to would hang; the symlink leads to a namespace, but was not mounted. */
	assert_int_equal(mkfifo(in_tree("fifo"), 0600), 0);
	assert_int_equal(symlink("/proc/1/ns/net", in_tree("link")), 0);
	file = fopen(in_tree("file"), "we");
	assert_non_null(file);
	fclose(file);
	snprintf(text, sizeof(text),
		 "9 1 0:4 net:[1] %s/fifo rw shared:1 - nsfs nsfs rw\n"
		 "9 1 0:4 net:[2] %s/link rw - nsfs nsfs rw\n"
		 "9 1 0:4 net:[3] %s/file rw - nsfs nsfs rw\n"
		 "9 1 0:4 net:[4] %s/none rw - nsfs nsfs rw\n"
		 "9 1 0:4 net:[5] /proc/self/ns/mnt rw - nsfs nsfs rw\n"
		 "9 1 0:4 net:[x] %s/file rw - nsfs nsfs rw\n"
		 "9 1 0:4 net:[ %s/file rw - nsfs nsfs rw\n"
		 "9 1 0:4 mnt:[6] %s/file rw - nsfs nsfs rw\n"
		 "9 1 0:4 / / rw - ext4 nsfs rw\n"
		 "9 1 - nsfs \n - nsfs x\n\n9 1 0:4 net:[7]",
		 tree, tree, tree, tree, tree, tree, tree);
	put_proc(text);
	assert_int_equal(netns__list(tree, &list), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0].inode, own_inode());
	assert_int_equal(list.unreadable, 0);
	netns__list_free(&list);
}

static void a_process_entry_that_is_no_namespace_is_counted(void **state)
{
	struct netns_list list;

	(void)state;
	put_proc("");
	assert_int_equal(mkdir(in_tree("7"), 0700), 0); /* it has just ended */
	assert_int_equal(mkdir(in_tree("8"), 0700), 0);
	assert_int_equal(mkdir(in_tree("8/ns"), 0700), 0);
	assert_int_equal(mkfifo(in_tree("8/ns/net"), 0600), 0);
	assert_int_equal(netns__list(tree, &list), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.unreadable, 1);
	netns__list_free(&list);
}

static void a_missing_proc_is_an_error(void **state)
{
	struct netns_list list;

	(void)state;
	assert_int_equal(netns__list("/nonexistent", &list), -ENOENT);
	assert_int_equal(netns__list(tree, &list), -ENOENT);
}

static int list_unprivileged(void)
{
	struct netns_list list;

	if (setgid(NOBODY) || setuid(NOBODY) || prctl(PR_SET_DUMPABLE, 1))
		return 2;
	if (netns__list("/proc", &list))
		return 3;
	return list.count == 1 && list.unreadable > 0 ? 0 : 4;
}

static void processes_of_others_are_counted_as_unreadable(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	need_privilege();
	pid = fork();
	if (pid == 0)
		_exit(list_unprivileged());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void without_descriptors_the_first_ones_are_listed(void **state)
{
	struct guest guests[4];
	struct rlimit old, low;
	struct netns_list list;
	int err, next, i;

	(void)state;
	need_privilege();
	for (i = 0; i < 4; i++)
		guests[i] = start_guest();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	next = dup(0);
	close(next);
	/* Room for procfs itself, its listing and our own namespace, but not for four more. */
	low = (struct rlimit){ .rlim_cur = (rlim_t)next + 4, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	err = netns__list("/proc", &list);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(err, -E2BIG);
	assert_in_range(list.count, 1, 4);
	assert_int_equal(list.items[0].inode, own_inode());
	netns__list_free(&list);
	for (i = 0; i < 4; i++)
		end_guest(&guests[i]);
}

static int say_inode(void *ctx)
{
	*(uint32_t *)ctx = own_inode();
	return 1234;
}

static void a_call_runs_there_and_we_stay_here(void **state)
{
	uint32_t before = own_inode(), there = 0;
	struct netns_list list;
	struct guest guest;
	unsigned int times;

	(void)state;
	need_privilege();
	guest = start_guest();
	assert_int_equal(netns__list("/proc", &list), 0);
	assert_int_equal(netns__call(find(&list, guest.inode, &times)->fd, say_inode, &there), 1234);
	assert_int_equal(there, guest.inode);
	assert_int_equal(own_inode(), before);
	netns__list_free(&list);
	end_guest(&guest);
}

static void a_descriptor_of_something_else_is_refused(void **state)
{
	uint32_t there = 0;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(netns__call(fd, say_inode, &there), -EINVAL);
	assert_int_equal(netns__call(-1, say_inode, &there), -EBADF);
	assert_int_equal(netns__open_diag(fd), -EINVAL);
	assert_int_equal(there, 0);
	close(fd);
}

static int open_unprivileged(int fd)
{
	if (setgid(NOBODY) || setuid(NOBODY))
		return 2;
	return netns__open_diag(fd) == -EPERM ? 0 : 1;
}

static void without_privilege_it_is_eperm(void **state)
{
	int status, fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	pid_t pid;

	(void)state;
	need_privilege();
	pid = fork();
	if (pid == 0)
		_exit(open_unprivileged(fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
}

static int make_listener(void *ctx)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)ctx;
	return fd >= 0 && listen(fd, 1) == 0 ? fd : -errno;
}

struct count {
	unsigned int rows;
	uint32_t netns;
};

static int count_row(void *ctx, const struct row *row)
{
	struct count *count = ctx;

	count->rows++;
	count->netns = row->netns;
	return 0;
}

static struct count count_rows(int fd, uint32_t netns)
{
	struct count count = { 0 };
	struct diag *d = NULL;

	assert_int_equal(diag__new(fd, netns, &d), 0);
	assert_int_equal(diag__dump(d, DIAG_ALL_STATES, count_row, &count), 0);
	diag__free(d);
	return count;
}

static void a_diag_socket_opened_there_sees_that_namespace_alone(void **state)
{
	struct netns_list list;
	struct guest guest;
	struct count count;
	unsigned int times;
	int ns, fd, listener;

	(void)state;
	need_privilege();
	guest = start_guest();
	assert_int_equal(netns__list("/proc", &list), 0);
	ns = find(&list, guest.inode, &times)->fd;
	listener = netns__call(ns, make_listener, NULL);
	assert_true(listener >= 0);
	fd = netns__open_diag(ns);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	count = count_rows(fd, guest.inode);
	assert_int_equal(count.rows, 1);
	assert_int_equal(count.netns, guest.inode);
	/* Ours is fresh and empty. */
	assert_int_equal(count_rows(-1, 1).rows, 0);
	close(listener);
	netns__list_free(&list);
	end_guest(&guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_namespace_comes_first_and_once),
		cmocka_unit_test(the_namespace_of_a_process_is_found_once),
		in_a_tree(a_namespace_kept_by_a_mount_alone_is_found),
		in_a_tree(what_is_no_namespace_is_not_opened),
		in_a_tree(a_process_entry_that_is_no_namespace_is_counted),
		in_a_tree(a_missing_proc_is_an_error),
		cmocka_unit_test(processes_of_others_are_counted_as_unreadable),
		cmocka_unit_test(without_descriptors_the_first_ones_are_listed),
		cmocka_unit_test(a_call_runs_there_and_we_stay_here),
		cmocka_unit_test(a_descriptor_of_something_else_is_refused),
		cmocka_unit_test(without_privilege_it_is_eperm),
		cmocka_unit_test(a_diag_socket_opened_there_sees_that_namespace_alone),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
