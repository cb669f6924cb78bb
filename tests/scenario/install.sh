#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What "make install" puts where, and that "make uninstall" takes it away again. TAP, for tests/run.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

command -v make >/dev/null || { echo "make is not installed"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root
build=${BUILD:-build}

run() { # GOAL: as a user calls it, not as part of the make that runs the tests
	env -u MAKEFLAGS -u MAKELEVEL make "$1" B="$build" DESTDIR="$root" PREFIX=/usr >"$tmp/out" 2>&1 || cat "$tmp/out"
}
files() { (cd "$root" && find . -type f -printf '%P %m\n' | sort); }
check() { # NAME: what stdin says differs is what went wrong
	local differs
	differs=$(cat)
	[ -z "$differs" ] || { echo "$differs" && printf 'not '; }
	echo "ok - $1"
}

wanted() {
	echo "usr/sbin/sockwatch 755"
	echo "usr/share/sockwatch/sockwatch.schema.json 644"
	echo "usr/share/bash-completion/completions/sockwatch 644"
	echo "usr/lib/systemd/system/sockwatch.service 644"
	for page in sockwatch sockwatch-list sockwatch-stream sockwatch-doctor; do
		echo "usr/share/man/man8/$page.8 644"
	done
}

run install
diff <(wanted | sort) <(files) | check "everything is installed where it belongs, and nothing else"
cmp "$build/sockwatch" "$root/usr/sbin/sockwatch" 2>&1 | check "the program is the one that was built"
{
	for file in src/data/*.8; do cmp "$file" "$root/usr/share/man/man8/${file##*/}"; done
	cmp src/data/sockwatch.bash "$root/usr/share/bash-completion/completions/sockwatch"
	cmp src/data/sockwatch.schema.json "$root/usr/share/sockwatch/sockwatch.schema.json"
} 2>&1 | check "pages, completion and schema are those of the sources"
grep -n /usr/local "$root/usr/lib/systemd/system/sockwatch.service" | check "the unit starts the program of the prefix"

mkdir -p "$root/usr/share/man/man8" "$root/usr/share/sockwatch"
touch "$root/usr/share/man/man8/other.8" "$root/usr/share/sockwatch/other"
run uninstall
diff <(printf '%s\n' "usr/share/man/man8/other.8 644" "usr/share/sockwatch/other 644") <(files) |
	check "uninstall removes all of it, and nothing of others"
rm "$root/usr/share/sockwatch/other"
run uninstall
{ [ ! -e "$root/usr/share/sockwatch" ] || echo "share/sockwatch is left"; } | check "its own folder goes when it is empty"
