/* A thin wrapper of oneDNN: convolutions in the backend's layouts, nothing else. cpu_dnnl.c is the one file that sees dnnl.h, so the
 * differences between versions of oneDNN stay in it. */
#ifndef FUT_CORE_BACKEND_CPU_DNNL_H
#define FUT_CORE_BACKEND_CPU_DNNL_H

#include "core/backend/backend.h"

typedef struct fut_dnnl fut_dnnl;           /* engine and stream */
typedef struct fut_dnnl_conv fut_dnnl_conv; /* one pass of a convolution */

typedef enum fut_dnnl_pass { FUT_DNNL_FORWARD, FUT_DNNL_BACKWARD_DATA, FUT_DNNL_BACKWARD_WEIGHTS } fut_dnnl_pass;

/* What oneDNN sees in this processor (DNNL_MAX_CPU_ISA lowers it). */
typedef struct fut_dnnl_isa {
    bool avx2, avx512, bf16;
    const char *name; /* "avx512_core_bf16" */
} fut_dnnl_isa;
fut_dnnl_isa fut_dnnl_get_isa(void);

/* threads: every primitive is created and executed with this many OpenMP threads. */
fut_status fut_dnnl_create(int threads, fut_dnnl **dnnl_out) FUT_MUST_CHECK;
void fut_dnnl_destroy(fut_dnnl **dnnl);
/* "oneDNN 2.6.3" into text [size]. */
void fut_dnnl_version(char *text, size_t size);

/* What inference does to a convolution's output while it is in registers: bias, activation, residual (as in fut_norm_act_desc). */
typedef struct fut_dnnl_tail {
    fut_act_kind act;
    bool residual, residual_after;
} fut_dnnl_tail;
/* bias [out_c] f32; slope [out_c] f32 of PRELU; residual laid out as y. */
typedef struct fut_dnnl_tail_args {
    const void *bias, *slope, *residual;
} fut_dnnl_tail_args;

/* Plan one pass. Activations have blocks of `lanes` channels, or are plain NCHW where they have 3; weights take the layout oneDNN likes.
 * tail: of a FORWARD, or NULL; *conv_out is NULL where oneDNN would compute the convolution by another, slower implementation with it.
 * Errors: FUT_ERR_UNSUPPORTED if oneDNN has no such convolution. */
fut_status fut_dnnl_conv_create(fut_dnnl *dnnl, fut_dnnl_pass pass, const fut_conv_desc *desc, int lanes, const fut_dnnl_tail *tail,
                                fut_dnnl_conv **conv_out) FUT_MUST_CHECK;
void fut_dnnl_conv_destroy(fut_dnnl_conv **conv);
/* Borrowed from the pass. */
const char *fut_dnnl_conv_impl(const fut_dnnl_conv *conv);
size_t fut_dnnl_conv_weight_bytes(const fut_dnnl_conv *conv);
size_t fut_dnnl_conv_scratch_bytes(const fut_dnnl_conv *conv);
size_t fut_dnnl_conv_x_bytes(const fut_dnnl_conv *conv);
size_t fut_dnnl_conv_y_bytes(const fut_dnnl_conv *conv);
/* How many photos at once are as fast as any number: enough tiles for Winograd's transforms of the weights not to matter, whose scratch
 * grows with the photos. A rule of the shape and the threads; 0: of a convolution that takes no scratch a photo. */
int64_t fut_dnnl_conv_part(const fut_dnnl *dnnl, const fut_conv_desc *desc);
/* The pass reads or writes weights as they rest, OIHW: no copy is needed. */
bool fut_dnnl_conv_weights_plain(const fut_dnnl_conv *conv);
bool fut_dnnl_conv_same_weights(const fut_dnnl_conv *a, const fut_dnnl_conv *b);

/* Copy weights between OIHW f32 and the pass's layout: in for FORWARD and BACKWARD_DATA, out for BACKWARD_WEIGHTS. */
fut_status fut_dnnl_conv_copy_weights(fut_dnnl_conv *conv, const void *from, void *to) FUT_MUST_CHECK;
/* Run the pass on x (or dx), weights (or their gradient), y (or dy). tail: NULL of a pass without. Allocates nothing. */
fut_status fut_dnnl_conv_run(fut_dnnl_conv *conv, const void *x, const void *weights, const fut_dnnl_tail_args *tail, const void *y,
                             void *scratch) FUT_MUST_CHECK;

#endif
