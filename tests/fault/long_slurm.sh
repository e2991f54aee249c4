# launch/slurm.sh under a real Slurm, one node on loopback: preempted by a job of a higher partition, it saves, is requeued, and ends in the
# bits of an undisturbed run.
. tests/support/script.sh "$1"
[ "$(id -u)" -eq 0 ] || skip "a Slurm of its own needs root"
for program in munged slurmctld slurmd sbatch scontrol; do
    command -v $program >/dev/null || skip "no $program (packages slurm-wlm, munge)"
done
node=$(hostname -s)
base_port=$((20000 + $$ % 20000))

shut_down()
{
    local pid
    squeue -h -o %i 2>/dev/null | xargs -r scancel 2>/dev/null || true
    sleep 2
    # shellcheck disable=SC2046
    for pid in $(cat "$tmp"/*.pid 2>/dev/null); do kill "$pid" 2>/dev/null || true; done
    sleep 1
}
at_exit=shut_down

dd if=/dev/urandom of=munge.key bs=128 count=1 2>/dev/null
chmod 600 munge.key
mkdir state spool
cat >slurm.conf <<CONF
ClusterName=futago
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$base_port
SlurmdPort=$((base_port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$tmp/munge.socket
CredType=cred/munge
StateSaveLocation=$tmp/state
SlurmdSpoolDir=$tmp/spool
SlurmctldPidFile=$tmp/slurmctld.pid
SlurmdPidFile=$tmp/slurmd.pid
SlurmctldLogFile=$tmp/slurmctld.log
SlurmdLogFile=$tmp/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/linear
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
ReturnToService=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=$node NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=low Nodes=$node Default=YES PriorityTier=1 GraceTime=60 State=UP
PartitionName=high Nodes=$node PriorityTier=10 PreemptMode=OFF State=UP
CONF
export SLURM_CONF="$tmp/slurm.conf"
munged --force --key-file="$tmp/munge.key" --socket="$tmp/munge.socket" --pid-file="$tmp/munged.pid" --log-file="$tmp/munged.log" \
    --seed-file="$tmp/munged.seed" >out 2>err || skip "munged does not start here: $(cat err)"
slurmctld >out 2>err || fail "slurmctld does not start"
slurmd -N "$node" >out 2>err || fail "slurmd does not start: $(tail -n 5 slurmd.log)"
for _ in $(seq 150); do
    sinfo -h -p low -o %T 2>/dev/null | grep -q idle && break
    sleep 0.2
done
sinfo -h -p low -o %T 2>err | grep -q idle || fail "the node does not come up: $(sinfo -R 2>&1; tail -n 5 slurmctld.log)"

make_faces faces faces.h5 25 8
write_config c.yaml
long="--set train.epochs=150 --set train.save_steps=0"
expect 0 "$futago" train c.yaml $long --set run=whole
want=$(digest)

export FUTAGO="$futago" FUTAGO_MPIRUN_OPTIONS="--oversubscribe --bind-to none --mca btl self,vader"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# shellcheck disable=SC2086
job=$(sbatch --parsable --ntasks=2 --output="$tmp/job.log" "$source_dir/launch/slurm.sh" c.yaml $long --set run=preempted)
until_there()
{
    local i
    for i in $(seq 600); do
        eval "$1" && return 0
        sleep 0.1
    done
    cp job.log err 2>/dev/null || true
    fail "never: $1; $(scontrol show job "$job" | grep -E 'JobState|Restarts|Reason')"
}
until_there "grep -qs '^{\"step\":13,' preempted/metrics.jsonl"
sbatch --parsable --partition=high --ntasks=1 --output=high.log --wrap 'true' >/dev/null
until_there "grep -qs 'requeueing job $job' job.log"
until_there "scontrol show job $job | grep -q 'Restarts=1'"
step=$(sed -n 's/.*stopped on request after step \([0-9]*\) of 1500.*/\1/p' job.log | head -n 1)
[ -n "$step" ] || fail "the ranks did not save: $(tail -n 20 job.log)"
scontrol release "$job" 2>/dev/null || true
scontrol update jobid="$job" starttime=now 2>/dev/null || true # Slurm lets a requeued job wait for two minutes
until_there "scontrol show job $job | grep -q 'JobState=COMPLETED'"
cp job.log err
grep -q "step-0*$step.h5" err || fail "it did not resume at step $step"
[ "$(digest)" = "$want" ] || fail "preempted at step $step and requeued it ends with $(digest), undisturbed with $want"
echo "preempted at step $step of 1500, requeued, the same bits: $want"
