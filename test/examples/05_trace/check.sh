#!/usr/bin/env bash
# Runs 05_trace and reads the trace that it writes, as a viewer would.
#
#   check.sh PROGRAM

set -eu
program=${1:?usage: check.sh PROGRAM}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

timeout 60 "$program" "$work/trace.json" >"$work/out"
python3 "$here/check_trace.py" "$work/trace.json"
