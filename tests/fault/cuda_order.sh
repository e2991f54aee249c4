# Order on a device: every wait of one stream for another, and every look of the host at an event, is left out in turn (the GPU double drops the
# call and says it went well); the double must find each, whatever the timing. Only the first upload to each of the two places of the feed has
# nothing to wait for.
. tests/support/script.sh "$1"
[ "${FUT_TEST_GPU:-0}" = 0 ] || skip "a real GPU finds no missing order"
on_cuda
make_faces faces faces.h5 25 8
write_config c.yaml
train="timeout -k 5 60 $futago train c.yaml --set backend=cuda --set train.steps=4 --set eval.every=0 --set train.save_steps=0"

GPU_DOUBLE_COUNT=calls expect 0 $train --set run=whole
want=$(digest)
waits=$(sed -n 's/^cudaStreamWaitEvent //p' calls)
[ "$waits" -ge 8 ] || fail "$waits waits of streams in four steps"

harmless=0
for n in $(seq "$waits"); do
    got=0
    rm -rf run
    GPU_DOUBLE_FAIL="cudaStreamWaitEvent:$n=0" $train --set run=run >out 2>err </dev/null || got=$?
    if [ $got -eq 0 ]; then
        [ "$(digest)" = "$want" ] || fail "without wait $n the result is another, and nothing was reported"
        harmless=$((harmless + 1))
    else
        grep -m 1 -oE "gpu double: race: .*|capturing stream has unjoined work" err >>found || fail "without wait $n: exit code $got and no race named"
    fi
done
[ "$harmless" -eq 2 ] || fail "$harmless waits could be left out unseen, expected the first upload to each of two places"
# What the waits are for: images after their upload, an upload after the last use of its place, the reduction after the backward, the update after the
# reduction, the reduction's next leaf after the update.
for what in "normalize_images.*'upload'.*wrote" "'upload'.*writes.*normalize_images" "'(add.*reads.*transpose" "sum_squares.*'(add" "'(add.*writes.*adam"; do
    grep -q "$what" found || fail "no missing order of $what was found: $(cat found)"
done

# The host reads a step's outcome too early.
for n in 1 2 3; do
    got=0
    rm -rf run
    GPU_DOUBLE_FAIL="cudaEventQuery:$n+=0" $train --set run=run >out 2>err </dev/null || got=$?
    [ $got -ne 0 ] || fail "from look $n on the host waits for nothing, and nothing was reported"
done
sort found | uniq -c | sort -rn | cut -c 1-200
