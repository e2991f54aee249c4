#!/bin/bash
# futago pack as a user meets trouble: interrupted, full disk, read-only folder, output that exists. Nothing may be left under the output's
# name, nor any temporary, and the message must say what happened.
set -u
futago=$(realpath "$1")/futago
[ -x "$futago" ] || { echo "skipped: $futago is not built"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/futago-pack.XXXXXX")
# A background child that is killed before it runs its program still has this trap.
trap '[ $BASHPID -ne $$ ] || { chmod -R u+w "$work"; rm -rf "$work"; }' EXIT
cd "$work" || exit 1
fails=0

fail() {
    echo "FAIL: $1"
    sed 's/^/    /' err
    fails=$((fails + 1))
}

# expect EXIT TEXT WHAT: the last command's exit status is in $status, its stderr in err; only in/ and the given files are left.
expect() {
    [ "$status" -eq "$1" ] || fail "$3: exit status $status, expected $1"
    grep -qF -- "$2" err || fail "$3: no \"$2\" in the message"
    ls -A | grep -v -x -e in -e err -e out -e small -e locked | grep -q . && fail "$3: left behind: $(ls -A | tr '\n' ' ')"
}

"$futago" synth -o in --ids 12 --images 10 --size 96 >/dev/null 2>err || { fail "synth"; exit 1; }

# Interrupted at different moments; 0.001 s may be before the first byte, 1 s after the end.
caught=0
for delay in 0.001 0.01 0.02 0.03 0.05 0.08 0.12 0.2; do
    for signal in INT TERM; do
        # A shell starts background jobs with SIGINT ignored, and futago leaves ignored signals ignored.
        env --default-signal=INT,TERM "$futago" pack in -o out.h5 --size 1024 -j 1 >out 2>err &
        pid=$!
        sleep $delay
        kill -$signal $pid 2>/dev/null
        wait $pid
        status=$?
        if [ $status -gt 128 ]; then
            caught=$((caught + 1))
            ls -A | grep -v -x -e in -e err -e out | grep -q . && fail "SIG$signal after $delay s: left behind: $(ls -A | tr '\n' ' ')"
        fi
        rm -f out.h5
    done
done
[ $caught -gt 0 ] || fail "no signal arrived in time to interrupt anything"

# A disk that ends: the limit on a file's size stands in for it (the same write and fallocate fail), at several sizes.
for blocks in 1 8 40 200 1000 4000; do
    (ulimit -f $blocks; exec "$futago" pack in -o out.h5 --size 128 >out 2>err)
    status=$?
    [ $status -eq 73 ] || [ $status -eq 74 ] || fail "file limit of $blocks KiB: exit status $status"
    grep -q "^futago: error: .*File too large" err || fail "file limit of $blocks KiB: no reason in the message"
    ls -A | grep -v -x -e in -e err -e out | grep -q . && fail "file limit of $blocks KiB: left behind: $(ls -A | tr '\n' ' ')"
done

# A real full disk, where this machine lets us make one.
mkdir small
if mount -t tmpfs -o size=2m none small 2>/dev/null; then
    "$futago" pack in -o small/out.h5 --size 224 >out 2>err
    status=$?
    [ "$(ls -A small)" = "" ] || fail "full disk: left behind: $(ls -A small)"
    expect 73 "No space left on device" "full disk"
    umount small
fi
rmdir small

echo precious >out.h5
"$futago" pack in -o out.h5 >out 2>err
status=$?
[ "$(cat out.h5)" = precious ] || fail "the existing file was touched"
rm out.h5
expect 73 "out.h5: the file exists; --force replaces it" "output exists"

if [ "$(id -u)" -ne 0 ]; then
    mkdir locked
    chmod a-w locked
    "$futago" pack in -o locked/out.h5 >out 2>err
    status=$?
    expect 77 "Permission denied" "read-only folder"
    chmod 000 in/person_0003/0003.jpg in/person_0005
    "$futago" pack in -o out.h5 --split identity >out 2>err
    status=$?
    [ $status -eq 0 ] || fail "unreadable file: exit status $status"
    grep -q "0003.jpg	cannot open: Permission denied" out.h5.rejects.tsv || fail "unreadable file is not listed"
    grep -q "person_0005	folder cannot be read" out.h5.rejects.tsv || fail "unreadable folder is not listed"
    chmod 700 in/person_0005
    chmod 600 in/person_0003/0003.jpg
    rm out.h5 out.h5.rejects.tsv
fi

# The same photos make the same file, apart from the time it was made, whatever the number of threads.
"$futago" pack in -o a.h5 --split identity --json -j 1 2>err | sed 's/"file"[^,]*,//; s/"created"[^,]*,//; s/"seconds"[^,]*,//' >a.json
"$futago" pack in -o b.h5 --split identity --json -j 7 2>err | sed 's/"file"[^,]*,//; s/"created"[^,]*,//; s/"seconds"[^,]*,//' >b.json
cmp -s a.json b.json || fail "1 and 7 threads differ"
"$futago" inspect a.h5 --verify --sheet sheet.png >out 2>err || fail "inspect --verify"
grep -q "every image matches its checksum" out || fail "inspect --verify says nothing"
[ "$(head -c 4 sheet.png | tail -c 3)" = PNG ] || fail "the sheet is no PNG"

# One flipped byte in the pixels.
size=$(stat -c %s a.h5)
printf '\125' | dd of=a.h5 bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
"$futago" inspect a.h5 --verify >out 2>err
status=$?
[ $status -eq 65 ] || fail "a damaged pixel: exit status $status"
grep -q "a.h5: 1 of 120 images are damaged" err || fail "a damaged pixel is not counted"
head -c $((size - 10)) b.h5 >c.h5
"$futago" inspect c.h5 >out 2>err
status=$?
[ $status -eq 65 ] || fail "truncated: exit status $status"
grep -q "c.h5: .*it is truncated" err || fail "truncation is not named"

[ $fails -eq 0 ] && echo "ok: $caught interruptions, full disk, refusals"
exit $((fails > 0))
