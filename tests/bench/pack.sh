#!/bin/bash
# futago pack beside the script people write for it (pack.py: Pillow and h5py), on the same photos and cores.
#
#   tests/bench/pack.sh BINARY_DIR PYTHON FOLDER [ROUNDS] [SIZE...]      FOLDER: one sub-folder a person
#
# The two take turns. Time of the processor (user + system, all processes) is what a busy machine leaves comparable; wall time is beside it.
set -euo pipefail
futago=$1/futago python=$2 folder=$3 rounds=${4:-3}
shift $(($# > 4 ? 4 : $#))
sizes=${*:-224 112}
here=$(dirname "$0")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
photos=$(find -L "$folder" -type f | wc -l)

# timed NAME COMMAND...: appends "cpu wall" of the command to a list under that name.
timed()
{
    local name=$1
    shift
    env TIMEFORMAT='%U %S %R' bash -c 'time "$@" >/dev/null 2>&1' bash "$@" 2>"$scratch/time"
    awk '{ print $1 + $2, $3 }' "$scratch/time" >>"$scratch/$name"
}

# median NAME COLUMN
median()
{
    awk -v c="$2" '{ print $c }' "$scratch/$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

echo "$photos photos; median of $rounds rounds"
printf '%5s %6s | %21s | %21s | %10s %10s\n' size cores "pack.py CPU, wall (s)" "futago CPU, wall (s)" "CPU ratio" "wall ratio"
for size in $sizes; do
    for cores in 1 2; do
        rm -f "$scratch/peer" "$scratch/ours"
        for _ in $(seq "$rounds"); do
            timed peer "$python" "$here/pack.py" "$folder" "$scratch/peer.h5" "$size" "$cores"
            timed ours "$futago" pack "$folder" -o "$scratch/ours.h5" --force --follow-links --size "$size" -j "$cores" --split identity
        done
        awk -v size="$size" -v cores="$cores" -v pc="$(median peer 1)" -v pw="$(median peer 2)" -v oc="$(median ours 1)" -v ow="$(median ours 2)" \
            'BEGIN { printf "%5d %6d | %10.2f %10.2f | %10.2f %10.2f | %10.2f %10.2f\n", size, cores, pc, pw, oc, ow, pc / oc, pw / ow }'
    done
done
# What the disk itself takes: the same bytes in one stream, to the end of their flush.
bytes=$(stat -c %s "$scratch/ours.h5")
started=$(date +%s.%N)
dd if=/dev/zero of="$scratch/stream" bs=1M count=$(((bytes + 1048575) / 1048576)) conv=fsync status=none
awk -v b="$bytes" -v s="$started" -v e="$(date +%s.%N)" 'BEGIN { printf "the disk: %.0f MB in one stream, %.0f MB/s\n", b / 1e6, b / 1e6 / (e - s) }'
