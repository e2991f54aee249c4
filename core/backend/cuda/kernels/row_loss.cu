/* Row losses. A block has whole rows; thread t has the columns t, t + block, ... of one: what it writes of g, only it reads back. */
#include "core/backend/cuda/kernels/row_device.cuh"

namespace
{

FUT_DEVICE_FN void contrastive_row(const fut_row_loss &k, const row_of_pairs &row, row_sums &sums)
{
    for (int64_t j = threadIdx.x; j < row.batch; j += block) {
        const bool positive = row.kind[j] == FUT_PAIR_POSITIVE;
        const double excess = fut_row_excess(&k, positive, row.v[j]), loss = fut_row_positive_part(excess);
        const bool kept = row.kind[j] != FUT_PAIR_LEFT_OUT && fut_row_keeps(&k, loss);
        row.g[j] = kept && excess > 0 ? static_cast<float>(positive ? k.sign : -k.sign) : 0.0f;
        sums.at[FUT_ROW_LOSS] += kept && positive ? loss : 0;
        sums.at[FUT_ROW_LOSS_NEG] += kept && !positive ? loss : 0;
        sums.at[FUT_ROW_KEPT] += kept && positive;
        sums.at[FUT_ROW_KEPT_NEG] += kept && !positive;
    }
}

FUT_DEVICE_FN void bce_row(const fut_row_loss &k, const row_of_pairs &row, row_sums &sums)
{
    const fut_row_line line = line_of(k);
    for (int64_t j = threadIdx.x; j < row.batch; j += block)
        if (row.kind[j] != FUT_PAIR_LEFT_OUT)
            row.g[j] = static_cast<float>(bce_pair(k, line, row.kind[j] == FUT_PAIR_POSITIVE, row.v[j], sums));
}

/* Each positive in turn, with the thread's negatives; with swap, all_v [batch, batch] has the positives' rows. */
FUT_DEVICE_FN void triplet_row(const fut_row_loss &k, const row_of_pairs &row, const float *all_v, row_sums &sums,
                               fut_shared<double> scratch)
{
    for (int64_t p = 0; p < row.batch; p++) {
        if (row.kind[p] != FUT_PAIR_POSITIVE) continue; /* the same for the whole block */
        const float *const swap = k.swap ? all_v + p * row.batch : row.v;
        double slopes = 0;
        for (int64_t n = threadIdx.x; n < row.batch; n += block) {
            if (row.kind[n] != FUT_PAIR_NEGATIVE) continue;
            const fut_row_triplet t = fut_row_triplet_of(&k, row.v[p], row.v[n], swap[n]);
            if (!t.counts) continue;
            row.g[n] -= static_cast<float>(k.sign * t.slope * t.anchor_share);
            slopes += t.slope;
            sums.at[FUT_ROW_LOSS] += t.loss;
            sums.at[FUT_ROW_KEPT] += 1;
        }
        slopes = fut_block_sum<double>(slopes, scratch);
        if (threadIdx.x == p % block) row.g[p] = static_cast<float>(k.sign * slopes);
    }
}

/* What an anchor's triplets with the positive p leave to p's own values: anchor_v, anchor_kind of the anchor, the row p's. */
FUT_DEVICE_FN void swapped_row(const fut_row_loss &k, int64_t p, const float *anchor_v, const uint8_t *anchor_kind, const row_of_pairs &row)
{
    for (int64_t n = threadIdx.x; n < row.batch; n += block) {
        if (anchor_kind[n] != FUT_PAIR_NEGATIVE) continue;
        const fut_row_triplet t = fut_row_triplet_of(&k, anchor_v[p], anchor_v[n], row.v[n]);
        if (t.counts) row.g[n] -= static_cast<float>(k.sign * t.slope * (1 - t.anchor_share));
    }
}

FUT_DEVICE_FN fut_row_side side_of(const fut_row_loss &k, bool positive, const row_of_pairs &row, fut_shared<double> scratch)
{
    const uint8_t mine = positive ? FUT_PAIR_POSITIVE : FUT_PAIR_NEGATIVE;
    fut_row_side side = {0, -INFINITY, 0, 0};
    for (int64_t j = threadIdx.x; j < row.batch; j += block) {
        if (row.kind[j] != mine) continue;
        const double x = fut_row_exponent(&k, positive, row.v[j]);
        side.count += 1;
        side.exponents += x;
        side.top = side.top < x ? x : side.top;
    }
    side.count = fut_block_sum<double>(side.count, scratch);
    side.exponents = fut_block_sum<double>(side.exponents, scratch);
    side.top = block_max(side.top, scratch);
    for (int64_t j = threadIdx.x; j < row.batch; j += block)
        if (row.kind[j] == mine) side.exps += exp(fut_row_exponent(&k, positive, row.v[j]) - side.top);
    side.exps = fut_block_sum<double>(side.exps, scratch);
    return side;
}

/* Losses with an item a row. */
FUT_DEVICE_FN void exponents_row(const fut_row_loss &k, const row_of_pairs &row, row_sums &sums, fut_shared<double> scratch)
{
    const fut_row_side pos = side_of(k, true, row, scratch), neg = side_of(k, false, row, scratch);
    const fut_row_result r = fut_row_result_of(&k, &pos, &neg);
    const bool kept = fut_row_keeps(&k, r.loss);
    if (threadIdx.x == 0) {
        sums.at[FUT_ROW_LOSS] += kept ? r.loss : 0;
        sums.at[FUT_ROW_KEPT] += kept;
    }
    for (int64_t j = threadIdx.x; j < row.batch; j += block) {
        const bool active = kept && row.kind[j] != FUT_PAIR_LEFT_OUT;
        row.g[j] = active ? static_cast<float>(fut_row_result_grad(&k, &r, row.kind[j] == FUT_PAIR_POSITIVE, row.v[j])) : 0.0f;
    }
}

FUT_DEVICE_FN void ntxent_row(const fut_row_loss &k, const row_of_pairs &row, row_sums &sums, fut_shared<double> scratch)
{
    const fut_row_side neg = side_of(k, false, row, scratch);
    const double log_neg = fut_row_log_sum(&neg), slope = fut_row_exponent_slope(&k, true, 0);
    double slopes = 0;
    for (int64_t j = threadIdx.x; j < row.batch; j += block) {
        row.g[j] = 0;
        if (row.kind[j] != FUT_PAIR_POSITIVE) continue;
        const double z = log_neg - fut_row_exponent(&k, true, row.v[j]), loss = fut_row_log_one_more_of(z);
        if (!fut_row_keeps(&k, loss)) continue;
        sums.at[FUT_ROW_LOSS] += loss;
        sums.at[FUT_ROW_KEPT] += 1;
        slopes += fut_row_sigmoid(z);
        row.g[j] = static_cast<float>(-slope * fut_row_sigmoid(z));
    }
    slopes = fut_block_sum<double>(slopes, scratch);
    for (int64_t j = threadIdx.x; j < row.batch; j += block)
        if (row.kind[j] == FUT_PAIR_NEGATIVE)
            row.g[j] = static_cast<float>(slope * slopes * exp(fut_row_exponent(&k, false, row.v[j]) - log_neg));
}

/* First pass: partial [slots] of each block, whose rows are blockIdx.x, + gridDim.x, ... A loss is compiled alone: they differ in
 * registers. */
template <fut_row_loss_kind loss_kind>
FUT_KERNEL_FN void loss_rows(int64_t n, int64_t batch, fut_row_loss k, const float *v, const uint8_t *kind, float *g, double *partial)
{
    FUT_SHARED(double, scratch, 32);
    row_sums sums = {};
    for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
        const row_of_pairs row = {batch, v + i * batch, kind + i * batch, g + i * batch};
        clear_row(row);
        if constexpr (loss_kind == FUT_ROW_CONTRASTIVE)
            contrastive_row(k, row, sums);
        else if constexpr (loss_kind == FUT_ROW_TRIPLET)
            triplet_row(k, row, nullptr, sums, scratch);
        else if constexpr (loss_kind == FUT_ROW_NTXENT)
            ntxent_row(k, row, sums, scratch);
        else if constexpr (loss_kind == FUT_ROW_BCE)
            bce_row(k, row, sums);
        else
            exponents_row(k, row, sums, scratch);
        count_row(row, sums);
        close_row(k, row);
    }
    write_partial(sums, partial, scratch);
}

