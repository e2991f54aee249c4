# One among many: identify ranks people and knows strangers, embed writes what other tools read, people who cannot be read are named.
. tests/support/script.sh "$1"
python=$(command -v python3) || skip "no python3 to read JSON with"
make_faces faces faces.h5 24 8
write_config c.yaml
expect 0 "$futago" train c.yaml --set train.epochs=1

# field NAME: a value of the object in ./out.
field()
{
    "$python" -c 'import json, sys; v = json.load(open("out"))
for k in sys.argv[1].split("."): v = v[int(k)] if isinstance(v, list) else v[k]
print(v)' "$1"
}

# ---- a photo that is in the gallery is its own person, in every way to be asked
a=faces/person_0003/0005.jpg
b=faces/person_0017/0001.jpg
for gallery in faces faces.h5; do
    expect 0 "$futago" identify run $gallery $a $b --top 3
    says "$a: person_0003" "   1   1.0000  person_0003  (person_0003/0005.jpg)" "$b: person_0017" "of 24 people with 192 photos"
    says "the run's own threshold for pairs" "--threshold sets another" "a stranger is taken for"
    [ "$(grep -c '^   [1-9]' out)" -eq 6 ] || fail "--top 3 of two photos lists $(grep -c '^   [1-9]' out)"
done
expect 0 "$futago" identify run faces $a --json --top 100
[ "$(field photos.0.person)" = person_0003 ] && [ "$(field photos.0.known)" = True ] || fail "not found"
[ "$(field threshold_from)" = run ] && [ "$(field by)" = best ] || fail "$(cat out)"
"$python" - <<'PY' || fail "candidates are not everybody, most alike first"
import json
c = json.load(open("out"))["photos"][0]["candidates"]
s = [x["similarity"] for x in c]
assert len(c) == 24 and len({x["person"] for x in c}) == 24 and s == sorted(s, reverse=True)
PY
one=$(cat out)
expect 0 ranks 3 "$futago" identify run faces $a --json --top 100
[ "$(cat out)" = "$one" ] || fail "three ranks answer otherwise"
expect 0 "$futago" identify run faces.h5 $a --json --top 100
[ "$(sed 's/"faces.h5"/"faces"/' out)" = "$one" ] || fail "the packed file answers otherwise"

# ---- nobody reaches the threshold: exit status 1, also when only one of the photos is unknown
expect 1 "$futago" identify run faces $a --by mean --threshold 1
! grep -q 'a stranger is taken for' err || fail "warned of a threshold that was given"
says "$a: unknown" "unknown below similarity 1.0000"
mkdir gallery && cp -r faces/person_0003 faces/person_0004 gallery
expect 1 "$futago" identify run gallery $a $b --threshold 0.999999
says "$a: person_0003" "$b: unknown"
expect 0 "$futago" identify run gallery $a --threshold -1 --by centroid --json
[ "$(field photos_in_gallery)" -eq 16 ] && [ "$(field threshold_from)" = option ] || fail "$(cat out)"

