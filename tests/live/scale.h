/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For machines that are far slower than the tests were made for, such as emulated ones: how much to do, how long to wait. */
#ifndef SOCKWATCH_TESTS_SCALE_H
#define SOCKWATCH_TESTS_SCALE_H

/* $SOCKWATCH_TEST_LOAD percent (100) of what there is to do, and at least one. */
unsigned int scale__load(unsigned int count);
unsigned int scale__load_at_least(unsigned int count, unsigned int min);
/* $SOCKWATCH_TEST_PATIENCE times (1) the time after which a condition counts as never met. */
int scale__timeout(int timeout);

#endif
