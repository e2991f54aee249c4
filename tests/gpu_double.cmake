# The GPU double (tests/support/gpu_double): a CPU stand-in for the CUDA runtime, cuDNN, cuBLASLt and NCCL, and the two modules built against
# it in <build>/double, where a test finds them by FUTAGO_MODULES. Its own headers come before all others, so nothing of NVIDIA's is needed.
enable_language(CXX)
set(double_dir ${CMAKE_CURRENT_SOURCE_DIR}/support/gpu_double)
file(GLOB double_sources CONFIGURE_DEPENDS ${double_dir}/*.c ${double_dir}/*.cpp)
# same_<lib>.c asserts that the double's constants, sizes and prototypes equal the real ones: it is compiled where the real headers are.
file(GLOB same_sources CONFIGURE_DEPENDS ${double_dir}/same_*.c ${double_dir}/same_*.cpp)
if(same_sources)
    list(REMOVE_ITEM double_sources ${same_sources})
endif()
if(NOT double_sources)
    return()
endif()

add_library(gpu_double SHARED ${double_sources})
set_target_properties(gpu_double PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/double CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
target_include_directories(gpu_double BEFORE PUBLIC ${double_dir} ${double_dir}/include ${double_dir}/host)
target_link_libraries(gpu_double PRIVATE fut_flags)
if(NOT FUTAGO_SANITIZE) # whose runtime the program brings
    target_link_options(gpu_double PRIVATE LINKER:-z,defs)
endif()
target_link_options(gpu_double PRIVATE LINKER:-z,nodelete) # its workers live until the process ends

# fut_double_module(name source...): <build>/double/<name>.so. Kernels are C++ here; this folder's scope keeps that from the real module.
function(fut_double_module name)
    cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
    if(NOT arg_SOURCES)
        return()
    endif()
    fut_module(double_${name} NAME ${name} SOURCES ${arg_SOURCES} LINK gpu_double ${arg_LINK})
    set_target_properties(double_${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/double)
    target_include_directories(double_${name} BEFORE PRIVATE ${double_dir} ${double_dir}/include ${double_dir}/host)
endfunction()
# gcc does not see that a residual is loaded wherever it is read: both ask the same condition.
set_source_files_properties(${cuda_kernels} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS -Wno-maybe-uninitialized)
fut_double_module(futago_cuda SOURCES ${cuda_sources} ${cuda_kernels})
fut_double_module(futago_nccl SOURCES ${nccl_sources} LINK fut_dist)

if(FUTAGO_HAS_CUDA AND same_sources)
    add_library(gpu_double_same OBJECT ${same_sources})
    target_include_directories(gpu_double_same SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS} ${CUDNN_INCLUDE_DIR} ${NCCL_INCLUDE_DIR})
    target_link_libraries(gpu_double_same PRIVATE fut_flags)
endif()

# Tests of the double that need C++ (kernels, and scenes in child processes); those in C are built with the other unit tests.
file(GLOB double_tests CONFIGURE_DEPENDS unit/gpu_double*.cpp)
foreach(source IN LISTS double_tests)
    get_filename_component(name ${source} NAME_WE)
    add_executable(test_unit_${name} ${source})
    set_target_properties(test_unit_${name} PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
    target_link_libraries(test_unit_${name} PRIVATE gpu_double fut_flags PkgConfig::CMOCKA)
    add_test(NAME unit.${name} COMMAND test_unit_${name})
    set_tests_properties(unit.${name} PROPERTIES LABELS unit SKIP_RETURN_CODE 77)
endforeach()
