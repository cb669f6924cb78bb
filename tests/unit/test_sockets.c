/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Answers of sock_diag for every family, and lines of /proc/net, made up: what is taken from them, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/tipc_netlink.h>
#include <linux/unix_diag.h>
#include <linux/vm_sockets_diag.h>
#include <linux/xdp_diag.h>

#include "source/sockets.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char space[8192] __attribute__((aligned(8)));

static void *begin(size_t size)
{
	memset(space, 0, sizeof(space));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(space);

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	return mnl_nlmsg_put_extra_header(nlh, size);
}

#define message() ((struct nlmsghdr *)space)

/* The message in memory of its own size, so that a sanitizer sees a read behind it. */
static int parse_len(const struct sockets_family *family, enum socket_class class, size_t len, struct listed *row,
		     struct facts *facts)
{
	struct nlmsghdr *copy = malloc(len);
	int err;

	assert_non_null(copy);
	memcpy(copy, space, len);
	copy->nlmsg_len = (uint32_t)len;
	*row = (struct listed){ .class = (uint8_t) class, .netns = 7 };
	*facts = (struct facts){ 0 };
	err = family->parse(copy, row, facts);
	/* What was taken may point into the message: only a flag of it is of use here. */
	if (row->class == CLASS_UNIX && row->un.path.data) {
		static char name[256];

		memcpy(name, row->un.path.data, row->un.path.len);
		row->un.path.data = name;
	}
	free(copy);
	return err;
}

static struct listed row;
static struct facts facts;

static void parse(const struct sockets_family *family, enum socket_class class)
{
	assert_int_equal(parse_len(family, class, message()->nlmsg_len, &row, &facts), 0);
}

/* Cut off anywhere, a message is refused or has lost attributes, but nothing behind it is read. */
static void parse_cut(const struct sockets_family *family, enum socket_class class, size_t fixed)
{
	size_t whole = message()->nlmsg_len;
	struct listed r;
	struct facts f;

	for (size_t len = MNL_NLMSG_HDRLEN; len < whole; len++) {
		int err = parse_len(family, class, len, &r, &f);

		if (len < MNL_NLMSG_HDRLEN + fixed)
			assert_int_equal(err, -EBADMSG);
		else
			assert_true(err == 0 || err == -EBADMSG);
	}
}

static void put_memory(uint16_t type)
{
	uint32_t memory[SK_MEMINFO_VARS];

	for (uint32_t i = 0; i < SK_MEMINFO_VARS; i++)
		memory[i] = 100 + i;
	mnl_attr_put(message(), type, sizeof(memory), memory);
}

/* ---- sock_diag */

static struct inet_diag_msg *begin_inet(uint8_t family, uint8_t state)
{
	struct inet_diag_msg *msg = begin(sizeof(*msg));

	msg->idiag_family = family;
	msg->idiag_state = state;
	msg->idiag_inode = 4711;
	msg->idiag_uid = 1000;
	msg->idiag_rqueue = 11;
	msg->idiag_wqueue = 12;
	msg->id.idiag_sport = htons(80);
	msg->id.idiag_dport = htons(4242);
	msg->id.idiag_cookie[0] = 5;
	msg->id.idiag_cookie[1] = 1;
	msg->id.idiag_if = 3;
	inet_pton(AF_INET, "10.0.0.1", msg->id.idiag_src);
	inet_pton(AF_INET, "10.0.0.2", msg->id.idiag_dst);
	return msg;
}

