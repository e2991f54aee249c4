#!/bin/sh
# Training on Slurm, through preemption and time limits:
#
#     sbatch [--nodes=4 --ntasks-per-node=8 --cpus-per-task=4 --gpus-per-task=1] launch/slurm.sh run.yaml [--set key=value]...
#
# 120 s before the time limit Slurm sends USR1 to this script, which asks the ranks to save and leave; they exit 75 within a step and the job
# is requeued, to go on from there. Preemption does the same where the cluster has SlurmctldParameters=preempt_send_user_signal and the
# partition a GraceTime. FUTAGO names the program where it is not in PATH, FUTAGO_MPIRUN_OPTIONS replaces the placement below.
#SBATCH --job-name=futago
#SBATCH --ntasks=1
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=futago-%j.log
set -u
stopped=75

# The job's name for the run folder's lock: a start before on a node that is gone is this job's own.
export FUTAGO_JOB="slurm-$SLURM_JOB_ID"
options=${FUTAGO_MPIRUN_OPTIONS-"--map-by slot:PE=${SLURM_CPUS_PER_TASK:-1} --bind-to core"}

# shellcheck disable=SC2086
"${FUTAGO:-futago}" run -- mpirun -n "$SLURM_NTASKS" $options "${FUTAGO:-futago}" train "$@" &
job=$!
trap 'kill -s USR1 "$job"' USR1 TERM
# A signal ends `wait`, not the job.
while :; do
    wait "$job"
    code=$?
    kill -0 "$job" 2>/dev/null || break
done
if [ "$code" -eq "$stopped" ]; then
    echo "futago: stopped with a checkpoint: requeueing job $SLURM_JOB_ID"
    scontrol requeue "$SLURM_JOB_ID" && sleep 60 # Slurm ends this script
fi
exit "$code"
