/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints the kernel types that a list names as C, with everything they contain by value: dump ROOTS [BTF]
 * libbpf's dumper orders the definitions, and only declares what is reached through a pointer alone.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

static void emit(void *ctx, const char *fmt, va_list args)
{
	(void)ctx;
	vprintf(fmt, args);
}

static bool has_enumerator(const struct btf *btf, const struct btf_type *type, const char *name)
{
	const struct btf_enum *value = btf_enum(type);
	const struct btf_enum64 *value64 = btf_enum64(type);

	for (int i = 0; i < btf_vlen(type); i++) {
		__u32 off = btf_is_enum64(type) ? value64[i].name_off : value[i].name_off;

		if (strcmp(btf__name_by_offset(btf, off), name) == 0)
			return true;
	}
	return false;
}

static bool matches(const struct btf *btf, const struct btf_type *type, const char *kind, const char *name)
{
	bool is_enum = btf_is_enum(type) || btf_is_enum64(type);

	if (strcmp(kind, "enumerator") == 0)
		return is_enum && has_enumerator(btf, type, name);
	if (strcmp(btf__name_by_offset(btf, type->name_off), name) != 0)
		return false;
	if (strcmp(kind, "enum") == 0)
		return is_enum;
	return (strcmp(kind, "struct") == 0 && btf_is_struct(type)) ||
	       (strcmp(kind, "union") == 0 && btf_is_union(type)) ||
	       (strcmp(kind, "typedef") == 0 && btf_is_typedef(type));
}

static int dump_root(struct btf_dump *dump, const struct btf *btf, const char *kind, const char *name)
{
	for (__u32 id = 1; id < btf__type_cnt(btf); id++)
		if (matches(btf, btf__type_by_id(btf, id), kind, name))
			return btf_dump__dump_type(dump, id);
	return -ENOENT;
}

static int dump_roots(FILE *roots, struct btf_dump *dump, const struct btf *btf)
{
	char line[256], kind[16], name[128];
	int missing = 0;

	while (fgets(line, sizeof(line), roots)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (sscanf(line, "%15s %127s", kind, name) != 2 || dump_root(dump, btf, kind, name)) {
			fprintf(stderr, "dump: cannot dump: %s", line);
			missing++;
		}
	}
	return missing;
}

int main(int argc, char **argv)
{
	FILE *roots = argc > 1 ? fopen(argv[1], "re") : NULL;
	struct btf *btf = argc > 2 ? btf__parse(argv[2], NULL) : btf__load_vmlinux_btf();
	struct btf_dump *dump = btf ? btf_dump__new(btf, emit, NULL, NULL) : NULL;
	int missing;

	if (!roots || !dump) {
		fprintf(stderr, "dump: no list of roots, or no BTF: %s\n", strerror(errno));
		return 1;
	}
	missing = dump_roots(roots, dump, btf);
	btf_dump__free(dump);
	btf__free(btf);
	fclose(roots);
	return missing || ferror(stdout) || fflush(stdout) ? 1 : 0;
}
