# Four hosts on one machine: network namespaces with a name, an sshd and a cable to a switch each. A cable is cut: the watchdog names the
# host, `futago run` goes on with the others, rank 0's host too; cables that are slow or far change nothing. One SHA-256 throughout.
. tests/support/script.sh "$1"
[ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
for program in ip tc unshare ssh ssh-keygen /usr/sbin/sshd; do
    command -v $program >/dev/null || skip "no $program (packages iproute2, openssh-client, openssh-server)"
done
id=fut$$
ip netns add $id-switch 2>/dev/null || skip "this machine makes no network namespaces"
hosts="0 1 2 3 4" # 0 is where mpirun is typed; it computes nothing
subnet=10.77.0

take_down()
{
    local i
    for i in switch $hosts; do
        ip netns pids $id-$i 2>/dev/null | xargs -r kill -9 2>/dev/null || true
        ip netns del $id-$i 2>/dev/null || true
    done
    rm -rf /tmp/ompi.$id-*
}
at_exit=take_down

# on HOST COMMAND...: there, with its name and everyone's addresses.
on()
{
    local host=$1
    shift
    # shellcheck disable=SC2016
    ip netns exec $id-$host unshare -u -m sh -c 'hostname "$1"; mount --bind "$2" /etc/hosts; shift 2; exec "$@"' sh $id-$host "$tmp/names" "$@"
}

cable()
{
    ip -n $id-switch link set port$1 "$2"
}

# lengthen HOST: its cable is one whose frames take 2 ms, by a program where the kernel has no netem.
lengthen()
{
    local address
    command -v perl >/dev/null || skip "neither netem nor perl: nothing makes a cable long"
    ip netns exec $id-switch perl "$source_dir/tests/support/long_cable.pl" near$1 far$1 0.002 &
    disown
    for _ in $(seq 50); do
        ip -n $id-switch link show far$1 >/dev/null 2>&1 && break
        sleep 0.1
    done
    ip -n $id-switch link set near$1 master bridge up
    address=$(ip -n $id-$1 -br link show eth | awk '{ print $3 }') # as the neighbours know it
    ip -n $id-$1 link del eth
    ip -n $id-switch link set far$1 netns $id-$1
    ip -n $id-$1 link set far$1 address "$address" up
    ip -n $id-$1 addr add $subnet.$(($1 + 1))/24 dev far$1
}

# ---- the machine room
ip netns exec $id-switch ip link add bridge type bridge 2>/dev/null || skip "this kernel has no bridges"
ip -n $id-switch link set bridge up
echo "127.0.0.1 localhost" >names
for i in $hosts; do echo "$subnet.$((i + 1)) $id-$i" >>names; done
ssh-keygen -q -t ed25519 -N '' -f key
ssh-keygen -q -t ed25519 -N '' -f hostkey
mkdir -p /run/sshd
for i in $hosts; do
    ip netns add $id-$i
    ip link add eth netns $id-$i type veth peer name port$i netns $id-switch
    ip -n $id-switch link set port$i master bridge up
    ip -n $id-$i addr add $subnet.$((i + 1))/24 dev eth
    ip -n $id-$i link set eth up
    ip -n $id-$i link set lo up
    [ "$i" -eq 0 ] || on $i /usr/sbin/sshd -D -f /dev/null -p 2222 -h "$tmp/hostkey" -o AuthorizedKeysFile="$tmp/key.pub" -o StrictModes=no \
        -o UsePAM=no -o PidFile=none >sshd$i.log 2>&1 &
done
agent="ssh -p 2222 -i $tmp/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=3"
for i in 1 2 3 4; do
    echo "$id-$i slots=1" >>hostfile
    for _ in $(seq 50); do
        on 0 $agent $id-$i true 2>err && break
        sleep 0.1
    done
    [ "$(on 0 $agent $id-$i hostname)" = $id-$i ] || fail "host $i does not answer: $(cat sshd$i.log)"
done

# ---- runs
make_faces faces faces.h5 25 8
write_config c.yaml
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm_rsh_agent="$agent"
mpirun="mpirun -n 4 --hostfile hostfile --bind-to none --mca btl self,tcp --mca btl_tcp_if_include $subnet.0/24 --mca oob_tcp_if_include $subnet.0/24"
train="$futago train c.yaml --set train.epochs=12 --set train.save_steps=5 --set train.deadline=4s"

expect 0 $train --set run=whole
want=$(digest)

same()
{
    [ "$(digest)" = "$want" ] || fail "$1 ends with $(digest), undisturbed with $want"
    echo "$1: $want"
}

expect 0 on 0 $mpirun $train --set run=four
same "four hosts"

# cut_cable HOST RUN: that host's cable, in the middle of the run; `futago run` ends it on the three others.
cut_cable()
{
    local got=0 job
    on 0 "$futago" run --pause 5 --patience 6 -- $mpirun $train --set run="$2" >out 2>err </dev/null &
    job=$!
    for _ in $(seq 3000); do
        grep -qs '^{"step":13,' "$2/metrics.jsonl" && break
        sleep 0.01
    done
    cable "$1" down
    # The recorders tell the rank that was cut off from those that missed it, although it lived longest.
    for _ in $(seq 600); do
        grep -q "starting again" err && break
        sleep 0.1
    done
    on 0 "$futago" hang-report "$2" >told
    grep -q "on host $id-$1 did not answer in time, while 3 of 4 ranks did" told || fail "hang-report: $(cat told)"
    wait $job || got=$?
    cable "$1" up
    [ $got -eq 0 ] || fail "exit code $got after host $1 was cut off"
    says "no answer from rank" "exit status 74" "host $id-$1 does not answer" "start 2: 3 ranks"
    grep -qE "no answer from rank [0-3] on host $id-$1" err || fail "nobody named host $1"
}

cut_cable 3 cut3
same "a host cut off"
cut_cable 1 cut1
same "rank 0's host cut off"

# Slow cables: 20 Mbit/s with a queue, on every host; and long ones.
for i in 1 2 3 4; do tc -n $id-$i qdisc add dev eth root tbf rate 20mbit burst 16kb latency 100ms || fail "no tbf"; done
expect 0 on 0 $mpirun $train --set run=slow
same "20 Mbit/s"
for i in 1 2 3 4; do tc -n $id-$i qdisc del dev eth root; done
for i in 1 2 3 4; do
    tc -n $id-$i qdisc add dev eth root netem delay 2ms 2>/dev/null || lengthen $i
done
expect 0 on 0 $mpirun $train --set run=far
same "2 ms away, there and back 4"
fastest=$(sed -n 's/.*"wall":\([^,]*\),.*/\1/p' far/metrics.jsonl | sort -g | head -n 1)
awk "BEGIN { exit !($fastest > 0.006) }" || fail "a step took $fastest s over cables of 2 ms: they are not long"
