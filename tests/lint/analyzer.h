/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Only for clang-tidy, put in front of each file: what the analyzer of clang 14 cannot know of the C library.
 */
#include <errno.h>
#include <sys/socket.h>

/*
 * errno is positive when it is read. Without it "return -errno" is a possible success that left its out-parameters
 * unset. It cannot negate what it only knows the sign of, so it gets values; and it does not look into a function at
 * any depth, so this is none.
 */
int lint__any(void);

#undef errno
#define errno                                           \
	(*({                                            \
		static int lint_errno;                  \
		lint_errno = lint__any() ? EINTR : EIO; \
		&lint_errno;                            \
	}))

/* These fill in the address. It does not see so through glibc's transparent union. */
int lint__name(int fd, void *address, socklen_t *len);

#define getsockname(fd, address, len) lint__name(fd, address, len)
#define getpeername(fd, address, len) lint__name(fd, address, len)
