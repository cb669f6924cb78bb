/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live/torture.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/table.h"

#define PAUSE_MAX_US  8000
#define PARK_PAUSE_US 1000
#define FDS_FULL      24 /* then more is closed than opened */
#define BYTES	      64
#define GIFTS_MAX     3 /* sockets in one message */

struct player {
	struct torture *shared;
	struct torture_slot *slot;
	int number;
};

static uint32_t roll(struct player *p, uint32_t limit)
{
	uint64_t x = p->slot->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	p->slot->random = x;
	return (uint32_t)(hash__mix(x) % limit);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int protocol = 0;
	socklen_t protocol_len = sizeof(protocol);

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_len) || protocol != IPPROTO_TCP)
		return 0;
	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) ? 0 : cookie;
}

static void note(const struct player *p, uint64_t cookie, enum torture_act act, uint64_t time_ns)
{
	uint64_t at = __atomic_fetch_add(&p->shared->log_count, 1, __ATOMIC_RELAXED);

	if (at >= TORTURE_LOG)
		return;
	p->shared->log[at] =
		(struct torture_entry){ .cookie = cookie, .time_ns = time_ns, .pid = (uint32_t)getpid(), .act = act };
}

static void note_now(const struct player *p, int fd, enum torture_act act)
{
	uint64_t cookie = cookie_of(fd);

	if (cookie)
		note(p, cookie, act, clock__boot_ns());
}

static uint32_t *lock(const struct player *p, uint64_t cookie)
{
	uint32_t *word = &p->shared->locks[hash__mix(cookie) % TORTURE_LOCKS];

	while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE))
		sched_yield();
	return word;
}

static void unlock(uint32_t *word)
{
	__atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

/* A socket of ours at random; -1: there is none. */
static int pick(struct player *p)
{
	int start = (int)roll(p, TORTURE_FDS);

	for (int i = 0; i < TORTURE_FDS; i++) {
		int fd = (start + i) % TORTURE_FDS;

		if (fd > STDERR_FILENO && cookie_of(fd))
			return fd;
	}
	return -1;
}

static unsigned int count_fds(void)
{
	unsigned int count = 0;

	for (int fd = STDERR_FILENO + 1; fd < TORTURE_FDS; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/*
 * Its end is an RST: at once, in the caller. A FIN whose ACK is delayed would end the socket by a timer, whenever. What is
 * accepted has this from its listener.
 */
static int new_socket(struct player *p)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | (roll(p, 2) ? SOCK_CLOEXEC : 0), 0);

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return fd;
}

static void do_listen(struct player *p)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = new_socket(p);
	uint32_t *word = lock(p, cookie_of(fd));

	note_now(p, fd, TORTURE_OPENED);
	if (!bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, 64) &&
	    !getsockname(fd, (struct sockaddr *)&at, &len))
		p->shared->ports[roll(p, TORTURE_PORTS)] = ntohs(at.sin_port);
	unlock(word);
}

static void do_connect(struct player *p)
{
	uint32_t port = p->shared->ports[roll(p, TORTURE_PORTS)];
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint32_t *word;
	int fd;

	if (!port)
		return;
	fd = new_socket(p);
	word = lock(p, cookie_of(fd));
	note_now(p, fd, TORTURE_OPENED);
	(void)!connect(fd, (struct sockaddr *)&to, sizeof(to)); /* it may be refused */
	unlock(word);
}

