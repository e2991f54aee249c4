# Where compilers and libraries are on the machine of tests/gpu/run.sh; sourced there. Sets PATH, LD_LIBRARY_PATH and cmake_options.
cmake_options=()
command -v nvcc >/dev/null || [ ! -x /usr/local/cuda/bin/nvcc ] || PATH=$PATH:/usr/local/cuda/bin

# cuDNN and NCCL come with PyTorch as Python packages where they are not installed.
use_python_package()
{
    local variable=$1 header=$2 package=$3 folder
    echo "#include <$header>" | gcc -E -I/usr/local/cuda/include -x c - >/dev/null 2>&1 && return
    folder=$("$python" -c "import importlib.util as u; print(u.find_spec('$package').submodule_search_locations[0])" 2>/dev/null) || return 0
    cmake_options+=("-D${variable}_ROOT=$folder")
}
use_python_package CUDNN cudnn.h nvidia.cudnn
use_python_package NCCL nccl.h nvidia.nccl

# Debian packages unpacked somewhere else: their files name /usr, so each library is told where it is.
if [ -n "$prefix" ]; then
    lib=$prefix/usr/lib/x86_64-linux-gnu
    export PATH=$prefix/usr/bin:$PATH
    export LD_LIBRARY_PATH=$lib:$prefix/lib/x86_64-linux-gnu:$lib/openmpi/lib:$lib/hdf5/serial${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export C_INCLUDE_PATH=$prefix/usr/include/x86_64-linux-gnu:$prefix/usr/include LIBRARY_PATH=$lib
    export PKG_CONFIG_SYSROOT_DIR=$prefix PKG_CONFIG_LIBDIR=$lib/pkgconfig:$prefix/usr/share/pkgconfig
    export OPAL_PREFIX=$prefix/usr OPAL_BINDIR=$prefix/usr/bin OPAL_LIBDIR=$lib/openmpi/lib OPAL_PKGLIBDIR=$lib/openmpi/lib/openmpi3
    export OPAL_DATADIR=$prefix/usr/share OPAL_PKGDATADIR=$prefix/usr/share/openmpi OPAL_SYSCONFDIR=$prefix/etc/openmpi PMIX_INSTALL_PREFIX=$lib/pmix2
    export OMPI_MCA_plm=isolated # one machine: mpirun need not find ssh
    cmake_options+=("-DCMAKE_PREFIX_PATH=$prefix/usr" -DMPI_ASSUME_NO_BUILTIN_MPI=ON -DMPI_C_COMPILER=NOTFOUND
        "-DMPI_C_HEADER_DIR=$lib/openmpi/include" -DMPI_C_LIB_NAMES=mpi "-DMPI_mpi_LIBRARY=$lib/openmpi/lib/libmpi.so"
        "-DHDF5_C_INCLUDE_DIR=$prefix/usr/include/hdf5/serial")
fi
