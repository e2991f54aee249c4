/* A backend: device functions and kernels behind one struct of functions. `ref` is the oracle (plain loops, f32 and f64), `cpu` the
 * default, `cuda` one NVIDIA GPU.
 *
 * Two kinds of data cross this interface:
 *   activation   logical [n, c, h, w]; the layout in memory is the backend's own business (blocked on CPU, NHWC on CUDA), a function of
 *                (shape, dtype) only, so that two kernels of one backend always agree; fut_backend.act_bytes says how many bytes one takes.
 *                Padding lanes a layout has are kept zero by every kernel.
 *   plain        row-major arrays in timm's layouts: parameters (conv OIHW, linear [out, in]), their gradients, statistics, embeddings [n,
 * d]. Parameters, statistics and embeddings have the `real` dtype of the backend's plan: f32, or f64 on `ref` for gradient checks.
 *
 * Kernels on activations are planned once for a shape (fut_op) and then run with no allocation; the others are immediate.
 * All pointers are device memory of this backend unless a comment says host, borrowed until the stream passes the call: work is enqueued on
 * a stream and the host goes on. Work on one stream runs in order; two streams know of each other by events only. The CPU's streams are
 * done when the call returns. Nothing between fut_backend.record_begin and record_end may allocate or wait. Not thread-safe: one caller per
 * backend. */
#ifndef FUT_CORE_BACKEND_BACKEND_H
#define FUT_CORE_BACKEND_BACKEND_H

#include "core/backend/row_loss.h"
#include "core/base/status.h"
#include "core/base/str.h"
#include "core/tensor/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_backend fut_backend;
typedef struct fut_stream fut_stream;       /* NULL is the backend's own stream; CPU streams are synchronous */
typedef struct fut_event fut_event;         /* a place in a stream */
typedef struct fut_recording fut_recording; /* work recorded once, to be replayed */

typedef struct fut_shape4 {
    int64_t n, c, h, w;
} fut_shape4;

/* PRELU has a learned slope for negative inputs, one a channel: a third parameter. */
typedef enum fut_act_kind { FUT_ACT_NONE, FUT_ACT_RELU, FUT_ACT_RELU6, FUT_ACT_SILU, FUT_ACT_PRELU } fut_act_kind;

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
    bool inference;  /* no backward at all; need_dx is false */
} fut_conv_desc;

/* What every fast backend takes: positive sizes, dense or depthwise, a kernel that fits the padded image. backend: its name, for the
 * message. Errors: FUT_ERR_SHAPE, FUT_ERR_UNSUPPORTED. */
fut_status fut_conv_desc_check(const char *backend, const fut_conv_desc *desc) FUT_MUST_CHECK;

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

/* Largest of each window of kernel x kernel; padding never wins. */
typedef struct fut_max_pool_desc {
    fut_shape4 x;
    int64_t kernel, stride, pad;
    fut_dtype dtype;
} fut_max_pool_desc;

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
    void *y;                /* output */
    const void *param[4];   /* plain parameters in the order of the row */
    const void *dy;         /* gradient of y */
    void *dx;               /* gradient of x, overwritten */
    void *dresidual;        /* gradient of residual, overwritten, or NULL */
    void *dparam[4];        /* plain gradients of param, overwritten */
    const void *running[2]; /* norm_act forward_eval, conv_norm_act prepare: running mean and variance [c] */
    void *batch[2];         /* norm_act forward: batch mean and unbiased variance [c] */
    double *sums;           /* norm_act over several shards: [FUT_NORM_SUMS][c], a shard's, then those of all */
    int64_t images;         /* norm_act over several shards: in all of them */
    void *saved;            /* op->saved_bytes, kept from forward to backward */
    void *scratch;          /* op->scratch_bytes, free between calls */
    fut_stream *stream;
} fut_op_args;

enum { FUT_NORM_SUMS = 3 /* f64 a channel, that shards exchange in forward */, FUT_NORM_GRADIENT_SUMS = 2 /* in backward */ };

typedef struct fut_op fut_op;
typedef struct fut_op_ops {
    /* Called after parameters changed and before the next forward: copies them into the layout the kernels want
     * (op->prepared, allocated by the plan). NULL: nothing to do. Reads args->param. */
    fut_status (*prepare)(fut_op *op, const fut_op_args *args);
    fut_status (*forward)(fut_op *op, const fut_op_args *args);      /* training */
    fut_status (*forward_eval)(fut_op *op, const fut_op_args *args); /* inference; NULL: same as forward */
    /* y once more, the same bits, from x and saved, for a backward that reads it and did not want to keep it; NULL: y must be kept. */
    fut_status (*forward_again)(fut_op *op, const fut_op_args *args);
    fut_status (*backward_data)(fut_op *op,
                                const fut_op_args *args); /* dx (and dresidual); norm_act and squeeze_excite also write dparam here */
    fut_status (*backward_params)(fut_op *op, const fut_op_args *args); /* dparam; NULL if backward_data writes them or there are none */
    /* norm_act whose statistics are those of several shards: forward and backward_data in two halves each. The first writes what this shard
     * adds to `sums` (norm_formulas.h; backward: dbeta, dgamma), and backward also dparam, of this shard; the second reads the sums over
     * all shards of `images` images, and writes the rest. NULL: of other ops. */
    fut_status (*forward_sums)(fut_op *op, const fut_op_args *args);
    fut_status (*forward_joined)(fut_op *op, const fut_op_args *args);
    fut_status (*backward_sums)(fut_op *op, const fut_op_args *args);
    fut_status (*backward_joined)(fut_op *op, const fut_op_args *args);
    void (*destroy)(fut_op *op);
} fut_op_ops;

