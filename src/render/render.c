/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "render/render.h"

#include "render/forms.h"

void render__header(const struct render_config *config, struct buffer *out)
{
	if (!config->json)
		text__header(out);
}

/* A line that does not fit is taken back whole: what is in the buffer are always full lines. */
void render__update(const struct render_config *config, struct buffer *out, const struct update *u)
{
	size_t start = out->len;

	if (config->json)
		ndjson__update(config, out, u);
	else
		text__update(config, out, u);
	if (out->failed)
		out->len = start;
}
