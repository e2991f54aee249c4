# Vectorised kernels of the CPU backend: each core/backend/cpu/simd/*.c is compiled once per instruction set, with the
# function names suffixed by FUT_ISA, and core/backend/cpu picks one at run time.
file(GLOB simd_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/core/backend/cpu/simd/*.c)
if(simd_sources)
    set(isa_flags_sse2 "")
    set(isa_flags_avx2 -mavx2 -mfma)
    # The bf16 instructions are used by name alone, in kernels of bf16, which the backend offers only where the processor has them.
    set(isa_flags_avx512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mfma -mprefer-vector-width=512)
    # A source's own options come last: after the -ffp-contract=off that every target shares.
    set_source_files_properties(${simd_sources} PROPERTIES COMPILE_OPTIONS -ffp-contract=fast)
    foreach(isa IN ITEMS sse2 avx2 avx512)
        add_library(fut_simd_${isa} OBJECT ${simd_sources})
        target_compile_options(fut_simd_${isa} PRIVATE ${isa_flags_${isa}} -O3 -fopenmp -fno-math-errno -fno-trapping-math -Wno-psabi)
        target_compile_definitions(fut_simd_${isa} PRIVATE FUT_ISA=${isa})
        target_link_libraries(fut_simd_${isa} PUBLIC fut_flags)
        target_sources(fut_cpu PRIVATE $<TARGET_OBJECTS:fut_simd_${isa}>)
    endforeach()
endif()
