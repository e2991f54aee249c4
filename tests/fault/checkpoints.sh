# Damaged, foreign and missing checkpoints; two runs in one folder; changes on resume.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
long="--set train.epochs=4 --set eval.every=0"

expect 0 "$futago" train c.yaml $long --set run=whole
want=$(digest)
expect 75 sh -c '"$0" train c.yaml '"$long"' --set run=base --set train.keep=5 & pid=$!
    until grep -qs "^{\"step\":14," base/metrics.jsonl; do sleep 0.01; done; kill -s USR1 $pid; wait $pid' "$futago"
newest=$(ls base/checkpoints | sort | tail -n 1)
[ "$(ls base/checkpoints | wc -l)" -ge 4 ] || fail "too few checkpoints: $(ls base/checkpoints)"

# flip FILE OFFSET: invert one byte.
flip()
{
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "\\$(printf %o $((255 - byte)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# Newest damaged: named, set aside, the one before it used, the same model at the end.
size=$(stat -c %s "base/checkpoints/$newest")
damage()
{
    case $1 in
    truncated) truncate -s $((size - 100)) "$2" ;;
    halved) truncate -s $((size / 2)) "$2" ;;
    emptied) : >"$2" ;;
    header) flip "$2" 5 ;;
    metadata) flip "$2" 5000 ;;
    middle) flip "$2" $((size / 2)) ;;
    dataset) cp faces.h5 "$2" ;;
    text) printf 'not a checkpoint' >"$2" ;;
    esac
}
for kind in truncated halved emptied header metadata middle dataset text; do
    rm -rf run && cp -r base run
    damage $kind "run/checkpoints/$newest"
    expect 0 "$futago" train c.yaml $long
    says "run/checkpoints/$newest" "set aside" "resuming run/checkpoints/step-"
    [ -e "run/checkpoints/$newest.damaged" ] || fail "$kind: the damaged file is not set aside"
    [ "$(digest)" = "$want" ] || fail "$kind: ends with $(digest), undisturbed with $want"
done

# All bad: stops and says so, again and again, and never starts over.
rm -rf run && cp -r base run
for file in run/checkpoints/*.h5; do flip "$file" 6000; done
for _ in 1 2; do
    expect 65 "$futago" train c.yaml $long
    says "run: the run has been saved, but no good checkpoint is left" "never started over silently" "remove the folder to start over"
    [ -z "$(digest)" ] || fail "it started over"
done
expect 65 ranks 2 "$futago" train c.yaml $long
rm -f run/checkpoints/*
expect 65 "$futago" train c.yaml $long

# Of another model, of another dataset.
rm -rf run && cp -r base run
expect 78 "$futago" train c.yaml $long --set model.embedding=12
says "its checkpoint is of another model" "embedding 8" "embedding 12" 'another `run:`'
grep -q "error: run: its checkpoint is of another model" run/log.txt || fail "run/log.txt does not say why the run ended"
"$futago" pack faces -o other.h5 --size 16 --split identity --seed 1 >/dev/null 2>&1
expect 65 "$futago" train c.yaml $long --set data.file=other.h5
says "other.h5: not the dataset that the checkpoint was trained on" 'another `run:`'
expect 65 ranks 2 "$futago" train c.yaml $long --set data.file=other.h5
says "other.h5: not the dataset"
cmp -s run/config.yaml base/config.yaml || fail "a refused start changed run/config.yaml"
cmp -s run/metrics.jsonl base/metrics.jsonl || fail "a refused start changed run/metrics.jsonl"
[ "$(ls run/checkpoints)" = "$(ls base/checkpoints)" ] || fail "a refused start changed the checkpoints"

# Shards are fixed when a run begins; more ranks than shards do not fit; a changed configuration is shown.
expect 78 "$futago" train c.yaml $long --set train.shards=2
says "train.shards is 2, but the run was begun with 4" "use train.shards: 4 or auto"
expect 78 ranks 5 "$futago" train c.yaml $long
says "5 ranks for 4 shards"
expect 0 "$futago" train c.yaml $long --set optimizer.lr=0.002 --set train.shards=auto
says "configuration changed since the checkpoint: optimizer was {type: adamw, lr: 0.001," "is now {type: adamw, lr: 0.002,"
[ "$(grep -c 'configuration changed' err)" -eq 4 ] || fail "not what changed: $(grep 'configuration changed' err)"
# Another loss is another measure: a best checkpoint by the old one is not kept for ever.
best="--set run=losses --set eval.best=loss --set train.steps"
expect 0 "$futago" train c.yaml $best=20
expect 0 "$futago" train c.yaml $best=30 --set loss.type=triplet --set loss.margin=2
says "the run goes on with the loss triplet after contrastive" "weights, the optimizer's moments" "epoch 3  val: loss" "best so far"
# So is another eval.best: an AUC is no smaller EER.
expect 0 "$futago" train c.yaml $best=40 --set loss.type=triplet --set loss.margin=2 --set eval.best=auc
says "eval.best was loss, is now auc" "epoch 4  val: loss" "best so far"

# Two runs in one folder: the second is told who owns it.
"$futago" train c.yaml --set train.epochs=2000 --set run=owned >owner.out 2>owner.err </dev/null &
owner=$!
until [ -e owned/last.h5 ]; do sleep 0.02; done
expect 79 "$futago" train c.yaml --set run=owned
says "owned/lock: the run folder is in use by process $owner on $(hostname)" 'choose another `run:`'
expect 79 ranks 2 "$futago" train c.yaml --set run=owned
# An owner that was killed leaves its lock behind; it is taken over.
kill -KILL $owner
wait $owner 2>/dev/null || true
expect 0 "$futago" train c.yaml --set run=owned --set train.epochs=1

# From a host of another name: its owner is believed to live until it has been silent for long.
unshare -u true 2>/dev/null || { echo "two hosts: not tested, this is not root"; exit 0; }
unshare -u sh -c 'hostname faraway; exec "$@"' sh "$futago" train c.yaml --set train.epochs=2000 --set run=two >owner.out 2>owner.err </dev/null &
owner=$!
until [ -e two/last.h5 ]; do sleep 0.02; done
expect 79 "$futago" train c.yaml --set run=two
says "two/lock: the run folder is in use by process $owner on faraway, which gave a sign of life" 'choose another `run:`'
kill -KILL $owner
wait $owner 2>/dev/null || true
expect 79 "$futago" train c.yaml --set run=two --set train.epochs=1
says "in use by process $owner on faraway" "A run on another host that gives none for 300 s is taken over"
touch -d '6 minutes ago' two/lock
expect 0 "$futago" train c.yaml --set run=two --set train.epochs=1
says "process $owner on faraway gave no sign of life for 360 s: its run is taken over"
