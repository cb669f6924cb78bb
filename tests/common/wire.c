/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/wire.h"

#include <string.h>

#include "model/types.h"

#define AF_INET 2

size_t wire__size(const union wire *w)
{
	if (w->base.kind == SW_REC_CLOSE)
		return sizeof(struct sw_record_close);
	return w->base.flags & SW_F_CMDLINE ? sizeof(struct sw_record_process) : sizeof(struct sw_record);
}

void wire__set_cmdline(union wire *w, const void *cmdline, uint32_t len)
{
	w->base.flags |= SW_F_CMDLINE;
	w->process.cmdline_len = len;
	memcpy(w->process.cmdline, cmdline, len < SW_CMDLINE_LEN ? len : SW_CMDLINE_LEN);
}

union wire wire__record(uint8_t kind, uint64_t cookie, uint64_t time_ns, uint16_t local_port, uint16_t remote_port)
{
	static const struct {
		uint8_t old_state, new_state, direction;
	} usual[] = {
		[SW_REC_CONNECT] = { STATE_CLOSE, STATE_SYN_SENT, SW_DIR_OUT },
		[SW_REC_LISTEN] = { STATE_CLOSE, STATE_LISTEN, SW_DIR_LISTEN },
		[SW_REC_ACCEPT] = { STATE_ESTABLISHED, STATE_ESTABLISHED, SW_DIR_IN },
		[SW_REC_ESTABLISHED] = { STATE_SYN_RECV, STATE_ESTABLISHED, SW_DIR_IN },
		[SW_REC_STATE] = { STATE_ESTABLISHED, STATE_CLOSE_WAIT, SW_DIR_UNKNOWN },
		[SW_REC_CLOSE] = { STATE_LAST_ACK, STATE_CLOSE, SW_DIR_UNKNOWN },
		[SW_REC_OWNER] = { STATE_ESTABLISHED, STATE_ESTABLISHED, SW_DIR_UNKNOWN },
	};
	union wire w = { .base = { 0 } };

	memset(&w, 0, sizeof(w));
	w.base.version = SW_RECORD_VERSION;
	w.base.kind = kind;
	w.base.family = AF_INET;
	w.base.old_state = usual[kind].old_state;
	w.base.new_state = usual[kind].new_state;
	w.base.direction = usual[kind].direction;
	w.base.netns = 1;
	w.base.time_ns = time_ns;
	w.base.cookie = cookie;
	w.base.local_port = local_port;
	w.base.remote_port = remote_port;
	memcpy(w.base.local, "\x0a\0\0\1", 4);
	if (kind != SW_REC_LISTEN)
		memcpy(w.base.remote, "\x0a\0\0\2", 4);
	return w;
}

struct sw_process wire__process(uint32_t pid, uint64_t start_ns, const char *comm)
{
	struct sw_process p = { .pid = pid, .start_ns = start_ns, .ppid = 1, .uid = 1000 };

	memcpy(p.comm, comm, strnlen(comm, sizeof(p.comm)));
	return p;
}

void wire__own(union wire *w, uint8_t attribution, const struct sw_process *process)
{
	w->base.attribution = attribution;
	w->base.owner = *process;
}
