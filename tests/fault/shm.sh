# A full /dev/shm: the run ends before its first step, and says what is missing and what to do.
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
