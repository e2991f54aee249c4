#!/bin/sh
# Installs the Debian packages of packages.txt that are missing: launch/install_packages.sh STAGE...   (build, run, test)
# Needs root or sudo only when something is missing.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

missing=""
for stage in "$@"; do
    for package in $(sed -n "s/^$stage //p" "$root/packages.txt"); do
        status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        [ "$status" = "install ok installed" ] || missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "futago: this is not Debian: install the equivalents of$missing yourself" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "futago: missing packages:$missing; install them as root" >&2; exit 1; }
    as_root="sudo"
fi
echo "futago: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q >&2
# shellcheck disable=SC2086
$as_root apt-get install -q -y --no-install-recommends $missing >&2
