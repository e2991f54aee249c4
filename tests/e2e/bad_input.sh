# Input that cannot work ends with the documented exit code and a message that names the file or key, what was found, and what to do.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml

# refuse EXIT_CODE TEXT FILE [OPTIONS...]: training is refused so, before anything is written.
refuse()
{
    local want=$1 text=$2
    shift 2
    expect "$want" "$futago" train "$@"
    says "$text"
    [ ! -e run ] || fail "a refused start left a folder: $(ls -R run)"
    [ "$(tail -n 1 err | cut -c 1-15)" = "futago: error: " ] || fail "the error is not the last line"
}

# ---- configuration
printf 'run: a\n\tseed: 1\n' >tab.yaml
printf 'run: a\nseed: 1\nseed: 2\n' >twice.yaml
printf 'train: {batch: many}\n' >type.yaml
printf 'train: {batch: -3}\n' >range.yaml
printf 'train: 5\n' >table.yaml
printf 'train: {bacth: 5}\n' >unknown.yaml
printf 'run: [a\n' >open.yaml
printf 'a: &a [x, x]\nb: [*a, *a]\n' >bomb.yaml
printf '\377\376\n' >bytes.yaml
: >empty.yaml
head -c 10485760 /dev/zero | tr '\0' '#' >big.yaml
refuse 78 "tab.yaml:2:1: a tab in the indentation; use blanks" tab.yaml
refuse 78 "twice.yaml:3:1: key seed is here twice, first at line 2; remove one" twice.yaml
refuse 78 "type.yaml:1:16: train.batch: found many, expected a whole number" type.yaml
refuse 78 "range.yaml:1:16: train.batch: found -3, must be 2 to 1000000 photos" range.yaml
refuse 78 "table.yaml:1:8: train: found 5, expected a mapping of options" table.yaml
refuse 78 "unknown.yaml:1:9: train.bacth: unknown key; did you mean batch?" unknown.yaml
refuse 78 "open.yaml:" open.yaml
refuse 78 "bomb.yaml:1:4: anchor &a; anchors are not accepted, repeat the value" bomb.yaml
refuse 78 "bytes.yaml" bytes.yaml
refuse 78 "empty.yaml: data.file is missing: name the file that \`futago pack\` made" empty.yaml
refuse 78 "big.yaml: the file has 10485760 bytes, more than 1048576" big.yaml
refuse 66 "nothing.yaml: cannot open: No such file or directory" nothing.yaml
refuse 78 "train.batch 16 over 9 shards leaves fewer than 2 photos a shard" c.yaml --set train.shards=9
refuse 78 "train.shards is 'some': expected auto or a number of at least 1" c.yaml --set train.shards=some
refuse 78 "no backend is called 'cudaa'; did you mean 'cuda'?" c.yaml --set backend=cudaa
refuse 78 "resnet" c.yaml --set model.backbone=resnet
refuse 78 "cannot learn" c.yaml --set loss.pos_margin=0.05 --set loss.neg_margin=1
says "for similarities use pos_margin: 1, neg_margin: 0.05" "--allow collapsed_minimum"
refuse 64 "futago train needs CONFIG"
expect 64 "$futago" trian
says 'there is no command "trian"; did you mean train?'

# ---- what the data does not allow
refuse 78 "train.batch 1000 is larger than a pass of the sampler, 152 photos" c.yaml --set train.batch=1000
says "use a smaller batch or a larger sampler.length"
expect 78 ranks 2 "$futago" train c.yaml --set train.batch=1000
[ "$(grep -c 'larger than a pass' err)" -eq 1 ] || fail "two ranks said it $(grep -c 'larger than a pass' err) times"
expect 78 ranks 2 "$futago" train c.yaml --set sampler.min_images=99
says "min_images"
refuse 78 "min_images" c.yaml --set sampler.min_images=99
expect 0 "$futago" train c.yaml --set sampler.m=12 --set run=repeats --set train.epochs=1
says "19 of 19 people have fewer than 12 training photos, so the sampler repeats theirs"
mkdir -p single && cp -r faces/person_0001 faces/person_0002 faces/person_0003 faces/person_0004 faces/person_0005 single
for n in 6 7 8 9; do mkdir single/p$n && cp faces/person_000$n/0001.jpg single/p$n; done
expect 0 "$futago" pack single -o single.h5 --size 16 --split identity --fractions 0.6,0.2,0.2
expect 0 "$futago" train c.yaml --set data.file=single.h5 --set run=single_run --set train.epochs=1
says "people have one training photo: they make no positive pair" "sampler.min_images: 2 leaves them out"
expect 65 "$futago" pack single -o refused.h5 --size 16
says "4 of 9 people have a single photo: p6, p7, p8, p9" "--split identity keeps everyone"
[ ! -e refused.h5 ] || fail "a refused pack left a file"

