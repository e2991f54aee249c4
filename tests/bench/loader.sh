#!/bin/bash
# Reading batches at 224 pixels beside PyTorch's DataLoader, in turn: packed photos (raw) and photos decoded at each read.
#
#   tests/bench/loader.sh BINARY_DIR PYTHON FOLDER        PYTHON: with torch, torchvision, h5py; FOLDER: one sub-folder a person
#   ROUNDS=3 BATCH=32 BATCHES=100
#
# Prints a row a case: photos a second by the clock and milliseconds of the processor a photo (all threads and processes), medians over the
# rounds. Processor time is what other work on the machine moves less. The files are in memory when they are read.
set -euo pipefail
bin=$1 python=$2 folder=$3
here=$(dirname "$0")
rounds=${ROUNDS:-3} batch=${BATCH:-32} batches=${BATCHES:-100}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for encoding in raw original; do
    "$bin/futago" pack "$folder" -o "$work/$encoding.h5" --encoding $encoding --split identity --follow-links >/dev/null 2>&1
done
"$python" "$here/pack.py" "$folder" "$work/peer.h5" 224 1

# measure NAME COMMAND...: keeps "photos a second, milliseconds" of every round under that name.
measure()
{
    local name=$1
    shift
    "$@" 2>/dev/null >>"$work/$name"
}

for _ in $(seq "$rounds"); do
    for n in 1 2; do
        measure "futago raw, threads: $n" "$bin/bench_loader" "$work/raw.h5" $n "$batch" "$batches"
        measure "futago original, threads: $n" "$bin/bench_loader" "$work/original.h5" $n "$batch" "$batches"
    done
    for n in 0 1 2; do
        measure "h5py DataLoader, workers: $n" "$python" "$here/loader.py" raw "$work/peer.h5" $n "$batch" "$batches"
        measure "ImageFolder DataLoader, workers: $n" "$python" "$here/loader.py" folder "$folder" $n "$batch" "$batches"
    done
done
# median NAME COLUMN
median()
{
    awk -v c="$2" '{ print $c }' "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
cd "$work"
for name in futago* h5py* Image*; do
    printf '%-38s %10.0f photos/s %8.4f CPU ms a photo\n' "$name" "$(median "$name" 1)" "$(median "$name" 2)"
done
