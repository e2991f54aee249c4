/* Triplets drawn by chance, and their losses. A block has whole rows; columns belong to threads as in row_loss.cu, and draws are gone
 * through in order by all threads, of which the one whose column it is writes. */
#include "core/backend/cuda/kernels/row_device.cuh"
#include "core/backend/draw_formulas.h"

namespace
{

/* Running totals over the threads' stretches of a row: thread t's begins at t * length. */
struct row_stretches {
    int64_t length;
    fut_shared<double> weight; /* [block + 1]: before each stretch, and of all */
    fut_shared<double> positives;
};

FUT_DEVICE_FN bool has_column(int64_t j)
{
    return fut_thread_index() == j % block;
}

/* Weights in place of distances. */
FUT_DEVICE_FN void draw_weights(const fut_row_miner &m, int64_t dim, int64_t batch, const uint8_t *kind, float *v,
                                fut_shared<double> scratch)
{
    double nearest = INFINITY, farthest = -INFINITY;
    for (int64_t j = threadIdx.x; j < batch; j += block) {
        const double distance = fut_draw_distance(&m, v[j]);
        if (kind[j] != FUT_PAIR_NEGATIVE || !fut_draw_admits(&m, distance)) continue;
        nearest = distance < nearest ? distance : nearest;
        farthest = distance > farthest ? distance : farthest;
    }
    nearest = -block_max(-nearest, scratch);
    farthest = block_max(farthest, scratch);
    const double top = fut_draw_top(dim, nearest, farthest);
    for (int64_t j = threadIdx.x; j < batch; j += block) {
        const double distance = fut_draw_distance(&m, v[j]);
        const bool admitted = kind[j] == FUT_PAIR_NEGATIVE && fut_draw_admits(&m, distance);
        v[j] = admitted ? static_cast<float>(exp(fut_draw_log_weight(dim, distance) - top)) : 0.0f;
    }
}

FUT_DEVICE_FN void add_stretches(int64_t batch, const uint8_t *kind, const float *weight, const row_stretches &stretches)
{
    const int thread = fut_thread_index();
    double weights = 0, positives = 0;
    for (int64_t j = thread * stretches.length; j < (thread + 1) * stretches.length && j < batch; j++) {
        weights += weight[j];
        positives += kind[j] == FUT_PAIR_POSITIVE;
    }
    stretches.weight[thread + 1] = weights;
    stretches.positives[thread + 1] = positives;
    FUT_SYNC();
    if (thread == 0) {
        stretches.weight[0] = stretches.positives[0] = 0;
        for (int t = 1; t <= block; t++) {
            stretches.weight[t] += stretches.weight[t - 1];
            stretches.positives[t] += stretches.positives[t - 1];
        }
    }
    FUT_SYNC();
}

/* The stretch in which the running total exceeds `below`, else the last. */
FUT_DEVICE_FN int stretch_of(fut_shared<double> totals, double below)
{
    int stretch = 0;
    while (stretch + 1 < block && !(totals[stretch + 1] > below))
        stretch++;
    return stretch;
}

FUT_DEVICE_FN int32_t draw_negative(int64_t batch, const float *weight, const row_stretches &stretches, double below)
{
    int64_t place = -1;
    for (int stretch = stretch_of(stretches.weight, below); place < 0 && stretch >= 0; stretch--) {
        double sum = stretches.weight[stretch];
        for (int64_t j = stretch * stretches.length; j < (stretch + 1) * stretches.length && j < batch && !(sum > below); j++) {
            if (!(weight[j] > 0)) continue;
            sum += weight[j];
            place = j;
        }
    }
    return static_cast<int32_t>(place);
}

FUT_DEVICE_FN int32_t draw_positive(const uint8_t *kind, const row_stretches &stretches, int64_t which)
{
    const int stretch = stretch_of(stretches.positives, static_cast<double>(which));
    int64_t left = which - static_cast<int64_t>(stretches.positives[stretch]), j = stretch * stretches.length;
    for (;; j++) {
        left -= kind[j] == FUT_PAIR_POSITIVE;
        if (left < 0) return static_cast<int32_t>(j);
    }
}

FUT_KERNEL_FN void draw_rows(int64_t n, int64_t batch, int64_t dim, const int64_t *places, fut_row_miner m, const fut_step_control *control,
                             float *v, uint8_t *kind, fut_row_draw *draw)
{
    FUT_SHARED(double, scratch, 32);
    FUT_SHARED(double, weight_totals, block + 1);
    FUT_SHARED(double, positive_totals, block + 1);
    const row_stretches stretches = {(batch + block - 1) / block, weight_totals, positive_totals};
    const int64_t step = control == nullptr ? 0 : control->steps;
    for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
        float *const weight = v + i * batch;
        uint8_t *const mine = kind + i * batch;
        fut_row_draw *const drawn = draw + i * batch;
        draw_weights(m, dim, batch, mine, weight, scratch);
        FUT_SYNC();
        add_stretches(batch, mine, weight, stretches);
        const double sum = stretches.weight[block];
        const int64_t positives = static_cast<int64_t>(stretches.positives[block]);
        const int64_t draws = positives > 0 && sum > 0 ? positives + 1 : 0;
        for (int64_t t = threadIdx.x; t < draws; t += block) {
            const fut_draw_numbers u = fut_draw_numbers_of(m.key, step, places[i], t);
            drawn[t].pos = draw_positive(mine, stretches, fut_draw_which(u.positive, positives));
            drawn[t].neg = draw_negative(batch, weight, stretches, u.negative * sum);
        }
        if (threadIdx.x == 0 && draws < batch) drawn[draws].pos = drawn[draws].neg = -1;
        FUT_SYNC();
        for (int64_t j = threadIdx.x; j < batch; j += block)
            mine[j] = static_cast<uint8_t>(FUT_PAIR_LEFT_OUT);
        for (int64_t t = 0; t < draws; t++) {
            if (has_column(drawn[t].pos)) mine[drawn[t].pos] = static_cast<uint8_t>(FUT_PAIR_POSITIVE);
            if (has_column(drawn[t].neg)) mine[drawn[t].neg] = static_cast<uint8_t>(FUT_PAIR_NEGATIVE);
        }
    }
}

