#!/usr/bin/env bash
# Has schemathesis send to a gafferd whatever its /openapi.json describes, and more. It fails if an answer is an error inside
# gaffer, has a status or a type of content that is not described, or a body off its schema; if gafferd dies, panics, or
# leaves a process behind.
#
# Usage: tests/clients/schemathesis.sh <folder of the clients> <gafferd> [option of schemathesis]...
#
# gafferd runs in a scratch folder and, if this is started by root, as a user without rights that has no other process.
# What the jobs may be: see schemathesis_hooks.py.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ $# -lt 2 ]; then
    echo "usage: $0 <folder of the clients> <gafferd> [option of schemathesis]..." >&2
    exit 2
fi
schemathesis=$(cd "$1" && pwd)/modern/bin/schemathesis
gafferd=$(realpath "$2")
shift 2
if ! [ -x "$schemathesis" ]; then
    echo "SKIPPED: schemathesis is not installed (see install.sh)" >&2
    exit 0
fi

# Seconds for the whole run of schemathesis.
PATIENCE=${GAFFER_FUZZ_TIMEOUT:-420}
# A user id that nobody has: so its processes are ours alone, and no signal reaches anybody else's.
NOBODY=59999

scratch=$(mktemp -d "${TMPDIR:-/tmp}/gaffer-fuzz-XXXXXX")
pid=
end() {
    if [ -n "$pid" ]; then
        # Ours, and not yet waited for: so the number is still its own.
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap end EXIT
trap 'exit 130' INT TERM

fail() {
    echo "FAILED: $*" >&2
    echo "the last lines of gafferd's log:" >&2
    tail -n 40 "$scratch/gafferd.log" >&2 || true
    exit 1
}

# Waits up to so many tenths of a second until a command succeeds.
until_true() {
    local tenths=$1
    shift
    while ! "$@"; do
        tenths=$((tenths - 1))
        [ "$tenths" -gt 0 ] || return 1
        sleep 0.1
    done
}

# Processes whose working folder is the scratch folder, as is that of all that gafferd runs here.
left() {
    local link found=
    for link in /proc/[0-9]*/cwd; do
        case $(readlink "$link" 2>/dev/null || true) in
        "$scratch"/run*)
            found="$found $(basename "$(dirname "$link")")"
            ;;
        esac
    done
    echo "$found"
}

mkdir "$scratch/run"
cat >"$scratch/gaffer.ini" <<'INI'
; The first process of all: pid 1. It talks all the time, so that longpolls of it end.
[process:tick]
cmd = sh -c 'while sleep 0.05; do echo tick; echo tock >&2; done'
redirect_output = out, err
priority = 0

; These end and start again all the time, after just long enough not to be slowed down, so that longpolls of events end.
[process:pulse]
cmd = sleep 1.1
numprocesses = 4
priority = 1

[process:echo]
cmd = cat
redirect_output = out, err
redirect_input = true
custom_streams = extra
priority = 2

[process:idle]
cmd = cat
redirect_output = out, err
redirect_input = true
custom_streams = extra
numprocesses = 2
graceful_timeout = 1

[process:shop:web]
cmd = sleep 60
graceful_timeout = 1

[process:shop:worker]
cmd = sleep 60
start = false
graceful_timeout = 1
INI

as=()
if [ "$(id -u)" = 0 ]; then
    if ! command -v setpriv >/dev/null; then
        echo "SKIPPED: schemathesis: there is no setpriv, and gafferd must not run as root here" >&2
        exit 0
    fi
    as=(setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups --no-new-privs)
    chown -R "$NOBODY:$NOBODY" "$scratch"
fi
# A copy, as that user may not be able to reach the original.
cp "$gafferd" "$scratch/gafferd"

# Keys are required, so that what handles them is reached, too; all is asked with one that permits everything.
key=$(cd "$scratch/run" && env -i PATH="$PATH" HOME="$scratch/run" "${as[@]}" "$scratch/gafferd" --state-dir "$scratch/run/state" \
    --create-admin-user --username fuzz --password fuzz </dev/null | sed -n 's/^API Key: //p')
[ -n "$key" ] || fail "no admin was made"
(
    cd "$scratch/run"
    exec env -i PATH="$PATH" HOME="$scratch/run" XDG_STATE_HOME="$scratch/run" RUST_BACKTRACE=1 \
        "${as[@]}" "$scratch/gafferd" --require-key --state-dir "$scratch/run/state" -c "$scratch/gaffer.ini" --bind 127.0.0.1:0
) </dev/null >"$scratch/gafferd.out" 2>"$scratch/gafferd.log" &
pid=$!
url_of() {
    url=$(sed -n 's|.*listening on \(http://[0-9.:]*\).*|\1|p' "$scratch/gafferd.log" | head -n 1)
    [ -n "$url" ]
}
until_true 300 url_of || fail "gafferd did not say where it listens"

cd "$scratch"
# Where it looks for what has no option.
cat >schemathesis.toml <<'TOML'
[warnings]
fail-on = ["unresolvable_reference", "missing_deserializer", "unsupported_regex"]
TOML
status=0
GAFFER_FUZZ_FOLDER="$scratch/run" GAFFER_FUZZ_NODE="$url" GAFFER_FUZZ_KEY="$key" SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH="$here" PYTHONDONTWRITEBYTECODE=1 \
    timeout -k 5 "$PATIENCE" "$schemathesis" run "$url/openapi.json" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --exclude-path-regex '^/wstreams/|^/\{pid\}/channel' \
    --header "X-Api-Key: $key" --mode all --max-examples 25 --seed 1 --generation-database none --request-timeout 10 --no-color \
    --continue-on-failure "$@" </dev/null || status=$?

kill -0 "$pid" 2>/dev/null || fail "gafferd died"
kill -TERM "$pid"
ended() { ! kill -0 "$pid" 2>/dev/null; }
until_true 300 ended || fail "gafferd did not stop"
code=0
wait "$pid" || code=$?
pid=
[ "$code" = 0 ] || fail "gafferd ended with code $code"
if grep -q panicked "$scratch/gafferd.log"; then
    grep -A 20 panicked "$scratch/gafferd.log" >&2
    fail "gafferd panicked"
fi
found=$(left)
[ -z "$found" ] || fail "gafferd left processes behind:$found"
[ "$status" = 0 ] || fail "schemathesis found something, or did not end in time (code $status)"
