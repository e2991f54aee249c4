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
refuses 'node: {bandwidth: 0}' 'net.yaml:1:19: node.bandwidth: found 0'
refuses 'node: {bandwidth: -4}' 'net.yaml:1:19: node.bandwidth: found -4'
refuses 'between: {bandwidth: fast}' 'net.yaml:1:22: between.bandwidth: found fast'
refuses 'betwen: {bandwidth: 4}' 'net.yaml:1:1: betwen: unknown key; did you mean between?'
refuses 'nonsense' 'net.yaml:1:1: found nonsense'
refuses 'node: {bandwidth: 3}' 'net.yaml:1:1: between.bandwidth is missing'
refuses 'ranks_a_node: 0' 'net.yaml:1:15: ranks_a_node: found 0'
expect 66 "$futago" plan c.yaml --net nowhere.yaml
expect 64 "$futago" plan c.yaml
says "no network is named"
expect 64 "$futago" plan c.yaml --net "$net" --ranks 1025
