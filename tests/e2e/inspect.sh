# `futago inspect --model`: layers, shapes, parameters, multiply-adds (PyTorch's count, by hooks on timm's networks), memory of a batch.
. tests/support/script.sh "$1"

expect 0 "$futago" inspect --model resnet50 --size 224 --batch 4 --set backend=cpu
says "resnet50, embedding 512, 224 px, activations in f32" "24,557,120" "4.088 billion multiply-adds" "memory of 4 photos" MiB
grep -qE '^  norm +layer4\.2\.bn3 +\+ residual, relu +2048 x 7 x 7 +4,096$' out || fail "no row of layer4.2.bn3"
grep -qE '^  max_pool +3x3/2 +64 x 56 x 56$' out || fail "no row of the max pool"

expect 0 "$futago" inspect --model tf_efficientnetv2_b0 --size 224 --set backend=cpu --json
says '"params":6514576,"macs":717461536,"batch":32' '"name":"blocks.3.0.se"'

expect 0 "$futago" inspect --model iresnet18 --set backend=ref --set model.embedding=64 --set model.embedding_norm=none --batch 2 --json
says '"name":"fc","detail":"","out":[64,1,1],"params":1605696'
grep -qF '"name":"features"' out && fail "there is a batch norm that was not wanted"

# More photos take more memory.
kept()
{
    expect 0 "$futago" inspect --model resnet18 --set backend=cpu --json "$@"
    sed -E 's/.*"training_kept":([0-9]+).*/\1/' out
}
[ "$(kept --batch 8)" -gt "$(kept --batch 4)" ] || fail "8 photos take no more memory than 4"

expect 78 "$futago" inspect --model resnet5 --set backend=cpu
expect 64 "$futago" inspect
expect 64 "$futago" inspect --model resnet18 faces.h5
echo "inspect: networks as they are"