/* A kernel planned for one shape. Backends embed this as the first member of their own struct. */
struct fut_op {
    const fut_op_ops *ops;
    size_t saved_bytes;   /* per forward kept for its backward (statistics, masks) */
    size_t held_bytes;    /* by the op itself: parameters in its kernels' layouts */
    size_t scratch_bytes; /* transient; other ops' memory before and after */
    const char *impl;     /* chosen implementation, for `bench --layers` */
};

typedef struct fut_backend_info {
    const char *device;  /* "AMD EPYC (AVX-512, 2 threads)" */
    const char *library; /* "oneDNN 2.6.3, avx512_core_bf16": same bits need the same text */
    int threads;
    bool deterministic;
    bool asynchronous; /* calls return before the work is done; recordings are worth making */
    size_t bytes_free, bytes_total;
    const char *model; /* of the device, the same text on all of its kind: ranks must have one model; "" where that does not matter */
    const char *uuid;  /* of the device, so that two ranks never share one unknowingly; "" where sharing is harmless */
} fut_backend_info;

/* What a device does at best, measured by small loops. */
typedef struct fut_backend_limits {
    double flops;     /* a second, of multiply-adds in registers, 2 each */
    double bandwidth; /* bytes a second, read and written, of copies larger than any cache */
} fut_backend_limits;

/* What a step's kernels keep on the device from one step to the next, so that no decision of a step waits for the host. The checkpoint
 * keeps `steps`, `scale`, `good_steps`, `lr_max` and `average_weight`. Only step_check writes it, but for the last two. */
typedef struct fut_step_control {
    int64_t steps;         /* optimizer steps taken; a skipped step does not count */
    double scale;          /* what the loss's gradient is multiplied by: 1, or dynamic for f16 */
    int64_t good_steps;    /* since the scale last changed */
    int64_t growth_every;  /* good steps after which the scale doubles; 0: the scale is fixed and a bad step is an error for the host */
    double clip_norm;      /* longest gradient a step takes, a longer one is shortened to it (torch clip_grad_norm_); 0: any */
    double unscale;        /* what this step's gradients are multiplied by: 1 / scale, and what clipping leaves of them */
    double squares;        /* sum of squares of this step's gradients, before clipping, without the scale */
    int64_t finite;        /* 0: the gradient had an infinity or a NaN, the step changes nothing */
    double lr_max;         /* schedule_free: the highest rate so far */
    double average_weight; /* schedule_free: sum of the steps' weights in the average */
} fut_step_control;

/* Parameters that are trained alike: factors on the step's rate and on the weight decay. */
enum { FUT_PARAM_GROUPS = 8 };
typedef struct fut_param_groups {
    const uint8_t *of; /* device [n]: the group of each parameter */
    double lr[FUT_PARAM_GROUPS], weight_decay[FUT_PARAM_GROUPS];
} fut_param_groups;

typedef struct fut_adam_args {
    double beta1, beta2, eps, weight_decay;
    bool decoupled; /* AdamW; else weight decay is added to the gradient */
    bool rectified; /* RAdam */
} fut_adam_args;

typedef struct fut_sgd_args {
    double momentum, dampening, weight_decay;
    bool nesterov;
} fut_sgd_args;

typedef struct fut_schedule_free_args {
    double beta1, beta2, eps, weight_decay; /* beta2, eps: where there is a v */
    int64_t warmup;                         /* steps over which the rate grows to its own */
    double r, lr_power;                     /* a step's weight in the average: steps^r lr_max^lr_power */
} fut_schedule_free_args;

typedef struct fut_lookahead_args {
    int64_t every; /* steps */
    double alpha;
    bool lazy; /* the first time the slow weights begin, at the fast ones (timm); else they began at the run's first (ranger) */
} fut_lookahead_args;

/* Pairs of one shard's rows with references: the batch itself, memory or a weight vector a class. `row[i]` is the position of local row i
 * in the batch. A pair (row[i], j) counts unless both are of one photo or nothing stands at j; it is positive when labels agree. */
typedef struct fut_pair_rows {
    int64_t n, refs, dim;
    const int64_t *row;       /* [n] device */
    const int64_t *label;     /* [batch] device */
    const int64_t *image;     /* [batch] device; image ids */
    const int64_t *ref_label; /* [refs] device; -1: nothing stands there. NULL: the references are the batch */
    const int64_t *ref_image; /* [refs] device; -1: of no photo */
} fut_pair_rows;

