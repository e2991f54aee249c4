/* A backend: device functions and kernels behind one struct of functions. `ref` is the oracle (plain loops, f32 and f64), `cpu` the
 * default.
 *
 * Two kinds of data cross this interface:
 *   activation   logical [n, c, h, w]; the layout in memory is the backend's own business (blocked on CPU, NHWC on CUDA), a function of
 *                (shape, dtype) only, so that two kernels of one backend always agree; fut_backend.act_bytes says how many bytes one takes.
 *                Padding lanes a layout has are kept zero by every kernel.
 *   plain        row-major arrays in timm's layouts: parameters (conv OIHW, linear [out, in]), their gradients, statistics, embeddings [n,
 * d]. Parameters, statistics and embeddings have the `real` dtype of the backend's plan: f32, or f64 on `ref` for gradient checks.
 *
 * Kernels on activations are planned once for a shape (fut_op) and then run with no allocation; the others are immediate.
 * All pointers are device memory of this backend, borrowed until the stream passes the call. Not thread-safe: one caller per backend. */
#ifndef FUT_CORE_BACKEND_BACKEND_H
#define FUT_CORE_BACKEND_BACKEND_H

#include "core/base/status.h"
#include "core/tensor/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_backend fut_backend;
typedef struct fut_stream fut_stream; /* NULL is the backend's default stream; CPU streams are synchronous */
typedef struct fut_event fut_event;

typedef struct fut_shape4 {
    int64_t n, c, h, w;
} fut_shape4;

typedef enum fut_act_kind { FUT_ACT_NONE, FUT_ACT_RELU, FUT_ACT_RELU6, FUT_ACT_SILU } fut_act_kind;

/* Convolution without bias. Padding may be asymmetric (TensorFlow's SAME). */
typedef struct fut_conv_desc {
    fut_shape4 x;          /* input */
    int64_t out_c, kh, kw; /* weight is [out_c, x.c / groups, kh, kw] */
    int64_t stride;
    int64_t pad_top, pad_left, pad_bottom, pad_right;
    int64_t groups;  /* 1, or x.c (depthwise, out_c == x.c) */
    fut_dtype dtype; /* of activations */
    fut_dtype real;  /* of weights and their gradients */
    bool need_dx;    /* false for the first layer: no backward_data */
} fut_conv_desc;

/* Batch norm, activation and residual in one pass over memory.
 *   residual_after = true   y = act(bn(x)) + r   (EfficientNet; act is NONE there)
 *   residual_after = false  y = act(bn(x) + r)   (ResNet) */
typedef struct fut_norm_act_desc {
    fut_shape4 x;
    double eps;
    fut_act_kind act;
    bool residual, residual_after;
    fut_dtype dtype, real;
} fut_norm_act_desc;

/* y = x * sigmoid(W2 act(W1 mean_hw(x) + b1) + b2), W1 [reduced, c], W2 [c, reduced]. timm's SqueezeExcite. */
typedef struct fut_se_desc {
    fut_shape4 x;
    int64_t reduced;
    fut_act_kind act;
    fut_dtype dtype, real;
} fut_se_desc;

/* Arguments of a planned op; each op reads the members its row in kernels.def names. */
typedef struct fut_op_args {
    const void *x;          /* input activation (plain [n, k] for linear) */
    const void *residual;   /* second input activation or NULL */
    void *y;                /* output; norm_act backward may read it */
    const void *param[4];   /* plain parameters in the order of the row */
    const void *dy;         /* gradient of y */
    void *dx;               /* gradient of x, overwritten */
    void *dresidual;        /* gradient of residual, overwritten, or NULL */
    void *dparam[4];        /* plain gradients of param, overwritten */
    const void *running[2]; /* norm_act forward_eval: running mean and variance [c] */
    void *batch[2];         /* norm_act forward: batch mean and unbiased variance [c] */
    void *saved;            /* op->saved_bytes, kept from forward to backward */
    void *scratch;          /* op->scratch_bytes, free between calls */
    fut_stream *stream;
} fut_op_args;