/* A row's draws. */
struct row_draws {
    const fut_row_draw *at;
    int64_t count;
};

FUT_DEVICE_FN void drawn_triplets(const fut_row_loss &k, const row_draws &draws, const row_of_pairs &row, row_sums &sums)
{
    for (int64_t t = 0; t < draws.count; t++) {
        const int32_t p = draws.at[t].pos, n = draws.at[t].neg;
        const bool has_positive = has_column(p), has_negative = has_column(n);
        if (!has_positive && !has_negative) continue;
        const fut_row_triplet triplet = fut_row_triplet_of(&k, row.v[p], row.v[n], row.v[n]);
        if (!triplet.counts) continue;
        sums.at[FUT_ROW_LOSS] += has_positive ? triplet.loss : 0;
        sums.at[FUT_ROW_KEPT] += has_positive;
        if (has_positive) row.g[p] += static_cast<float>(k.sign * triplet.slope);
        if (has_negative) row.g[n] -= static_cast<float>(k.sign * triplet.slope);
    }
}

FUT_DEVICE_FN void drawn_contrastive(const fut_row_loss &k, const row_draws &draws, const row_of_pairs &row, row_sums &sums)
{
    for (int64_t t = 0; t < 2 * draws.count; t++) {
        const bool positive = t % 2 == 0;
        const int32_t j = positive ? draws.at[t / 2].pos : draws.at[t / 2].neg;
        if (!has_column(j)) continue;
        const double excess = fut_row_excess(&k, positive, row.v[j]), loss = fut_row_positive_part(excess);
        if (!fut_row_keeps(&k, loss)) continue;
        sums.at[FUT_ROW_LOSS] += positive ? loss : 0;
        sums.at[FUT_ROW_LOSS_NEG] += positive ? 0 : loss;
        sums.at[FUT_ROW_KEPT] += positive;
        sums.at[FUT_ROW_KEPT_NEG] += !positive;
        if (excess > 0) row.g[j] += static_cast<float>(positive ? k.sign : -k.sign);
    }
}

FUT_DEVICE_FN void drawn_bce(const fut_row_loss &k, const row_draws &draws, const row_of_pairs &row, row_sums &sums)
{
    const fut_row_line line = line_of(k);
    for (int64_t t = 0; t < 2 * draws.count; t++) {
        const bool positive = t % 2 == 0;
        const int32_t j = positive ? draws.at[t / 2].pos : draws.at[t / 2].neg;
        if (has_column(j)) row.g[j] += static_cast<float>(bce_pair(k, line, positive, row.v[j], sums));
    }
}