static void do_accept(struct player *p)
{
	int from = pick(p), fd = from < 0 ? -1 : accept4(from, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	note_now(p, fd, TORTURE_OPENED);
	if (roll(p, 2))
		fcntl(fd, F_SETFD, 0);
}

static void do_use(struct player *p)
{
	static char bytes[BYTES];
	int fd = pick(p);
	uint64_t cookie, time_ns;
	uint32_t *word;
	bool sends = roll(p, 2);
	ssize_t n;

	if (fd < 0)
		return;
	cookie = cookie_of(fd);
	word = lock(p, cookie);
	time_ns = clock__boot_ns();
	n = sends ? send(fd, bytes, BYTES, MSG_NOSIGNAL) : recv(fd, bytes, BYTES, 0);
	if (n > 0 && !(sends && p->shared->send_blind))
		note(p, cookie, TORTURE_USED, time_ns);
	unlock(word);
}

static void do_dup(struct player *p)
{
	int fd = pick(p);

	if (fd >= 0)
		fcntl(fd, roll(p, 2) ? F_DUPFD : F_DUPFD_CLOEXEC, 3);
}

/* One of several, maybe; in whatever way. */
static void do_close(struct player *p)
{
	int fd = pick(p), other;

	if (fd < 0)
		return;
	note_now(p, fd, TORTURE_CLOSED);
	switch (roll(p, 4)) {
	case 0:
		syscall(SYS_close_range, fd, fd, 0);
		break;
	case 1:
		other = pick(p);
		if (other != fd)
			dup3(other, fd, roll(p, 2) ? O_CLOEXEC : 0);
		break;
	default:
		close(fd);
		break;
	}
}

union rights {
	struct cmsghdr head;
	char space[CMSG_SPACE(GIFTS_MAX * sizeof(int))];
};

static void do_pass(struct player *p)
{
	int count = 1 + (int)roll(p, GIFTS_MAX), fds[GIFTS_MAX] = { 0 };
	struct iovec iov = { .iov_base = "", .iov_len = 1 };
	union rights rights = { 0 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &rights,
				  .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int)) };

	for (int i = 0; i < count; i++) {
		fds[i] = pick(p);
		if (fds[i] < 0)
			return;
	}
	rights.head.cmsg_level = SOL_SOCKET;
	rights.head.cmsg_type = SCM_RIGHTS;
	rights.head.cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
	memcpy(CMSG_DATA(&rights.head), fds, (size_t)count * sizeof(int));
	sendmsg(TORTURE_MAILBOX_FD((int)roll(p, TORTURE_SLOTS)) + 1, &message, MSG_DONTWAIT);
}

/* What is in the mailbox of the slot; the number of descriptors, -1: nothing. */
static int receive(int slot, int fds[GIFTS_MAX], int flags)
{
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union rights rights;
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof(rights)
	};
	size_t bytes;

	if (recvmsg(TORTURE_MAILBOX_FD(slot), &message, MSG_DONTWAIT | flags) != 1)
		return -1;
	if (!message.msg_controllen)
		return 0;
	bytes = rights.head.cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(&rights.head), bytes);
	return (int)(bytes / sizeof(int));
}

static bool do_take(struct player *p)
{
	int fds[GIFTS_MAX], count = receive(p->number, fds, roll(p, 2) ? MSG_CMSG_CLOEXEC : 0);

	for (int i = 0; i < count; i++)
		note_now(p, fds[i], TORTURE_GOT);
	return count >= 0;
}

bool torture__discard(struct torture *t, int slot)
{
	struct player p = { .shared = t, .slot = &t->slots[slot], .number = slot };
	int fds[GIFTS_MAX], count = receive(slot, fds, MSG_CMSG_CLOEXEC);

	for (int i = 0; i < count; i++) {
		note_now(&p, fds[i], TORTURE_GOT);
		close(fds[i]);
	}
	return count >= 0;
}

/* From another process, without asking it. */
static void do_get(struct player *p)
{
	uint32_t pid = p->shared->slots[roll(p, TORTURE_SLOTS)].pid;
	int process, fd;

	if (!pid || pid == (uint32_t)getpid())
		return;
	process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process < 0)
		return;
	for (int i = 0; i < 8; i++) {
		fd = (int)syscall(SYS_pidfd_getfd, process, 3 + (int)roll(p, FDS_FULL), 0);
		if (fd >= 0 && cookie_of(fd)) {
			note_now(p, fd, TORTURE_GOT);
			break;
		}
		if (fd >= 0)
			close(fd);
	}
	close(process);
}

static void begin(struct player *p)
{
	/* The one that asked for this process may be gone: whoever starts the game ends it. */
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	__atomic_store_n(&p->slot->pid, (uint32_t)getpid(), __ATOMIC_RELEASE);
}

