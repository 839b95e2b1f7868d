#!/usr/bin/env bash
# Translate a data set with several processes: on GPUs, or on the CPU without any.
# usage: tools/dist_translate.sh CONFIG CHECKPOINT NUM_PROCESSES \
#     [arguments of tools/translate_dataset.py]
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT.
set -euo pipefail
. "$(dirname "$0")/launch.sh"

require 3 'CONFIG CHECKPOINT NUM_PROCESSES [arguments of tools/translate_dataset.py]' "$@"
CONFIG=$1 CHECKPOINT=$2 NUM_PROCESSES=$3
run_torch "$NUM_PROCESSES" "$TOOLS/translate_dataset.py" "$CONFIG" "$CHECKPOINT" \
    --launcher pytorch "${@:4}"
