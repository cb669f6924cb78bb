/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a filter is inside: a tree in an array, for the parser, the evaluation, and those who translate a filter into
 * another language. Everybody else includes model/filter.h.
 */
#ifndef SOCKWATCH_MODEL_FILTER_AST_H
#define SOCKWATCH_MODEL_FILTER_AST_H

#include "model/filter.h"

enum filter_op {
	FILTER_AND, /* left, right */
	FILTER_OR,
	FILTER_NOT,	  /* left */
	FILTER_ANY,	  /* true */
	FILTER_STATE,	  /* states */
	FILTER_AUTOBOUND, /* range */
	FILTER_ADDRESS,	  /* side, address */
	FILTER_PORT,	  /* side, compare, number */
	FILTER_ID,	  /* side, number: netlink or packet protocol, vsock CID */
	FILTER_PATH,	  /* side, text: glob without regard to case, as in ss */
	FILTER_NUMBER,	  /* fact, compare, number */
	FILTER_TEXT,	  /* fact, text: glob */
	FILTER_IN_CGROUP, /* number: id, 0 when only the glob counts; text: glob */
	FILTER_MARKED,	  /* mark */
};

enum filter_compare { FILTER_EQ, FILTER_LE, FILTER_GE }; /* the others are their negations */

struct filter_node {
	uint8_t op;
	uint8_t compare;
	bool remote;	 /* side */
	uint16_t family; /* AF_*, of leaves: of a socket of another family nothing is known. AF_UNSPEC: any */
	uint16_t left, right;
	uint32_t fact; /* enum filter_fact, 0: always known */
	uint64_t number;
	char *text; /* owned */
	union {
		uint32_t states;
		struct {
			uint16_t first, last;
		} range;
		struct {
			uint32_t value, mask;
		} mark;
		struct {
			uint16_t family; /* AF_INET or AF_INET6 */
			uint8_t bits;
			uint8_t bytes[16];
		} address;
	};
};

struct filter {
	struct filter_node *nodes;
	uint16_t count;
	uint16_t size;
	uint16_t root;
};

#endif
