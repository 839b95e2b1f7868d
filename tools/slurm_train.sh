#!/usr/bin/env bash
# Train as a Slurm job.
# usage: [GPUS=4] [GPUS_PER_NODE=4] [CPUS_PER_TASK=5] [SRUN_ARGS=...] \
#     tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]
set -euo pipefail
. "$(dirname "$0")/launch.sh"

require 3 'PARTITION JOB_NAME CONFIG [arguments of tools/train.py]' "$@"
PARTITION=$1 JOB_NAME=$2 CONFIG=$3
run_slurm "$PARTITION" "$JOB_NAME" "$TOOLS/train.py" "$CONFIG" \
    --launcher slurm "${@:4}"
