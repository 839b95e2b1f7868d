#!/usr/bin/env bash
# Train with several processes: on GPUs, or on the CPU where there are none.
# usage: tools/dist_train.sh CONFIG NUM_PROCESSES [arguments of tools/train.py]
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG NUM_PROCESSES [arguments of tools/train.py]" >&2
    exit 2
fi
TOOLS=$(cd "$(dirname "$0")" && pwd)
. "$TOOLS/torchrun.sh"

CONFIG=$1 NUM_PROCESSES=$2
launch "$NUM_PROCESSES" "$TOOLS/train.py" "$CONFIG" --launcher pytorch "${@:3}"
