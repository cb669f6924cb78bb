/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"

#define LINE_MAX_BYTES 4096 /* PIPE_BUF: a write of this much to a pipe is not torn by another writer */

static enum log_level max_level = LOG_INFO;

void log__set_level(enum log_level level)
{
	max_level = level;
}

enum log_level log__level(void)
{
	return max_level;
}

static void write_line(const char *prefix, const char *text, size_t len)
{
	size_t used = strlen(prefix);
	char line[LINE_MAX_BYTES];
	ssize_t ignored;

	memcpy(line, prefix, used);
	used += escape__terminal(line + used, sizeof(line) - used, text, len);
	line[used++] = '\n'; /* over the NUL */
	ignored = write(STDERR_FILENO, line, used);
	(void)ignored; /* nowhere left to say it */
}

/* NULL: no memory, or a format that cannot be. */
static char *format(const char *fmt, va_list args)
{
	va_list again;
	char *text;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	text = len < 0 ? NULL : malloc((size_t)len + 1);
	if (text)
		vsnprintf(text, (size_t)len + 1, fmt, args);
	return text;
}

/*
 * A message of several lines (libbpf's verifier log) is split; what follows the first line is marked, so that a line feed
 * in somebody's name cannot make a line of its own that looks like ours.
 */
static void write_lines(const char *text)
{
	const char *prefix = "sockwatch: ";
	size_t len = strlen(text);

	while (len && text[len - 1] == '\n')
		len--;
	for (;;) {
		const char *end = memchr(text, '\n', len);
		size_t line_len = end ? (size_t)(end - text) : len;

		write_line(prefix, text, line_len);
		if (!end)
			return;
		text += line_len + 1;
		len -= line_len + 1;
		prefix = "sockwatch: | ";
	}
}

void log__print(enum log_level level, const char *fmt, ...)
{
	int saved_errno = errno;
	va_list args;
	char *text;

	if (level > max_level)
		return;
	va_start(args, fmt);
	text = format(fmt, args);
	va_end(args);
	write_lines(text ? text : fmt);
	free(text);
	errno = saved_errno;
}
