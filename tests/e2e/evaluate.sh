# eval on parts, another file and a list of pairs; its JSON and page; verify's exit codes; a part in which nobody has two photos.
. tests/support/script.sh "$1"
python=$(command -v python3) || skip "no python3 to read the JSON"
make_faces faces faces.h5 25 8
write_config c.yaml
expect 0 "$futago" train c.yaml --set train.epochs=12 --set optimizer.lr=5e-3 --set run=run

# field NAME: a value of the object in ./out.
field()
{
    "$python" -c 'import json, sys; v = json.load(open("out"))
for k in sys.argv[1].split("."): v = v[int(k)] if isinstance(v, list) else v[k]
print(v)' "$1"
}

for part in val test; do
    expect 0 "$futago" eval run --part $part --json
    [ "$(field n_same)" -eq 84 ] && [ "$(field n_different)" -eq 192 ] || fail "$part has $(field n_same) and $(field n_different) pairs"
    one=$(field auc)
    many=$(field identification)
    expect 0 ranks 3 "$futago" eval run --part $part --json
    [ "$(field auc)" = "$one" ] || fail "$part: AUC $one on one rank, $(field auc) on three"
    [ "$(field identification)" = "$many" ] || fail "$part: 1:N is $many on one rank, $(field identification) on three"
done
expect 0 "$futago" eval run --json
"$python" -c 'import json; print(json.load(open("out")))' | grep -qF "0 of the 3 people of this part were trained on'" || fail "$(cat out)"
# 3 people with 8 photos: the first and the third are enrolled with their first photo.
[ "$(field identification.n_probes)" -eq 24 ] && [ "$(field identification.n_people)" -eq 3 ] || fail "$many"
[ "$(field identification.one_enrolled.n_probes)" -eq 21 ] && [ "$(field identification.one_enrolled.n_gallery)" -eq 3 ] || fail "$many"
[ "$(field identification.open_set.n_mated)" -eq 14 ] && [ "$(field identification.open_set.n_nonmated)" -eq 8 ] || fail "$many"
[ "$(field identification.rank_5)" = 1 ] && [ "$(field identification.rank_1)" = "$(field identification.precision_at_1)" ] || fail "$many"
expect 0 "$futago" eval run --part train
says "train part, 152 photos" "19 of the 19 people of this part were trained on: not a measure of people never seen" "EER" "AUC" "rank 1, 5, 10" "152 photos, each against all others, 19 people" "MAP@R" "FPIR"
"$futago" pack faces -o other.h5 --size 24 --split identity --seed 1 >/dev/null 2>&1
expect 0 "$futago" eval run --data other.h5 --checkpoint last --html other.html
says "other.h5, test part"
before=$(md5sum run/report.html)
expect 0 "$futago" eval run --data other.h5
says "report: run/report-other.html"
[ "$(md5sum run/report.html)" = "$before" ] || fail "other photos overwrote the page of the run's own"
for file in run/report.html other.html; do
    for text in "<svg" "ROC" "EER" "One among many" "Found at rank k (CMC)" "data:image/jpeg;base64," "Different people, most alike" "Same person, least alike" "</html>"; do
        grep -qF -- "$text" $file || fail "$file has no $text"
    done
    if grep -Eq 'src="(http|/)|<script src' $file; then fail "$file is not self-contained"; fi
done

# A list of pairs as LFW's: 10 folds of 6 same and 6 different.
"$python" - <<'PY'
import os, random
draw = random.Random(5)
people = sorted(os.listdir("faces"))
# LFW's names are PERSON/PERSON_0001.jpg.
for person in people:
    os.makedirs(f"lfw/{person}")
    for i, photo in enumerate(sorted(os.listdir(f"faces/{person}"))):
        os.link(f"faces/{person}/{photo}", f"lfw/{person}/{person}_{i + 1:04d}.jpg")
with open("pairs.txt", "w") as out:
    out.write("10\t6\n")
    for _ in range(10):
        for _ in range(6):
            out.write("%s\t%d\t%d\n" % (draw.choice(people), *draw.sample(range(1, 9), 2)))
        for _ in range(6):
            a, b = draw.sample(people, 2)
            out.write("%s\t%d\t%s\t%d\n" % (a, draw.randint(1, 8), b, draw.randint(1, 8)))
PY
expect 0 "$futago" eval run --pairs pairs.txt --images lfw --html pairs.html
says "60 of one person, 60 of different people" "10 folds"
expect 0 "$futago" eval run --pairs pairs.txt --images lfw --html pairs.html --json --flip
[ "$(field n_same)" -eq 60 ] || fail "pairs: $(field n_same) same"
expect 0 ranks 2 "$futago" eval run --pairs pairs.txt --images lfw --html pairs.html --json --flip
[ "$(grep -c n_same out)" -eq 1 ] || fail "two ranks printed $(grep -c n_same out) objects"
expect 64 "$futago" eval run --pairs pairs.txt
says "--pairs needs --images DIR"
for option in "--images lfw" "--crop 0.5" --flip; do
    expect 64 "$futago" eval run $option
    says "${option%% *} is for --pairs"
