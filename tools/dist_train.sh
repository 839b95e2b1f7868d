#!/usr/bin/env bash
# Train with several processes: on GPUs, or on the CPU where there are none.
# usage: tools/dist_train.sh CONFIG NUM_PROCESSES [arguments of tools/train.py]
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT.
set -euo pipefail
. "$(dirname "$0")/launch.sh"

require 2 'CONFIG NUM_PROCESSES [arguments of tools/train.py]' "$@"
CONFIG=$1 NUM_PROCESSES=$2
run_torch "$NUM_PROCESSES" "$TOOLS/train.py" "$CONFIG" --launcher pytorch "${@:3}"
