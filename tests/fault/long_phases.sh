# Every rank, stopped and killed in every phase: tests/fault/phases.sh with all its cases.
FUT_TEST_ALL=1 exec bash tests/fault/phases.sh "$1"
