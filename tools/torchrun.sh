# Sourced by dist_train.sh and dist_test.sh, which set TOOLS.

# launch NUM_PROCESSES SCRIPT [arguments of SCRIPT]
launch() {
    local num_processes=$1 python=${PYTHON:-}
    shift
    if [ -z "$python" ]; then
        python=python
        [ -x "$TOOLS/../.venv/bin/python" ] && python=$TOOLS/../.venv/bin/python
    fi
    # The cores of this machine divided among its processes, whose sums otherwise
    # compete for all of them.
    local threads=$(($(nproc) / num_processes))
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((threads > 1 ? threads : 1))}
    export PYTHONPATH="$TOOLS/..${PYTHONPATH:+:$PYTHONPATH}"
    "$python" -m torch.distributed.run \
        --nnodes="${NNODES:-1}" \
        --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" \
        --master_port="${PORT:-29500}" \
        --nproc_per_node="$num_processes" \
        "$@"
}
