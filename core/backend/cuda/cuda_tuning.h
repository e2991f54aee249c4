/* Choices of convolution algorithms, kept as text so that one rank measures for all, a checkpoint keeps them, and the next run on the same
 * kind of GPU measures nothing:
 *
 *     futago convolution choices 1
 *     gpu NVIDIA H100 80GB HBM3
 *     driver 13000
 *     cudnn 91900
 *     forward bf16 x 64,32,56,56 w 64,3,3 stride 1 pad 1,1,1,1 = engine 17 knobs 2:3,14:1
 *     checksum 5d1e0a62c3f0b714                                  XXH3 of all the lines before
 *
 * The same text is the cache file, one for each GPU model, driver and cuDNN. */
#ifndef FUT_CORE_BACKEND_CUDA_TUNING_H
#define FUT_CORE_BACKEND_CUDA_TUNING_H

#include "core/backend/cuda/cuda_impl.h"

enum { FUT_CUDA_KNOBS = 48, FUT_CUDA_KEY = 160 };

typedef struct fut_cuda_knob {
    int64_t type, value; /* cudnnBackendKnobType_t and what it is set to */
} fut_cuda_knob;

/* One cuDNN engine with its knobs, and what is done around it. */
typedef struct fut_cuda_choice {
    int64_t engine; /* global index */
    int knobs;
    fut_cuda_knob knob[FUT_CUDA_KNOBS];
    bool padded; /* padding is laid around a copy of the image, the engine gets none */
} fut_cuda_choice;

bool fut_cuda_choice_equal(const fut_cuda_choice *a, const fut_cuda_choice *b);
/* The choice for key, or NULL. Borrowed until the next put or set. */
const fut_cuda_choice *fut_cuda_tuning_find(const fut_cuda_tuning *tuning, const char *key);
/* Add or replace. key is shorter than FUT_CUDA_KEY and has no '='. */
fut_status fut_cuda_tuning_put(fut_cuda_tuning *tuning, const char *key, const fut_cuda_choice *choice) FUT_MUST_CHECK;

#endif
