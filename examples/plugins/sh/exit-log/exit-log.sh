#!/bin/sh
# An application of a plugin, in nothing but sh and sed. What gafferd says is on stdin, one object of JSON a line.

# text NAME LINE: the text that a line has under a name. Good for names of jobs, which have no quotes in them.
text() {
    printf '%s\n' "$2" | sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'
}

# number NAME LINE
number() {
    printf '%s\n' "$2" | sed -n 's/.*"'"$1"'":\([0-9][0-9]*\).*/\1/p'
}

file=exits.log
while IFS= read -r line; do
    case $line in
    '{"type":"hello"'*)
        configured=$(text file "$line")
        file=${configured:-$file}
        echo '{"type":"ready"}'
        ;;
    '{"type":"event"'*)
        code=$(number exit_code "$line") signal=$(number term_signal "$line")
        if [ "$signal" -gt 0 ]; then how="signal $signal"; else how="exit code $code"; fi
        echo "$(date '+%F %T') $(text name "$line") (pid $(number pid "$line")): $how" >>"$file"
        ;;
    '{"type":"stop"'*)
        # The last exits are in the file by now: what it is told comes in order.
        exit 0
        ;;
    esac
done
