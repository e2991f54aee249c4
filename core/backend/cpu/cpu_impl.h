/* Private to core/backend/cpu: the default backend, oneDNN convolutions and vectorised C.
 *
 * An activation [n, c, h, w] is [n, blocks, h, w, lanes] with lanes = 16 (AVX-512) or 8, blocks = ceil(c / lanes), lanes past c zero;
 * images with 3 channels are plain NCHW. A plane is one [h, w, lanes] of it: planes are what threads share out, and every sum over planes
 * is added in their order, so that no result but a convolution's weight gradient depends on the number of threads. */
#ifndef FUT_CORE_BACKEND_CPU_IMPL_H
#define FUT_CORE_BACKEND_CPU_IMPL_H

#include "core/backend/backend.h"
#include "core/backend/cpu/cpu_dnnl.h"
#include "core/backend/cpu/simd/simd.h"
#include "core/base/mem.h"

typedef struct fut_cpu {
    fut_backend backend; /* first: a fut_backend * is a fut_cpu * */
    fut_dnnl *dnnl;
    const fut_simd *simd;
    int threads;
    bool has_bf16;
    char device[160], library[80];
} fut_cpu;

/* Create the CPU backend with `threads` OpenMP threads. Errors: FUT_ERR_UNSUPPORTED, FUT_ERR_NO_MEMORY. */
fut_status fut_backend_create_cpu(const fut_backend_options *options, fut_backend **bk_out) FUT_MUST_CHECK;

/* The kernels of kernels.def, one function a row. */
#define FUT_KERNEL(name, args) fut_status fut_cpu_##name args FUT_MUST_CHECK;
#include "core/backend/kernels.def"
#undef FUT_KERNEL

fut_status fut_cpu_limits(fut_backend *bk, fut_dtype dtype, fut_backend_limits *limits_out) FUT_MUST_CHECK;

/* Refuse activations other than f32 and bf16 (where the processor has it), and reals other than f32, naming the kernel. */
fut_status fut_cpu_check_dtype(const fut_backend *bk, const char *kernel, fut_dtype dtype, fut_dtype real) FUT_MUST_CHECK;
/* destroy of an op that owns nothing but itself. */
void fut_cpu_op_free(fut_op *op);

/* How an activation lies in memory. */
typedef struct fut_cpu_layout {
    int64_t lanes, blocks, pixels, planes; /* planes = n * blocks */
    size_t pixel_bytes, plane_bytes;
    bool bf16;
} fut_cpu_layout;
/* Of a blocked activation; FUT_ERR_UNSUPPORTED for 3 channels, which only images and convolutions take. */
fut_status fut_cpu_layout_of(const fut_backend *bk, const char *kernel, fut_shape4 shape, fut_dtype dtype,
                             fut_cpu_layout *layout_out) FUT_MUST_CHECK;

static inline const fut_cpu *fut_cpu_of(const fut_backend *bk)
{
    return (const fut_cpu *)bk;
}

/* Plane i of an activation. */
static inline const void *fut_cpu_plane(const void *act, const fut_cpu_layout *layout, int64_t i)
{
    return act ? (const char *)act + (size_t)i * layout->plane_bytes : NULL;
}
static inline void *fut_cpu_plane_out(void *act, const fut_cpu_layout *layout, int64_t i)
{
    return act ? (char *)act + (size_t)i * layout->plane_bytes : NULL;
}

/* A pass of a convolution: by one primitive, or where that would take much scratch in parts of the photos, one after the other. The weight
 * gradient's parts are added in their order; what is divided, and how, follows from the shape and the threads. */
typedef struct fut_cpu_conv_pass {
    const fut_cpu *cpu;
    fut_dnnl_pass kind;
    fut_dnnl_conv *part, *rest; /* rest: the photos that are no whole part, or NULL */
    int64_t parts;              /* without the rest */
    size_t scratch_bytes;
    size_t sum_at; /* in scratch, of a part's weight gradient; 0 where there is one part */
} fut_cpu_conv_pass;
/* tail: a forward's, of inference, or NULL; it has no part where oneDNN is better off without the tail. */
fut_status fut_cpu_conv_pass_create(const fut_cpu *cpu, fut_dnnl_pass kind, const fut_conv_desc *desc, const fut_dnnl_tail *tail,
                                    fut_cpu_conv_pass *pass_out) FUT_MUST_CHECK;
void fut_cpu_conv_pass_destroy(fut_cpu_conv_pass *pass);
/* As fut_dnnl_conv_run; tail: of a pass that was made with one, else NULL. */
fut_status fut_cpu_conv_pass_run(const fut_cpu_conv_pass *pass, const void *x, const void *weights, const fut_dnnl_tail_args *tail,
                                 const void *y, void *scratch) FUT_MUST_CHECK;
/* `bytes`, up to the next line of memory. */
static inline size_t fut_cpu_aligned(size_t bytes)
{
    return (bytes + FUT_MEM_ALIGN - 1) / FUT_MEM_ALIGN * FUT_MEM_ALIGN;
}

/* The weight gradient of depthwise convolutions that oneDNN 2.6 computes by its reference loops, a thousand times slower: kernels above 3.
 */
typedef struct fut_cpu_depthwise {
    fut_simd_depthwise shape;
    fut_cpu_layout x, y;
    int64_t channels, images;
} fut_cpu_depthwise;
bool fut_cpu_depthwise_has(const fut_conv_desc *desc);
/* desc: one fut_cpu_depthwise_has says yes to. */
fut_status fut_cpu_depthwise_init(const fut_backend *bk, const fut_conv_desc *desc, fut_cpu_depthwise *plan_out) FUT_MUST_CHECK;
size_t fut_cpu_depthwise_scratch_bytes(const fut_cpu_depthwise *plan);
/* dw: [c, 1, k, k]. */
void fut_cpu_depthwise_run(const fut_cpu *cpu, const fut_cpu_depthwise *plan, const void *x, const void *dy, float *dw, void *scratch);

/* A matrix product, in blocks over the threads; its bits depend on neither. */
void fut_cpu_matmul(const fut_cpu *cpu, const fut_simd_matmul *mm);
/* The same of a matrix with its own transpose, the same bits, for half of the work: an element's terms do not depend on which factor is
 * which. */
void fut_cpu_matmul_gram(const fut_cpu *cpu, const fut_simd_matmul *mm);
/* sum_out [cols] = sum over rows of x [rows, cols], rows `stride` apart. */
void fut_cpu_sum_rows(int64_t rows, int64_t cols, int64_t stride, const float *x, float *sum_out);

#endif