static void every_fact_of_a_tcp_row_is_taken(void **state)
{
	struct inet_diag_msg *msg = begin_inet(AF_INET, STATE_ESTABLISHED);
	struct tcp_info info = { .tcpi_rtt = 1500, .tcpi_snd_cwnd = 10, .tcpi_pacing_rate = 99, .tcpi_bytes_sent = 77 };

	(void)state;
	msg->idiag_timer = TIMER_KEEPALIVE;
	msg->idiag_expires = 900;
	msg->idiag_retrans = 2;
	mnl_attr_put_u8(message(), INET_DIAG_SHUTDOWN, 2);
	mnl_attr_put_u32(message(), INET_DIAG_MARK, 0x2a);
	mnl_attr_put_u64(message(), INET_DIAG_CGROUP_ID, 1234567890123ULL);
	put_memory(INET_DIAG_SKMEMINFO);
	mnl_attr_put(message(), INET_DIAG_INFO, sizeof(info), &info);
	mnl_attr_put_strz(message(), INET_DIAG_CONG, "cubic");
	parse(&sockets_inet, CLASS_TCP);
	assert_int_equal(row.cookie, 0x100000005ULL);
	assert_int_equal(row.inode, 4711);
	assert_int_equal(row.netns, 7);
	assert_int_equal(row.uid, 1000);
	assert_int_equal(row.state, STATE_ESTABLISHED);
	assert_int_equal(row.type, SOCK_STREAM);
	assert_int_equal(row.recv_queue, 11);
	assert_int_equal(row.send_queue, 12);
	assert_int_equal(row.ifindex, 3);
	assert_int_equal(row.mark, 0x2a);
	assert_int_equal(row.cgroup_id, 1234567890123ULL);
	assert_int_equal(row.shutdown, 2);
	assert_int_equal(row.timer, TIMER_KEEPALIVE);
	assert_int_equal(row.timer_ms, 900);
	assert_int_equal(row.retransmits, 2);
	assert_int_equal(row.ends.family, 4);
	assert_int_equal(row.ends.local_port, 80);
	assert_int_equal(row.ends.remote_port, 4242);
	assert_memory_equal(row.ends.local, "\x0a\0\0\1", 4);
	assert_true(row.flags & LISTED_HAS_UID && row.flags & LISTED_HAS_MARK && row.flags & LISTED_QUEUES);
	assert_false(row.flags & LISTED_MINISOCK);
	assert_true(facts.have_memory && facts.have_tcp);
	assert_int_equal(facts.memory[SK_MEMINFO_DROPS], 108);
	assert_int_equal(facts.tcp.rtt_us, 1500);
	assert_int_equal(facts.tcp.cwnd, 10);
	assert_int_equal(facts.tcp.pacing_rate, 99);
	assert_int_equal(facts.tcp.bytes_sent, 77);
	assert_string_equal(facts.congestion, "cubic");
	parse_cut(&sockets_inet, CLASS_TCP, sizeof(*msg));
}

static void an_older_tcp_info_is_shorter(void **state)
{
	const uint8_t old[104] = { [8] = 200 }; /* up to tcpi_total_retrans, 2.6.x */

	(void)state;
	begin_inet(AF_INET, STATE_ESTABLISHED);
	mnl_attr_put(message(), INET_DIAG_INFO, sizeof(old), old);
	parse(&sockets_inet, CLASS_TCP);
	assert_int_equal(facts.tcp.rto_us, 200);
	assert_int_equal(facts.tcp.bytes_sent, 0);
}

static void a_long_congestion_name_is_cut(void **state)
{
	char name[64];

	(void)state;
	memset(name, 'x', sizeof(name));
	begin_inet(AF_INET, STATE_ESTABLISHED);
	mnl_attr_put(message(), INET_DIAG_CONG, sizeof(name), name);
	parse(&sockets_inet, CLASS_TCP);
	assert_int_equal(strlen(facts.congestion), 15);
}

static void a_mapped_udp_pair_is_ipv4_T10(void **state)
{
	struct inet_diag_msg *msg = begin_inet(AF_INET6, STATE_CLOSE);

	(void)state;
	inet_pton(AF_INET6, "::ffff:10.0.0.1", msg->id.idiag_src);
	inet_pton(AF_INET6, "::", msg->id.idiag_dst);
	parse(&sockets_inet, CLASS_UDP);
	assert_int_equal(row.ends.family, 4);
	assert_int_equal(row.type, SOCK_DGRAM);
}

static void v6only_is_told_apart_from_dual_stack(void **state)
{
	(void)state;
	begin_inet(AF_INET6, STATE_LISTEN);
	mnl_attr_put_u8(message(), INET_DIAG_SKV6ONLY, 1);
	parse(&sockets_inet, CLASS_TCP);
	assert_int_equal(row.flags & (LISTED_V6ONLY | LISTED_DUAL), LISTED_V6ONLY);
	begin_inet(AF_INET6, STATE_LISTEN);
	mnl_attr_put_u8(message(), INET_DIAG_SKV6ONLY, 0);
	parse(&sockets_inet, CLASS_TCP);
	assert_int_equal(row.flags & (LISTED_V6ONLY | LISTED_DUAL), LISTED_DUAL);
}

