/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The names of a filter as this host knows them: services, hosts, users, devices, cgroups, network namespaces. */
#ifndef SOCKWATCH_SOURCE_NAMES_H
#define SOCKWATCH_SOURCE_NAMES_H

#include "model/filter.h"

/*
 * Everything is looked up when it is asked for: services and users in the name service switch, hosts there too, which
 * may ask the network; devices and automatic ports in the present network namespace; namespaces as ip-netns(8) names
 * them. Nothing to free.
 */
void names__env(struct filter_env *ret);

#endif
