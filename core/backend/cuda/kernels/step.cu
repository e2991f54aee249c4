/* The end of a step: is the gradient finite and how long, and the optimizer's pass over the parameter pack. */
#include "core/backend/cuda/kernels/kernels_vec.h"
#include "gpu_kernel.h"

namespace
{

constexpr int block = 256, pack = 4;
constexpr int64_t most_blocks = FUT_CUDA_PARTIALS;

bool is_aligned(const void *p)
{
    return reinterpret_cast<uintptr_t>(p) % alignof(fut_pack<float, pack>) == 0;
}

/* `pack` elements from x + first, zeros past n; whole: 128 bits at a time. */
template <bool whole> FUT_DEVICE_FN fut_pack<float, pack> load(int64_t n, int64_t first, const float *x)
{
    if (whole && first + pack <= n) return fut_load_pack<pack>(x + first);
    fut_pack<float, pack> values = {};
    for (int k = 0; k < pack && first + k < n; k++)
        values.v[k] = x[first + k];
    return values;
}

template <bool whole> FUT_DEVICE_FN void store(int64_t n, int64_t first, float *x, const fut_pack<float, pack> &values)
{
    if (whole && first + pack <= n) {
        fut_store_pack(x + first, values);
        return;
    }
    for (int k = 0; k < pack && first + k < n; k++)
        x[first + k] = values.v[k];
}

/* ---- step_check ---- */

/* First pass. A thread's packs are a grid apart; the order does not depend on how they are loaded. */
template <bool whole> FUT_KERNEL_FN void sum_squares(int64_t n, const float *g, double *partial)
{
    FUT_SHARED(double, scratch, 32);
    const int64_t thread = static_cast<int64_t>(blockIdx.x) * block + threadIdx.x, threads = static_cast<int64_t>(gridDim.x) * block;
    double sum = 0;
    for (int64_t first = thread * pack; first < n; first += threads * pack) {
        const fut_pack<float, pack> values = load<whole>(n, first, g);
        for (int k = 0; k < pack; k++)
            sum += static_cast<double>(values.v[k]) * static_cast<double>(values.v[k]);
    }
    sum = fut_block_sum<double>(sum, scratch);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/* As fut_host_step_decide. */
FUT_DEVICE_FN void decide(double squares, bool finite, fut_step_control *control)
{
    const double unscale = 1 / control->scale;
    control->unscale = unscale;
    control->squares = squares * unscale * unscale;
    control->finite = finite;
    control->steps += finite;
    if (control->growth_every == 0) return;
    control->good_steps = finite ? control->good_steps + 1 : 0;
    if (!finite) {
        control->scale /= 2;
    } else if (control->good_steps == control->growth_every) {
        control->scale *= 2;
        control->good_steps = 0;
    }
}

/* Second pass, one block. The squares of finite f32 cannot overflow f64, so the sum is finite just where every element is. */
FUT_KERNEL_FN void decide_step(int64_t blocks, const double *partial, const double *loss, int64_t loss_count, fut_step_control *control)
{
    FUT_SHARED(double, scratch, 32);
    double sum = 0;
    for (int64_t at = threadIdx.x; at < blocks; at += block)
        sum += partial[at];
    sum = fut_block_sum<double>(sum, scratch);
    if (threadIdx.x > 0) return;
    bool finite = isfinite(sum);
    for (int64_t i = 0; i < loss_count; i++)
        finite = finite && isfinite(loss[i]);
    decide(sum, finite, control);
}

/* ---- adam ---- */

/* What depends on the step alone. */
struct rates {
    float keep;    /* the decoupled weight decay leaves this of a parameter */
    float step;    /* lr / (1 - beta1^steps) */
    float root;    /* 1 / sqrt(1 - beta2^steps) */
    float unscale; /* of the gradient */
};

FUT_KERNEL_FN void find_rates(fut_adam_args args, const double *lr, const fut_step_control *control, rates *out)
{
    const double steps = static_cast<double>(control->steps);
    out->keep = static_cast<float>(args.decoupled ? 1 - *lr * args.weight_decay : 1);
    out->step = static_cast<float>(*lr / (1 - pow(args.beta1, steps)));
    out->root = static_cast<float>(1 / sqrt(1 - pow(args.beta2, steps)));
    out->unscale = static_cast<float>(control->unscale);
}

/* fut_adam_args in f32, with the parts that are known before the step. */
struct decays {
    float beta1, rest1, beta2, rest2, eps, into_gradient;
};

/* torch.optim.AdamW or Adam: see core/optim/adam.c for the formula. A thread has `pack` parameters. */
template <bool whole>
FUT_KERNEL_FN void adam(int64_t n, decays d, const rates *rate, const fut_step_control *control, float *p, const float *g, float *m,
                        float *v)
{
    const int64_t first = (static_cast<int64_t>(blockIdx.x) * block + threadIdx.x) * pack;
    if (first >= n || !control->finite) return;
    const rates r = *rate;
    fut_pack<float, pack> value = load<whole>(n, first, p), mean = load<whole>(n, first, m), square = load<whole>(n, first, v);
    const fut_pack<float, pack> gradients = load<whole>(n, first, g);
    for (int k = 0; k < pack; k++) {
        const float gradient = gradients.v[k] * r.unscale + d.into_gradient * value.v[k];
        mean.v[k] = d.beta1 * mean.v[k] + d.rest1 * gradient;
        square.v[k] = d.beta2 * square.v[k] + d.rest2 * gradient * gradient;
        value.v[k] = r.keep * value.v[k] - r.step * mean.v[k] / (sqrtf(square.v[k]) * r.root + d.eps);
    }
    store<whole>(n, first, p, value);
    store<whole>(n, first, m, mean);
    store<whole>(n, first, v, square);
}

} // namespace

cudaError_t fut_cuda_launch_step_check(int64_t n, const float *g, const double *loss, int64_t loss_count, fut_step_control *control,
                                       void *scratch, cudaStream_t stream)
{
    double *const partial = static_cast<double *>(scratch);
    const int64_t wanted = n / (block * pack) + 1, blocks = wanted < most_blocks ? wanted : most_blocks;
    const dim3 grid(static_cast<unsigned int>(blocks));
    const cudaError_t error = is_aligned(g) ? FUT_LAUNCH_SYNC((sum_squares<true>), grid, dim3(block), 0, stream, n, g, partial)
                                            : FUT_LAUNCH_SYNC((sum_squares<false>), grid, dim3(block), 0, stream, n, g, partial);
    if (error != cudaSuccess) return error;
    return FUT_LAUNCH_SYNC(decide_step, dim3(1), dim3(block), 0, stream, blocks, partial, loss, loss_count, control);
}

cudaError_t fut_cuda_launch_adam(int64_t n, const fut_adam_args *args, const double *lr, const fut_step_control *control, float *p,
                                 const float *g, float *m, float *v, void *scratch, cudaStream_t stream)
{
    rates *const rate = static_cast<rates *>(scratch);
    const decays d = {static_cast<float>(args->beta1), static_cast<float>(1 - args->beta1),
                      static_cast<float>(args->beta2), static_cast<float>(1 - args->beta2),
                      static_cast<float>(args->eps),   args->decoupled ? 0.0f : static_cast<float>(args->weight_decay)};
    const dim3 grid(static_cast<unsigned int>((n + block * pack - 1) / (block * pack)));
    const cudaError_t error = FUT_LAUNCH(find_rates, dim3(1), dim3(1), 0, stream, *args, lr, control, rate);
    if (error != cudaSuccess) return error;
    if (is_aligned(p) && is_aligned(g) && is_aligned(m) && is_aligned(v))
        return FUT_LAUNCH((adam<true>), grid, dim3(block), 0, stream, n, d, rate, control, p, g, m, v);
    return FUT_LAUNCH((adam<false>), grid, dim3(block), 0, stream, n, d, rate, control, p, g, m, v);
}
