/* Optimizers' passes over the parameter pack. One thread finds what is the same for all parameters of a group at this step, in f64, from
 * what the device knows of the step; then every thread takes `pack` parameters. The formulas are told in core/optim and
 * core/backend/host_optim.c. */
#include "core/backend/cuda/kernels/kernels_optim.h"
#include "core/backend/cuda/kernels/vector_packs.cuh"
#include "gpu_kernel.h"

namespace
{

struct factors {
    double lr[FUT_PARAM_GROUPS], weight_decay[FUT_PARAM_GROUPS];
};

factors factors_of(const fut_param_groups *groups)
{
    factors all;
    for (int k = 0; k < FUT_PARAM_GROUPS; k++) {
        all.lr[k] = groups ? groups->lr[k] : 1;
        all.weight_decay[k] = groups ? groups->weight_decay[k] : 1;
    }
    return all;
}

FUT_DEVICE_FN int group_of(const uint8_t *of, int64_t i)
{
    return of ? of[i] : 0;
}

dim3 grid_for(int64_t n)
{
    return dim3(static_cast<unsigned int>((n + block * pack - 1) / (block * pack)));
}

FUT_DEVICE_FN int64_t first_of_thread()
{
    return (static_cast<int64_t>(blockIdx.x) * block + threadIdx.x) * pack;
}

/* ---- adam ---- */

struct adam_rates {
    float unscale, into_gradient;
    float keep, step, root, eps; /* p = keep p - step m / (sqrt(v) root + eps) */
};

FUT_KERNEL_FN void find_adam_rates(fut_adam_args args, factors factor, const double *lr, const fut_step_control *control, adam_rates *out)
{
    const double steps = static_cast<double>(control->steps), power = pow(args.beta2, steps);
    double step = 1 / (1 - pow(args.beta1, steps)), root = 1 / sqrt(1 - power), eps = args.eps;
    if (args.rectified) {
        const double rho_inf = 2 / (1 - args.beta2) - 1, rho = rho_inf - 2 * steps * power / (1 - power);
        const bool known = rho > 5;
        if (known) step *= sqrt(1 - power) * sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho));
        root = known ? 1 : 0;
        eps = known ? args.eps : 1;
    }
    for (int k = 0; k < FUT_PARAM_GROUPS; k++) {
        const double rate = *lr * factor.lr[k], decay = args.weight_decay * factor.weight_decay[k];
        out[k].unscale = static_cast<float>(control->unscale);
        out[k].into_gradient = static_cast<float>(args.decoupled ? 0 : decay);
        out[k].keep = static_cast<float>(args.decoupled ? 1 - rate * decay : 1);
        out[k].step = static_cast<float>(rate * step);
        out[k].root = static_cast<float>(root);
        out[k].eps = static_cast<float>(eps);
    }
}

struct decays {
    float beta1, rest1, beta2, rest2;
};

template <bool whole>
FUT_KERNEL_FN void adam(int64_t n, decays d, const adam_rates *rates, const uint8_t *of, const fut_step_control *control, float *p,
                        const float *g, float *m, float *v)
{
    const int64_t first = first_of_thread();
    if (first >= n || !control->finite) return;
    fut_pack<float, pack> value = load<whole>(n, first, p), mean = load<whole>(n, first, m), square = load<whole>(n, first, v);
    const fut_pack<float, pack> gradients = load<whole>(n, first, g);
    for (int k = 0; k < pack && first + k < n; k++) {
        const adam_rates r = rates[group_of(of, first + k)];
        const float gradient = gradients.v[k] * r.unscale + r.into_gradient * value.v[k];
        mean.v[k] = d.beta1 * mean.v[k] + d.rest1 * gradient;
        square.v[k] = d.beta2 * square.v[k] + d.rest2 * gradient * gradient;
        value.v[k] = r.keep * value.v[k] - r.step * mean.v[k] / (sqrtf(square.v[k]) * r.root + r.eps);
    }
    store<whole>(n, first, p, value);
    store<whole>(n, first, m, mean);
    store<whole>(n, first, v, square);
}

