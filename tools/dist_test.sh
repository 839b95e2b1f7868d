#!/usr/bin/env bash
# Test with several processes: on GPUs, or on the CPU where there are none.
# usage: tools/dist_test.sh CONFIG CHECKPOINT NUM_PROCESSES [arguments of tools/test.py]
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT.
set -euo pipefail
. "$(dirname "$0")/launch.sh"

require 3 'CONFIG CHECKPOINT NUM_PROCESSES [arguments of tools/test.py]' "$@"
CONFIG=$1 CHECKPOINT=$2 NUM_PROCESSES=$3
run_torch "$NUM_PROCESSES" "$TOOLS/test.py" "$CONFIG" "$CHECKPOINT" \
    --launcher pytorch "${@:4}"
