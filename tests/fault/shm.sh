# A full /dev/shm: the run ends before its first step, and says what is missing and what to do. One that fills up while a run goes on does not matter.
. tests/support/script.sh "$1"
unshare -m true 2>/dev/null || skip "no mount namespace: not root"
make_faces faces faces.h5 25 8
write_config c.yaml
got=0
timeout -k 5 60 unshare -m sh -c "mount -t tmpfs -o size=64k tmpfs /dev/shm && OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    exec $source_dir/launch/mpirun.sh 2 $futago train c.yaml" >out 2>err </dev/null || got=$?
[ $got -ne 0 ] && [ $got -ne 124 ] || fail "exit status $got"
says "/dev/shm has 0 MiB left, too little for messages between ranks" "--shm-size=1g"
[ ! -e run ] || fail "the run began"

# inner SIZE: ranks in a /dev/shm of that size, which is filled as soon as they have begun.
cat >inner <<SH
mount -t tmpfs -o size=\$1 tmpfs /dev/shm
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 $source_dir/launch/mpirun.sh 3 $futago train c.yaml --set train.epochs=10 --set train.steps=100 &
while [ ! -e run/flight ]; do sleep 0.01; done
dd if=/dev/zero of=/dev/shm/fill bs=1M 2>/dev/null || true
wait \$!
SH
expect 0 timeout -k 5 60 unshare -m sh inner 32m
says "done: 100 steps"
