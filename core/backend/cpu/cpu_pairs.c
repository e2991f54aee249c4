/* Immediate kernels of losses: products of a shard's rows with their references. */
#include "core/backend/cpu/cpu_impl.h"

#include <string.h>

/* Are the rows all of the batch in its order, and the references the batch itself? */
static bool is_whole(const fut_pair_rows *rows, const void *h, const void *r)
{
    bool whole = h == r && rows->n == rows->refs;
    for (int64_t i = 0; whole && i < rows->n; i++)
        whole = rows->row[i] == i;
    return whole;
}

fut_status fut_cpu_similarity_rows(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *h, const void *r, void *sim,
                                   fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "similarity_rows", FUT_F32, real));
    fut_simd_matmul mm = {.rows = rows->n,
                          .cols = rows->refs,
                          .k = rows->dim,
                          .pick = rows->row,
                          .a = h,
                          .a_row = rows->dim,
                          .a_col = 1,
                          .b = r,
                          .b_row = 1,
                          .b_col = rows->dim,
                          .c = sim,
                          .c_row = rows->refs,
                          .alpha = 1};
    if (is_whole(rows, h, r)) {
        mm.pick = NULL;
        fut_cpu_matmul_gram(fut_cpu_of(bk), &mm);
    } else {
        fut_cpu_matmul(fut_cpu_of(bk), &mm);
    }
    return FUT_OK;
}

fut_status fut_cpu_rows_times(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, double scale, const void *g, const void *r,
                              void *dh, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "rows_times", FUT_F32, real));
    fut_simd_matmul mm = {.rows = rows->n,
                          .cols = rows->dim,
                          .k = rows->refs,
                          .a = g,
                          .a_row = rows->refs,
                          .a_col = 1,
                          .b = r,
                          .b_row = rows->dim,
                          .b_col = 1,
                          .c = dh,
                          .c_row = rows->dim,
                          .alpha = (float)scale};
    fut_cpu_matmul(fut_cpu_of(bk), &mm);
    return FUT_OK;
}