/* Rows of batches gone by, a ring on the device: what entered last stands where the oldest stood. */
typedef struct fut_row_memory {
    int64_t size, dim;
    void *e;          /* [size, dim] */
    int64_t *label;   /* [size]; -1: nothing stands there */
    int64_t *image;   /* [size] */
    int64_t *entered; /* one: rows that entered so far; the next goes to place `entered` mod size */
} fut_row_memory;

struct fut_backend {
    const char *name;
    /* device half: memory */
    fut_status (*alloc)(fut_backend *bk, size_t bytes, void **ptr_out);
    void (*free)(fut_backend *bk, void *ptr);
    /* Host memory that upload and download reach without a copy in between. */
    fut_status (*alloc_host)(fut_backend *bk, size_t bytes, void **ptr_out);
    void (*free_host)(fut_backend *bk, void *ptr);
    /* The host's side must stay as it is until the stream has passed. */
    fut_status (*upload)(fut_backend *bk, void *device, const void *host, size_t bytes, fut_stream *s);
    fut_status (*download)(fut_backend *bk, void *host, const void *device, size_t bytes, fut_stream *s);
    fut_status (*copy)(fut_backend *bk, void *dst, const void *src, size_t bytes, fut_stream *s);
    fut_status (*fill_zero)(fut_backend *bk, void *dst, size_t bytes, fut_stream *s);
    size_t (*act_bytes)(fut_backend *bk, fut_shape4 shape, fut_dtype dtype);
    /* device half: order */
    fut_status (*stream_create)(fut_backend *bk, fut_stream **s_out);
    void (*stream_destroy)(fut_backend *bk, fut_stream *s);
    void *(*stream_native)(fut_backend *bk, fut_stream *s); /* what the device's other libraries call it (cudaStream_t); host: NULL */
    fut_status (*event_create)(fut_backend *bk, fut_event **e_out);
    void (*event_destroy)(fut_backend *bk, fut_event *e);
    fut_status (*event_record)(fut_backend *bk, fut_event *e, fut_stream *s);
    fut_status (*event_wait)(fut_backend *bk, fut_stream *s, fut_event *e);  /* s goes on once e has passed */
    fut_status (*event_done)(fut_backend *bk, fut_event *e, bool *done_out); /* never waits; reports an error of the device */
    fut_status (*event_seconds)(fut_backend *bk, fut_event *from, fut_event *to, double *seconds_out); /* both passed */
    fut_status (*sync)(fut_backend *bk, fut_stream *s);                                                /* wait for one stream */
    /* Work enqueued on s, and on streams that wait for it, between begin and end is recorded and does not run. Unsupported on the host. */
    fut_status (*record_begin)(fut_backend *bk, fut_stream *s);
    fut_status (*record_end)(fut_backend *bk, fut_stream *s, fut_recording **recording_out);
    fut_status (*replay)(fut_backend *bk, fut_recording *recording, fut_stream *s);
    void (*recording_destroy)(fut_backend *bk, fut_recording *recording);
    /* Choices of algorithms made by measuring, as text: one rank measures, all others take its choices, a checkpoint keeps them. Empty
     * where nothing is measured. set before planning; what does not fit this device is refused with FUT_ERR_CONFIG. */
    fut_status (*tuning_get)(fut_backend *bk, fut_str *text);
    fut_status (*tuning_set)(fut_backend *bk, const char *text);
    void (*info)(fut_backend *bk, fut_backend_info *info_out);
    /* dtype: of the activations. Takes a second. NULL where the backend measures nothing. */
    fut_status (*limits)(fut_backend *bk, fut_dtype dtype, fut_backend_limits *limits_out);
    void (*destroy)(fut_backend *bk);
    /* kernels */
#define FUT_KERNEL(name, args) fut_status(*name) args;
#include "core/backend/kernels.def"
#undef FUT_KERNEL
};

/* Bytes of memory that parameters in kernel layout take are allocated by the op itself at plan time through bk->alloc. */
void fut_op_destroy(fut_op **op);

typedef struct fut_backend_options {
    int threads;              /* CPU threads to use, set before any primitive is created; at least 1 */
    int device;               /* GPU: which of the visible ones, as the rank's place on its node */
    int ranks_on_node;        /* for the message when there are more ranks than GPUs; 0: unknown */
    bool tf32;                /* GPU: f32 convolutions may round their inputs to TF32 */
    bool deterministic;       /* GPU: only algorithms that give the same bits every time */
    const char *cache_folder; /* GPU: where choices of algorithms are kept; NULL: nowhere */
} fut_backend_options;

/* Errors: FUT_ERR_CONFIG for an unknown name (nearest name given). */
fut_status fut_backend_check_name(const char *name) FUT_MUST_CHECK;
/* Create a backend by name: "auto" (best available), "cuda", "cpu", "ref". "auto" logs why a better one was not taken.
 * Errors: FUT_ERR_CONFIG for an unknown name (nearest name given), FUT_ERR_UNSUPPORTED with the device's own reason. */
fut_status fut_backend_create(const char *name, const fut_backend_options *options, fut_backend **bk_out) FUT_MUST_CHECK;
void fut_backend_destroy(fut_backend **bk);

#ifdef __cplusplus
}
#endif

#endif
