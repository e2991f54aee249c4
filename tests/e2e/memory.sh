# What a step is planned to take is what a process takes, within 5%. One second of the processor.
. tests/support/script.sh "$1"

if ldd "$futago" | grep -q 'lib[at]san'; then skip "a sanitizer takes memory that nobody plans"; fi
expect 0 "$source_dir/tests/bench/memory.sh" "$(dirname "$futago")" tf_efficientnetv2_b0,64,4