FUT_DEVICE_FN void drawn_ntxent(const fut_row_loss &k, const row_draws &draws, const row_of_pairs &row, row_sums &sums,
                                fut_shared<double> scratch)
{
    fut_row_side neg = {static_cast<double>(draws.count), -INFINITY, 0, 0};
    double slopes = 0;
    for (int64_t t = threadIdx.x; t < draws.count; t += block)
        neg.top = fmax(neg.top, fut_row_exponent(&k, false, row.v[draws.at[t].neg]));
    neg.top = block_max(neg.top, scratch);
    for (int64_t t = threadIdx.x; t < draws.count; t += block)
        neg.exps += exp(fut_row_exponent(&k, false, row.v[draws.at[t].neg]) - neg.top);
    neg.exps = fut_block_sum<double>(neg.exps, scratch);
    const double log_neg = fut_row_log_sum(&neg), slope = fut_row_exponent_slope(&k, true, 0);
    for (int64_t t = 0; t < draws.count; t++) {
        const int32_t p = draws.at[t].pos;
        if (!has_column(p)) continue;
        const double z = log_neg - fut_row_exponent(&k, true, row.v[p]), loss = fut_row_log_one_more_of(z);
        if (!fut_row_keeps(&k, loss)) continue;
        sums.at[FUT_ROW_LOSS] += loss;
        sums.at[FUT_ROW_KEPT] += 1;
        slopes += fut_row_sigmoid(z);
        row.g[p] -= static_cast<float>(slope * fut_row_sigmoid(z));
    }
    slopes = fut_block_sum<double>(slopes, scratch);
    for (int64_t t = 0; t < draws.count; t++) {
        const int32_t n = draws.at[t].neg;
        if (!has_column(n)) continue;
        row.g[n] += static_cast<float>(slope * slopes * exp(fut_row_exponent(&k, false, row.v[n]) - log_neg));
    }
}

FUT_KERNEL_FN void drawn_rows(int64_t n, int64_t batch, fut_row_loss k, const float *v, const uint8_t *kind, const fut_row_draw *draw,
                              float *g, double *partial)
{
    FUT_SHARED(double, scratch, 32);
    row_sums sums = {};
    for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
        const row_of_pairs row = {batch, v + i * batch, kind + i * batch, g + i * batch};
        row_draws draws = {draw + i * batch, 0};
        while (draws.count < batch && draws.at[draws.count].pos >= 0)
            draws.count++;
        clear_row(row);
        if (k.kind == FUT_ROW_TRIPLET)
            drawn_triplets(k, draws, row, sums);
        else if (k.kind == FUT_ROW_CONTRASTIVE)
            drawn_contrastive(k, draws, row, sums);
        else if (k.kind == FUT_ROW_BCE)
            drawn_bce(k, draws, row, sums);
        else
            drawn_ntxent(k, draws, row, sums, scratch);
        count_row(row, sums);
        close_row(k, row);
    }
    write_partial(sums, partial, scratch);
}

} // namespace

cudaError_t fut_cuda_launch_draw_triplets(const fut_pair_rows *rows, const fut_row_miner *miner, const fut_step_control *control, float *v,
                                          uint8_t *kind, fut_row_draw *draw, cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC(draw_rows, grid_of(rows->n), dim3(block), 0, stream, rows->n, rows->refs, rows->dim, rows->row, *miner, control,
                           v, kind, draw);
}

cudaError_t fut_cuda_launch_drawn_loss(const fut_pair_rows *rows, const fut_row_loss *loss, const float *v, const uint8_t *kind,
                                       const fut_row_draw *draw, float *g, double *sums, void *scratch, cudaStream_t stream)
{
    double *const partial = static_cast<double *>(scratch);
    const cudaError_t error =
        FUT_LAUNCH_SYNC(drawn_rows, grid_of(rows->n), dim3(block), 0, stream, rows->n, rows->refs, *loss, v, kind, draw, g, partial);
    if (error != cudaSuccess) return error;
    const int64_t blocks = grid_of(rows->n).x;
    return FUT_LAUNCH_SYNC(add_partials, dim3(1), dim3(block), 0, stream, blocks, partial, sums);
}