done
for option in "--part val" "--data other.h5" --baseline; do
    expect 64 "$futago" eval run --pairs pairs.txt --images lfw $option
    says "${option%% *} is for packed files"
done
expect 66 "$futago" eval run --pairs pairs.txt --images faces
says "faces/person_"
expect 66 "$futago" eval nothing
says "nothing: no checkpoint there"
! grep -q "taking the last one" err || fail "a checkpoint was promised that is not there"
expect 65 "$futago" eval run --checkpoint faces.h5
says "faces.h5: not a checkpoint" "expected 'futago-checkpoint'"

# verify: 0 same, 1 different, 64 and above an error; the threshold decides.
a=faces/person_0001/0001.jpg
b=faces/person_0002/0001.jpg
expect 0 "$futago" verify run $a $a
says "same person" "similarity 1.0000"
expect 0 "$futago" verify run $a $a -c "$(readlink -f run/last.h5)"
expect 66 "$futago" verify run $a $a -c nothing.h5
says "nothing.h5"
expect 1 "$futago" verify run $a $b --threshold 1
says "different people"
expect 0 "$futago" verify run $a $b --threshold -1
expect 0 "$futago" verify run $a $a --json
[ "$(field same)" = True ] || fail "verify --json"
expect 66 "$futago" verify run $a nothing.jpg
says "nothing.jpg: cannot open"
printf 'no picture' >text.jpg
expect 65 "$futago" verify run $a text.jpg
says "text.jpg"
expect 64 "$futago" verify run $a $b --threshold 2
says "must be a number from -1 to 1"
expect 64 "$futago" verify run $a

# Never evaluated: no threshold yet.
"$futago" train c.yaml --set run=young --set train.epochs=1000 --set eval.every=0 >/dev/null 2>&1 </dev/null &
pid=$!
until [ -e young/last.h5 ]; do sleep 0.02; done
kill -s USR1 $pid
wait $pid || [ $? -eq 75 ] || fail "SIGUSR1"
expect 66 "$futago" verify young $a $b
says "never evaluated" "give --threshold"
expect 1 "$futago" verify young $a $b --threshold 1

# 40 people with 10 photos in the article's split: val and test hold one photo a person, so they are paired with the training photos.
"$futago" synth -o orl --ids 40 --images 10 --size 32 --seed 4 >/dev/null 2>&1
expect 0 "$futago" pack orl -o orl.h5 --size 16
says "has two photos"
expect 0 "$futago" train c.yaml --set data.file=orl.h5 --set run=orlrun --set train.epochs=1
says "nobody has two photos in the val part, so it is paired with the training photos" "the loss contrastive is not defined on the val part"
# Without two photos of a person the loss is 0 or another part of itself: it must not be what is best.
expect 78 "$futago" train c.yaml --set data.file=orl.h5 --set run=none --set eval.best=loss
says "eval.best is loss" "not defined on the val part: nobody in it has two photos. Use eer or auc"
expect 78 "$futago" train c.yaml --set data.file=orl.h5 --set run=none --set scheduler.type=plateau
says "scheduler.monitor is loss"
for part in val test; do
    expect 0 "$futago" eval orlrun --part $part --json
    [ "$(field n_same)" -eq 320 ] && [ "$(field n_different)" -eq 12480 ] || fail "orl: $(field n_same) and $(field n_different) pairs"
    # 40 photos against 320 training photos of 40 people; every second person is enrolled with their 8 training photos.
    [ "$(field identification.n_probes)" -eq 40 ] && [ "$(field identification.n_gallery)" -eq 320 ] || fail "orl: $(field identification)"
    [ "$(field identification.open_set.n_gallery)" -eq 160 ] && [ "$(field identification.open_set.n_mated)" -eq 20 ] || fail "orl: open set"
    case $(field note) in *"paired with the training photos"*) ;; *) fail "the note is '$(field note)'" ;; esac
    if grep -qi nan out; then fail "NaN in the report"; fi
done
if grep -qi 'nan' orlrun/metrics.jsonl; then fail "NaN in metrics.jsonl"; fi

# A part with one person has no pair of different people: nothing is scored, nothing is made up.
"$futago" synth -o few --ids 4 --images 8 --size 32 >/dev/null 2>&1
expect 0 "$futago" pack few -o few.h5 --size 16 --split identity --fractions 0.5,0.25,0.25
expect 0 "$futago" train c.yaml --set data.file=few.h5 --set run=few_run --set train.epochs=1 --set train.batch=8
says "val cannot be scored: no two photos of different people"
if grep -q '"eer"' few_run/metrics.jsonl; then fail "an EER without pairs: $(grep eer few_run/metrics.jsonl)"; fi
expect 0 "$futago" eval few_run --json
[ "$(field is_defined)" = False ] || fail "is_defined is $(field is_defined)"
[ "$(field identification.rank_1)" = 1 ] && [ "$(field identification.open_set.fnir_at_fpir)" = '[]' ] || fail "one person is somebody else"
expect 66 "$futago" verify few_run $a $a
