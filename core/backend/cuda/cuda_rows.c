/* Row losses. */
#include "core/backend/cuda/cuda_impl.h"
#include "core/backend/cuda/kernels/kernels_rows.h"

_Static_assert((int)FUT_CUDA_ROWS_SCRATCH <= (int)FUT_CUDA_SCRATCH_BYTES, "a stream's scratch holds the partial sums");

fut_status fut_cuda_l2_rows(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *norm, const void *h,
                            const void *ref_norm, const void *r, void *v, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("l2_rows", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_l2_rows(rows, norm, h, ref_norm, r, v, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_select_pairs(fut_backend *bk, const fut_pair_rows *rows, const fut_row_miner *miner, fut_dtype real, const void *v,
                                 uint8_t *kind, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("select_pairs", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_select_pairs(rows, miner, v, kind, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_row_loss(fut_backend *bk, const fut_pair_rows *rows, const fut_row_loss *loss, fut_dtype real, const void *v,
                             const uint8_t *kind, void *g, double *sums, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("row_loss", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_row_loss(rows, loss, v, kind, g, sums, fut_cuda_scratch(bk, s), fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_draw_triplets(fut_backend *bk, const fut_pair_rows *rows, const fut_row_miner *miner, fut_dtype real,
                                  const fut_step_control *control, void *v, uint8_t *kind, fut_row_draw *draw, fut_stream *s)
{
    static const fut_row_miner all_pairs = {.kind = FUT_MINER_ALL_PAIRS};
    FUT_TRY(fut_cuda_check_dtype("draw_triplets", FUT_F32, real));
    FUT_TRY(FUT_CUDA(fut_cuda_launch_select_pairs(rows, &all_pairs, NULL, kind, fut_cuda_stream(bk, s))));
    return FUT_CUDA(fut_cuda_launch_draw_triplets(rows, miner, control, v, kind, draw, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_drawn_loss(fut_backend *bk, const fut_pair_rows *rows, const fut_row_loss *loss, fut_dtype real, const void *v,
                               const uint8_t *kind, const fut_row_draw *draw, void *g, double *sums, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("drawn_loss", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_drawn_loss(rows, loss, v, kind, draw, g, sums, fut_cuda_scratch(bk, s), fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_swap_loss(fut_backend *bk, const fut_pair_rows *rows, const fut_row_loss *loss, fut_dtype real, const void *v,
                              const uint8_t *kind, void *g, double *sums, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("swap_loss", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_swap_loss(rows, loss, v, kind, g, sums, fut_cuda_scratch(bk, s), fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_row_loss_weigh(fut_backend *bk, const fut_pair_rows *rows, const fut_row_loss *loss, fut_dtype real,
                                   const uint8_t *kind, const double *total, void *g, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("row_loss_weigh", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_row_loss_weigh(rows, loss, kind, total, g, fut_cuda_stream(bk, s)));
}
