# `futago check`: a user's own configuration comes to the same bits stopped, resumed and on other ranks; where it does not, it says where.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
mkdir runs
set_up="--set run=runs/mine --steps 4"

# --until is a stop at a step that is known ahead: the same folder goes on, and every end records the model's digest.
expect 75 "$futago" train c.yaml --set run=runs/mine --until 2
says "stopped on request after step 2" "the same command without --until, or with a later one, goes on from there"
grep -q '"step":2,"event":"stopped","model_sha256":"[0-9a-f]\{64\}"' runs/mine/metrics.jsonl || fail "no digest in metrics.jsonl"
expect 75 "$futago" train c.yaml --set run=runs/mine --until 2
says "was to stop after step 2 and has come to step 2 already"
before=$(find runs -type f -newermt @0 -printf '%p %T@ %s\n' | sort)

expect 0 "$futago" check c.yaml $set_up --ranks 1,3
says "bit-identical: 4 ways of computing it, one model, sha256" "1 rank, stopped after step 2 and resumed on 3" "4 shards"
after=$(find runs -type f -newermt @0 -printf '%p %T@ %s\n' | sort)
[ "$before" = "$after" ] || fail "the check changed the run's folder: $after"
[ "$(ls runs)" = mine ] || fail "left behind: $(ls runs)"

# A machine without mpirun: what can be checked is.
expect 0 "$futago" check c.yaml $set_up --launcher no-such-mpirun
says "no-such-mpirun: no such program in PATH" "bit-identical: 2 ways" "not tried: 3 of 5"
expect 66 "$futago" check c.yaml $set_up --launcher no-such-mpirun --ranks 1,3
says "not tried: 2 of 4" "3 ranks: --ranks asks for it, but it cannot be tried: no-such-mpirun: no such program in PATH"

# Ranks that compute something else are caught: 2 ranks with another learning rate part at the second step, in the loss.
cat >other <<SH
#!/bin/sh
shift
exec "$source_dir/launch/mpirun.sh" "\$@" --set optimizer.lr=2e-3
SH
chmod +x other
expect 70 "$futago" check c.yaml $set_up --ranks 1,2 --launcher ./other --json
says '"identical":false' '"parts_at_step":2' "2 ranks: parts from 1 rank at step 2: the loss is"

# What cannot be trained is said in train's own words.
expect 66 "$futago" check c.yaml $set_up --set data.file=missing.h5
says "missing.h5: cannot open"
expect 64 "$futago" check c.yaml $set_up --ranks 1,5
says "at most 4, since a run can use as many ranks as it has shards"
expect 64 "$futago" check c.yaml $set_up --ranks 2,
expect 64 "$futago" check c.yaml --steps 1

# Told to stop, it takes its processes and files with it.
"$futago" check c.yaml --set run=runs/mine --steps 1000 --set train.epochs=1000 >out 2>err </dev/null &
pid=$!
for _ in $(seq 500); do
    ls runs/futago-*/A/metrics.jsonl >/dev/null 2>&1 && break
    sleep 0.01
done
kill -TERM $pid
got=0
wait $pid || got=$?
[ $got -eq 143 ] || fail "exit code $got after SIGTERM"
[ "$(ls runs)" = mine ] || fail "left behind after SIGTERM: $(ls runs)"
