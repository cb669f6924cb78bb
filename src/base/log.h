/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Messages for people, on stderr, each line "sockwatch: ..." and escaped for the terminal. Called by cmd/ only. */
#ifndef SOCKWATCH_BASE_LOG_H
#define SOCKWATCH_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_VERBOSE };

void log__set_level(enum log_level level); /* default LOG_INFO */
enum log_level log__level(void);
void log__print(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log__print(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)	 log__print(LOG_WARN, __VA_ARGS__)
#define log_info(...)	 log__print(LOG_INFO, __VA_ARGS__)
#define log_verbose(...) log__print(LOG_VERBOSE, __VA_ARGS__)

#endif