static void a_time_wait_entry_has_no_file_T9(void **state)
{
	struct inet_diag_msg *msg = begin_inet(AF_INET, STATE_TIME_WAIT);

	(void)state;
	msg->idiag_inode = 0;
	msg->idiag_timer = TIMER_TIMEWAIT;
	parse(&sockets_inet, CLASS_TCP);
	assert_true(row.flags & LISTED_MINISOCK);
	assert_int_equal(row.cookie, 0x100000005ULL);
}

static void a_foreign_family_or_state_is_refused(void **state)
{
	(void)state;
	begin_inet(AF_UNIX, STATE_ESTABLISHED);
	assert_int_equal(parse_len(&sockets_inet, CLASS_TCP, message()->nlmsg_len, &row, &facts), -EBADMSG);
	begin_inet(AF_INET, 0);
	assert_int_equal(parse_len(&sockets_inet, CLASS_TCP, message()->nlmsg_len, &row, &facts), -EBADMSG);
	begin_inet(AF_INET, 200);
	assert_int_equal(parse_len(&sockets_inet, CLASS_TCP, message()->nlmsg_len, &row, &facts), -EBADMSG);
}

static void an_sctp_association_has_the_state_that_is_nearest(void **state)
{
	const struct sockaddr_in peer = { .sin_family = AF_INET };

	(void)state;
	begin_inet(AF_INET, 3); /* SCTP_STATE_ESTABLISHED */
	mnl_attr_put(message(), INET_DIAG_PEERS, sizeof(peer), &peer);
	parse(&sockets_inet, CLASS_SCTP);
	assert_int_equal(row.state, STATE_ESTABLISHED);
	/* Its socket alone is not shown beside it. */
	begin_inet(AF_INET, STATE_ESTABLISHED);
	assert_int_equal(parse_len(&sockets_inet, CLASS_SCTP, message()->nlmsg_len, &row, &facts), 1);
	begin_inet(AF_INET, STATE_LISTEN);
	parse(&sockets_inet, CLASS_SCTP);
	assert_int_equal(row.state, STATE_LISTEN);
	begin_inet(AF_INET, 99);
	mnl_attr_put(message(), INET_DIAG_PEERS, sizeof(peer), &peer);
	assert_int_equal(parse_len(&sockets_inet, CLASS_SCTP, message()->nlmsg_len, &row, &facts), -EBADMSG);
}

static void every_fact_of_a_unix_row_is_taken(void **state)
{
	const struct unix_diag_rqlen queues = { 3, 128 };
	struct unix_diag_msg *msg = begin(sizeof(*msg));

	(void)state;
	msg->udiag_family = AF_UNIX;
	msg->udiag_type = SOCK_SEQPACKET;
	msg->udiag_state = STATE_LISTEN;
	msg->udiag_ino = 99;
	msg->udiag_cookie[0] = 6;
	mnl_attr_put(message(), UNIX_DIAG_NAME, 7, "/a\nb/c"); /* with its NUL */
	mnl_attr_put_u32(message(), UNIX_DIAG_PEER, 98);
	mnl_attr_put(message(), UNIX_DIAG_RQLEN, sizeof(queues), &queues);
	mnl_attr_put_u32(message(), UNIX_DIAG_UID, 33);
	put_memory(UNIX_DIAG_MEMINFO);
	parse(&sockets_unix, CLASS_UNIX);
	assert_int_equal(row.type, SOCK_SEQPACKET);
	assert_int_equal(row.inode, 99);
	assert_int_equal(row.cookie, 6);
	assert_int_equal(row.un.peer_inode, 98);
	assert_int_equal(row.un.path.len, 6);
	assert_memory_equal(row.un.path.data, "/a\nb/c", 6);
	assert_int_equal(row.recv_queue, 3);
	assert_int_equal(row.send_queue, 128);
	assert_int_equal(row.uid, 33);
	assert_true(facts.have_memory);
	parse_cut(&sockets_unix, CLASS_UNIX, sizeof(*msg));
}

static void an_abstract_name_keeps_all_its_bytes(void **state)
{
	struct unix_diag_msg *msg = begin(sizeof(*msg));

	(void)state;
	msg->udiag_family = AF_UNIX;
	msg->udiag_state = STATE_CLOSE;
	mnl_attr_put(message(), UNIX_DIAG_NAME, 5, "\0a\0b\0");
	parse(&sockets_unix, CLASS_UNIX);
	assert_int_equal(row.un.path.len, 5);
	assert_memory_equal(row.un.path.data, "\0a\0b\0", 5);
}

