# tests/e2e/shards.sh with every combination.
FUTAGO_FULL=1 exec bash tests/e2e/shards.sh "$1"
