#!/bin/sh
# Is the worker alive, is it ready?  probe.sh live|ready
#
# Reads what the worker writes into DAMAGE_HEARTBEAT_FILE: the time of its last
# heartbeat and for how many seconds that is good.  No Python is started, so this
# may run every few seconds.  Exit status 0: yes; 1: no, with a line that says why.
set -u
file=${DAMAGE_HEARTBEAT_FILE:-/tmp/damage-tasks/heartbeat}

case ${1-} in
live) ;;
ready)
    if [ ! -e "$file.ready" ]; then
        echo "not ready: its processes have not all loaded the bundle, it has not polled yet," \
            "or the database refuses it (see its log)"
        exit 1
    fi
    ;;
*)
    echo "usage: probe.sh live|ready" >&2
    exit 2
    ;;
esac

if ! read -r beat limit 2>/dev/null <"$file"; then
    # On a full disk the worker can still touch the file, but not write into it.
    if ! beat=$(date -r "$file" +%s 2>/dev/null); then
        echo "no heartbeat in $file"
        exit 1
    fi
    limit=${DAMAGE_HEARTBEAT_LIMIT:-120}
fi
age=$(($(date +%s) - beat))
if [ "$age" -gt "$limit" ]; then
    echo "the last heartbeat is $age s old; $limit s are allowed"
    exit 1
fi
echo "the last heartbeat is $age s old"
