#!/bin/sh
# The whole test suite: installs what is missing, builds, runs ctest. Extra arguments go to ctest (tests/run.sh -L unit).
# Ends with ctest's own summary line.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
sh launch/install_packages.sh build run test
cmake --preset dev >build-configure.log 2>&1 || { cat build-configure.log; exit 1; }
rm -f build-configure.log
cmake --build --preset dev
exec ctest --test-dir build/dev --output-on-failure --no-tests=error -LE long -j 2 "$@"
