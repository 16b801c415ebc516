#!/bin/sh
# Runs a command and copies its output to LOG_FILE, for a log shipper that shares a folder with it but
# cannot read its output.
#
#   damage-log-copy COMMAND...
#
# %h in LOG_FILE is replaced by the host name, for several writers in one folder. After LOG_LINES lines
# the file is rotated; one older file is kept, so the folder stays small.
set -eu
file=${LOG_FILE:?LOG_FILE is not set}
case $file in *%h*) file=${file%%\%h*}$(uname -n)${file#*\%h} ;; esac
most=${LOG_LINES:-100000}
pipe=$file.pipe

copy() {
    # Only the command handles signals; this copies until the command's last line.
    trap '' INT QUIT TERM
    lines=0
    exec 3>>"$file"
    while IFS= read -r line || [ -n "$line" ]; do
        printf '%s\n' "$line"
        printf '%s\n' "$line" >&3
        lines=$((lines + 1))
        if [ "$lines" -ge "$most" ]; then
            mv "$file" "$file.1"
            exec 3>>"$file"
            lines=0
        fi
    done
}

rm -f "$pipe"
mkfifo -m 600 "$pipe"
copy <"$pipe" &
copier=$!
"$@" >"$pipe" 2>&1 &
command=$!
for signal in HUP INT QUIT TERM USR1 USR2; do
    # shellcheck disable=SC2064
    trap "kill -$signal $command 2>/dev/null || true" "$signal"
done

# `wait` returns on every signal, even if the command is still running.
status=0
wait "$command" || status=$?
while kill -0 "$command" 2>/dev/null; do
    status=0
    wait "$command" || status=$?
done
wait "$copier"
rm -f "$pipe"
exit "$status"
