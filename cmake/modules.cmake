# The modules that the program opens at run time: futago_cuda (CUDA runtime, cuDNN, cuBLASLt) and futago_nccl. What they use of core and dist
# they take from the program that opens them, whose symbols come first; linking the libraries covers only what the program left out.
# The stamp names the interface between the two sides: a module that was built for another one is refused, not called.
set(stamp_headers core/backend/backend.h core/backend/kernels.def core/base/status.h core/base/str.h core/tensor/dtype.h dist/comm.h)
set(hashes "")
foreach(header IN LISTS stamp_headers)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${header})
    file(SHA256 ${CMAKE_SOURCE_DIR}/${header} hash)
    string(APPEND hashes ${hash})
endforeach()
string(SHA256 stamp ${hashes})
string(SUBSTRING ${stamp} 0 8 stamp)
set_source_files_properties(core/base/module_stamp.c PROPERTIES COMPILE_DEFINITIONS "FUT_MODULE_STAMP=\"${PROJECT_VERSION}, interface ${stamp}\"")

file(GLOB cuda_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/core/backend/cuda/*.c)
file(GLOB cuda_kernels CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/core/backend/cuda/kernels/*.cu)
file(GLOB nccl_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/dist/nccl/*.c)

# fut_module(target NAME name SOURCES ... LINK ... RPATH dir): the module <name>.so, which finds its libraries in dir too.
function(fut_module target)
    cmake_parse_arguments(arg "" "NAME;RPATH" "SOURCES;LINK" ${ARGN})
    add_library(${target} MODULE ${arg_SOURCES})
    set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${arg_NAME} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
        BUILD_RPATH "${arg_RPATH}" INSTALL_RPATH "${arg_RPATH}" INSTALL_RPATH_USE_LINK_PATH ON CUDA_RUNTIME_LIBRARY Shared
        CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON)
    target_link_options(${target} PRIVATE LINKER:--as-needed LINKER:--undefined=fut_module_stamp)
    target_link_libraries(${target} PRIVATE fut_flags ${arg_LINK} fut_core fut_base)
endfunction()

if(FUTAGO_HAS_CUDA AND cuda_sources)
    fut_module(futago_cuda NAME futago_cuda SOURCES ${cuda_sources} ${cuda_kernels} LINK CUDA::cudart CUDA::cublasLt ${CUDNN_LIBRARY}
        RPATH ${CUDAToolkit_LIBRARY_DIR})
    target_include_directories(futago_cuda PRIVATE core/backend/cuda/nvcc)
    target_include_directories(futago_cuda SYSTEM PRIVATE ${CUDNN_INCLUDE_DIR})
    install(TARGETS futago_cuda LIBRARY DESTINATION lib/futago)
endif()
if(FUTAGO_HAS_CUDA AND nccl_sources)
    fut_module(futago_nccl NAME futago_nccl SOURCES ${nccl_sources} LINK fut_dist CUDA::cudart ${NCCL_LIBRARY} RPATH ${CUDAToolkit_LIBRARY_DIR})
    target_include_directories(futago_nccl SYSTEM PRIVATE ${NCCL_INCLUDE_DIR})
    install(TARGETS futago_nccl LIBRARY DESTINATION lib/futago)
endif()