static void do_fork(struct player *p)
{
	struct torture_slot *slots = p->shared->slots;
	int number = (int)roll(p, TORTURE_SLOTS);
	uint64_t random = p->slot->random;

	if (__atomic_exchange_n(&slots[number].taken, 1, __ATOMIC_ACQUIRE))
		return;
	slots[number].pid = 0;
	slots[number].phase = TORTURE_RUN;
	slots[number].random = hash__mix(random + (uint64_t)number);
	switch (fork()) {
	case 0:
		p->number = number;
		p->slot = &slots[number];
		begin(p);
		for (int fd = STDERR_FILENO + 1; fd < TORTURE_FDS; fd++)
			note_now(p, fd, TORTURE_GOT);
		break;
	case -1:
		slots[number].taken = 0;
		break;
	default:
		break;
	}
}

static void do_exec(const struct player *p)
{
	char number[12];

	snprintf(number, sizeof(number), "%d", p->number);
	setenv(TORTURE_ENVIRONMENT, number, 1);
	note(p, 0, TORTURE_RAN, clock__boot_ns());
	execl("/proc/self/exe", "torture", number, (char *)NULL);
	_exit(1);
}

static void do_exit(const struct player *p)
{
	unsigned int taken = 0;

	for (int i = 0; i < TORTURE_SLOTS; i++)
		taken += p->shared->slots[i].taken;
	if (taken > p->shared->keep)
		_exit(0); /* the slot is given back when the process is gone */
}

static void act(struct player *p)
{
	uint32_t number = roll(p, 1000);

	__atomic_fetch_add(&p->shared->acts, 1, __ATOMIC_RELAXED);
	if (number < 300 && count_fds() > FDS_FULL)
		number = 940;
	if (number < 700)
		do_use(p);
	else if (number < 770)
		do_accept(p);
	else if (number < 820)
		do_connect(p);
	else if (number < 824)
		do_listen(p);
	else if (number < 850)
		do_dup(p);
	else if (number < 880)
		do_pass(p);
	else if (number < 910)
		do_take(p);
	else if (number < 935)
		do_get(p);
	else if (number < 970)
		do_close(p);
	else if (number < 985)
		do_fork(p);
	else if (number < 992)
		do_exec(p);
	else
		do_exit(p);
}

static void drop_named(const struct player *p)
{
	for (int i = 0; i < TORTURE_DROPS; i++) {
		const struct torture_drop *d = &p->shared->drops[i];

		for (int fd = STDERR_FILENO + 1; d->pid == (uint32_t)getpid() && fd < TORTURE_FDS; fd++) {
			if (cookie_of(fd) == d->cookie)
				close(fd);
		}
	}
}

static uint32_t phase(const struct player *p)
{
	return __atomic_load_n(&p->shared->phase, __ATOMIC_ACQUIRE);
}

static void see(struct player *p, uint32_t now)
{
	if (now == TORTURE_DRAIN) {
		while (do_take(p))
			;
	} else if (now == TORTURE_DROP) {
		drop_named(p);
	}
	__atomic_store_n(&p->slot->phase, now, __ATOMIC_RELEASE);
}

bool torture__is_one(void)
{
	return getenv(TORTURE_ENVIRONMENT);
}

int torture__main(void)
{
	const char *number = getenv(TORTURE_ENVIRONMENT);
	struct player p = { .number = number ? atoi(number) : 0 };

	p.shared = mmap(NULL, sizeof(*p.shared), PROT_READ | PROT_WRITE, MAP_SHARED, TORTURE_SHARED_FD, 0);
	if (p.shared == MAP_FAILED)
		return 1;
	p.slot = &p.shared->slots[p.number];
	begin(&p);
	for (;;) {
		uint32_t now = phase(&p);
		char byte;

		if (!read(TORTURE_LIFE_FD, &byte, 1))
			return 0;
		if (now != p.slot->phase) {
			see(&p, now);
		} else if (now == TORTURE_RUN) {
			act(&p);
			usleep(roll(&p, PAUSE_MAX_US));
		} else {
			usleep(PARK_PAUSE_US);
		}
	}
}