/* ---- sgd ---- */

struct sgd_rates {
    float unscale, into_gradient;
    float keep, take;       /* buffer = keep buffer + take g */
    float gradient, buffer; /* p -= gradient g + buffer buffer */
};

FUT_KERNEL_FN void find_sgd_rates(fut_sgd_args args, factors factor, const double *lr, const fut_step_control *control, sgd_rates *out)
{
    const bool first = control->steps == 1 || args.momentum == 0;
    for (int k = 0; k < FUT_PARAM_GROUPS; k++) {
        const double rate = *lr * factor.lr[k];
        out[k].unscale = static_cast<float>(control->unscale);
        out[k].into_gradient = static_cast<float>(args.weight_decay * factor.weight_decay[k]);
        out[k].keep = static_cast<float>(first ? 0 : args.momentum);
        out[k].take = static_cast<float>(first ? 1 : 1 - args.dampening);
        out[k].gradient = static_cast<float>(args.nesterov ? rate : 0);
        out[k].buffer = static_cast<float>(args.nesterov ? rate * args.momentum : rate);
    }
}

template <bool whole>
FUT_KERNEL_FN void sgd(int64_t n, const sgd_rates *rates, const uint8_t *of, const fut_step_control *control, float *p, const float *g,
                       float *buffer)
{
    const int64_t first = first_of_thread();
    if (first >= n || !control->finite) return;
    fut_pack<float, pack> value = load<whole>(n, first, p), mean = load<whole>(n, first, buffer);
    const fut_pack<float, pack> gradients = load<whole>(n, first, g);
    for (int k = 0; k < pack && first + k < n; k++) {
        const sgd_rates r = rates[group_of(of, first + k)];
        const float gradient = gradients.v[k] * r.unscale + r.into_gradient * value.v[k];
        mean.v[k] = r.keep * mean.v[k] + r.take * gradient;
        value.v[k] -= r.gradient * gradient + r.buffer * mean.v[k];
    }
    store<whole>(n, first, p, value);
    store<whole>(n, first, buffer, mean);
}

/* ---- schedule_free ---- */

struct schedule_free_rates {
    float unscale, into_gradient;
    float beta2, rest2, inverse_correction, eps; /* g / (sqrt(v inverse_correction) + eps) */
    float toward_z, y_step, z_step;              /* y += toward_z (z - y) + y_step g, z -= z_step g */
};

FUT_KERNEL_FN void find_schedule_free_rates(fut_schedule_free_args args, factors factor, const double *lr, fut_step_control *control,
                                            schedule_free_rates *out)
{
    if (!control->finite) return;
    const double steps = static_cast<double>(control->steps);
    const double rate = control->steps <= args.warmup ? *lr * steps / static_cast<double>(args.warmup) : *lr;
    control->lr_max = fmax(control->lr_max, rate);
    const double weight = pow(steps, args.r) * pow(control->lr_max, args.lr_power);
    control->average_weight += weight;
    const double toward_z = control->average_weight > 0 ? weight / control->average_weight : 0;
    for (int k = 0; k < FUT_PARAM_GROUPS; k++) {
        out[k].unscale = static_cast<float>(control->unscale);
        out[k].into_gradient = static_cast<float>(args.weight_decay * factor.weight_decay[k]);
        out[k].beta2 = static_cast<float>(args.beta2);
        out[k].rest2 = static_cast<float>(1 - args.beta2);
        out[k].inverse_correction = static_cast<float>(1 / (1 - pow(args.beta2, steps)));
        out[k].eps = static_cast<float>(args.eps);
        out[k].toward_z = static_cast<float>(toward_z);
        out[k].y_step = static_cast<float>(rate * factor.lr[k] * (args.beta1 * (1 - toward_z) - 1));
        out[k].z_step = static_cast<float>(rate * factor.lr[k]);
    }
}

