/* The reference backend: the table of kernels, and what they share. */
#include "core/backend/ref/ref_impl.h"

#include "core/backend/host.h"
#include "core/base/mem.h"

#include <math.h>

static void ref_info(fut_backend *bk, fut_backend_info *info_out)
{
    (void)bk;
    *info_out = (fut_backend_info){
        .device = "CPU (reference loops, 1 thread)",
        .library = "futago reference loops",
        .threads = 1,
        .deterministic = true,
        .model = "",
        .uuid = "",
    };
    fut_mem_machine(&info_out->bytes_free, &info_out->bytes_total);
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

fut_status fut_backend_create_ref(const fut_backend_options *options, fut_backend **bk_out)
{
    (void)options;
    fut_backend *bk = NULL;
    FUT_TRY(FUT_NEW(&bk));
    *bk = (fut_backend){
        .name = "ref",
        .info = ref_info,
        .act_bytes = ref_act_bytes,
        .destroy = ref_destroy,
#define FUT_KERNEL(kernel, args) .kernel = fut_ref_##kernel,
#include "core/backend/kernels.def"
#undef FUT_KERNEL
    };
    fut_host_device_half(bk);
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

double fut_ref_act(fut_act_kind act, double z, double slope)
{
    switch (act) {
    case FUT_ACT_RELU:
        return z > 0 ? z : 0;
    case FUT_ACT_RELU6:
        return z > 0 ? (z < 6 ? z : 6) : 0;
    case FUT_ACT_SILU:
        return z * fut_ref_sigmoid(z);
    case FUT_ACT_PRELU:
        return z > 0 ? z : slope * z;
    case FUT_ACT_NONE:
        break;
    }
    return z;
}

double fut_ref_act_grad(fut_act_kind act, double z, double slope)
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
    case FUT_ACT_PRELU:
        return z > 0 ? 1 : slope;
    case FUT_ACT_NONE:
        break;
    }
    return 1;
}