static void a_packet_row_is_taken(void **state)
{
	const struct packet_diag_info info = { .pdi_index = 4 };
	struct packet_diag_msg *msg = begin(sizeof(*msg));

	(void)state;
	msg->pdiag_family = AF_PACKET;
	msg->pdiag_type = SOCK_RAW;
	msg->pdiag_num = 0x0806;
	msg->pdiag_ino = 55;
	mnl_attr_put(message(), PACKET_DIAG_INFO, sizeof(info), &info);
	mnl_attr_put_u32(message(), PACKET_DIAG_UID, 5);
	put_memory(PACKET_DIAG_MEMINFO);
	parse(&sockets_packet, CLASS_PACKET);
	assert_int_equal(row.packet.protocol, 0x0806);
	assert_int_equal(row.ifindex, 4);
	assert_int_equal(row.inode, 55);
	assert_int_equal(row.uid, 5);
	assert_int_equal(row.recv_queue, 100);
	assert_int_equal(row.send_queue, 102);
	assert_int_equal(row.state, STATE_CLOSE);
	parse_cut(&sockets_packet, CLASS_PACKET, sizeof(*msg));
}

static void a_netlink_row_is_taken_and_port_0_is_the_kernels(void **state)
{
	struct netlink_diag_msg *msg = begin(sizeof(*msg));
	const uint32_t groups[] = { 0x11, 0 };

	(void)state;
	msg->ndiag_family = AF_NETLINK;
	msg->ndiag_type = SOCK_RAW;
	msg->ndiag_protocol = 16;
	msg->ndiag_portid = 1234;
	msg->ndiag_dst_portid = 4;
	msg->ndiag_ino = 56;
	put_memory(NETLINK_DIAG_MEMINFO);
	mnl_attr_put(message(), NETLINK_DIAG_GROUPS, sizeof(groups), groups);
	parse(&sockets_netlink, CLASS_NETLINK);
	assert_int_equal(row.netlink.protocol, 16);
	assert_int_equal(row.netlink.port, 1234);
	assert_int_equal(row.netlink.peer_port, 4);
	assert_int_equal(row.netlink.groups, 0x11);
	assert_false(row.flags & LISTED_KERNEL);
	parse_cut(&sockets_netlink, CLASS_NETLINK, sizeof(*msg));
	msg->ndiag_portid = 0;
	parse(&sockets_netlink, CLASS_NETLINK);
	assert_true(row.flags & LISTED_KERNEL);
}

static void a_vsock_row_is_taken(void **state)
{
	struct vsock_diag_msg *msg = begin(sizeof(*msg));

	(void)state;
	msg->vdiag_family = AF_VSOCK;
	msg->vdiag_type = SOCK_STREAM;
	msg->vdiag_state = STATE_LISTEN;
	msg->vdiag_src_cid = 3;
	msg->vdiag_src_port = 70000;
	msg->vdiag_dst_cid = 2;
	msg->vdiag_dst_port = 9;
	msg->vdiag_ino = 57;
	parse(&sockets_vsock, CLASS_VSOCK);
	assert_int_equal(row.vsock.cid, 3);
	assert_int_equal(row.vsock.port, 70000);
	assert_int_equal(row.vsock.peer_cid, 2);
	assert_int_equal(row.vsock.peer_port, 9);
	assert_int_equal(row.state, STATE_LISTEN);
	parse_cut(&sockets_vsock, CLASS_VSOCK, sizeof(*msg));
}

static void an_xdp_row_is_taken(void **state)
{
	const struct xdp_diag_info info = { .ifindex = 2, .queue_id = 8 };
	struct xdp_diag_msg *msg = begin(sizeof(*msg));

	(void)state;
	msg->xdiag_family = AF_XDP;
	msg->xdiag_type = SOCK_RAW;
	msg->xdiag_ino = 58;
	mnl_attr_put(message(), XDP_DIAG_INFO, sizeof(info), &info);
	mnl_attr_put_u32(message(), XDP_DIAG_UID, 6);
	put_memory(XDP_DIAG_MEMINFO);
	parse(&sockets_xdp, CLASS_XDP);
	assert_int_equal(row.ifindex, 2);
	assert_int_equal(row.xdp.queue, 8);
	assert_int_equal(row.uid, 6);
	parse_cut(&sockets_xdp, CLASS_XDP, sizeof(*msg));
}