typedef struct fut_op fut_op;
typedef struct fut_op_ops {
    /* Called after parameters changed and before the next forward: copies them into the layout the kernels want
     * (op->prepared, allocated by the plan). NULL: nothing to do. Reads args->param. */
    fut_status (*prepare)(fut_op *op, const fut_op_args *args);
    fut_status (*forward)(fut_op *op, const fut_op_args *args);      /* training */
    fut_status (*forward_eval)(fut_op *op, const fut_op_args *args); /* inference; NULL: same as forward */
    fut_status (*backward_data)(fut_op *op,
                                const fut_op_args *args); /* dx (and dresidual); norm_act and squeeze_excite also write dparam here */
    fut_status (*backward_params)(fut_op *op, const fut_op_args *args); /* dparam; NULL if backward_data writes them or there are none */
    void (*destroy)(fut_op *op);
} fut_op_ops;

/* A kernel planned for one shape. Backends embed this as the first member of their own struct. */
struct fut_op {
    const fut_op_ops *ops;
    size_t saved_bytes;   /* per forward kept for its backward (statistics, masks) */
    size_t scratch_bytes; /* transient; one block may serve all ops of a plan */
    const char *impl;     /* chosen implementation, for `bench --layers` */
};

typedef struct fut_backend_info {
    const char *device;  /* "AMD EPYC (AVX-512, 2 threads)" */
    const char *library; /* "oneDNN 2.6.3, avx512_core_bf16": same bits need the same text */
    int threads;
    bool deterministic;
    size_t bytes_free;
} fut_backend_info;

typedef struct fut_adam_args {
    int64_t step; /* 1-based */
    double lr, beta1, beta2, eps, weight_decay;
} fut_adam_args;

/* Pairs of one shard's rows against the global batch. `row[i]` is the position of local row i in the batch.
 * A pair (row[i], j) counts when row[i] != j and image[row[i]] != image[j]; it is positive when labels agree. */
typedef struct fut_pair_rows {
    int64_t n, batch, dim;
    const int64_t *row;   /* [n] */
    const int64_t *label; /* [batch] */
    const int64_t *image; /* [batch] image ids */
} fut_pair_rows;

/* Hinge on similarity or distance v: positives  [sign * (v - pos_margin)]+, negatives [sign * (neg_margin - v)]+ ; sign = -1 for
 * similarities. */
typedef struct fut_pair_hinge {
    double pos_margin, neg_margin;
    int sign; /* +1 distance, -1 similarity */
} fut_pair_hinge;

enum fut_pair_sum {
    FUT_PAIR_LOSS_POS,
    FUT_PAIR_LOSS_NEG, /* sums of the hinges */
    FUT_PAIR_ACTIVE_POS,
    FUT_PAIR_ACTIVE_NEG, /* pairs with a hinge > 0 */
    FUT_PAIR_COUNT_POS,
    FUT_PAIR_COUNT_NEG, /* all ordered pairs */
    FUT_PAIR_VALUE_POS,
    FUT_PAIR_VALUE_NEG, /* sums of v */
    FUT_PAIR_SUMS
};

struct fut_backend {
    const char *name;
    /* device half */
    fut_status (*alloc)(fut_backend *bk, size_t bytes, void **ptr_out);
    void (*free)(fut_backend *bk, void *ptr);
    fut_status (*upload)(fut_backend *bk, void *device, const void *host, size_t bytes, fut_stream *s);
    fut_status (*download)(fut_backend *bk, void *host, const void *device, size_t bytes, fut_stream *s);
    fut_status (*copy)(fut_backend *bk, void *dst, const void *src, size_t bytes, fut_stream *s);
    fut_status (*fill_zero)(fut_backend *bk, void *dst, size_t bytes, fut_stream *s);
    fut_status (*sync)(fut_backend *bk, fut_stream *s);
    void (*info)(fut_backend *bk, fut_backend_info *info_out);
    size_t (*act_bytes)(fut_backend *bk, fut_shape4 shape, fut_dtype dtype);
    void (*destroy)(fut_backend *bk);
    /* kernels */
#define FUT_KERNEL(name, args) fut_status(*name) args;
#include "core/backend/kernels.def"
#undef FUT_KERNEL
};

/* Bytes of memory that parameters in kernel layout take are allocated by the op itself at plan time through bk->alloc. */
void fut_op_destroy(fut_op **op);

/* Create a backend by name: "auto" (best available), "cpu", "ref". threads: CPU threads to use, set before any primitive is created.
 * Errors: FUT_ERR_CONFIG for an unknown name (nearest name given), FUT_ERR_UNSUPPORTED with the device's own reason. */
fut_status fut_backend_create(const char *name, int threads, fut_backend **bk_out) FUT_MUST_CHECK;
void fut_backend_destroy(fut_backend **bk);

#ifdef __cplusplus
}
#endif

#endif
