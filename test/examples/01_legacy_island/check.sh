#!/usr/bin/env bash
# Sets 01_legacy_island against servers that misbehave and against arguments that make no sense.
#
#   check.sh PROGRAM
#
# Needs python3 for the servers. Prints a line per promise; the exit code is 0 if all are kept.

set -u

program=${1:?usage: check.sh PROGRAM}
[ -x "$program" ] || { echo "check.sh: no program at $program"; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

coproc servers { exec python3 "$here/unfriendly_servers.py"; }
read -r -t 30 ports <&"${servers[0]}" || { echo "the servers did not start"; exit 1; }
declare -A at
for entry in $ports; do at[${entry%=*}]=127.0.0.1:${entry#*=}; done

kept=0
broken=0
promise=

# fetch ARGUMENT...: runs the program, bounded, and keeps its exit code and output for the expectations that follow.
fetch() {
    arguments=$*
    timeout 60 "$program" "$@" >"$work/out" 2>"$work/err" </dev/null
    code=$?
}

# The signal comes long after the serial pass, which takes milliseconds; if it is late, the island still waits.
fetch_until_interrupted() {
    arguments=$*
    timeout --preserve-status --signal=INT --kill-after=20 2 "$program" "$@" >"$work/out" 2>"$work/err" </dev/null
    code=$?
}

expect() {
    if "${@:2}"; then
        kept=$((kept + 1))
    else
        broken=$((broken + 1))
        echo "NOT KEPT: $promise: $1"
        echo "  arguments: $arguments"
        echo "  exit code: $code"
        sed 's/^/  | /' "$work/out" "$work/err"
    fi
}

exits_with() { expect "exits with $1" test "$code" -eq "$1"; }
prints() { expect "prints a line like $1" grep -Eq -- "$1" "$work/out"; }
complains() { expect "complains with $1" grep -Fq -- "$1" "$work/err"; }
prints_no_table() { expect "prints no table" test ! -s "$work/out"; }

# row LABEL STATUS: both passes came to this status; had they differed, the row would say "A | B".
row() { prints "^${1//./\\.} +$2  "; }

it() {
    [ -z "$promise" ] || echo "checked: $promise"
    promise=$1
}

# fails_as STATUS SERVER OPTION...: both passes name the failure, and the exit code tells of it.
fails_as() {
    fetch "${@:3}" "${at[$2]}/"
    exits_with 1
    row "${at[$2]}/" "$1"
    prints '^serial .* 0 of 1 fetched$'
    prints '^island .* 0 of 1 fetched$'
    prints "^failed +1 $1\$"
}

rejects() {
    fetch "${@:2}"
    exits_with 2
    complains "$1"
    complains 'usage: 01_legacy_island'
    prints_no_table
}

it 'the embedded server is fetched from when no resource is named'
fetch
exits_with 0
prints '^serial .* 24 of 24 fetched$'
prints '^island .* 24 of 24 fetched$'
prints '^speed-up +[0-9.]+x$'
prints '/shore/24 +200  '

it 'the embedded server takes other numbers and no delay at all'
fetch --resources 150 --delay 0
exits_with 0
prints '^island .* 150 of 150 fetched$'
prints '/shore/150 +200  '

it 'all requests of an island are under way at the same time'
fetch --request-deadline 1 "${at[gate]}/1" "${at[gate]}/2" "${at[gate]}/3"
exits_with 1
row "${at[gate]}/1" 'timed out \| 200'
row "${at[gate]}/2" 'timed out \| 200'
row "${at[gate]}/3" 'timed out \| 200'
prints '^serial .* 0 of 3 fetched$'
prints '^island .* 3 of 3 fetched$'
prints '^failed +serial: 3 timed out; island: none$'

it 'what is asked for is what is fetched'
fetch "${at[echo]}/12345678?k=v#fragment" "http://${at[echo]}" "${at[echo]}?q" "${at[until_close]}/"
exits_with 0
prints '/12345678\?k=v +200 +13  '
row "${at[echo]}/" '200 +1'
prints '/\?q +200 +3  '
row "${at[until_close]}/" '200 +1,234'

it 'a name is looked up'
fetch "localhost:${at[echo]#*:}/"
exits_with 0
row "localhost:${at[echo]#*:}/" 200

it 'resources come from files'
printf '# two of them\n\n  %s/a  # comment\r\n%s/b#fragment' "${at[echo]}" "${at[echo]}" >"$work/list"
fetch "@$work/list"
exits_with 0
prints '^island .* 2 of 2 fetched$'
fetch --file "$work/list" --file="$work/list" "${at[echo]}/c"
exits_with 0
prints '^island .* 5 of 5 fetched$'

it 'a failure has the same name in both passes'
fails_as refused closed
fails_as reset reset
fails_as 'timed out' silent --request-deadline 0.3
fails_as 'timed out' drip --request-deadline 0.3
fails_as 'bad reply' garbage
fails_as 'bad reply' bad_chunk
fails_as 'bad reply' endless_header
fails_as 'cut short' cut
fails_as 'cut short' mute
fails_as 'body too large' huge
fails_as 'body too large' firehose --body-limit 100000
fails_as '404 Not Found' missing

it 'a network without a route is unreachable'
fetch 255.255.255.255:80/
exits_with 1
row 255.255.255.255:80/ unreachable

it 'a name that cannot exist is an unknown host'
nobody=$(printf 'n%.0s' {1..70})
fetch "$nobody:80/"
exits_with 1
prints "^n+.* +unknown host  "
prints '^failed +1 unknown host$'

it 'one failure does not keep the others from their replies'
fetch --request-deadline 1 "${at[echo]}/1" "${at[closed]}/" "${at[silent]}/" "${at[reset]}/" "${at[echo]}/2"
exits_with 1
row "${at[echo]}/1" 200
row "${at[echo]}/2" 200
prints '^serial .* 2 of 5 fetched$'
prints '^island .* 2 of 5 fetched$'
prints '^failed +1 refused, 1 reset, 1 timed out$'

it 'the overall deadline ends a pass'
fetch --overall-deadline 1 --request-deadline=50 "${at[echo]}/" "${at[silent]}/1" "${at[silent]}/2" "${at[silent]}/3"
exits_with 1
row "${at[echo]}/" 200
row "${at[silent]}/1" 'out of time'
row "${at[silent]}/3" 'out of time'
prints '^failed +3 out of time$'

it 'Ctrl-C ends an island in order'
fetch_until_interrupted --request-deadline 50 "${at[once]}/"
exits_with 130
complains '01_legacy_island: interrupted'
prints_no_table

it 'help is no error'
fetch --help
exits_with 0
prints '^usage: 01_legacy_island '

it 'arguments that make no sense get a usage line'
: >"$work/empty"
printf '# nothing\n   \n' >"$work/comments"
printf '127.0.0.1:80/fine\nnonsense\n' >"$work/wrong"
rejects "bad port '99999'" 127.0.0.1:99999/
rejects "bad port '0'" 127.0.0.1:0/
rejects "bad port ''" 127.0.0.1:/
rejects "bad port '80x'" 127.0.0.1:80x/
rejects "bad port '-1'" 127.0.0.1:-1/
rejects 'no port' 127.0.0.1/path
rejects 'no port' ''
rejects 'no host' :80/
rejects 'bad host' 'a b:80/'
rejects "more than one ':'" ::1:80/
rejects 'no closing bracket' '[::1:80/'
rejects 'no TLS' https://127.0.0.1:443/
rejects 'percent-encode' '127.0.0.1:80/a b'
rejects 'percent-encode' $'127.0.0.1:80/\r\nX-Evil:1'
rejects 'no resources in the file' "@$work/empty"
rejects 'no resources in the file' --file "$work/comments"
rejects "$work/wrong:2: no port" "@$work/wrong"
rejects 'cannot read the file' "@$work/absent"
rejects 'cannot read the file' "@$work"
rejects 'cannot read the file' @
rejects '--file wants a value' --file
rejects 'unknown option' --frobnicate
rejects 'unknown option' -
rejects '--request-deadline wants seconds' --request-deadline -1
rejects '--request-deadline wants seconds' --request-deadline nan
rejects '--request-deadline wants seconds' --request-deadline 0
rejects '--overall-deadline wants seconds' --overall-deadline=inf
rejects '--overall-deadline wants seconds' --overall-deadline 5s
rejects '--overall-deadline wants a value' --overall-deadline
rejects '--resources wants a whole number' --resources 0
rejects '--resources wants a whole number' --resources 99999999999999999999
rejects '--delay wants a whole number' --delay 1.5
rejects '--body-limit wants a whole number' --body-limit 0
rejects 'only if no resource is named' --resources 3 127.0.0.1:80/

echo "checked: $promise"
echo "$kept expectations kept, $broken not kept"
[ "$broken" -eq 0 ]