static void a_tipc_row_is_made_of_attributes(void **state)
{
	struct nlattr *nest;

	(void)state;
	begin(0);
	nest = mnl_attr_nest_start(message(), TIPC_NLA_SOCK);
	mnl_attr_put_u32(message(), TIPC_NLA_SOCK_REF, 77);
	mnl_attr_put_u32(message(), TIPC_NLA_SOCK_ADDR, 0x1001001);
	mnl_attr_put_u32(message(), TIPC_NLA_SOCK_TYPE, SOCK_RDM);
	mnl_attr_put_u32(message(), TIPC_NLA_SOCK_INO, 59);
	mnl_attr_put_u32(message(), TIPC_NLA_SOCK_UID, 4);
	mnl_attr_put_u32(message(), TIPC_NLA_SOCK_TIPC_STATE, STATE_LISTEN);
	mnl_attr_put_u64(message(), TIPC_NLA_SOCK_COOKIE, 0xabcdef0123ULL);
	mnl_attr_nest_end(message(), nest);
	parse(&sockets_tipc, CLASS_TIPC);
	assert_int_equal(row.tipc.ref, 77);
	assert_int_equal(row.tipc.node, 0x1001001);
	assert_int_equal(row.type, SOCK_RDM);
	assert_int_equal(row.inode, 59);
	assert_int_equal(row.cookie, 0xabcdef0123ULL);
	assert_int_equal(row.state, STATE_LISTEN);
	parse_cut(&sockets_tipc, CLASS_TIPC, 0);
}

/* ---- /proc/net */

static int line_of(const struct sockets_family *family, enum socket_class class, const char *text)
{
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, text, len);
	row = (struct listed){ .class = (uint8_t) class };
	err = family->parse_line(copy, len, &row);
	if (!err && row.class == CLASS_UNIX && row.un.path.data)
		row.un.path.data = text + (row.un.path.data - copy);
	free(copy);
	return err;
}

static void a_line_of_raw_is_taken(void **state)
{
	(void)state;
	assert_int_equal(line_of(&sockets_inet, CLASS_RAW,
				 "    1: 0100007F:0001 00000000:0000 07 00000010:00000020 00:00000000 00000000  1000 "
				 "       0 31337 2 ffff8881 0"),
			 0);
	assert_int_equal(row.state, STATE_CLOSE);
	assert_memory_equal(row.ends.local, "\x7f\0\0\1", 4);
	assert_int_equal(row.ends.family, 4);
	assert_int_equal(row.ends.local_port, 1);
	assert_int_equal(row.send_queue, 0x10);
	assert_int_equal(row.recv_queue, 0x20);
	assert_int_equal(row.uid, 1000);
	assert_int_equal(row.inode, 31337);
	assert_int_equal(row.refs, 2);
}

static void a_line_of_ipv6_is_taken(void **state)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	(void)state;
	assert_int_equal(line_of(&sockets_inet, CLASS_ICMP,
				 "  0: 00000000000000000000000001000000:0007 00000000000000000000000000000000:0000 "
				 "07 00000000:00000000 00:00000000 00000000  0 0 5 2 0000000000000000 0"),
			 0);
	assert_int_equal(row.ends.family, 6);
	assert_memory_equal(row.ends.local, loopback, 16);
	assert_int_equal(row.ends.local_port, 7);
}

