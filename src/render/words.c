/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words of the stream: design and schema know the same ones. */
#include "render/render.h"

#define LOOK_UP(table, n) ((size_t)(n) < sizeof(table) / sizeof((table)[0]) ? (table)[n] : NULL)

const char *render__event_name(enum event event)
{
	static const char *const names[EV_MAX] = {
		[EV_EXISTING] = "existing", [EV_OPEN] = "open",	      [EV_BIND] = "bind",
		[EV_LISTEN] = "listen",	    [EV_CONNECT] = "connect", [EV_ESTABLISHED] = "established",
		[EV_ACCEPT] = "accept",	    [EV_STATE] = "state",     [EV_OWNER] = "owner",
		[EV_CLOSE] = "close",	    [EV_SYNC] = "sync",	      [EV_LOST] = "lost",
		[EV_SUMMARY] = "summary",
	};

	return LOOK_UP(names, event);
}

/* As netstat prints them; a request entry is the kernel's own refinement of SYN_RECV. */
const char *render__state_name(unsigned int state)
{
	static const char *const names[STATE_MAX] = {
		[STATE_ESTABLISHED] = "ESTABLISHED",
		[STATE_SYN_SENT] = "SYN_SENT",
		[STATE_SYN_RECV] = "SYN_RECV",
		[STATE_FIN_WAIT1] = "FIN_WAIT1",
		[STATE_FIN_WAIT2] = "FIN_WAIT2",
		[STATE_TIME_WAIT] = "TIME_WAIT",
		[STATE_CLOSE] = "CLOSE",
		[STATE_CLOSE_WAIT] = "CLOSE_WAIT",
		[STATE_LAST_ACK] = "LAST_ACK",
		[STATE_LISTEN] = "LISTEN",
		[STATE_CLOSING] = "CLOSING",
		[STATE_NEW_SYN_RECV] = "SYN_RECV",
	};

	return LOOK_UP(names, state);
}

const char *render__attribution_name(unsigned int attribution)
{
	static const char *const names[SW_ATTR_MAX] = {
		[SW_ATTR_NONE] = "none", [SW_ATTR_CONNECT] = "connect", [SW_ATTR_LISTEN] = "listen",
		[SW_ATTR_BIND] = "bind", [SW_ATTR_SOCKET] = "socket",	[SW_ATTR_ACCEPT] = "accept",
		[SW_ATTR_IO] = "io",	 [SW_ATTR_HOLDER] = "holder",	[SW_ATTR_LISTENER] = "listener",
		[SW_ATTR_LAST] = "last",
	};

	return LOOK_UP(names, attribution);
}

const char *render__reason_name(unsigned int reason)
{
	static const char *const names[REASON_MAX] = {
		[REASON_UNKNOWN] = NULL,      [REASON_LOCAL] = "local",
		[REASON_REMOTE] = "remote",   [REASON_RESET] = "reset",
		[REASON_ABORTED] = "aborted", [REASON_REFUSED] = "refused",
		[REASON_TIMEOUT] = "timeout", [REASON_UNREACHABLE] = "unreachable",
		[REASON_UNSEEN] = "unseen",   [REASON_EXPIRED] = "expired",
	};

	return LOOK_UP(names, reason);
}

const char *render__loss_name(unsigned int where)
{
	static const char *const names[LOSS_MAX] = {
		[LOSS_RING] = "ring",
		[LOSS_MAP] = "map",
		[LOSS_DUMP] = "dump",
		[LOSS_HELPER] = "helper",
	};

	return LOOK_UP(names, where);
}
