#!/usr/bin/env bash
# Stop what start.sh started, jobs included, and remove the two files that it wrote to /etc/slurm.
#   sudo tests/slurm/stop.sh FOLDER
set -euo pipefail
folder=$(realpath "${1:?expected the folder that start.sh was given}")
grep -qs "^StateSaveLocation=$folder/state$" /etc/slurm/slurm.conf || {
    echo "stop.sh: /etc/slurm/slurm.conf is not that of $folder: nothing was stopped" >&2
    exit 1
}
timeout 10 scancel --user root || true
stop() { # PIDFILE: end the process and wait for it
    [[ -e $1 ]] || return 0
    local pid
    pid=$(<"$1")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -9 "$pid" || true
}
stop "$folder/slurmd.pid"
stop "$folder/slurmctld.pid"
if [[ -e $folder/munge-is-ours ]]; then
    stop /run/munge/munged.pid
    rm -f "$folder/munge-is-ours"
fi
rm -f /etc/slurm/slurm.conf /etc/slurm/gres.conf
