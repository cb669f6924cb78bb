# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# For tests/bench/run: "sockwatch list" beside the tools that show the same, in a namespace with many sockets in many
# processes. Each tool sees the same host; the time is from the call to the end, the output goes nowhere.

# wall RUNS COMMAND...: the median of that many runs, in ms, in $wall_ms; "-" when it is not installed or fails
wall() {
	local runs=$1 i start
	shift
	wall_ms=-
	command -v "$1" >/dev/null || return
	: >"$tmp/walls"
	for ((i = 0; i < runs; i++)); do
		start=${EPOCHREALTIME/./}
		within "$@" >/dev/null 2>&1 </dev/null || return
		calc "(${EPOCHREALTIME/./} - $start) / 1000" >>"$tmp/walls"
	done
	read -r wall_ms _ < <(spread <"$tmp/walls")
}

# within COMMAND...: where the holders are, or here when there are none
within() {
	if [ -n "$holders" ]; then
		nsenter --net="/proc/$holders/ns/net" "$@"
	else
		"$@"
	fi
}

# peak_kb COMMAND...: what it has at most until its first line comes, in $peak_kb. With more lines than a pipe takes.
peak_kb() {
	local fd
	mkfifo "$tmp/lines.fifo"
	exec {fd}<>"$tmp/lines.fifo"
	start nsenter --net="/proc/$holders/ns/net" "$@" >"$tmp/lines.fifo" 2>/dev/null
	read -r -t 20 _ <&"$fd"
	peak_kb=$(status_kb "$child" VmHWM)
	[ -n "$peak_kb" ] || peak_kb=-
	exec {fd}>&-
	stop "$child" TERM
	rm "$tmp/lines.fifo"
}

start_many() { # SOCKETS PROCESSES
	sockets=$1 processes=$2 start_holders
	settle
}

measure_list() {
	local few=20000 many=200000 at_few at_many peak_few held_few tool note='' holders=
	[ "${BENCH_QUICK:-0}" = 1 ] && many=100000
	settle
	wall 15 ss -tulpn
	note="ss $wall_ms ms"
	at_few=$wall_ms
	wall 15 "$sockwatch" list -tulpn
	row list_quiet "list -tulpn on a quiet host, times ss" "$(calc "$wall_ms / $at_few")" x 1.1 "$wall_ms ms, $note"

	start_many "$few" $((few / 100))
	wall 5 ss -tanp
	note="ss -tanp $wall_ms ms"
	tool=$wall_ms
	wall 9 "$sockwatch" list -tanp
	at_few=$wall_ms
	row list_few "list of $few in $((few / 100)) processes, times ss -tanp" "$(calc "$at_few / $tool")" x 0.25 \
		"$at_few ms, $note"
	peak_kb "$sockwatch" list -tanp
	peak_few=$peak_kb held_few=$held
	stop_holders

	start_many "$many" $((many / 100))
	wall 5 "$sockwatch" list -tanp
	at_many=$wall_ms
	peak_kb "$sockwatch" list -tanp
	note=
	for tool in "ss -tanp" "netstat -tanp" "lsof -nP -iTCP" lsfd; do
		# shellcheck disable=SC2086
		wall 1 $tool
		note="$note, $tool $wall_ms ms"
	done
	stop_holders
	row list_many "list of $many in $((many / 100)) processes" "$(calc "$at_many / 1000")" s \
		"$(calc "0.35 * $many / 200000")" "${note#, }"
	row list_linear "time of $many to that of $few" "$(calc "$at_many / $at_few")" x "$(calc "1.1 * $many / $few")" ""
	row list_memory "memory of list, each socket more" \
		"$(calc "($peak_kb - $peak_few) * 1024 / ($held - $held_few)")" B 200 \
		"at most $peak_kb kB, with $held_few sockets $peak_few kB"
}
