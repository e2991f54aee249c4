/* Immediate kernels of row losses. */
#include "core/backend/draw_formulas.h"
#include "core/backend/ref/ref_impl.h"
#include "core/backend/row_formulas.h"

#include <math.h>
#include <string.h>

#define REF_BODY "core/backend/ref/ref_rows.inc"
#include "core/backend/ref/ref_twice.inc"

fut_status fut_ref_l2_rows(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *norm, const void *h,
                           const void *ref_norm, const void *r, void *v, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(l2_rows, real, rows, norm, h, ref_norm, r, v);
}

fut_status fut_ref_select_pairs(fut_backend *bk, const fut_pair_rows *rows, const fut_row_miner *miner, fut_dtype real, const void *v,
                                uint8_t *kind, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(select_pairs, real, rows, miner, v, kind);
}

fut_status fut_ref_draw_triplets(fut_backend *bk, const fut_pair_rows *rows, const fut_row_miner *miner, fut_dtype real,
                                 const fut_step_control *control, void *v, uint8_t *kind, fut_row_draw *draw, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(draw_triplets, real, rows, miner, control, v, kind, draw);
}

fut_status fut_ref_drawn_loss(fut_backend *bk, const fut_pair_rows *rows, const fut_row_loss *loss, fut_dtype real, const void *v,
                              const uint8_t *kind, const fut_row_draw *draw, void *g, double *sums, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(drawn_loss, real, rows, loss, v, kind, draw, g, sums);
}

fut_status fut_ref_row_loss(fut_backend *bk, const fut_pair_rows *rows, const fut_row_loss *loss, fut_dtype real, const void *v,
                            const uint8_t *kind, void *g, double *sums, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(row_loss, real, rows, loss, v, kind, g, sums);
}

fut_status fut_ref_swap_loss(fut_backend *bk, const fut_pair_rows *rows, const fut_row_loss *loss, fut_dtype real, const void *v,
                             const uint8_t *kind, void *g, double *sums, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(swap_loss, real, rows, loss, v, kind, g, sums);
}

fut_status fut_ref_row_loss_weigh(fut_backend *bk, const fut_pair_rows *rows, const fut_row_loss *loss, fut_dtype real, const uint8_t *kind,
                                  const double *total, void *g, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(row_loss_weigh, real, rows, loss, kind, total, g);
}

fut_status fut_ref_logit_params(fut_backend *bk, const fut_row_loss *loss, fut_dtype real, const double *sums, const double *total,
                                void *dscale, void *dshift, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(logit_params, real, loss, sums, total, dscale, dshift);
}

fut_status fut_ref_remember_rows(fut_backend *bk, int64_t n, fut_dtype real, const fut_row_memory *memory, const void *e,
                                 const int64_t *label, const int64_t *image, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(remember_rows, real, n, memory, e, label, image);
}

fut_status fut_ref_gather_rows(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const int64_t *row, const void *src, void *dst,
                               fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(gather_rows, real, n, d, row, src, dst);
}

fut_status fut_ref_add_rows(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const int64_t *row, const void *src, void *dst,
                            fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(add_rows, real, n, d, row, src, dst);
}

fut_status fut_ref_rows_times_transposed(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *g, const void *h_rows,
                                         void *dr, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(rows_times_transposed, real, rows, g, h_rows, dr);
}

fut_status fut_ref_add_transposed(fut_backend *bk, int64_t n, fut_dtype real, void *g, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(add_transposed, real, n, g);
}
