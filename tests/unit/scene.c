/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

const struct render_config scene_json = {
	.json = true,
	.boot_to_realtime_ns = SCENE_REALTIME_OF_BOOT,
	.ticks_per_second = 100,
};
const struct render_config scene_text = {
	.boot_to_realtime_ns = SCENE_REALTIME_OF_BOOT,
	.ticks_per_second = 100,
};

/* xorshift64: the same numbers in every run. */
static uint64_t seed = 88172645463325252ull;

uint64_t scene__roll(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static char server_cmdline[] = "nginx: worker\0-c\0\0/etc/a b\0\0";
static char server_exe[] = "/usr/sbin/nginx";
static char server_cgroup[] = "/system.slice/nginx.service";

struct process scene_server = {
	.pid = 412,
	.ppid = 1,
	.uid = 33,
	.start_ticks = 12345,
	.comm = "nginx",
	.have_ids = true,
	.cmdline = server_cmdline,
	.cmdline_len = sizeof(server_cmdline) - 1,
	.exe = server_exe,
	.cgroup = server_cgroup,
};
struct process scene_client = { .pid = 90210, .comm = "a\xff\\\"\n\xc3\xa4" };
static struct holder holders[] = { { &scene_server, 6 }, { &scene_client, 1023 } };

const struct sock scene_established = {
	.cookie = 4711,
	.inode = 12345678901ull,
	.ends = { .family = 4,
		  .local_port = 443,
		  .remote_port = 51000,
		  .local = { 192, 0, 2, 1 },
		  .remote = { 203, 0, 113, 77 } },
	.netns = 4026531840u,
	.owner = &scene_server,
	.attribution = SW_ATTR_ACCEPT,
	.state = STATE_ESTABLISHED,
	.direction = SW_DIR_IN,
};
const struct sock scene_listener = {
	.cookie = 7,
	.inode = 99,
	.ends = { .family = 6, .local_port = 80 },
	.netns = 4026531840u,
	.owner = &scene_server,
	.attribution = SW_ATTR_HOLDER,
	.state = STATE_LISTEN,
	.direction = SW_DIR_LISTEN,
	.holder_count = 2,
	.holders = holders,
};
const struct sock scene_unowned = {
	.cookie = 8,
	.ends = { .family = 6,
		  .local_port = 22,
		  .remote_port = 40000,
		  .local = { 0x20, 1, 0x0d, 0xb8, [15] = 1 },
		  .remote = { 0xfe, 0x80, [14] = 0xab, [15] = 0xcd } },
	.netns = 4026532000u,
	.state = STATE_TIME_WAIT,
	.mptcp = true,
};

void scene__random_bytes(char *bytes, size_t len)
{
	static const char trouble[] = "\\xx\"0fab\xc3\xa4\xed\xa0\x80\xe2\x82\xac\xf0\x9f\x98\x80\xff\xc2\x85\x1b";

	for (size_t i = 0; i < len; i++)
		bytes[i] = scene__roll(3) ? trouble[scene__roll(sizeof(trouble))] : (char)scene__roll(256);
}

const char *scene__render(const struct render_config *config, const struct update *u)
{
	static char text[65536];
	struct buffer out;

	buffer__init(&out, sizeof(text) - 1);
	render__update(config, &out, u);
	assert_false(out.failed);
	memcpy(text, out.data, out.len);
	text[out.len] = '\0';
	buffer__free(&out);
	return text;
}

void scene__format_time(uint64_t ns, unsigned int digits, char *ret, size_t size)
{
	time_t seconds = (time_t)(ns / 1000000000u);
	char fraction[16];
	struct tm tm;
	size_t len;

	assert_non_null(gmtime_r(&seconds, &tm));
	len = strftime(ret, size, "%Y-%m-%dT%H:%M:%S.", &tm);
	snprintf(fraction, sizeof(fraction), "%09u", (unsigned int)(ns % 1000000000u));
	snprintf(ret + len, size - len, "%.*sZ", (int)digits, fraction);
}

static const struct scene_name names[] = {
	{ "curl", "curl" },
	{ "\xff\xfe", "\\xff\\xfe" },
	{ "a\\b", "a\\\\b" },
	{ "\033[31m", "\033[31m" },
	{ "\xe2\x82", "\\xe2\\x82" },
	{ "\xc3\xa4\xc3\xb6", "\xc3\xa4\xc3\xb6" },
	{ "", "" },
	{ "\"}\n{", "\"}\n{" },
};

static void random_process(struct process *process, const struct scene_name *name)
{
	*process = (struct process){
		.pid = 1 + (uint32_t)scene__roll(4194304),
		.ppid = (uint32_t)scene__roll(4194304),
		.uid = (uint32_t)scene__roll(UINT32_MAX),
		.start_ticks = scene__roll(1000000000),
		.have_ids = scene__roll(2),
		.exe = scene__roll(2) ? (char *)(uintptr_t)name->bytes : NULL,
		.cgroup = scene__roll(2) ? (char *)(uintptr_t)name->bytes : NULL,
	};
	if (scene__roll(2)) {
		process->cmdline = (char *)(uintptr_t)name->bytes;
		process->cmdline_len = strlen(process->cmdline) + scene__roll(2); /* with and without the last NUL */
	}
	snprintf(process->comm, sizeof(process->comm), "%s", name->bytes);
	if (scene__roll(2))
		snprintf(process->parent_comm, sizeof(process->parent_comm), "%s", name->bytes);
}

static void random_sock(struct scene *scene, enum event event)
{
	struct sock *sock = &scene->sock;

	*sock = (struct sock){
		.cookie = 1 + scene__roll(INT64_MAX),
		.inode = scene__roll(2) ? scene__roll(INT64_MAX) : 0,
		.ends = { .family = scene__roll(2) ? 4 : 6,
			  .local_port = (uint16_t)(scene__roll(4) ? scene__roll(65536) : 0) },
		.netns = (uint32_t)scene__roll(UINT32_MAX),
		.state = (uint8_t)(1 + scene__roll(STATE_MAX - 1)),
		.direction = (uint8_t)scene__roll(4),
		.mptcp = scene__roll(2),
		.holder_count = (uint16_t)scene__roll(COUNT(scene->holders) + 1),
		.holders = scene->holders,
	};
	if (scene__roll(4)) {
		sock->owner = &scene->owner;
		sock->attribution = (uint8_t)(1 + scene__roll(SW_ATTR_MAX - 1));
	}
	if (event == EV_LISTEN || sock->state == STATE_LISTEN) {
		sock->state = STATE_LISTEN;
		sock->direction = SW_DIR_LISTEN;
	}
	if (event == EV_CONNECT || event == EV_ESTABLISHED || event == EV_ACCEPT) {
		sock->state = STATE_ESTABLISHED;
		sock->direction = SW_DIR_OUT;
	}
	for (int i = 0; i < (sock->ends.family == 4 ? 4 : 16); i++) {
		sock->ends.local[i] = (uint8_t)scene__roll(256);
		sock->ends.remote[i] = (uint8_t)scene__roll(256);
	}
	sock->ends.remote_port = (uint16_t)scene__roll(65536);
	for (size_t i = 0; i < COUNT(scene->holders); i++)
		scene->holders[i] = (struct holder){ scene__roll(2) ? &scene->owner : &scene->previous,
						     (int)scene__roll(INT32_MAX) };
}

void scene__random(struct scene *scene)
{
	enum event event = (enum event)scene__roll(EV_MAX);

	*scene = (struct scene){ .name = &names[scene__roll(COUNT(names))] };
	random_process(&scene->owner, scene->name);
	random_process(&scene->previous, scene->name);
	scene->u = (struct update){
		.event = event,
		.time_ns = scene__roll(INT64_MAX / 4),
		.tid = scene__roll(2) ? (uint32_t)scene__roll(4194304) : 0,
		.have_queues = scene__roll(2),
		.recv_queue = (uint32_t)scene__roll(UINT32_MAX),
		.send_queue = (uint32_t)scene__roll(UINT32_MAX),
		.close = { scene__roll(2), scene__roll(2) ? scene__roll(INT64_MAX) : 0, scene__roll(INT64_MAX),
			   scene__roll(INT64_MAX), (uint32_t)scene__roll(UINT32_MAX),
			   scene__roll(2) ? (uint32_t)scene__roll(UINT32_MAX) : 0,
			   (enum close_reason)scene__roll(REASON_MAX) },
		.sync = { scene__roll(INT64_MAX), scene__roll(INT64_MAX), scene__roll(INT64_MAX),
			  scene__roll(2) ? "none" : NULL, scene__roll(2) ? "a, b" : NULL },
		.lost = { 1 + scene__roll(INT64_MAX), (enum loss_where)scene__roll(LOSS_MAX) },
		.summary = { scene__roll(INT64_MAX), scene__roll(INT64_MAX) },
		.prev_owner = scene__roll(2) ? &scene->previous : NULL,
	};
	if (event < EV_SYNC) {
		random_sock(scene, event);
		scene->u.sock = &scene->sock;
	}
}
