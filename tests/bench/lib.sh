# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# For tests/bench/run: processes that are surely ended, waiting, figures from /proc, rows.

# ---- processes

tmp=$(mktemp -d)
children=() # what runs now, by pid
bpf_stats=/proc/sys/kernel/bpf_stats_enabled
bpf_stats_before=

restore_bpf_stats() {
	[ -z "$bpf_stats_before" ] || echo "$bpf_stats_before" >"$bpf_stats"
	bpf_stats_before=
}

clean_up() {
	local pid
	trap '' INT TERM
	restore_bpf_stats
	for pid in "${children[@]}"; do
		stop "$pid" TERM
	done
	rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start COMMAND...: in the background, its pid in $child
start() {
	# Said, or a shell without job control gives it /dev/null as stdin.
	"$@" <&0 &
	child=$!
	children+=("$child")
}

# finish PID: waits for it; its status
finish() {
	local pid rest=() status
	wait "$1" 2>/dev/null
	status=$?
	for pid in "${children[@]}"; do
		[ "$pid" = "$1" ] || rest+=("$pid")
	done
	children=("${rest[@]}")
	return "$status"
}

is_running() {
	local line
	read -r line 2>/dev/null <"/proc/$1/stat" || return 1
	line=${line##*) }
	[ "${line%% *}" != Z ]
}
has_ended() { ! is_running "$1"; }

# stop PID [SIGNAL]: SIGINT, and SIGKILL when that does not help
stop() {
	kill -s "${2:-INT}" "$1" 2>/dev/null
	wait_for 5 has_ended "$1" || kill -s KILL "$1" 2>/dev/null
	finish "$1"
}

# wait_for SECONDS CONDITION...: false when it did not come true in that time
wait_for() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
		sleep 0.01
	done
}

cpu_ticks() { # into $ticks_idle $ticks_all
	local user nice system iowait irq softirq steal
	read -r _ user nice system ticks_idle iowait irq softirq steal _ </proc/stat
	ticks_idle=$((ticks_idle + iowait))
	ticks_all=$((ticks_idle + user + nice + system + irq + softirq + steal))
}

# Until the CPUs are nine tenths idle, but no longer than 3 s: what one storm left must not burden the next.
disturbed=0
settle() {
	local idle all i
	for ((i = 0; i < 15; i++)); do
		cpu_ticks
		idle=$ticks_idle all=$ticks_all
		sleep 0.2
		cpu_ticks
		[ $(((ticks_idle - idle) * 10)) -lt $(((ticks_all - all) * 9)) ] || return 0
	done
	disturbed=$((disturbed + 1))
}

# ---- figures

# snapshot ARRAY PID: user and system ticks, CPU time in ns, voluntary context switches
snapshot() {
	local -n into=$1
	local line fields ns=0
	read -r line <"/proc/$2/stat"
	read -ra fields <<<"${line##*) }"
	into['user']=${fields[11]} into['system']=${fields[12]}
	read -r ns _ 2>/dev/null <"/proc/$2/schedstat"
	[ "$ns" != 0 ] || ns=$(((into['user'] + into['system']) * 1000000000 / ticks_per_second))
	into['ns']=$ns
	into['wakes']=$(awk '/^voluntary_ctxt/ { print $2 }' "/proc/$2/status")
}
ticks_per_second=$(getconf CLK_TCK)

status_kb() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }

# prog_times PID: ID NS RUNS of each BPF program that it has open
prog_times() {
	cat "/proc/$1"/fdinfo/* 2>/dev/null | awk '
		$1 == "prog_id:" { id = $2 }
		$1 == "run_time_ns:" { ns = $2 }
		$1 == "run_cnt:" && !seen[id]++ { print id, ns, $2 }'
}

# json_number KEY: of the object on stdin
json_number() { sed -n "s/.*\"$1\":\\([0-9.]*\\).*/\\1/p"; }

# calc EXPRESSION: "-" when it cannot be calculated (an operand is missing, or it divides by nothing)
calc() {
	local n
	n=$(awk "BEGIN { printf \"%.6g\", $1 }" 2>/dev/null) || n=-
	[[ $n =~ ^-?[0-9.]+(e[-+][0-9]+)?$ ]] || n=-
	echo "$n"
}

# of numbers, one a line: MEDIAN MINIMUM MAXIMUM COUNT
spread() {
	sort -g | awk '
		{ v[NR] = $1 }
		END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2, v[1], v[NR], NR }'
}

# ---- rows

over=0
failed=0

head_row() {
	[ "${BENCH_JSON:-0}" = 1 ] && return
	echo "$1"
	printf '\n%-46s %14s %12s\n' "what" "measured" "budget"
}

# row NAME TEXT VALUE UNIT BUDGET [NOTE]: a VALUE of - could not be measured, NOTE says why; a BUDGET of - is none
row() {
	local ok=
	if [ "$3" = - ]; then
		[ "$5" = - ] || failed=$((failed + 1))
	elif [ "$5" != - ]; then
		ok=$(awk -v value="$3" -v budget="$5" 'BEGIN { print value + 0 <= budget + 0 ? "ok" : "OVER" }')
		[ "$ok" = ok ] || over=$((over + 1))
	fi
	awk -v json="${BENCH_JSON:-0}" -v name="$1" -v text="$2" -v value="$3" -v unit="$4" -v budget="$5" -v ok="$ok" \
		-v note="$(tr -d '"\\[:cntrl:]' <<<"${6:-}")" '
	function number(n) { return sprintf(n >= 100 || n <= -100 ? "%.0f" : "%.4g", n) }
	BEGIN {
		if (json == 1) {
			printf "{\"name\":\"%s\",\"value\":%s,\"unit\":\"%s\",\"budget\":%s,\"ok\":%s", name,
			       value == "-" ? "null" : value + 0, unit, budget == "-" ? "null" : budget + 0,
			       ok == "" ? "null" : ok == "ok" ? "true" : "false"
			printf note == "" ? "}\n" : ",\"note\":\"%s\"}\n", note
		} else {
			printf "%-46s %14s %12s  %-4s  %s\n", text, value == "-" ? "-" : number(value) " " unit,
			       budget == "-" ? "" : number(budget) " " unit, ok, note
		}
	}'
}
