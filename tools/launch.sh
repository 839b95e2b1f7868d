# Sourced by dist_*.sh and slurm_*.sh: how they start several processes.

TOOLS=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$TOOLS/..${PYTHONPATH:+:$PYTHONPATH}"

# require NUMBER USAGE "$@": exit with the usage if there are fewer arguments.
require() {
    if [ $(($# - 2)) -lt "$1" ]; then
        echo "usage: $0 $2" >&2
        exit 2
    fi
}

# run_torch NUM_PROCESSES SCRIPT [arguments of SCRIPT]
run_torch() {
    local num_processes=$1 python=${PYTHON:-}
    shift
    if ! [[ $num_processes =~ ^[1-9][0-9]*$ ]]; then
        echo "error: NUM_PROCESSES is '$num_processes'; give a number, 1 or more" >&2
        exit 2
    fi
    if [ -z "$python" ]; then
        python=python
        [ -x "$TOOLS/../.venv/bin/python" ] && python=$TOOLS/../.venv/bin/python
    fi
    # Share the cores of this machine among its processes: by default each of them
    # starts a thread for every core.
    local threads=$(($(nproc) / num_processes))
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((threads > 1 ? threads : 1))}
    # In place of this shell: whoever ends it ends the processes.
    exec "$python" "$TOOLS/launch.py" "$num_processes" "$@"
}

# run_slurm PARTITION JOB_NAME SCRIPT [arguments of SCRIPT]
run_slurm() {
    local gpus=${GPUS:-4}
    local gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    # SRUN_ARGS is split into words on purpose.
    # shellcheck disable=SC2086
    exec srun -p "$1" \
        --job-name="$2" \
        --gres=gpu:"$gpus_per_node" \
        --ntasks="$gpus" \
        --ntasks-per-node="$gpus_per_node" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" \
        --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} \
        python -u "${@:3}"
}
