/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "scenario/handover.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define NGINX	 "/usr/sbin/nginx"
#define HAPROXY	 "/usr/sbin/haproxy"
#define ACTIVATE "/usr/bin/systemd-socket-activate"
#define STATS	 SCENARIO_DIR "/haproxy.sock"

static const char nginx_config[] = "worker_processes 1;\n"
				   "pid " SCENARIO_DIR "/nginx.pid;\n"
				   "error_log " SCENARIO_DIR "/error.log notice;\n"
				   "events { worker_connections 64; }\n"
				   "http {\n"
				   "	access_log off;\n"
				   "	client_body_temp_path " SCENARIO_DIR "/body;\n"
				   "	proxy_temp_path " SCENARIO_DIR "/proxy;\n"
				   "	fastcgi_temp_path " SCENARIO_DIR "/fastcgi;\n"
				   "	uwsgi_temp_path " SCENARIO_DIR "/uwsgi;\n"
				   "	scgi_temp_path " SCENARIO_DIR "/scgi;\n"
				   "	server {\n"
				   "		listen 127.0.0.1:8090;\n"
				   "		location / { return 200 $pid; }\n"
				   "	}\n"
				   "}\n";

#define HAPROXY_CONFIG(global, bind)              \
	"global\n"                                \
	"	nbthread 1\n" global "defaults\n" \
	"	mode http\n"                            \
	"	timeout connect 10s\n"                  \
	"	timeout client 10s\n"                   \
	"	timeout server 10s\n"                   \
	"frontend f\n"                            \
	"	bind " bind "\n"                  \
	"	http-request return status 200 content-type text/plain lf-string %pid\n"

static const char reloaded_config[] =
	HAPROXY_CONFIG("	stats socket " STATS " mode 600 level admin expose-fd listeners\n", "127.0.0.1:8090");
/* What socket activation passes begins at descriptor 3: sd_listen_fds(3). */
static const char activated_config[] = HAPROXY_CONFIG("", "fd@3");

static const char nginx_config_path[] = SCENARIO_DIR "/nginx.conf";
static const char stats[] = STATS;
static const char nginx_log_path[] = SCENARIO_DIR "/error.log";
static const char haproxy_config_path[] = SCENARIO_DIR "/haproxy.conf";

/* ---- requests */

static bool is_told(struct scenario *s, void *ctx)
{
	const struct connection *c = scenario__find(s, "in", HANDOVER_PORT, *(const uint16_t *)ctx);

	return c && c->close.count;
}

void handover__ask(struct scenario *s, struct request *ret)
{
	static const char question[] = "GET / HTTP/1.0\r\n\r\n";
	char answer[4096], *body;
	size_t len = 0;
	ssize_t n;
	int fd;

	fd = scenario__connect(HANDOVER_PORT, &ret->port);
	assert_int_equal(write(fd, question, sizeof(question) - 1), sizeof(question) - 1);
	while ((n = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	answer[len] = '\0';
	body = strstr(answer, "\r\n\r\n");
	assert_non_null(body);
	ret->pid = (pid_t)strtol(body, NULL, 10);
	assert_true(ret->pid > 0);
	scenario__wait(s, is_told, &ret->port, "the end of a request is told");
}

static bool listens(struct scenario *s, void *ctx)
{
	const struct connection *c = scenario__find(s, "listen", HANDOVER_PORT, 0);

	(void)ctx;
	return c && c->listen.count;
}

/* ---- nginx */

static pid_t read_pid(const char *name)
{
	_cleanup_free_ char *text = scenario__read(name);

	return text && strchr(text, '\n') ? (pid_t)strtol(text, NULL, 10) : 0;
}

static bool has_other_master(struct scenario *s, void *ctx)
{
	pid_t pid = read_pid("nginx.pid");

	(void)s;
	return pid && pid != *(const pid_t *)ctx;
}

static bool is_gone(struct scenario *s, void *ctx)
{
	(void)s;
	return kill(*(const pid_t *)ctx, 0) && errno == ESRCH;
}

static pid_t wait_master(struct scenario *s, pid_t other)
{
	pid_t pid;

	scenario__wait(s, has_other_master, &other, "nginx's master has written its pid");
	pid = read_pid("nginx.pid");
	scenario__adopt(s, pid);
	return pid;
}

pid_t handover__start_nginx(struct scenario *s)
{
	scenario__need(NGINX);
	scenario__write("nginx.conf", nginx_config);
	/* A daemon: one that its starter waits for ignores USR2. */
	scenario__join(s, scenario__spawn(s, SCENARIO_ARGV(NGINX, "-c", nginx_config_path, "-e", nginx_log_path), NULL,
					  NULL));
	scenario__wait(s, listens, NULL, "nginx listens, and the stream says so");
	return wait_master(s, 0);
}

pid_t handover__upgrade_nginx(struct scenario *s, pid_t master, pid_t worker)
{
	pid_t new;

	kill(master, SIGUSR2);
	new = wait_master(s, master);
	kill(master, SIGWINCH);
	scenario__wait(s, is_gone, &worker, "the old worker ends");
	return new;
}

void handover__quit_nginx(struct scenario *s, pid_t master)
{
	kill(master, SIGQUIT);
	scenario__join(s, master);
}

/* ---- haproxy */

pid_t handover__start_haproxy(struct scenario *s)
{
	pid_t pid;

	scenario__need(HAPROXY);
	scenario__write("haproxy.conf", reloaded_config);
	pid = scenario__spawn(s, SCENARIO_ARGV(HAPROXY, "-db", "-f", haproxy_config_path), NULL, NULL);
	scenario__wait(s, listens, NULL, "haproxy listens, and the stream says so");
	return pid;
}

pid_t handover__reload_haproxy(struct scenario *s, pid_t old)
{
	char text[16];
	pid_t pid;

	snprintf(text, sizeof(text), "%d", old);
	pid = scenario__spawn(s, SCENARIO_ARGV(HAPROXY, "-db", "-f", haproxy_config_path, "-x", stats, "-sf", text),
			      NULL, NULL);
	scenario__join(s, old);
	return pid;
}

pid_t handover__activate_haproxy(struct scenario *s)
{
	pid_t pid;

	scenario__need(HAPROXY);
	scenario__need(ACTIVATE);
	scenario__write("haproxy.conf", activated_config);
	pid = scenario__spawn(
		s, SCENARIO_ARGV(ACTIVATE, "-l", "127.0.0.1:8090", HAPROXY, "-db", "-f", haproxy_config_path), NULL,
		NULL);
	scenario__wait(s, listens, NULL, "the listener is there, and the stream says so");
	return pid;
}