/* The same of triplets with swap: a block has places of the batch, each as an anchor, if it is one of the rows, and as a positive of the
 * rows' anchors. v, g: [batch, batch]. */
FUT_KERNEL_FN void swap_rows(int64_t n, int64_t batch, const int64_t *places, fut_row_loss k, const float *v, const uint8_t *kind, float *g,
                             double *partial)
{
    FUT_SHARED(double, scratch, 32);
    row_sums sums = {};
    for (int64_t r = blockIdx.x; r < batch; r += gridDim.x) {
        const row_of_pairs row = {batch, v + r * batch, kind, g + r * batch};
        clear_row(row);
        for (int64_t i = 0; i < n; i++) {
            if (places[i] != r) continue;
            const row_of_pairs anchor = {batch, row.v, kind + i * batch, row.g};
            triplet_row(k, anchor, v, sums, scratch);
            count_row(anchor, sums);
        }
        for (int64_t i = 0; i < n; i++)
            if (kind[i * batch + r] == FUT_PAIR_POSITIVE) swapped_row(k, r, v + places[i] * batch, kind + i * batch, row);
        close_row(k, row);
    }
    write_partial(sums, partial, scratch);
}

FUT_KERNEL_FN void weigh_rows(int64_t n, int64_t batch, fut_row_loss k, const uint8_t *kind, const double *total, float *g)
{
    const float of_positive = static_cast<float>(fut_row_weight(&k, total, FUT_ROW_KEPT));
    const float of_negative = static_cast<float>(fut_row_weight(&k, total, fut_row_kept_neg(&k)));
    for (int64_t i = blockIdx.x; i < n; i += gridDim.x)
        for (int64_t at = i * batch + threadIdx.x; at < (i + 1) * batch; at += block)
            g[at] *= kind == nullptr || kind[at] == FUT_PAIR_POSITIVE ? of_positive : of_negative;
}

