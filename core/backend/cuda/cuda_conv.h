/* Private to the two kinds of convolution: dense ones go to cuDNN, a pass at a time; depthwise ones to kernels of this project. */
#ifndef FUT_CORE_BACKEND_CUDA_CONV_H
#define FUT_CORE_BACKEND_CUDA_CONV_H

#include "core/backend/cuda/cuda_cudnn.h"

/* Height and width of the output. */
fut_shape4 fut_cuda_conv_out(const fut_conv_desc *desc);

/* Plan a depthwise convolution; desc is checked and groups == x.c. */
fut_status fut_cuda_depthwise_conv(fut_backend *bk, const fut_conv_desc *desc, fut_op **op_out) FUT_MUST_CHECK;

/* One pass of a dense convolution with its algorithm: the one that the table of choices has for it, else the fastest of those measured now,
 * which the table then gets.
 * Errors: FUT_ERR_UNSUPPORTED where no engine of cuDNN takes it, FUT_ERR_NO_MEMORY (measuring needs the tensors once). */
typedef struct fut_cuda_pass fut_cuda_pass;
fut_status fut_cuda_pass_create(fut_backend *bk, fut_cudnn_kind kind, const fut_conv_desc *desc, fut_cuda_pass **pass_out) FUT_MUST_CHECK;
void fut_cuda_pass_destroy(fut_cuda_pass **pass);
size_t fut_cuda_pass_scratch_bytes(const fut_cuda_pass *pass);
int64_t fut_cuda_pass_engine(const fut_cuda_pass *pass);
/* As fut_cudnn_plan_run, with fut_cuda_pass_scratch_bytes of scratch; the filter is KRSC in the activations' dtype. */
fut_status fut_cuda_pass_run(fut_cuda_pass *pass, void *x, void *w, void *y, void *scratch, fut_stream *stream) FUT_MUST_CHECK;

/* Parts of one block of scratch start on lines of their own. */
static inline size_t fut_cuda_aligned(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

#endif
