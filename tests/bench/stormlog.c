/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints what the processes of a storm wrote down with --log-dir, one line for each end of a connection:
 * ROLE PID SERVER_ADDRESS CLIENT_PORT COOKIE, with ROLE client or server.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "load/storm.h"

static void print(const struct storm_record *r)
{
	bool client = r->role == STORM_CLIENT;
	struct in_addr address = { .s_addr = htonl(r->address) };
	char text[INET_ADDRSTRLEN];

	printf("%s %u %s %u %llu\n", client ? "client" : "server", (unsigned int)r->pid,
	       inet_ntop(AF_INET, &address, text, sizeof(text)),
	       (unsigned int)(client ? r->local_port : r->remote_port), (unsigned long long)r->cookie);
}

static int print_file(const char *path)
{
	FILE *file = fopen(path, "re");
	struct storm_record record;
	int err;

	if (!file)
		return -errno;
	while (fread(&record, sizeof(record), 1, file) == 1)
		print(&record);
	err = ferror(file) ? -EIO : 0;
	fclose(file);
	return err;
}

static int print_all(const char *dir_path)
{
	DIR *dir = opendir(dir_path);
	struct dirent *entry;
	char path[4096];
	int err = 0;

	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir))) {
		if (!strstr(entry->d_name, ".storm"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir_path, entry->d_name);
		err = print_file(path);
	}
	closedir(dir);
	return err;
}

int main(int argc, char **argv)
{
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: stormlog DIR\n");
		return 2;
	}
	err = print_all(argv[1]);
	if (err)
		fprintf(stderr, "stormlog: %s: %s\n", argv[1], strerror(-err));
	return err ? 1 : 0;
}
