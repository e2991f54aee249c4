/* What the CUDA module finds on this machine, for `futago doctor`. Seen by the program, so nothing of CUDA's is named here. */
#ifndef FUT_CORE_BACKEND_CUDA_PROBE_H
#define FUT_CORE_BACKEND_CUDA_PROBE_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_CUDA_PROBE_GPUS = 16, FUT_CUDA_PROBE_TEXT = 256, FUT_CUDA_PROBE_MAJOR_MIN = 8 };

typedef struct fut_cuda_probe_gpu {
    char name[FUT_CUDA_PROBE_TEXT], uuid[48], bus[32]; /* "GPU-...", "0000:17:00.0" */
    int major, minor;                                  /* compute capability */
    int multiprocessors;
    size_t bytes_free, bytes_total;
    char trouble[FUT_CUDA_PROBE_TEXT]; /* why it cannot be used, "" where it can */
    bool reaches[FUT_CUDA_PROBE_GPUS]; /* another GPU's memory without the host in between */
} fut_cuda_probe_gpu;

/* Versions as their libraries count them: CUDA 13000 is 13.0, cuDNN 91900 is 9.19.0, cuBLASLt 130002 is 13.0.2. */
typedef struct fut_cuda_probe {
    int driver; /* highest CUDA version the driver knows; 0: no driver */
    int runtime_built, runtime_found;
    int cudnn_built, cudnn_found;
    int cublaslt_found;
    int gpus; /* visible; of more than FUT_CUDA_PROBE_GPUS the first */
    fut_cuda_probe_gpu gpu[FUT_CUDA_PROBE_GPUS];
    char trouble[FUT_CUDA_PROBE_TEXT]; /* why no GPU can be counted, in the runtime's words; "" where they can */
} fut_cuda_probe;

/* Exported by the module futago_cuda. Uses every visible GPU for a moment. */
void fut_cuda_module_probe(fut_cuda_probe *probe_out);

#ifdef __cplusplus
}
#endif

#endif
