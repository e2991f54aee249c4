#!/bin/sh
# The whole path on this machine, with faces that are drawn: draw, pack, train on two ranks, be killed, resume, evaluate on people the
# network never saw, verify. launch/demo.sh [FOLDER]    everything it makes goes to FOLDER, default runs/demo-work
# Installs what packages.txt names, if missing (root or sudo), and builds preset release.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
work=${1:-runs/demo-work}

say()
{
    printf '\n== %s\n' "$*"
}

say "packages"
sh launch/install_packages.sh build run

say "build"
# Without a GPU the CUDA modules would only take minutes to compile.
cuda=OFF
[ ! -e /dev/nvidiactl ] || cuda=AUTO
cmake --preset release -DFUTAGO_CUDA=$cuda >/dev/null
cmake --build --preset release
futago=$root/build/release/futago
begun=$(date +%s)

# A folder of an earlier demo is done with; anything else is not this script's to remove.
if [ -e "$work" ]; then
    [ -f "$work/.futago-demo" ] || { echo "$work exists and is not of an earlier demo: name another folder" >&2; exit 73; }
    rm -rf "$work"
fi
mkdir -p "$work"
: >"$work/.futago-demo"
work=$(cd "$work" && pwd)
run=$work/run

say "400 people who do not exist, 12 photos of each"
"$futago" synth -o "$work/faces" --ids 400 --images 12 --size 80
"$futago" pack "$work/faces" -o "$work/faces.h5" --size 64 --split identity

train()
{
    sh launch/mpirun.sh 2 "$futago" train configs/demo.yaml --set "run=$run" --set "data.file=$work/faces.h5"
}

say "training on two ranks"
train &
job=$!
# The script that mpirun.sh starts becomes mpirun itself, so this is its process.
trap 'kill "$job" 2>/dev/null || true' INT TERM
while kill -0 "$job" 2>/dev/null && [ ! -e "$run/last.h5" ]; do
    sleep 0.2
done
sleep 2
say "kill -9, in the middle of it"
mpirun_of()
{
    # `train &` is a subshell; mpirun is it or its child
    for p in /proc/[0-9]*; do
        pid=${p#/proc/}
        parent=$(sed -n 's/^PPid:[[:space:]]*//p' "$p/status" 2>/dev/null || true)
        name=$(sed -n 's/^Name:[[:space:]]*//p' "$p/status" 2>/dev/null || true)
        case $name in mpirun | orterun) ;; *) continue ;; esac
        if [ "$pid" = "$1" ] || [ "$parent" = "$1" ]; then echo "$pid"; fi
    done
}
victim=$(mpirun_of "$job")
[ -n "$victim" ] || { wait "$job" || exit $?; echo "the training ended before it could be killed" >&2; exit 70; }
kill -9 $victim
wait "$job" 2>/dev/null || true
trap - INT TERM

say "the same command again: it resumes"
# The ranks of the killed mpirun notice within a second and leave; until then they hold the run folder (exit status 79).
tries=0
while :; do
    status=0
    train || status=$?
    [ "$status" -eq 79 ] && [ "$tries" -lt 20 ] || break
    tries=$((tries + 1))
    sleep 0.5
done
[ "$status" -eq 0 ] || exit "$status"

say "evaluation on 40 people that the network never saw"
sh launch/mpirun.sh 2 "$futago" eval "$run" --part test --baseline --html "$run/report.html" | tee "$work/evaluation.txt"

say "two photos of one person, and of two people"
a=$work/faces/person_0001
b=$work/faces/person_0002
# verify exits 0 for the same person and 1 for different people
"$futago" verify "$run" "$a/0001.jpg" "$a/0002.jpg" || [ $? -eq 1 ]
"$futago" verify "$run" "$a/0001.jpg" "$b/0001.jpg" || [ $? -eq 1 ]

say "done in $(($(date +%s) - begun)) s after the build"
# field WORD: the EER of that line of the evaluation, in percent
field()
{
    sed -nE "s/^$1 +(EER )?([0-9.]+).*/\\2/p" "$work/evaluation.txt" | head -n 1
}
eer=$(field EER)
printf 'EER on people never seen: %s %% trained, %s %% before training, %s %% by comparing pixels\n' "$eer" "$(field 'before training')" \
    "$(field 'pixel distance')"
echo "run folder  $run"
echo "report      $run/report.html"
awk -v eer="$eer" 'BEGIN { exit !(eer > 0 && eer < 10) }' || { echo "EER $eer % is not below 10 %: the network has not learned" >&2; exit 76; }