# ---- the gallery is not what it should be
mkdir gallery/nobody gallery/text
printf 'no picture' >gallery/text/1.jpg
head -c 300 faces/person_0009/0001.jpg >gallery/person_0003/cut.jpg
cp "$a" gallery/beside.jpg
expect 0 "$futago" identify run gallery $a --json
says "left out: gallery/text/1.jpg" "left out: gallery/person_0003/cut.jpg" "1 files beside the people's folders"
says "gallery/nobody: no readable photo, so this person cannot be found" "gallery/text: no readable photo"
[ "$(field left_out)" = "['nobody', 'text']" ] && [ "$(field unreadable)" -eq 2 ] && [ "$(field people)" -eq 2 ] || fail "$(cat out)"
expect 0 ranks 2 "$futago" identify run gallery $a --json
[ "$(grep -c 'gallery/text/1.jpg' err)" -eq 1 ] && [ "$(field people)" -eq 2 ] || fail "two ranks"
# Names are bytes.
odd=$(printf 'M\374ller "x"')
mkdir -p bytes/"$odd" && cp "$a" bytes/"$odd"
expect 0 "$futago" identify run bytes $a
says "$a: M\\xfcller \"x\""
expect 0 "$futago" identify run bytes $a --json
[ "$(field photos.0.person)" = 'Müller "x"' ] || fail "$(cat out)"
expect 0 "$futago" embed run bytes -o bytes.npy
[ "$(cut -f 1 bytes.txt)" = 'M\xfcller "x"' ] || fail "$(cat bytes.txt)"
mkdir empty people people/a people/b
expect 65 "$futago" identify run empty $a
says "empty: no sub-folder there, 0 files; it must hold one sub-folder a person, with photos"
expect 65 "$futago" identify run people $a
says "people: nobody of 2 people has a readable photo"
expect 65 "$futago" identify run faces/person_0001 $a
says "no sub-folder there, 8 files"
expect 65 ranks 2 "$futago" identify run people $a
expect 66 "$futago" identify run nothing $a
says "nothing: cannot open"
expect 65 "$futago" identify run c.yaml $a
says "c.yaml: this is not a futago file"
expect 66 "$futago" identify run faces nothing.jpg
says "nothing.jpg: cannot open"
expect 65 "$futago" identify run faces $a gallery/text/1.jpg
says "gallery/text/1.jpg"
[ ! -s out ] || fail "half an answer"
expect 64 "$futago" identify run faces $a --threshold 2
says "must be a number from -1 to 1"
expect 64 "$futago" identify run faces $a --top 0
expect 64 "$futago" identify run faces $a --by nearest
expect 64 "$futago" identify run faces

