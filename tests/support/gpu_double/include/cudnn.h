/* cuDNN as the GPU double has it: the backend API of cuDNN 9, only the entry points and constants that a 2-D convolution needs, under their
 * real names. The rows are in cudnn.def; what the double checks and computes is described in ../cudnn_double.h. */
#ifndef GPU_DOUBLE_CUDNN_H
#define GPU_DOUBLE_CUDNN_H

#include <stddef.h>
#include <stdint.h>

#include "cuda_runtime_api.h"

#define CUDNN_MAJOR 9
#define CUDNN_MINOR 19
#define CUDNN_PATCHLEVEL 0
#define CUDNN_VERSION (CUDNN_MAJOR * 10000 + CUDNN_MINOR * 100 + CUDNN_PATCHLEVEL)

#ifdef __cplusplus
extern "C" {
#endif

struct cudnnContext;
typedef struct cudnnContext *cudnnHandle_t;
typedef void *cudnnBackendDescriptor_t;

#define GPU_DOUBLE_ENUM(type) typedef enum {
#define GPU_DOUBLE_VALUE(name, value) name = value,
#define GPU_DOUBLE_ENUM_END(type)                                                                                                          \
    }                                                                                                                                      \
    type;
#define GPU_DOUBLE_FUNCTION(result, name, parameters) result name parameters;
#include "cudnn.def"
#undef GPU_DOUBLE_ENUM
#undef GPU_DOUBLE_VALUE
#undef GPU_DOUBLE_ENUM_END
#undef GPU_DOUBLE_FUNCTION

#ifdef __cplusplus
}
#endif

#endif
