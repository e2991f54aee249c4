#!/bin/sh
# For a GPU machine without a network: on a Debian 12 machine with one, unpacks what packages.txt names and what that needs, into DIR, to be
# carried over and named by tests/gpu/run.sh --prefix.    tests/gpu/libraries.sh DIR
# Left out: the C library, compilers and cmake, which a machine with a CUDA toolkit has, documentation and static libraries.
set -eu
[ $# -eq 1 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 64; }
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/../.." && pwd)
tools='^(gcc|g\+\+|libc6-dev|cmake|ninja-build|git|libclang-rt-.*|clang-.*|hdf5-tools|procps)$'
left_out='^(libc6|libc-dev|libc-bin|libcrypt|linux-libc|libgcc|libstdc|gcc|g\+\+|cpp|binutils|libbinutils|libctf|libgprofng|libcc1|libisl|libmp[cf])'
left_out="$left_out|^(libclang|libllvm|libflang|libmlir|flang|gfortran|libgfortran-|lib[alt]san|libhwasan|libubsan|libz3|perl|libperl|python|libpython)"
left_out="$left_out|^(dpkg|tar|debconf|cdebconf|passwd|adduser|autoconf|automake|autotools|m4|openssh|install-info|libjs|nss-plugin|libnss3|libnspr4)"
left_out="$left_out|^(readline|libreadline|libdebian|libnewt|libslang|libtextwrap|libpam|libaudit|libcap-ng|libsemanage|libsepol|libselinux|libudev|libx[1ace]|libxdm)"
left_out="$left_out|^(libxnvctrl|libhwloc-plugins|libgomp|libxml2|libicu|libcurl[34]-|libgdbm|rpcsvc|hdf5-helpers|libcbor|libfido|libedit|libtinfo|debianutils|libgmp10$)"

wanted=$(sed -nE 's/^(build|run|cuda-run|test) //p' "$root/packages.txt" | grep -vE "$tools")
# shellcheck disable=SC2086
packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances -i $wanted |
    grep '^[a-z]' | sort -u | grep -vE "$left_out")
downloads=$(mktemp -d)
trap 'rm -rf "$downloads"' EXIT
chmod 755 "$downloads"
cd "$downloads"
# Names that only others provide have nothing to download.
# shellcheck disable=SC2046,SC2086
apt-get download -q $(apt-cache show --no-all-versions $packages 2>/dev/null | sed -n 's/^Package: //p' | sort -u)
for file in ./*.deb; do
    dpkg -x "$file" "$prefix"
done
rm -rf "$prefix/usr/lib/x86_64-linux-gnu/fortran" "$prefix/usr/share/doc" "$prefix/usr/share/man" "$prefix/usr/share/locale" "$prefix/usr/share/lintian"
find "$prefix" -name '*.a' -delete
# What Debian's alternatives would link.
ln -sf mpirun.openmpi "$prefix/usr/bin/mpirun"
du -sh "$prefix"
