/* The double's cuBLASLt declarations against the real ones: compiled with NVIDIA's cublasLt.h first in the include path, never linked. */
#include <cublasLt.h>

#ifdef GPU_DOUBLE_CUBLASLT_H
#error "this file must see the real cublasLt.h, not the double's"
#endif

_Static_assert(sizeof(cublasLtMatrixLayoutOpaque_t) == 8 * sizeof(uint64_t), "cublasLtMatrixLayoutOpaque_t");
_Static_assert(sizeof(cublasLtMatmulDescOpaque_t) == 32 * sizeof(uint64_t), "cublasLtMatmulDescOpaque_t");
_Static_assert(sizeof(cublasLtMatmulPreferenceOpaque_t) == 8 * sizeof(uint64_t), "cublasLtMatmulPreferenceOpaque_t");
_Static_assert(sizeof(cublasLtMatmulAlgo_t) == 8 * sizeof(uint64_t), "cublasLtMatmulAlgo_t");
_Static_assert(sizeof(cublasLtMatmulHeuristicResult_t) == 96, "cublasLtMatmulHeuristicResult_t");
_Static_assert(offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize) == 64, "workspaceSize");
_Static_assert(offsetof(cublasLtMatmulHeuristicResult_t, state) == 72, "state");
_Static_assert(offsetof(cublasLtMatmulHeuristicResult_t, wavesCount) == 76, "wavesCount");
_Static_assert(sizeof(cudaDataType_t) == sizeof(int), "cudaDataType_t");

#define GPU_DOUBLE_ENUM(type) _Static_assert(sizeof(type) == sizeof(int), #type);
#define GPU_DOUBLE_VALUE(name, value) _Static_assert((name) == (value), #name);
#define GPU_DOUBLE_ENUM_END(type)
#define GPU_DOUBLE_FUNCTION(result, name, parameters) result name parameters;
#include "include/cublasLt.def"
