/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The directory in the BPF file system that keeps programs and maps without a process: where it is, who may have made
 * it, and whose it is. No libbpf here.
 */
#ifndef SOCKWATCH_SOURCE_PIN_H
#define SOCKWATCH_SOURCE_PIN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define PIN_ROOT      "/sys/fs/bpf"
#define PIN_DIRECTORY "sockwatch"
#define PIN_PATH      PIN_ROOT "/" PIN_DIRECTORY
#define PIN_PATH_MAX  128

#define PIN_ABOUT_VERSION 1

/* What a pin says about itself, in a map of one entry, which is written last: without it the pin is half-made. */
struct pin_about {
	uint32_t version;	 /* PIN_ABOUT_VERSION, of this struct; it comes first for ever */
	uint32_t record_version; /* SW_RECORD_VERSION */
	uint64_t programs;	 /* pin__hash of the BPF object: programs, maps and their layout */
	uint64_t since_ns;	 /* CLOCK_REALTIME */
	uint64_t ring_bytes;
	uint32_t legacy;
	char plan[20]; /* as --plan takes it, NUL-terminated */
};

/*
 * Open the directory of a pin. The descriptor, or -errno: -ENODEV no BPF file system is mounted there, -ENOENT nothing is
 * pinned, -EUCLEAN what is there is not a directory that root made for this, -EACCES no privilege.
 */
int pin__open(void);
/* Make it, with -EEXIST if something is there; the descriptor or -errno as above. */
int pin__create(void);
/* Remove it with all that is in it. 0, or -errno as above. */
int pin__remove(void);
/* One process at a time: held until the descriptor is closed, by whatever death. 0 or -EBUSY. */
int pin__lock(int fd);

/* How the file that keeps a hook or map of this name is reached: its directory cannot be replaced on the way. */
const char *pin__path(int fd, const char *name, char path[PIN_PATH_MAX]);
/* 0, or -EUCLEAN: it could be another user's, or others may write to it. */
int pin__check_directory(const struct stat *st);
/* 0; -ENODATA: nothing was written; -ESTALE: another version's. size: of what is there. */
int pin__check_about(const struct pin_about *about, size_t size, uint64_t programs);
/* FNV-1a, 64 bits. */
uint64_t pin__hash(const void *data, size_t size);
/* An error of all these, in words, with what to do about it. */
const char *pin__why(int err);

#endif