static void lines_that_are_no_rows_are_refused(void **state)
{
	static const char *const inet[] = {
		"",
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
		"  1: 0100007F:0001",
		"  1: 0100007F:0001 00000000:0000 00 0:0 0:0 0 0 0 1 2",   /* no state */
		"  1: 0100007F:0001 00000000:0000 7f 0:0 0:0 0 0 0 1 2",   /* no such state */
		"  1: 0100007F00:0001 00000000:0000 07 0:0 0:0 0 0 0 1 2", /* neither family */
		"  1: 0100007F:10001 00000000:0000 07 0:0 0:0 0 0 0 1 2",  /* no port */
		"  1: 0100007F:0001 00000000000000000000000001000000:0000 07 0:0 0:0 0 0 0 1 2",
		"  1: 0100007F:0001 00000000:0000 07 0:0 0:0 0 0 0 99999999999999999999 2",
	};
	static const char *const unix_lines[] = {
		"Num       RefCount Protocol Flags    Type St Inode Path",
		"0000000062feb430: 00000003 00000000 00000000 0001 03",
		"0000000062feb430 00000003 00000000 00000000 0001 03  1059",
		"0000000062feb430: 00000003 00000000 00000000 0001 03  10x9",
		"evil second line of a path",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(inet); i++)
		assert_int_equal(line_of(&sockets_inet, CLASS_RAW, inet[i]), -EBADMSG);
	for (size_t i = 0; i < COUNT(unix_lines); i++)
		assert_int_equal(line_of(&sockets_unix, CLASS_UNIX, unix_lines[i]), -EBADMSG);
}

static void a_line_of_unix_is_taken_with_a_hostile_name(void **state)
{
	(void)state;
	assert_int_equal(line_of(&sockets_unix, CLASS_UNIX,
				 "0000000062feb430: 00000002 00000000 00010000 0005 01 1059 /tmp/a b \033[31m"),
			 0);
	assert_int_equal(row.state, STATE_LISTEN);
	assert_int_equal(row.type, SOCK_SEQPACKET);
	assert_int_equal(row.refs, 2);
	assert_int_equal(row.inode, 1059);
	assert_int_equal(row.un.path.len, 14);
	assert_memory_equal(row.un.path.data, "/tmp/a b \033[31m", 14);
	assert_int_equal(line_of(&sockets_unix, CLASS_UNIX, "0: 3 0 0 1 03 7"), 0);
	assert_int_equal(row.state, STATE_ESTABLISHED);
	assert_null(row.un.path.data);
}

static void lines_of_packet_and_netlink_are_taken(void **state)
{
	(void)state;
	assert_int_equal(
		line_of(&sockets_packet, CLASS_PACKET, "ffff88810 3      3    0003   2     1 160    33     777   "), 0);
	assert_int_equal(row.packet.protocol, 3);
	assert_int_equal(row.ifindex, 2);
	assert_int_equal(row.recv_queue, 160);
	assert_int_equal(row.uid, 33);
	assert_int_equal(row.inode, 777);
	assert_int_equal(line_of(&sockets_netlink, CLASS_NETLINK,
				 "0000000011699d7c 15  4242       00000001 10       20       0     2        0        "
				 "9 "),
			 0);
	assert_int_equal(row.netlink.protocol, 15);
	assert_int_equal(row.netlink.port, 4242);
	assert_int_equal(row.netlink.groups, 1);
	assert_int_equal(row.recv_queue, 10);
	assert_int_equal(row.inode, 9);
	assert_false(row.flags & LISTED_KERNEL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fact_of_a_tcp_row_is_taken),
		cmocka_unit_test(an_older_tcp_info_is_shorter),
		cmocka_unit_test(a_long_congestion_name_is_cut),
		cmocka_unit_test(a_mapped_udp_pair_is_ipv4_T10),
		cmocka_unit_test(v6only_is_told_apart_from_dual_stack),
		cmocka_unit_test(a_time_wait_entry_has_no_file_T9),
		cmocka_unit_test(a_foreign_family_or_state_is_refused),
		cmocka_unit_test(an_sctp_association_has_the_state_that_is_nearest),
		cmocka_unit_test(every_fact_of_a_unix_row_is_taken),
		cmocka_unit_test(an_abstract_name_keeps_all_its_bytes),
		cmocka_unit_test(a_packet_row_is_taken),
		cmocka_unit_test(a_netlink_row_is_taken_and_port_0_is_the_kernels),
		cmocka_unit_test(a_vsock_row_is_taken),
		cmocka_unit_test(an_xdp_row_is_taken),
		cmocka_unit_test(a_tipc_row_is_made_of_attributes),
		cmocka_unit_test(a_line_of_raw_is_taken),
		cmocka_unit_test(a_line_of_ipv6_is_taken),
		cmocka_unit_test(lines_that_are_no_rows_are_refused),
		cmocka_unit_test(a_line_of_unix_is_taken_with_a_hostile_name),
		cmocka_unit_test(lines_of_packet_and_netlink_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
