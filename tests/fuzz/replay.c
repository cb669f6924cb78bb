/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Runs the fuzz entry it is linked with over every file of the directories given. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1024 * 1024)

/* The bytes are in memory of exactly their size, so that a sanitizer sees a read behind them. */
static int replay_stream(FILE *file)
{
	struct stat st;
	uint8_t *data;
	size_t size;

	if (fstat(fileno(file), &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > INPUT_MAX)
		return -EINVAL;
	size = (size_t)st.st_size;
	data = malloc(size ? size : 1);
	if (!data)
		return -ENOMEM;
	if (fread(data, 1, size, file) != size) {
		free(data);
		return -EIO;
	}
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

static int replay_file(const char *dir, const char *name)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	file = fopen(path, "rbe");
	return file ? replay_stream(file) : -errno;
}

/* The number of files run, or -errno. */
static int replay_dir(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	int count = 0, err;

	if (!dir)
		return -errno;
	while (errno = 0, entry = readdir(dir)) {
		if (entry->d_name[0] == '.')
			continue;
		err = replay_file(path, entry->d_name);
		if (err) {
			fprintf(stderr, "%s/%s: %s\n", path, entry->d_name, strerror(-err));
			return err;
		}
		count++;
	}
	return errno ? -errno : count;
}

int main(int argc, char **argv)
{
	int i, n, total = 0;

	for (i = 1; i < argc; i++) {
		n = replay_dir(argv[i]);
		if (n <= 0) {
			fprintf(stderr, "%s: %s\n", argv[i], n ? strerror(-n) : "no input in this corpus");
			return 1;
		}
		total += n;
	}
	printf("%d inputs\n", total);
	return total ? 0 : 1;
}
