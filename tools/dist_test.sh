#!/usr/bin/env bash
# Test with several processes: on GPUs, or on the CPU where there are none.
# usage: tools/dist_test.sh CONFIG CHECKPOINT NUM_PROCESSES [arguments of tools/test.py]
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT NUM_PROCESSES [arguments of tools/test.py]" >&2
    exit 2
fi
TOOLS=$(cd "$(dirname "$0")" && pwd)
. "$TOOLS/torchrun.sh"

CONFIG=$1 CHECKPOINT=$2 NUM_PROCESSES=$3
launch "$NUM_PROCESSES" "$TOOLS/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch \
    "${@:4}"