template <bool whole, bool adaptive>
FUT_KERNEL_FN void schedule_free(int64_t n, const schedule_free_rates *rates, const uint8_t *of, const fut_step_control *control, float *y,
                                 const float *g, float *z, float *v)
{
    const int64_t first = first_of_thread();
    if (first >= n || !control->finite) return;
    fut_pack<float, pack> value = load<whole>(n, first, y), far = load<whole>(n, first, z), square = {};
    const fut_pack<float, pack> gradients = load<whole>(n, first, g);
    if (adaptive) square = load<whole>(n, first, v);
    for (int k = 0; k < pack && first + k < n; k++) {
        const schedule_free_rates r = rates[group_of(of, first + k)];
        float gradient = gradients.v[k] * r.unscale;
        if (adaptive) {
            square.v[k] = r.beta2 * square.v[k] + r.rest2 * gradient * gradient;
            gradient /= sqrtf(square.v[k] * r.inverse_correction) + r.eps;
        }
        gradient += r.into_gradient * value.v[k];
        value.v[k] += r.toward_z * (far.v[k] - value.v[k]) + r.y_step * gradient;
        far.v[k] -= r.z_step * gradient;
    }
    store<whole>(n, first, y, value);
    store<whole>(n, first, z, far);
    if (adaptive) store<whole>(n, first, v, square);
}

/* ---- averages ---- */

FUT_KERNEL_FN void lookahead(int64_t n, fut_lookahead_args args, const fut_step_control *control, float *p, float *slow)
{
    const int64_t i = static_cast<int64_t>(blockIdx.x) * block + threadIdx.x;
    if (i >= n || !control->finite || control->steps % args.every != 0) return;
    const bool begins = args.lazy && control->steps == args.every;
    slow[i] = begins ? p[i] : slow[i] + static_cast<float>(args.alpha) * (p[i] - slow[i]);
    p[i] = slow[i];
}

FUT_KERNEL_FN void lerp(int64_t n, float weight, const fut_step_control *control, const float *x, float *y)
{
    const int64_t i = static_cast<int64_t>(blockIdx.x) * block + threadIdx.x;
    if (i >= n || (control && !control->finite)) return;
    y[i] += weight * (x[i] - y[i]);
}

/* A warp has a row; all lanes meet in the sum, also those of rows past the end. */
FUT_KERNEL_FN void center_rows(int64_t rows, const int64_t *row, float *x)
{
    const int64_t i = static_cast<int64_t>(blockIdx.x) * (block / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    const int64_t first = i < rows ? row[2 * i] : 0, length = i < rows ? row[2 * i + 1] : 0;
    double sum = 0;
    for (int64_t j = lane; j < length; j += 32)
        sum += static_cast<double>(x[first + j]);
    sum = fut_warp_sum(sum);
    if (i >= rows) return;
    const float mean = static_cast<float>(sum / static_cast<double>(length));
    for (int64_t j = lane; j < length; j += 32)
        x[first + j] -= mean;
}

dim3 grid_of_singles(int64_t n)
{
    return dim3(static_cast<unsigned int>((n + block - 1) / block));
}

} // namespace

cudaError_t fut_cuda_launch_adam(int64_t n, const fut_adam_args *args, const double *lr, const fut_step_control *control,
                                 const fut_param_groups *groups, float *p, const float *g, float *m, float *v, void *scratch,
                                 cudaStream_t stream)
{
    adam_rates *const rates = static_cast<adam_rates *>(scratch);
    const uint8_t *const of = groups ? groups->of : nullptr;
    const decays d = {static_cast<float>(args->beta1), static_cast<float>(1 - args->beta1), static_cast<float>(args->beta2),
                      static_cast<float>(1 - args->beta2)};
    const cudaError_t error = FUT_LAUNCH(find_adam_rates, dim3(1), dim3(1), 0, stream, *args, factors_of(groups), lr, control, rates);
    if (error != cudaSuccess) return error;
    if (is_aligned(p) && is_aligned(g) && is_aligned(m) && is_aligned(v))
        return FUT_LAUNCH((adam<true>), grid_for(n), dim3(block), 0, stream, n, d, rates, of, control, p, g, m, v);
    return FUT_LAUNCH((adam<false>), grid_for(n), dim3(block), 0, stream, n, d, rates, of, control, p, g, m, v);
}

