#!/bin/sh
# Says hello, then counts on both outputs, one line a second each.
# Ends at once, and well, when it is told to.

trap 'kill "$nap" 2>/dev/null; echo "dummy (pid: $$) ends"; exit 0' TERM INT

echo "hello, dummy (pid: $$) is alive"
n=0
while :; do
    echo "STDOUT $n"
    echo "STDERR $n" >&2
    n=$((n + 1))
    # A trap waits for the command in the foreground, but not for `wait`.
    sleep 1 &
    nap=$!
    wait "$nap"
done
