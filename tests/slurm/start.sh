#!/usr/bin/env bash
# A SLURM of one node on this machine: munge, slurmctld and slurmd from Debian's packages, for tests/test_slurm.py.
#
#   sudo tests/slurm/start.sh FOLDER             start it; FOLDER holds its state and logs, and is made
#   sudo tests/slurm/start.sh FOLDER --install   the same, after apt-get for the packages that are lacking
#   sudo tests/slurm/stop.sh FOLDER              stop it, and leave /etc/slurm as it was
#
# The node has this machine's cores and most of its memory, and two GPUs that are none (/dev/null): enough to see who
# asks for one. There are no cgroups and no accounting: memory limits hold by polling (OverMemoryKill, every second),
# time limits to the minute, and `squeue` alone says what became of a job. It refuses a machine that has a slurm.conf.
set -euo pipefail
export PATH=$PATH:/usr/sbin

die() {
    echo "start.sh: $*" >&2
    exit 1
}

[[ $# -ge 1 ]] || die "expected the folder for state and logs: start.sh FOLDER [--install]"
[[ $(id -u) == 0 ]] || die "expected root, found $(id -un): the daemons switch users and read /etc/slurm"
lacking=()
for package in munge slurm-client slurmctld slurmd; do
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' $package 2>/dev/null) == installed ]] || lacking+=($package)
done
if [[ ${#lacking[@]} != 0 && ${2:-} == --install ]]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${lacking[@]}" >/dev/null
elif [[ ${#lacking[@]} != 0 ]]; then
    die "packages are lacking: apt-get install ${lacking[*]}, or start.sh FOLDER --install"
fi
[[ ! -e /etc/slurm/slurm.conf ]] || die "/etc/slurm/slurm.conf exists: this machine has a SLURM (or stop.sh was forgotten)"

mkdir -p "$1"/{state,spool,log} /etc/slurm
folder=$(realpath "$1")
host=$(hostname -s)
memory=$(awk '/MemTotal/ { print int($2 / 1024 * 0.9) }' /proc/meminfo)
cat >/etc/slurm/gres.conf <<END
Name=gpu File=/dev/null
Name=gpu File=/dev/zero
END
cat >/etc/slurm/slurm.conf <<END
ClusterName=lab
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
GresTypes=gpu
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
ReturnToService=1
MinJobAge=3600
KillWait=5
SlurmctldTimeout=30
SlurmdTimeout=60
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
END

trap '"$(dirname "$0")"/stop.sh "$folder"' EXIT # unless all goes well

if ! pgrep -x munged >/dev/null; then
    mkdir -p /run/munge
    chown munge:munge /run/munge
    runuser -u munge -- munged --pid-file="/run/munge/munged.pid"
    touch "$folder/munge-is-ours"
fi
slurmctld
slurmd
for _ in $(seq 60); do
    if [[ $(sinfo --noheader --format=%t 2>/dev/null) == idle ]]; then
        trap - EXIT
        exit 0
    fi
    sleep 0.5
done
die "the node is not idle after 30 s: $(sinfo 2>&1 | tail -1); see $folder/log"
