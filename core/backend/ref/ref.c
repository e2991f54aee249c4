/* The reference backend: device functions over the heap, and the table of kernels. */
#include "core/backend/ref/ref_impl.h"

#include "core/base/mem.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

static fut_status ref_alloc(fut_backend *bk, size_t bytes, void **ptr_out)
{
    (void)bk;
    return fut_mem_alloc(bytes, 1, ptr_out);
}

static void ref_free(fut_backend *bk, void *ptr)
{
    (void)bk;
    fut_mem_free(ptr);
}

/* Device memory is host memory: upload, download and copy are one function. */
static fut_status ref_copy(fut_backend *bk, void *dst, const void *src, size_t bytes, fut_stream *s)
{
    (void)bk;
    (void)s;
    if (bytes > 0) memmove(dst, src, bytes);
    return FUT_OK;
}

static fut_status ref_fill_zero(fut_backend *bk, void *dst, size_t bytes, fut_stream *s)
{
    (void)bk;
    (void)s;
    if (bytes > 0) memset(dst, 0, bytes);
    return FUT_OK;
}

static fut_status ref_sync(fut_backend *bk, fut_stream *s)
{
    (void)bk;
    (void)s;
    return FUT_OK;
}

static void ref_info(fut_backend *bk, fut_backend_info *info_out)
{
    (void)bk;
    long pages = sysconf(_SC_AVPHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    *info_out = (fut_backend_info){
        .device = "CPU (reference loops, 1 thread)",
        .library = "futago reference loops",
        .threads = 1,
        .deterministic = true,
        .bytes_free = pages > 0 && page_bytes > 0 ? (size_t)pages * (size_t)page_bytes : 0,
    };
}

static size_t ref_act_bytes(fut_backend *bk, fut_shape4 shape, fut_dtype dtype)
{
    (void)bk;
    return (size_t)fut_ref_count(shape) * fut_dtype_size(dtype);
}

static void ref_destroy(fut_backend *bk)
{
    fut_mem_free(bk);
}

fut_status fut_backend_create_ref(int threads, fut_backend **bk_out)
{
    (void)threads;
    fut_backend *bk = NULL;
    FUT_TRY(FUT_NEW(&bk));
    *bk = (fut_backend){
        .name = "ref",
        .alloc = ref_alloc,
        .free = ref_free,
        .upload = ref_copy,
        .download = ref_copy,
        .copy = ref_copy,
        .fill_zero = ref_fill_zero,
        .sync = ref_sync,
        .info = ref_info,
        .act_bytes = ref_act_bytes,
        .destroy = ref_destroy,
#define FUT_KERNEL(kernel, args) .kernel = fut_ref_##kernel,
#include "core/backend/kernels.def"
#undef FUT_KERNEL
    };
    *bk_out = bk;
    return FUT_OK;
}

fut_status fut_ref_check_dtype(const char *kernel, fut_dtype dtype, fut_dtype real)
{
    FUT_CHECK(dtype == real && (real == FUT_F32 || real == FUT_F64), FUT_ERR_UNSUPPORTED,
              "ref backend, %s: activations of %s with parameters of %s; it computes in f32 or f64 throughout", kernel,
              fut_dtype_name(dtype), fut_dtype_name(real));
    return FUT_OK;
}

void fut_ref_op_free(fut_op *op)
{
    fut_mem_free(op);
}

double fut_ref_sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

double fut_ref_act(fut_act_kind act, double z)
{
    switch (act) {
    case FUT_ACT_RELU:
        return z > 0 ? z : 0;
    case FUT_ACT_RELU6:
        return z > 0 ? (z < 6 ? z : 6) : 0;
    case FUT_ACT_SILU:
        return z * fut_ref_sigmoid(z);
    case FUT_ACT_NONE:
        break;
    }
    return z;
}

double fut_ref_act_grad(fut_act_kind act, double z)
{
    switch (act) {
    case FUT_ACT_RELU:
        return z > 0 ? 1 : 0;
    case FUT_ACT_RELU6:
        return z > 0 && z < 6 ? 1 : 0;
    case FUT_ACT_SILU: {
        double sigmoid = fut_ref_sigmoid(z);
        return sigmoid * (1 + z * (1 - sigmoid));
    }
    case FUT_ACT_NONE:
        break;
    }
    return 1;
}
