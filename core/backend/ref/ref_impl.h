/* Private to core/backend/ref: plain loops in float and double, the oracle that other backends are measured against.
 *
 * Activations are plain NCHW of the `real` dtype (f32 or f64, one dtype for both). Every sum is accumulated in double.
 * A kernel's loops are written once, in ref_<kernel>.inc, with REAL for the element type; ref_twice.inc compiles them for both. */
#ifndef FUT_CORE_BACKEND_REF_IMPL_H
#define FUT_CORE_BACKEND_REF_IMPL_H

#include "core/backend/backend.h"

/* Create the reference backend. `threads` is ignored: it is serial, so that its order of summation is the one written down. */
fut_status fut_backend_create_ref(const fut_backend_options *options, fut_backend **bk_out) FUT_MUST_CHECK;

/* The kernels of kernels.def, one function a row. */
#define FUT_KERNEL(name, args) fut_status fut_ref_##name args FUT_MUST_CHECK;
#include "core/backend/kernels.def"
#undef FUT_KERNEL

/* Refuse dtypes other than f32 or f64 for both activations and reals, naming the kernel. */
fut_status fut_ref_check_dtype(const char *kernel, fut_dtype dtype, fut_dtype real) FUT_MUST_CHECK;
/* destroy of an op that owns nothing but itself. */
void fut_ref_op_free(fut_op *op);

/* act(z) and d act / d z; slope is prelu's. relu6 and relu have gradient 0 at their corners, prelu its slope at 0, as PyTorch's. */
double fut_ref_act(fut_act_kind act, double z, double slope);
double fut_ref_act_grad(fut_act_kind act, double z, double slope);
double fut_ref_sigmoid(double z);

static inline int64_t fut_ref_count(fut_shape4 s)
{
    return s.n * s.c * s.h * s.w;
}

/* Body of an immediate kernel: the loops for `real`, or an error that names the kernel. */
#define FUT_REF_RUN(kernel, real, ...)                                                                                                     \
    do {                                                                                                                                   \
        FUT_TRY(fut_ref_check_dtype(#kernel, (real), (real)));                                                                             \
        if ((real) == FUT_F32)                                                                                                             \
            kernel##_f32(__VA_ARGS__);                                                                                                     \
        else                                                                                                                               \
            kernel##_f64(__VA_ARGS__);                                                                                                     \
        return FUT_OK;                                                                                                                     \
    } while (0)

#endif