# ---- datasets
size=$(stat -c %s faces.h5)
head -c $((size - 1000)) faces.h5 >truncated.h5
head -c 100 faces.h5 >stub.h5
: >empty.h5
cp faces.h5 damaged.h5
printf 'X' | dd of=damaged.h5 bs=1 seek=5000 conv=notrunc status=none
refuse 66 "data.file: nothing.h5: cannot open: No such file or directory" c.yaml --set data.file=nothing.h5
refuse 65 "data.file: truncated.h5: the file has $((size - 1000)) bytes, $size were written; it is truncated" c.yaml --set data.file=truncated.h5
refuse 65 "data.file: stub.h5: " c.yaml --set data.file=stub.h5
refuse 65 "data.file: empty.h5: " c.yaml --set data.file=empty.h5
refuse 65 "data.file: damaged.h5: the file is damaged or was changed" c.yaml --set data.file=damaged.h5
refuse 65 "data.file: c.yaml: this is not a futago file" c.yaml --set data.file=c.yaml
refuse 65 "data.file: faces: this is a folder, not a file" c.yaml --set data.file=faces
refuse 65 "repeats/last.h5" c.yaml --set data.file=repeats/last.h5
# A photo that does not match its checksum is found when it is read.
cp faces.h5 photo.h5
for at in $(seq $((size / 4)) 300 $((size * 3 / 4))); do
    printf '\252\125' | dd of=photo.h5 bs=1 seek="$at" conv=notrunc status=none
done
expect 65 "$futago" train c.yaml --set data.file=photo.h5 --set run=photo_run
says "photo.h5" "checksum"
expect 65 ranks 2 "$futago" train c.yaml --set data.file=photo.h5 --set run=photo_run
says "photo.h5" "checksum"

# ---- weights
# A header that claims more than the file has, one that is no JSON, a tensor past the end, another network's.
header()
{
    printf "\\$(printf %o $((${#1} % 256)))\\$(printf %o $((${#1} / 256)))\0\0\0\0\0\0%s" "$1"
}
printf '\377\377\377\377\377\377\377\177{}' >huge.safetensors
header 'no json at all' >text.safetensors
header '{"conv_stem.weight":{"dtype":"F32","shape":[8,3,3,3],"data_offsets":[0,864]}}' >short.safetensors
{ header '{"other.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' && printf '\0\0\0\0'; } >other.safetensors
: >empty.safetensors
refuse 66 "nothing.safetensors: cannot open" c.yaml --set model.weights=nothing.safetensors
for file in huge text short other empty; do
    refuse 65 "$file.safetensors" c.yaml --set model.weights=$file.safetensors
done
says "empty.safetensors"
expect 65 ranks 2 "$futago" train c.yaml --set model.weights=other.safetensors
says "other.safetensors"

# ---- packing
mkdir none one one/anna
cp faces/person_0001/*.jpg one/anna
expect 65 "$futago" pack none -o none.h5
says "none"
expect 66 "$futago" pack nothing -o none.h5
says "nothing"
expect 65 "$futago" pack one -o one.h5 --size 16
says "one"
expect 65 "$futago" pack one -o one.h5 --size 16 --split identity
says "one"
[ ! -e none.h5 ] && [ ! -e one.h5 ] || fail "a refused pack left a file"

# ---- no MPI: neither mpirun nor its daemon can be found
expect 0 env PATH=/nowhere "$futago" train c.yaml --set run=alone
[ -n "$(digest)" ] || fail "no digest without MPI"