# ---- embed
expect 0 "$futago" embed run faces -o e.h5
says "e.h5: 192 photos of 24 people, 8 values each"
expect 0 "$futago" embed run faces.h5 -o e.npy
expect 0 ranks 2 "$futago" embed run faces -o two.npy
expect 0 "$futago" embed run faces -o f32.npy --precision f32
cmp -s f32.npy two.npy || fail "--precision f32, which the run has, changes embeddings"
expect 78 "$futago" embed run faces -o f16.npy --precision f16
says "activations of f16"
cmp e.npy two.npy && cmp e.txt two.txt || fail "a folder on two ranks and its packed file differ"
[ "$(wc -l <e.txt)" -eq 192 ] && [ "$(sed -n 9p e.txt)" = "$(printf 'person_0002\tperson_0002/0001.jpg')" ] || fail "$(sed -n 9p e.txt)"
"$python" - <<'PY' || fail "e.npy is not what NumPy writes"
import struct
b = open("e.npy", "rb").read()
n, = struct.unpack("<H", b[8:10])
head = eval(b[10:10 + n])
assert b[:8] == b"\x93NUMPY\x01\x00" and (10 + n) % 64 == 0 and b[9 + n:10 + n] == b"\n"
assert head == {"descr": "<f4", "fortran_order": False, "shape": (192, 8)} and len(b) == 10 + n + 192 * 8 * 4
row = struct.unpack("<8f", b[10 + n:10 + n + 32])
assert abs(sum(x * x for x in row) - 1) < 1e-5
PY
before=$(md5sum e.h5 e.npy e.txt)
for file in e.h5 e.npy e.txt; do
    mkdir keep && mv e.h5 e.npy e.txt keep && cp keep/$file .
    out=e.npy && [ $file != e.h5 ] || out=e.h5
    expect 73 "$futago" embed run faces -o $out
    says "$file: the file exists; --force replaces it"
    [ "$(ls -d e.*)" = $file ] || fail "left behind: $(ls -d e.*)"
    rm $file && mv keep/* . && rmdir keep
done
[ "$(md5sum e.h5 e.npy e.txt)" = "$before" ] || fail "a refused embed changed a file"
expect 0 "$futago" embed run gallery -o e.npy --force
says "e.npy: 16 photos of 2 people" "gallery/nobody: no readable photo"
expect 64 "$futago" embed run faces
says "give the file to write: futago embed run faces -o embeddings.h5"
expect 64 "$futago" embed run faces -o e.csv
says "must end in .h5 or .npy"
expect 65 "$futago" embed run empty -o no.h5
[ -z "$(ls | grep '^no\.h5')" ] || fail "a refused embed left $(ls)"
expect 73 "$futago" embed run faces -o nowhere/e.h5
# A full disk, a signal: the old file stays, nothing is left beside it.
before=$(md5sum e.h5 e.npy e.txt)
for file in e.h5 e.npy; do
    expect 73 bash -c "ulimit -f 4; exec '$futago' embed run faces -o $file --force"
    says "File too large"
done
mkdir many
for i in $(seq 20); do cp -rl faces many/$i; done
"$futago" embed run many -o e.npy --force >/dev/null 2>&1 </dev/null &
pid=$!
until [ -e "$(echo e.npy.tmp-*)" ]; do kill -0 $pid && sleep 0.01; done
kill $pid
wait $pid && fail "embed was not interrupted" || [ $? -eq 143 ]
[ "$(ls -d e.*)" = "$(printf 'e.h5\ne.npy\ne.txt')" ] && [ "$(md5sum e.h5 e.npy e.txt)" = "$before" ] || fail "left behind: $(ls -d e.*)"
# A packed file is not an embeddings file, and the other way round.
expect 65 "$futago" identify run e.h5 $a
says "e.h5"
if "$python" -c 'import h5py, numpy' 2>/dev/null; then
    "$python" - <<'PY' || fail "e.h5 does not read as documented"
import h5py, numpy as np
f = h5py.File("e.h5")
def texts(group):
    b, o = bytes(group["bytes"][:]), group["offset"][:]
    return [b[i:j].decode() for i, j in zip(o, o[1:])]
people, paths = texts(f["identities/name"]), texts(f["images/source"])
assert f.attrs["format"] == b"futago-embeddings" and f["embeddings"].shape == (192, 8)
assert all(p == f"{people[l]}/{p.split('/')[1]}" for p, l in zip(paths, f["labels"][:]))
assert (np.repeat(np.arange(24), np.diff(f["identities/first"][:].astype(int))) == f["labels"][:]).all()
PY
fi

# Never evaluated: no threshold yet.
"$futago" train c.yaml --set run=young --set train.epochs=1000 --set eval.every=0 >/dev/null 2>&1 </dev/null &
pid=$!
until [ -e young/last.h5 ]; do sleep 0.02; done
kill -s USR1 $pid
wait $pid || [ $? -eq 75 ] || fail "SIGUSR1"
expect 66 "$futago" identify young faces $a
says "never evaluated" "give --threshold"
expect 0 "$futago" identify young faces $a --threshold 0.9

# Photos are cut as those that the run was trained on, unless --crop says otherwise.
"$futago" pack faces -o cut.h5 --size 16 --crop 0.6 --split identity >/dev/null 2>&1
expect 0 "$futago" train c.yaml --set run=cut --set data.file=cut.h5 --set train.epochs=1
similarity() { expect "$1" "$futago" verify cut $a $b --threshold "$2" --json "${@:3}" && sed -E 's/.*"similarity":([^,]*),.*/\1/' out; }
own=$(similarity 0 -1)
[ "$own" = "$(similarity 0 -1 --crop 0.6)" ] || fail "verify does not cut photos as the run's were"
[ "$own" != "$(similarity 0 -1 --crop 1)" ] || fail "--crop is not obeyed"
expect 0 "$futago" identify cut faces $a --json
one=$(field photos.0.candidates)
expect 0 "$futago" identify cut cut.h5 $a --json
[ "$(field photos.0.candidates)" = "$one" ] || fail "a folder is not cut as its packed file"