/* Place of what the pick takes, -1 for nothing; far_out is its far. The same for the whole block. */
FUT_DEVICE_FN int64_t pick_place(const fut_row_pick &pick, double sign, int64_t batch, const float *v, const uint8_t *kind, double *far_out,
                                 fut_shared<double> scratch)
{
    double best = -INFINITY, place = -INFINITY;
    for (int64_t j = threadIdx.x; j < batch; j += block) {
        const double far = sign * v[j], value = pick.farthest ? far : -far;
        if (fut_row_pick_takes(&pick, kind[j], far) && value > best) best = value;
    }
    best = block_max(best, scratch);
    for (int64_t j = threadIdx.x; j < batch; j += block) {
        const double far = sign * v[j], value = pick.farthest ? far : -far, turned = -static_cast<double>(j);
        if (fut_row_pick_takes(&pick, kind[j], far) && value == best && turned > place) place = turned;
    }
    place = block_max(place, scratch);
    *far_out = pick.farthest ? best : -best;
    return place == -INFINITY ? -1 : static_cast<int64_t>(-place);
}

FUT_DEVICE_FN void mine_easy_hard(const fut_row_miner &m, int64_t batch, const float *v, uint8_t *kind, fut_shared<double> scratch)
{
    const bool first_is_positive = !fut_row_picks_negative_first(&m);
    double far = 0, ignored = 0;
    const fut_row_pick first = fut_row_pick_of(&m, first_is_positive, 0);
    const int64_t a = pick_place(first, m.sign, batch, v, kind, &far, scratch);
    const fut_row_pick second = fut_row_pick_of(&m, !first_is_positive, far);
    const int64_t b = pick_place(second, m.sign, batch, v, kind, &ignored, scratch);
    for (int64_t j = threadIdx.x; j < batch; j += block)
        kind[j] = fut_row_picked(&m, kind[j], j, first_is_positive ? a : b, first_is_positive ? b : a);
}

FUT_DEVICE_FN void mine_by_bounds(const fut_row_miner &m, int64_t batch, const float *v, uint8_t *kind, fut_shared<double> scratch)
{
    double nearest_neg = INFINITY, farthest_pos = -INFINITY;
    for (int64_t j = threadIdx.x; j < batch; j += block) {
        const double far = m.sign * v[j];
        if (kind[j] == FUT_PAIR_NEGATIVE && far < nearest_neg) nearest_neg = far;
        if (kind[j] == FUT_PAIR_POSITIVE && far > farthest_pos) farthest_pos = far;
    }
    nearest_neg = -block_max(-nearest_neg, scratch);
    farthest_pos = block_max(farthest_pos, scratch);
    for (int64_t j = threadIdx.x; j < batch; j += block)
        if (!fut_row_mines(&m, kind[j] == FUT_PAIR_POSITIVE, m.sign * v[j], nearest_neg, farthest_pos))
            kind[j] = static_cast<uint8_t>(FUT_PAIR_LEFT_OUT);
}

FUT_KERNEL_FN void select_pairs(fut_pair_rows rows, fut_row_miner m, const float *v, uint8_t *kind)
{
    FUT_SHARED(double, scratch, 32);
    const int64_t refs = rows.refs;
    const int64_t *const ref_label = rows.ref_label ? rows.ref_label : rows.label;
    const int64_t *const ref_image = rows.ref_label ? rows.ref_image : rows.image;
    for (int64_t i = blockIdx.x; i < rows.n; i += gridDim.x) {
        const int64_t place = rows.row[i], label = rows.label[place], image = rows.image[place];
        uint8_t *const mine = kind + i * refs;
        for (int64_t j = threadIdx.x; j < refs; j += block)
            mine[j] = fut_row_pair_kind(label, image, ref_label[j], ref_image[j]);
        if (m.kind == FUT_MINER_EASY_HARD)
            mine_easy_hard(m, refs, v + i * refs, mine, scratch);
        else if (m.kind != FUT_MINER_ALL_PAIRS)
            mine_by_bounds(m, refs, v + i * refs, mine, scratch);
    }
}

