/* Private to core/backend/cuda: how the kernels on activations divide one over blocks. */
#ifndef FUT_CORE_BACKEND_CUDA_SLABS_H
#define FUT_CORE_BACKEND_CUDA_SLABS_H

#include "core/backend/cuda/kernels/kernels_act.h"

/* `images` images of `rows` rows each; a kernel that sums over the batch gives 1 image with all rows. Sizes are positive. A function of its
 * arguments alone: a sum has the same bits on every GPU. */
fut_cuda_slabs fut_cuda_slabs_of(int64_t images, int64_t rows, int64_t channels);

/* Floats of one value a slab and channel. */
static inline int64_t fut_cuda_slabs_floats(const fut_cuda_slabs *s)
{
    return s->images * s->slabs * s->channels;
}

#endif
