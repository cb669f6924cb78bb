/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "source/sockets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One byte: the class, with the highest bit a line of /proc/net; then what the kernel said. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sockets_family *const families[] = {
		&sockets_inet,	&sockets_unix, &sockets_packet, &sockets_netlink,
		&sockets_vsock, &sockets_xdp,  &sockets_tipc,
	};
	_Alignas(8) char message[4096] = { 0 };
	struct listed row = { .class = size ? (data[0] & 0x7f) % CLASS_MAX : 0 };
	struct facts facts = { 0 };
	struct nlmsghdr *nlh = (struct nlmsghdr *)message;

	for (size_t i = 0; size && i < sizeof(families) / sizeof(families[0]); i++) {
		if (!(families[i]->classes & CLASS_BIT(row.class)))
			continue;
		if (data[0] & 0x80 && families[i]->parse_line)
			return families[i]->parse_line((const char *)data + 1, size - 1, &row) > 0;
		size = size - 1 < sizeof(message) - NLMSG_HDRLEN ? size - 1 : sizeof(message) - NLMSG_HDRLEN;
		memcpy(message + NLMSG_HDRLEN, data + 1, size);
		nlh->nlmsg_len = (uint32_t)(NLMSG_HDRLEN + size);
		if (!families[i]->parse(nlh, &row, &facts) && (!row.state || row.state >= STATE_MAX))
			__builtin_trap();
		break;
	}
	return 0;
}
