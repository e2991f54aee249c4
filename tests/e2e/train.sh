# Training on 1, 2, 3 and 4 ranks with 4 shards ends with the same model, and each rank reads the photos of its own shards only.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml

# photos_of RANKS RANK: what that rank said it read, as "photos shards".
photos_of()
{
    local who="\[$2/$1\] "
    [ "$1" -gt 1 ] || who=
    sed -n "s|^futago: ${who}read \([0-9]*\) photos for \([0-9]*\) of 4 shards\$|\1 \2|p" err
}

for backend in ref cpu; do
    expect 0 "$futago" train c.yaml --set run=one --set backend=$backend
    want=$(digest)
    [ ${#want} -eq 64 ] || fail "no digest"
    [ "$(photos_of 1 0)" = "304 4" ] || fail "one rank read '$(photos_of 1 0)'"
    for n in 2 3 4; do
        expect 0 ranks $n "$futago" train c.yaml --set run=$n --set backend=$backend
        [ "$(digest)" = "$want" ] || fail "$backend: $n ranks end with $(digest), one rank with $want"
        total=0
        for r in $(seq 0 $((n - 1))); do
            read -r photos shards <<<"$(photos_of $n $r)" || fail "rank $r of $n did not say what it read"
            [ "$photos" -eq $((shards * 76)) ] || fail "rank $r of $n read $photos photos for $shards shards"
            total=$((total + shards))
        done
        [ $total -eq 4 ] || fail "$n ranks held $total shards"
    done
    rm -rf one 2 3 4
done

# Another shard count is another arithmetic, and so is another seed: the comparison above can fail.
expect 0 "$futago" train c.yaml --set run=two --set backend=cpu --set train.shards=2
[ "$(digest)" != "$want" ] || fail "2 shards end like 4"
expect 0 "$futago" train c.yaml --set run=seed --set backend=cpu --set seed=1
[ "$(digest)" != "$want" ] || fail "seed 1 ends like seed 0"

# Sections of a step add up to its wall time, epochs are evaluated, and the run folder is complete.
python=$(command -v python3) || skip "no python3 to read metrics.jsonl"
"$python" - <<'PY'
import json
lines = [json.loads(line) for line in open("two/metrics.jsonl")]
steps = [line for line in lines if "event" not in line]
assert [s["step"] for s in steps] == list(range(1, 21)), [s["step"] for s in steps]
for s in steps:
    assert abs(sum(s["seconds"].values()) - s["wall"]) <= 0.05 * s["wall"], s
evaluations = [line for line in lines if line.get("event") == "evaluation"]
assert [(e["step"], e["epoch"]) for e in evaluations] == [(10, 1), (20, 2)]
assert [s["epoch"] for s in steps] == [1] * 10 + [2] * 10
assert all(0 <= e["eer"] <= 1 for e in evaluations)
PY
for file in config.yaml log.txt last.h5 best.h5; do
    [ -s two/$file ] || fail "two/$file is missing"
done
