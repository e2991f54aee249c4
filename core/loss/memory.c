#include "core/loss/memory.h"

#include "core/base/mem.h"

static fut_status make_empty(fut_backend *bk, size_t bytes_of_e, const fut_row_memory *memory)
{
    fut_status st = FUT_OK;
    int64_t *nothing = NULL;
    size_t bytes = (size_t)memory->size * sizeof *nothing;
    FUT_TRY(FUT_NEW_ARRAY(memory->size, &nothing));
    for (int64_t i = 0; i < memory->size; i++)
        nothing[i] = -1;
    FUT_TRY_GOTO(bk->upload(bk, memory->label, nothing, bytes, NULL), out);
    FUT_TRY_GOTO(bk->upload(bk, memory->image, nothing, bytes, NULL), out);
    FUT_TRY_GOTO(bk->fill_zero(bk, memory->e, bytes_of_e, NULL), out);
    FUT_TRY_GOTO(bk->fill_zero(bk, memory->entered, sizeof *memory->entered, NULL), out);
    FUT_TRY_GOTO(bk->sync(bk, NULL), out);
out:
    fut_mem_free(nothing);
    return st;
}

fut_status fut_loss_memory_init(fut_backend *bk, int64_t size, int64_t dim, fut_dtype real, fut_row_memory *memory_out)
{
    const size_t places = (size_t)size * sizeof(int64_t), bytes_of_e = (size_t)(size * dim) * fut_dtype_size(real);
    *memory_out = (fut_row_memory){.size = size, .dim = dim};
    FUT_TRY(bk->alloc(bk, bytes_of_e, &memory_out->e));
    FUT_TRY(bk->alloc(bk, places, (void **)&memory_out->label));
    FUT_TRY(bk->alloc(bk, places, (void **)&memory_out->image));
    FUT_TRY(bk->alloc(bk, sizeof *memory_out->entered, (void **)&memory_out->entered));
    return make_empty(bk, bytes_of_e, memory_out);
}

void fut_loss_memory_fini(fut_backend *bk, fut_row_memory *memory)
{
    void *blocks[] = {memory->e, memory->label, memory->image, memory->entered};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (blocks[i] != NULL) bk->free(bk, blocks[i]);
    *memory = (fut_row_memory){0};
}
