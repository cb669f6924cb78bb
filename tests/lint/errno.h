/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Only for clang-tidy, put in front of each file: errno is positive when it is read. Without it the analyzer takes
 * "return -errno" for a possible success that left its out-parameters unset. It cannot negate what it only knows the
 * sign of, so it gets values; and it does not look into a function at any depth, so this is none.
 */
#include <errno.h>

int lint__any(void);

#undef errno
#define errno                                           \
	(*({                                            \
		static int lint_errno;                  \
		lint_errno = lint__any() ? EINTR : EIO; \
		&lint_errno;                            \
	}))
