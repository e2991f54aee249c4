#!/bin/bash
# Memory on paper beside memory in fact: `futago bench --plan` beside the most that a process of `futago bench` had.
#
#   tests/bench/memory.sh BINARY_DIR [BACKBONE,SIZE,BATCH...]
#
# Fails where they are further apart than 5%.
set -euo pipefail
futago=$1/futago
shift
[ $# -gt 0 ] || set -- tf_efficientnetv2_b0,112,32 resnet50,112,32
apart=0
for row; do
    IFS=, read -r backbone size batch <<<"$row"
    config=(--set model.backbone="$backbone" --set data.size="$size" --set train.batch="$batch" --set backend=cpu)
    planned=$("$futago" bench --plan "${config[@]}" 2>/dev/null | awk '$1 == "all" && NF == 2 { print $2 }')
    had=$("$futago" bench --steps 1 --warm-up 0 --json "${config[@]}" 2>/dev/null | sed 's/.*"resident_bytes":\([0-9]*\).*/\1/')
    awk -v p="$planned" -v h="$had" -v row="$row" 'BEGIN {
        h /= 1048576; off = h / p - 1
        printf "%-32s planned %8.1f MiB, had %8.1f, %+.1f%%\n", row, p, h, 100 * off
        exit off > 0.05 || off < -0.05 }' || apart=1
done
exit $apart
