# `futago inspect FILE`: counts, warnings of imbalance, the configuration that fits; `--augment`: a sheet of what a network sees.
. tests/support/script.sh "$1"

# 18 people with 5 photos, five with 1 and one with 80 in the train part: same pairs 18 * 10 + 80 * 79 / 2, triplets
# 18 * 5 * 4 * 170 + 80 * 79 * 95.
expect 0 "$futago" synth -o faces --ids 30 --images 5 --size 32
for person in 02 03 04 05 06; do rm faces/person_00$person/000[2-5].jpg; done
for i in $(seq 6 80); do cp faces/person_0001/0001.jpg "faces/person_0001/$(printf %04d "$i").jpg"; done
expect 0 "$futago" pack faces -o faces.h5 --size 32 --split identity --seed 1
expect 0 "$futago" inspect faces.h5
grep -qE '^ +train +175 +24 +3340 +11885 +661600$' out || fail "wrong counts of the train part"
says "configs/small.yaml fits 24 people to train on, though it is made for hundreds" \
    "5 of 24 people (21 %) have fewer than 4 training photos, 5 of them a single one" \
    "people with more than 10 times the median of 5 training photos: 1; the largest, person_0001, has 80, 45.7 % of all"
expect 0 "$futago" inspect faces.h5 --json
says '"triplets": 661600, "median": 5, "below_4": 5, "dominant": 1}' '"config": "configs/small.yaml"'

# Nothing to warn of; and enough people for the next configuration, which exists.
expect 0 "$futago" synth -o even --ids 1260 --images 4 --size 16
expect 0 "$futago" pack even -o even.h5 --size 16 --split identity
expect 0 "$futago" inspect even.h5
says "configs/medium.yaml fits 1008 people to train on"
grep -q warning err && fail "a warning without imbalance"
for config in small medium large; do
    [ -f "$source_dir/configs/$config.yaml" ] || fail "configs/$config.yaml is named and missing"
    expect 0 "$futago" inspect faces.h5 --augment "$source_dir/configs/$config.yaml" -o "$config.png" --rows 2 --columns 3
done

# sheet NAME ARGUMENTS...: 4 rows of 3 photos; its width and height are in its header.
sheet()
{
    local name=$1
    shift
    expect 0 "$futago" inspect faces.h5 --augment -o "$name" --rows 4 --columns 3 "$@"
}
all='data.augment=[flip, {type: random_resized_crop, scale_min: 0.5}, color_jitter, grayscale, blur, rotation, cutout]'
sheet a.png --set "$all"
sheet b.png --set "$all" --set seed=0
sheet c.png --set "$all" --set seed=1
sheet d.png --set "$all" --set data.size=48
cmp -s a.png b.png || fail "the same seed draws another sheet"
cmp -s a.png c.png && fail "another seed draws the same sheet"
[ "$(od -An -tx1 -j16 -N8 a.png | tr -d ' ')" = 000000700000008a ] || fail "the sheet of 32 px photos is not 112 x 138"
[ "$(od -An -tx1 -j16 -N8 d.png | tr -d ' ')" = 000000a0000000ca ] || fail "the sheet of 48 px photos is not 160 x 202"

expect 78 "$futago" inspect faces.h5 --augment -o e.png
says "data.augment is empty"
expect 78 "$futago" inspect faces.h5 --augment --set 'data.augment=[blurr]' -o e.png
says "did you mean blur?"
expect 78 "$futago" inspect faces.h5 --augment --set 'data.augment=[{type: blur, sigma: 2}]' -o e.png
says "blur has no such option; the known ones are p, sigma_min, sigma_max, kernel"
expect 78 "$futago" inspect faces.h5 --augment --set 'data.augment=[{type: blur, sigma_min: 3}]' -o e.png
says "blur: sigma_min 3 is above sigma_max 2"
expect 78 "$futago" inspect faces.h5 --augment --set 'data.augment=[{type: cutout, p: 2}]' -o e.png
says "found 2, must be 0 to 1"
expect 64 "$futago" inspect faces.h5 --augment --set 'data.augment=[flip]'
says "-o PNG is missing"
expect 64 "$futago" inspect faces.h5 "$source_dir/configs/small.yaml"
says "CONFIG is for --augment"
[ -e e.png ] && fail "a refused sheet was written"
echo "inspect: counts, warnings, sheets"
