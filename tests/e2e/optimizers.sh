# Runs whose exported network is an average of what is trained, clipped gradients and a schedule that follows evaluations: the same bits on
# any number of ranks, resumed ones too; `futago eval` finds what training said; and updates that make no sense are refused.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
cpu="--set backend=cpu --set train.epochs=3"

# check NAME SETTING...: on 1, 2 and 4 ranks, then from step 15 on 2 ranks.
check()
{
    local name=$1 n
    shift
    expect 0 "$futago" train c.yaml $cpu --set run=$name "$@"
    want=$(digest)
    [ ${#want} -eq 64 ] || fail "no digest"
    said=$(sed -n 's/.*epoch 3  val: .*EER \([0-9.]* %\) .*/\1/p' err)
    for n in 2 4; do
        expect 0 ranks $n "$futago" train c.yaml $cpu --set run=$name-$n "$@"
        [ "$(digest)" = "$want" ] || fail "$name: $n ranks end with $(digest), one with $want"
    done
    cp -r $name $name-again
    find $name-again/checkpoints -name 'step-*.h5' | sort | awk -F'step-0*' '{ split($2, s, "."); if (s[1] > 15) print }' | xargs rm
    [ -e $name-again/checkpoints/step-000000015.h5 ] || fail "no checkpoint of step 15: $(ls $name-again/checkpoints)"
    expect 0 ranks 2 "$futago" train c.yaml $cpu --set run=$name-again "$@"
    says "at step 15"
    [ "$(digest)" = "$want" ] || fail "$name: resumed at step 15 on 2 ranks it ends with $(digest), undisturbed with $want"
    expect 0 "$futago" eval $name --part val --checkpoint last
    grep -q "^EER  *$said" out || fail "$name: training said EER $said"
}
check free --set "optimizer={type: schedule_free_adamw, lr: 1e-2, warmup_steps: 5}" --set scheduler=constant --set train.keep=100
check ema --set "optimizer={type: sgd, lr: 0.1, momentum: 0.9}" --set update.ema=0.9 --set update.clip_norm=0.5 --set train.keep=100 \
    --set "scheduler={type: plateau, monitor: eer, patience: 0, threshold: 100}"
grep -q "no better for a while" err || grep -q "no better for a while" ema/log.txt || fail "the plateau never let the rate fall"

# The average is not what is trained: with update.evaluate: weights the same steps end with another network, and the average is kept.
expect 0 "$futago" train c.yaml $cpu --set run=weights --set "optimizer={type: sgd, lr: 0.1, momentum: 0.9}" --set update.ema=0.9 \
    --set update.clip_norm=0.5 --set update.evaluate=weights
[ "$(digest)" != "$want" ] || fail "update.evaluate: weights changes nothing"

expect 78 "$futago" train c.yaml $cpu --set run=weights --set optimizer=ranger --set train.epochs=4
says "it has no /optimizer/exp_avg" "choose another"
expect 78 "$futago" train c.yaml --set run=bad --set update.frozen=conv_stem,blokcs.0
says "update.frozen: no parameter's name begins with 'blokcs.0'"
expect 78 "$futago" train c.yaml --set run=bad --set update.frozen=embedder --set update.backbone_lr=0
says "leave nothing to train"
expect 78 "$futago" train c.yaml --set run=bad --set update.ema=1
says "update.ema"
expect 78 "$futago" train c.yaml --set run=bad --set update.clip_norm=-1
says "update.clip_norm"
expect 78 "$futago" config check c.yaml --set "optimizer={type: sgd, nesterov: true}"
says "--allow nesterov_without_momentum"
expect 78 "$futago" config check c.yaml --set optimizer=schedule_free_sgd --set update.ema=0.9
says "--allow two_averages"
expect 0 "$futago" config check c.yaml --set "optimizer={type: schedule_free_sgd, weight_decay: 1e-4}"
says "use scheduler: constant" "update.weight_decay: weights"
expect 0 "$futago" config check c.yaml --set "scheduler={type: polynomial, total_iters: 1}"
says "after epoch 1 the learning rate is 0"
