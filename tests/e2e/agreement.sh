# Ranks that were started with different programs, configurations or photos: refused before the first step, with who differs in what.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
host=$(hostname)

# two A B...: ranks 0 and 1 run A, rank 2 runs B; commands of one word each are eval'ed.
three()
{
    timeout -k 5 120 env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun --oversubscribe --bind-to none \
        -n 2 sh -c "$1" : -n 1 sh -c "$2"
}

expect 78 three "$futago train c.yaml" "$futago train c.yaml --set train.batch=20"
says "ranks were started with different configurations: rank 2 on host $host: configuration " "'batch: 20'"
# What may differ from host to host: where the file is, how many threads read it.
cp faces.h5 copy.h5
expect 0 three "$futago train c.yaml --set run=hosts" "$futago train c.yaml --set run=hosts --set data.file=copy.h5 --set data.threads=2"

make_faces others others.h5 25 9
expect 65 three "$futago train c.yaml --set run=photos" "$futago train c.yaml --set run=photos --set data.file=others.h5"
says "ranks see different photos: rank 2 on host $host: dataset " " instead of " ", others.h5"
[ ! -e photos ] || fail "a run of different photos left a folder: $(ls -R photos)"

cp "$futago" other
printf 'x' >>other
expect 78 three "$futago train c.yaml" "./other train c.yaml"
says "ranks run different programs: rank 2 on host $host: program " "install one build on all hosts"