/* Where two rows nearly agree, 2 - 2 s has few digits left: their difference has all. */
FUT_KERNEL_FN void l2_rows(int64_t n, int64_t refs, int64_t dim, const int64_t *row, const float *norm, const float *h,
                           const float *ref_norm, const float *r, float *v)
{
    for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
        const int64_t place = row[i];
        const double mine = fut_row_unit_square(norm[place]);
        for (int64_t j = threadIdx.x; j < refs; j += block) {
            double square = mine + fut_row_unit_square(ref_norm[j]) - 2 * static_cast<double>(v[i * refs + j]);
            if (square < FUT_ROW_NEAR) {
                square = 0;
                for (int64_t c = 0; c < dim; c++) {
                    const double d = static_cast<double>(h[place * dim + c]) - static_cast<double>(r[j * dim + c]);
                    square += d * d;
                }
            }
            v[i * refs + j] = static_cast<float>(sqrt(square));
        }
    }
}

template <fut_row_loss_kind loss_kind>
cudaError_t launch_loss_rows(const fut_pair_rows *rows, const fut_row_loss *loss, const float *v, const uint8_t *kind, float *g,
                             double *partial, cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC((loss_rows<loss_kind>), grid_of(rows->n), dim3(block), 0, stream, rows->n, rows->refs, *loss, v, kind, g,
                           partial);
}

} // namespace

cudaError_t fut_cuda_launch_row_loss(const fut_pair_rows *rows, const fut_row_loss *loss, const float *v, const uint8_t *kind, float *g,
                                     double *sums, void *scratch, cudaStream_t stream)
{
    double *const partial = static_cast<double *>(scratch);
    cudaError_t error = cudaErrorInvalidValue;
    switch (loss->kind) {
    case FUT_ROW_CONTRASTIVE:
        error = launch_loss_rows<FUT_ROW_CONTRASTIVE>(rows, loss, v, kind, g, partial, stream);
        break;
    case FUT_ROW_TRIPLET:
        error = launch_loss_rows<FUT_ROW_TRIPLET>(rows, loss, v, kind, g, partial, stream);
        break;
    case FUT_ROW_NTXENT:
        error = launch_loss_rows<FUT_ROW_NTXENT>(rows, loss, v, kind, g, partial, stream);
        break;
    case FUT_ROW_BCE:
        error = launch_loss_rows<FUT_ROW_BCE>(rows, loss, v, kind, g, partial, stream);
        break;
    case FUT_ROW_MULTI_SIMILARITY:
    case FUT_ROW_SUPCON:
    case FUT_ROW_CIRCLE:
    case FUT_ROW_ARCFACE:
    case FUT_ROW_COSFACE:
        error = launch_loss_rows<FUT_ROW_SUPCON>(rows, loss, v, kind, g, partial, stream);
        break;
    }
    if (error != cudaSuccess) return error;
    const int64_t blocks = grid_of(rows->n).x;
    return FUT_LAUNCH_SYNC(add_partials, dim3(1), dim3(block), 0, stream, blocks, partial, sums);
}

cudaError_t fut_cuda_launch_swap_loss(const fut_pair_rows *rows, const fut_row_loss *loss, const float *v, const uint8_t *kind, float *g,
                                      double *sums, void *scratch, cudaStream_t stream)
{
    double *const partial = static_cast<double *>(scratch);
    const dim3 grid = grid_of(rows->refs);
    const cudaError_t error =
        FUT_LAUNCH_SYNC(swap_rows, grid, dim3(block), 0, stream, rows->n, rows->refs, rows->row, *loss, v, kind, g, partial);
    if (error != cudaSuccess) return error;
    const int64_t blocks = grid.x;
    return FUT_LAUNCH_SYNC(add_partials, dim3(1), dim3(block), 0, stream, blocks, partial, sums);
}

cudaError_t fut_cuda_launch_row_loss_weigh(const fut_pair_rows *rows, const fut_row_loss *loss, const uint8_t *kind, const double *total,
                                           float *g, cudaStream_t stream)
{
    return FUT_LAUNCH(weigh_rows, grid_of(rows->n), dim3(block), 0, stream, rows->n, rows->refs, *loss, kind, total, g);
}

cudaError_t fut_cuda_launch_select_pairs(const fut_pair_rows *rows, const fut_row_miner *miner, const float *v, uint8_t *kind,
                                         cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC(select_pairs, grid_of(rows->n), dim3(block), 0, stream, *rows, *miner, v, kind);
}

cudaError_t fut_cuda_launch_l2_rows(const fut_pair_rows *rows, const float *norm, const float *h, const float *ref_norm, const float *r,
                                    float *v, cudaStream_t stream)
{
    return FUT_LAUNCH(l2_rows, grid_of(rows->n), dim3(block), 0, stream, rows->n, rows->refs, rows->dim, rows->row, norm, h, ref_norm, r,
                      v);
}
