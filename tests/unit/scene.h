/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the renderers' tests render: some fixed sockets, and any number of random ones. */
#ifndef SOCKWATCH_TESTS_SCENE_H
#define SOCKWATCH_TESTS_SCENE_H

#include "render/render.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(text)  (text), sizeof(text) - 1 /* a literal that may hold NUL, with its length */

#define SCENE_REALTIME_OF_BOOT 1790000000123456789ll /* 2026-09-21T14:13:20.123456789Z */
#define SCENE_TIME_NS	       1500000000u	     /* since boot, of the golden lines */

extern const struct render_config scene_json, scene_text;
extern struct process scene_server, scene_client;
extern const struct sock scene_established, scene_listener, scene_unowned;

/* Hostile and other names, and the JSON value each has. */
struct scene_name {
	const char *bytes, *value;
};

/* An update that could be told, with all it points to. */
struct scene {
	struct update u;
	struct sock sock;
	struct process owner, previous;
	struct holder holders[3];
	const struct scene_name *name; /* of everything that has one */
};

void scene__random(struct scene *scene);

/* A number below; the same ones in every run. */
uint64_t scene__roll(uint64_t below);
/* Bytes that make trouble more often than chance would. */
void scene__random_bytes(char *bytes, size_t len);

/* One update as text, valid until the next call. */
const char *scene__render(const struct render_config *config, const struct update *u);

/* RFC 3339 by way of gmtime_r. */
void scene__format_time(uint64_t realtime_ns, unsigned int digits, char *ret, size_t size);

#endif