cudaError_t fut_cuda_launch_sgd(int64_t n, const fut_sgd_args *args, const double *lr, const fut_step_control *control,
                                const fut_param_groups *groups, float *p, const float *g, float *buffer, void *scratch, cudaStream_t stream)
{
    sgd_rates *const rates = static_cast<sgd_rates *>(scratch);
    const uint8_t *const of = groups ? groups->of : nullptr;
    const cudaError_t error = FUT_LAUNCH(find_sgd_rates, dim3(1), dim3(1), 0, stream, *args, factors_of(groups), lr, control, rates);
    if (error != cudaSuccess) return error;
    if (is_aligned(p) && is_aligned(g) && is_aligned(buffer))
        return FUT_LAUNCH((sgd<true>), grid_for(n), dim3(block), 0, stream, n, rates, of, control, p, g, buffer);
    return FUT_LAUNCH((sgd<false>), grid_for(n), dim3(block), 0, stream, n, rates, of, control, p, g, buffer);
}

cudaError_t fut_cuda_launch_schedule_free(int64_t n, const fut_schedule_free_args *args, const double *lr, fut_step_control *control,
                                          const fut_param_groups *groups, float *p, const float *g, float *z, float *v, void *scratch,
                                          cudaStream_t stream)
{
    schedule_free_rates *const rates = static_cast<schedule_free_rates *>(scratch);
    const uint8_t *const of = groups ? groups->of : nullptr;
    const bool aligned = is_aligned(p) && is_aligned(g) && is_aligned(z) && is_aligned(v);
    const cudaError_t error =
        FUT_LAUNCH(find_schedule_free_rates, dim3(1), dim3(1), 0, stream, *args, factors_of(groups), lr, control, rates);
    if (error != cudaSuccess) return error;
    if (v == nullptr && aligned)
        return FUT_LAUNCH((schedule_free<true, false>), grid_for(n), dim3(block), 0, stream, n, rates, of, control, p, g, z, v);
    if (v == nullptr)
        return FUT_LAUNCH((schedule_free<false, false>), grid_for(n), dim3(block), 0, stream, n, rates, of, control, p, g, z, v);
    if (aligned) return FUT_LAUNCH((schedule_free<true, true>), grid_for(n), dim3(block), 0, stream, n, rates, of, control, p, g, z, v);
    return FUT_LAUNCH((schedule_free<false, true>), grid_for(n), dim3(block), 0, stream, n, rates, of, control, p, g, z, v);
}

cudaError_t fut_cuda_launch_lookahead(int64_t n, const fut_lookahead_args *args, const fut_step_control *control, float *p, float *slow,
                                      cudaStream_t stream)
{
    return FUT_LAUNCH(lookahead, grid_of_singles(n), dim3(block), 0, stream, n, *args, control, p, slow);
}

cudaError_t fut_cuda_launch_center_rows(int64_t rows, const int64_t *row, float *x, cudaStream_t stream)
{
    const dim3 grid(static_cast<unsigned int>((rows + block / 32 - 1) / (block / 32)));
    return FUT_LAUNCH_SYNC(center_rows, grid, dim3(block), 0, stream, rows, row, x);
}

cudaError_t fut_cuda_launch_lerp(int64_t n, float weight, const fut_step_control *control, const float *x, float *y, cudaStream_t stream)
{
    return FUT_LAUNCH(lerp, grid_of_singles(n), dim3(block), 0, stream, n, weight, control, x, y);
}
