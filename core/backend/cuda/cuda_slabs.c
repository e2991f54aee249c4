#include "core/backend/cuda/cuda_slabs.h"

/* Enough blocks to fill the GPU a few times over (132 multiprocessors that hold four blocks at once, twice), few enough that joining
 * the slabs' sums costs little. */
enum { BLOCKS = 1056, COLUMNS_MAX = 32, ROWS_MIN = 4 /* a thread */ };

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    if (value > high) value = high;
    return value < low ? low : value;
}

fut_cuda_slabs fut_cuda_slabs_of(int64_t images, int64_t rows, int64_t channels)
{
    int64_t pack = channels % FUT_CUDA_PACK == 0 ? FUT_CUDA_PACK : 1;
    int64_t packs = channels / pack, groups = ceil_div(packs, COLUMNS_MAX), columns = ceil_div(packs, groups);
    int64_t lanes = clamp(rows, 1, FUT_CUDA_BLOCK / columns);
    int64_t slabs = clamp(BLOCKS / (images * groups), 1, rows / (lanes * ROWS_MIN));
    int64_t slab_rows = ceil_div(ceil_div(rows, slabs), lanes) * lanes;
    return (fut_cuda_slabs){
        .images = images,
        .rows = rows,
        .channels = channels,
        .slabs = ceil_div(rows, slab_rows),
        .slab_rows = slab_rows,
        .groups = (int)groups,
        .columns = (int)columns,
        .lanes = (int)lanes,
        .pack = (int)pack,
    };
}
