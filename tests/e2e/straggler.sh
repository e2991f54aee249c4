#!/usr/bin/env bash
# A rank that is slowed down is named with its host within 50 steps, those that wait for it are not; ranks of one pace name nobody.
. tests/support/script.sh "$1"
# All ranks share one core, so that whatever else runs here slows all of them.
taskset -p -c "$(taskset -p -c $$ | sed 's/.*: \([0-9]*\).*/\1/')" $$ >/dev/null

make_faces faces faces.h5 24 8
write_config c.yaml
train="$futago train c.yaml --set train.shards=3 --set train.batch=48 --set sampler.length=100000 --set eval.every=0 --set train.save_steps=0"

# ---- a quiet run
expect 0 ranks 3 $train --set run=quiet --set train.steps=48
[ "$(grep -c '"event":"ranks"' quiet/metrics.jsonl)" = 4 ] || fail "48 steps are 4 windows"
if grep -q straggler quiet/metrics.jsonl err; then fail "a false alarm: $(grep straggler quiet/metrics.jsonl)"; fi
quiet=$(digest)

# ---- rank 2 is stopped most of the time, from the first step on
ranks 3 $train --set run=slow --set train.steps=48 >out 2>err &
job=$!
victim=
while [ -z "$victim" ] || [ ! -s slow/metrics.jsonl ]; do
    is_running $job || fail "the run ended before it was slowed"
    victim=$(pgrep -f "^$futago train c.yaml .*run=slow" | while read -r pid; do
        tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qx 'OMPI_COMM_WORLD_RANK=2' && echo "$pid"
    done) || true
    sleep 0.02
done
python3 - "$victim" slow/metrics.jsonl <<'PY'
import os, signal, sys, time
try:
    while "straggler" not in open(sys.argv[2]).read():
        for _ in range(5):
            os.kill(int(sys.argv[1]), signal.SIGSTOP)
            time.sleep(0.04)
            os.kill(int(sys.argv[1]), signal.SIGCONT)
            time.sleep(0.002)
except ProcessLookupError:
    pass
PY
wait $job || fail "the slowed run failed"
[ "$(digest)" = "$quiet" ] || fail "the pace changed the training"
python3 - slow/metrics.jsonl <<'PY'
import json, sys
events = [json.loads(l) for l in open(sys.argv[1])]
named = [e for e in events if e.get("event") == "straggler"]
assert len(named) == 1 and named[0]["rank"] == 2, (named, [e for e in events if e.get("event") == "ranks"])
assert named[0]["step"] <= 50, named
assert named[0]["work_ms"] > 1.5 * named[0]["median_ms"] and named[0]["section"] in ("data", "forward", "loss", "backward", "optimizer", "other")
assert all(len(e["work_ms"]) == 3 for e in events if e.get("event") == "ranks")
PY
says "straggler at step" "rank 2 on $(hostname)" "the others wait for it"
echo "passed"
