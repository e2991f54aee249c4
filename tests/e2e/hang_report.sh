# `futago hang-report`: a run that goes on, one that ended, one whose ranks were killed, one without recorders, and a run that cannot have any.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml

expect 66 "$futago" hang-report nowhere
says "there are no flight recorders"
expect 64 "$futago" hang-report
expect 0 "$futago" hang-report --help

expect 0 ranks 3 "$futago" train c.yaml
[ "$(ls run/flight | wc -l)" -eq 3 ] || fail "recorders: $(ls run/flight)"
expect 0 "$futago" hang-report run
says "run: 3 ranks" "no rank is at fault"
[ "$(grep -c 'ended$' out)" -eq 3 ] || fail "three ranks ended"
expect 0 "$futago" hang-report run --json
says '"reason": "none"' '"finished": 20' '"exit_status": 0'

# A start with fewer ranks leaves no rings of ranks that it does not have; one that is refused leaves all.
expect 78 ranks 3 "$futago" train c.yaml --set train.shards=2
[ "$(ls run/flight | wc -l)" -eq 3 ] || fail "recorders after a refused start: $(ls run/flight)"
expect 0 ranks 2 "$futago" train c.yaml --set train.epochs=3
[ "$(ls run/flight | wc -l)" -eq 2 ] || fail "recorders of two ranks: $(ls run/flight)"

# Alone, killed.
"$futago" train c.yaml --set run=alone --set train.epochs=1000000 >out 2>err </dev/null &
job=$!
for _ in $(seq 500); do
    [ -e alone/last.h5 ] && break
    sleep 0.02
done
expect 0 "$futago" hang-report alone
says "alone: 1 rank" "no rank is at fault"
grep -q ' runs$' out || fail "the rank runs"
kill -KILL $job
wait $job 2>/dev/null || true
expect 0 "$futago" hang-report alone
grep -q ' gone$' out || fail "the rank is gone"

# What is no ring is passed over; where the folder cannot be made, training goes on and says so once.
printf 'hello' >run/flight/rank-001.ring
expect 0 "$futago" hang-report run
says "no ring is seen from here"
mkdir blocked
: >blocked/flight
expect 0 ranks 2 "$futago" train c.yaml --set run=blocked
[ "$(grep -c 'warning: no flight recorder: .*blocked/flight' err)" -eq 2 ] || fail "each rank says once that it has no recorder"
