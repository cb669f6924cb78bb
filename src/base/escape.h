/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bytes that other users chose (comm, command lines, paths), made safe to show. */
#ifndef SOCKWATCH_BASE_ESCAPE_H
#define SOCKWATCH_BASE_ESCAPE_H

#include <stddef.h>

/*
 * Length (1..4) of the well-formed UTF-8 sequence (RFC 3629: no surrogates, no overlong form) that starts at s, or 0.
 */
size_t utf8__sequence(const char *s, size_t len);

/*
 * Write len bytes of s into dst (dst_size >= 1) for a terminal, NUL-terminated. Well-formed printable UTF-8 is kept; a
 * backslash is doubled; every other byte (C0, DEL, C1, bidirectional and zero-width controls, ill-formed UTF-8) becomes
 * \xNN. NUL becomes a space (it separates arguments). Never splits an escape: what does not fit whole is left out.
 * Returns the bytes written without the NUL.
 */
size_t escape__terminal(char *dst, size_t dst_size, const char *s, size_t len);

#endif
