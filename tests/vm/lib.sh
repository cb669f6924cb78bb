# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# What the scripts here share. Sourced; the working directory is then the root of the sources.
export LC_ALL=C
vm=tests/vm
cd "${BASH_SOURCE[0]%/*}/../.."

die() {
	echo "$0: $*" >&2
	exit 1
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/sockwatch/kernels

# list: the rows of the file, without comments
list() { sed '/^#/d; /^$/d' $vm/kernels; }

# row NAME: its arch, processor, suites and pattern
row() {
	local found
	found=$(list | awk -v name="$1" '$1 == name { print $2, $3, $4, $5 }')
	[ -n "$found" ] || die "no kernel $1 in $vm/kernels; there are: $(list | awk '{ printf " %s", $1 }')"
	echo "$found"
}

# archive FOLDER: a file system for the kernel to start with
archive() { (cd "$1" && find . -mindepth 1 | sort | cpio --quiet -o -H newc -R 0:0); }
