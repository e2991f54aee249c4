/* Immediate kernels of losses: products of a shard's rows with the global batch. */
#include "core/backend/cpu/cpu_impl.h"

#include <string.h>

fut_status fut_cpu_similarity_rows(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *h, void *sim, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "similarity_rows", FUT_F32, real));
    fut_simd_matmul mm = {.rows = rows->n,
                          .cols = rows->batch,
                          .k = rows->dim,
                          .pick = rows->row,
                          .a = h,
                          .a_row = rows->dim,
                          .a_col = 1,
                          .b = h,
                          .b_row = 1,
                          .b_col = rows->dim,
                          .c = sim,
                          .c_row = rows->batch,
                          .alpha = 1};
    fut_cpu_matmul(fut_cpu_of(bk), &mm);
    return FUT_OK;
}

fut_status fut_cpu_rows_times(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, double scale, const void *g, const void *h,
                              void *dh, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "rows_times", FUT_F32, real));
    fut_simd_matmul mm = {.rows = rows->n,
                          .cols = rows->dim,
                          .k = rows->batch,
                          .a = g,
                          .a_row = rows->batch,
                          .a_col = 1,
                          .b = h,
                          .b_row = rows->dim,
                          .b_col = 1,
                          .c = dh,
                          .c_row = rows->dim,
                          .alpha = (float)scale};
    fut_cpu_matmul(fut_cpu_of(bk), &mm);
    return FUT_OK;
}
