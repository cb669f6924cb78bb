/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define LINES_MAX   (16 * 1024 * 1024)
#define PATIENCE_MS 1000

void output__init(struct output *o, int fd, int stop_fd)
{
	struct stat st;

	*o = (struct output){ .fd = fd, .stop_fd = stop_fd, .end_ns = UINT64_MAX };
	buffer__init(&o->lines, LINES_MAX);
	o->chunked = !fstat(fd, &st) && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(fd));
}

void output__free(struct output *o)
{
	buffer__free(&o->lines);
}

/* How long to wait for the reader: until the end of the stream, then for as long as patience lasts. */
static int timeout_ms(const struct output *o)
{
	uint64_t now = clock__boot_ns();

	if (o->end_ns == UINT64_MAX)
		return -1;
	if (now >= o->end_ns)
		return PATIENCE_MS;
	now = (o->end_ns - now) / 1000000 + PATIENCE_MS;
	return now > INT_MAX ? INT_MAX : (int)now;
}

/*
 * True when there is room for PIPE_BUF bytes; false: give up. After a stop signal or the end of the stream, a reader that
 * still reads gets the rest; one that takes nothing for PATIENCE_MS does not hold the program up.
 */
static bool wait_for_room(struct output *o)
{
	struct pollfd fds[2] = { { .fd = o->fd, .events = POLLOUT }, { .fd = o->stop_fd, .events = POLLIN } };

	for (;;) {
		int n = poll(fds, 2, timeout_ms(o));

		if (n < 0 && errno != EINTR)
			return true; /* let write say what is wrong */
		if (fds[0].revents)
			return true;
		if (n == 0)
			return false;
		if (fds[1].revents)
			return poll(fds, 1, PATIENCE_MS) != 0;
	}
}

/* What PIPE_BUF takes, cut at the end of a line: when the reader stops reading, it has whole lines. */
static size_t whole_lines(const char *data, size_t len)
{
	const char *end;

	if (len <= PIPE_BUF)
		return len;
	end = memrchr(data, '\n', PIPE_BUF);
	return end ? (size_t)(end - data) + 1 : PIPE_BUF;
}

static int write_some(struct output *o, const char *data, size_t len)
{
	ssize_t n;

	if (o->chunked) {
		len = whole_lines(data, len);
		if (!wait_for_room(o)) {
			o->stopped = true;
			return 0;
		}
	}
	n = write(o->fd, data, len);
	if (n >= 0)
		return (int)n;
	return errno == EINTR || errno == EAGAIN ? 0 : -errno;
}

void output__flush(struct output *o)
{
	size_t done = 0;

	if (o->lines.failed && !o->error)
		o->error = -ENOMEM;
	while (done < o->lines.len && !o->error && !o->stopped) {
		int n = write_some(o, o->lines.data + done, o->lines.len - done);

		if (n < 0)
			o->error = n;
		else
			done += n;
	}
	buffer__reset(&o->lines);
}
