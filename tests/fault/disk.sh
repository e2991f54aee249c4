# A full disk while saving and while packing, and folders that cannot be written.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
[ "$(id -u)" -eq 0 ] || skip "needs root to mount a small file system"
mkdir small
mount -t tmpfs -o size=2400k tmpfs small 2>/dev/null || skip "mounting a tmpfs is not allowed here"
at_exit='cd /; umount -l "$tmp/small" 2>/dev/null || true'
long="--set train.epochs=30 --set eval.every=0 --set run=small/run --set train.keep=1"

# fill: leave no room but for a few lines of metrics.
fill()
{
    dd if=/dev/zero of=small/ballast bs=4k status=none 2>/dev/null || true
    truncate -s -40960 small/ballast
}

# While training: a warning, the run goes on, the older checkpoint stands, and room that comes back is used.
"$futago" train c.yaml $long >out 2>err </dev/null &
pid=$!
until [ -e small/run/last.h5 ]; do sleep 0.01; done
fill
until grep -q "could not save step" err; do
    kill -0 $pid 2>/dev/null || fail "the run ended when the disk was full"
    sleep 0.01
done
says "No space left on device" "training goes on, the older checkpoint stands"
stood=$(readlink small/run/last.h5)
[ -e "small/run/$stood" ] || fail "the older checkpoint is gone"
rm small/ballast
until [ "$(readlink small/run/last.h5)" != "$stood" ]; do
    kill -0 $pid 2>/dev/null || fail "the run ended when there was room again"
    sleep 0.01
done
# At the end the model must be saved: exit code 73, the older checkpoint stands, and the same command ends well once there is room.
fill
got=0
wait $pid || got=$?
[ $got -eq 73 ] || fail "exit code $got of a run that could not save its end"
says "step-000000300.h5" "No space left on device"
[ -e small/run/last.h5 ] || fail "no checkpoint is left"
if ls small/run/checkpoints | grep -q 'tmp-'; then fail "an unfinished file stayed: $(ls small/run/checkpoints)"; fi
rm small/ballast
expect 0 "$futago" train c.yaml $long
resumed=$(digest)
expect 0 "$futago" train c.yaml $long --set run=whole
[ "$(digest)" = "$resumed" ] || fail "a full disk changed the result"

# While packing: 73, and nothing under the final name.
rm -rf small/run
fill
expect 73 "$futago" pack faces -o small/faces.h5 --size 64 --split identity
says "small/faces.h5" "No space left on device"
[ "$(ls small)" = ballast ] || fail "left behind: $(ls small)"
rm small/ballast

# A read-only file system: 77 for a run and for a pack.
mount -o remount,ro small
expect 77 "$futago" train c.yaml --set run=small/run
says "small/run" "Read-only file system"
expect 77 ranks 2 "$futago" train c.yaml --set run=small/run
expect 77 "$futago" pack faces -o small/faces.h5 --size 16 --split identity
says "small/faces.h5" "Read-only file system"
mount -o remount,rw small
expect 0 "$futago" train c.yaml --set run=small/run
mount -o remount,ro small
expect 77 "$futago" train c.yaml --set run=small/run
