# futago plan: what it says, what it refuses, and its counts of messages against those of real runs.
. tests/support/script.sh "$1"
nets=$source_dir/configs/networks
write_config c.yaml

program=$(dirname "$futago")/test_conformance_cost
[ -x "$program" ] || skip "test_conformance_cost is not built"
for n in 1 2 3 4 6 8; do
    expect 0 ranks $n "$program"
    [ "$(cat out err | grep -c 'PASSED  \] 4 test')" -eq "$n" ] || fail "$n ranks: not every rank passed all"
done

# field FILE EXPRESSION: of a JSON object `o`.
field()
{
    python3 -c 'import json, sys; o = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}
holds()
{
    [ "$(field out "$1")" = True ] || fail "not so: $1"
}

net=$nets/nvlink_infiniband.yaml
expect 0 "$futago" plan c.yaml --net "$net"
says "ranks" "1024" "bottleneck" "futago cannot do this yet"
expect 0 "$futago" plan c.yaml --net "$net" --net "$nets/ethernet_25.yaml" --ranks 64 --set loss=triplet --set precision=bf16
says "25 Gb/s Ethernet, 64 ranks" "exposed communication" "gradients of embeddings" "memory a rank" "checkpoint stall" "what would help"

expect 0 "$futago" plan c.yaml --net "$net" --net "$nets/ethernet_100.yaml" --net "$nets/ethernet_25.yaml" --json
holds 'len(o["networks"]) == 3 and [p["ranks"] for p in o["networks"][1]["plans"]] == [2**i for i in range(11)]'
holds 'all(p["step_ms"] <= q["step_ms"] for n in o["networks"] for p, q in zip(n["plans"], n["plans"][1:]))'
holds 'all(a["step_ms"] <= b["step_ms"] for a, b in zip(o["networks"][0]["plans"], o["networks"][2]["plans"]))'
holds 'all(abs(p["step_ms"] - sum(p[k + "_ms"] for k in ("exposed_communication", "forward", "loss", "backward", "update"))) < 1e-3 * p["step_ms"] for n in o["networks"] for p in n["plans"])'
holds 'o["networks"][0]["plans"][0]["exposed_communication_ms"] == 0 and o["networks"][0]["plans"][0]["messages"] == 0'
# order, gather and sums log2 W each, one bucket 2 log2 W
holds 'all(p["messages"] == 5 * (p["ranks"].bit_length() - 1) for p in o["networks"][0]["plans"])'

# Batch norm over the global batch: sums of tiny's ten, forward and backward, each 2 log2 W messages that nothing hides.
expect 0 "$futago" plan c.yaml --net "$net" --ranks 8 --json
cp out plain.json
expect 0 "$futago" plan c.yaml --net "$net" --ranks 8 --set model.batch_norm=global --json
cp out global.json
# more FIELD EXPRESSION: of the last answer p over the plain one, q.
more()
{
    python3 -c 'import json, sys; p, q = (json.load(open(f))["networks"][0]["plans"][0] for f in (sys.argv[1], "plain.json"))
assert eval(sys.argv[2]), (p, q)' "$1" "$2" || fail "not so: $2"
}
more global.json 'p["messages"] == q["messages"] + 10 * 2 * 2 * 3 and q["batch_norm_ms"] == 0'
more global.json 'abs(p["step_ms"] - q["step_ms"] - p["batch_norm_ms"]) < 1e-4 * p["step_ms"] and p["batch_norm_ms"] > 10 * 2 * 6 * 0.0033'
more global.json 'abs(p["exposed_communication_ms"] - q["exposed_communication_ms"] - p["batch_norm_ms"]) < 1e-4 * p["step_ms"]'
# Weights of 1,000 classes: parameters, the optimizer's state and the bytes of the sum are theirs too; how many there are must be said.
expect 64 "$futago" plan c.yaml --net "$net" --set loss=arcface
says "the loss arcface has a weight vector for each person" "--people N"
dim=8
expect 0 "$futago" plan c.yaml --net "$net" --ranks 8 --set loss=arcface --people 1000 --json
cp out classes.json
more classes.json "p['parameters_bytes'] == q['parameters_bytes'] + 4000 * $dim and p['optimizer_bytes'] == q['optimizer_bytes'] + 8000 * $dim"
more classes.json "abs(p['bytes'] - q['bytes'] - 7 / 4 * 4000 * $dim) < 64 and p['update_ms'] > q['update_ms'] and p['loss_ms'] > q['loss_ms']"
# A memory of 4,096 embeddings is held, and compared with.
expect 0 "$futago" plan c.yaml --net "$net" --ranks 8 --set memory.size=4096 --json
cp out memory.json
more memory.json "p['pairs_bytes'] > q['pairs_bytes'] + 4096 * 4 * $dim and p['loss_ms'] > q['loss_ms']"
# Buckets as configured.
expect 0 "$futago" plan c.yaml --net "$net" --ranks 8 --set train.bucket=16 --json
cp out buckets.json
more buckets.json 'p["messages"] > q["messages"] and p["gradients_bytes"] < q["gradients_bytes"]'

# Measured: twice as slow takes twice as long; a measurement of something else is refused.
expect 0 "$futago" plan c.yaml --net "$net" --ranks 1 --compute 80 --json
holds '79.9 < o["networks"][0]["plans"][0]["step_ms"] < 81'
expect 0 "$futago" bench c.yaml --steps 2 --warm-up 1 --json
cp out bench.json
expect 0 "$futago" plan c.yaml --net "$net" --ranks 8 --bench bench.json
says "as measured"
expect 78 "$futago" plan c.yaml --net "$net" --bench bench.json --photos 32
says "bench.json: measured tiny, 16 px" "shards of 32 photos"
echo '{"ranks": 1}' >other.json
expect 78 "$futago" plan c.yaml --net "$net" --bench other.json
says "other.json: no number 'shards'"

refuses()
{
    printf '%s\n' "$1" >net.yaml
    expect 78 "$futago" plan c.yaml --net net.yaml
    says "$2"
}
refuses '' 'net.yaml:1:1: node.bandwidth is missing: give it in GB/s'
refuses 'nonsense' 'net.yaml:1:1: found nonsense, expected a mapping'
refuses '[1]' 'net.yaml:1:1: found a list, expected a mapping'
refuses 'betwen: {bandwidth: 4}' 'net.yaml:1:1: betwen: unknown key; did you mean between?'
refuses 'name: [a]' 'net.yaml:1:7: name: found a list'
refuses 'ranks_a_node: many' 'net.yaml:1:15: ranks_a_node: found many'
for n in 0 -8 1.5 1025; do refuses "ranks_a_node: $n" "net.yaml:1:15: ranks_a_node: found $n"; done
for link in node between; do
    at=$((${#link} + 4))
    refuses "$link: 5" "net.yaml:1:$((at - 1)): $link: found 5, expected a mapping"
    refuses "$link: {speed: 5}" "net.yaml:1:$at: $link.speed: unknown key"
    refuses "$link: {latency: 5}" "bandwidth is missing"
    for value in 0 -4 fast .nan 1e99 [4] '"4 GB/s"'; do refuses "$link: {bandwidth: $value}" "net.yaml:1:$((at + 11)): $link.bandwidth: found "; done
    for key in latency message; do
        for value in -1 slow; do refuses "$link: {$key: $value}" "net.yaml:1:$((at + 9)): $link.$key: found $value"; done
    done
done
refuses 'node: {bandwidth: 3}' 'net.yaml:1:1: between.bandwidth is missing'
for value in 0 -1 much; do refuses "storage: $value" "net.yaml:1:10: storage: found $value"; done
for value in -0.1 1.1 yes; do refuses "overlap: $value" "net.yaml:1:10: overlap: found $value"; done
expect 66 "$futago" plan c.yaml --net nowhere.yaml
expect 64 "$futago" plan c.yaml
says "no network is named"
expect 64 "$futago" plan c.yaml --net "$net" --ranks 1025
