/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For tests of what stays in the kernel without a process: a BPF file system of the test's own in place of the host's, in
 * a mount namespace of its own, so that nothing of it outlives the test; and what BPF objects the kernel has.
 */
#ifndef SOCKWATCH_TESTS_PINNED_H
#define SOCKWATCH_TESTS_PINNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PINNED_IDS_MAX 4096

/* For cmocka, around live__setup_quiet: with nothing pinned yet. */
int pinned__setup(void **state);
int pinned__teardown(void **state);
#define pinned_test(name) cmocka_unit_test_setup_teardown(name, pinned__setup, pinned__teardown)

/* sockwatch pin, with more arguments or NULL; must succeed, but on kernels that cannot keep it the test is skipped. */
void pinned__pin(const char *const *more);
void pinned__unpin(void);

/* Names of programs, maps and links that the kernel has, each kind by its ids. */
struct bpf_ids {
	uint32_t ids[3][PINNED_IDS_MAX];
	size_t counts[3];
};
enum { BPF_PROGRAMS, BPF_MAPS, BPF_LINKS };

void bpf_ids__look(struct bpf_ids *ret);
/* How many of the kind are in now and not in before. */
size_t bpf_ids__new(const struct bpf_ids *before, const struct bpf_ids *now, int kind);
/* Wait until nothing is left that came between the two looks. It must have been something of each kind. */
void bpf_ids__wait_gone(const struct bpf_ids *before, const struct bpf_ids *during);

#endif
