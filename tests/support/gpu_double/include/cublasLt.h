/* cuBLASLt as the GPU double has it: matrix products with an optional bias, under the real names. The rows are in cublasLt.def; what the
 * double checks and computes is described in ../cublaslt_double.h. */
#ifndef GPU_DOUBLE_CUBLASLT_H
#define GPU_DOUBLE_CUBLASLT_H

#include <stddef.h>
#include <stdint.h>

#include "cuda_runtime_api.h"

#define CUBLAS_VER_MAJOR 13
#define CUBLAS_VER_MINOR 1
#define CUBLAS_VER_PATCH 0
#define CUBLAS_VERSION (CUBLAS_VER_MAJOR * 10000 + CUBLAS_VER_MINOR * 100 + CUBLAS_VER_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/* Constants first: the structures below hold some of them. */
#define GPU_DOUBLE_ENUM(type) typedef enum {
#define GPU_DOUBLE_VALUE(name, value) name = value,
#define GPU_DOUBLE_ENUM_END(type)                                                                                                          \
    }                                                                                                                                      \
    type;
#define GPU_DOUBLE_FUNCTION(result, name, parameters)
#include "cublasLt.def"
#undef GPU_DOUBLE_ENUM
#undef GPU_DOUBLE_VALUE
#undef GPU_DOUBLE_ENUM_END
#undef GPU_DOUBLE_FUNCTION

typedef cudaDataType cudaDataType_t;

struct cublasLtContext;
typedef struct cublasLtContext *cublasLtHandle_t;

/* As in the real library these are opaque words; the double's own view of them is in cublaslt_double.h. */
typedef struct {
    uint64_t data[8];
} cublasLtMatrixLayoutOpaque_t;
typedef cublasLtMatrixLayoutOpaque_t *cublasLtMatrixLayout_t;

typedef struct {
    uint64_t data[32];
} cublasLtMatmulDescOpaque_t;
typedef cublasLtMatmulDescOpaque_t *cublasLtMatmulDesc_t;

typedef struct {
    uint64_t data[8];
} cublasLtMatmulPreferenceOpaque_t;
typedef cublasLtMatmulPreferenceOpaque_t *cublasLtMatmulPreference_t;

typedef struct {
    uint64_t data[8];
} cublasLtMatmulAlgo_t;

typedef struct {
    cublasLtMatmulAlgo_t algo;
    size_t workspaceSize;
    cublasStatus_t state; /* the other fields are valid only where this is CUBLAS_STATUS_SUCCESS */
    float wavesCount;
    int reserved[4];
} cublasLtMatmulHeuristicResult_t;

#define GPU_DOUBLE_ENUM(type)
#define GPU_DOUBLE_VALUE(name, value)
#define GPU_DOUBLE_ENUM_END(type)
#define GPU_DOUBLE_FUNCTION(result, name, parameters) result name parameters;
#include "cublasLt.def"
#undef GPU_DOUBLE_ENUM
#undef GPU_DOUBLE_VALUE
#undef GPU_DOUBLE_ENUM_END
#undef GPU_DOUBLE_FUNCTION

#ifdef __cplusplus
}
#endif

#endif
