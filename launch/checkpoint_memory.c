/* The loss's memory in a checkpoint. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "launch/checkpoint_impl.h"

#include <inttypes.h>

static const char memory_group[] = "/loss/memory";

void fut_checkpoint_free_memory(fut_row_memory *memory)
{
    void *blocks[] = {memory->e, memory->label, memory->image, memory->entered};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        fut_mem_free(blocks[i]);
    *memory = (fut_row_memory){0};
}

static fut_status new_memory(int64_t size, int64_t dim, fut_row_memory *memory)
{
    float *e = NULL;
    memory->size = size;
    memory->dim = dim;
    FUT_TRY(FUT_NEW_ARRAY(size * dim, &e));
    memory->e = e;
    FUT_TRY(FUT_NEW_ARRAY(size, &memory->label));
    FUT_TRY(FUT_NEW_ARRAY(size, &memory->image));
    return FUT_NEW_ARRAY(1, &memory->entered);
}

fut_status fut_checkpoint_take_memory(fut_checkpoint_state *state, const fut_loss *loss)
{
    const fut_row_memory *from = &loss->memory;
    fut_backend *bk = loss->bk;
    fut_row_memory *to = &state->memory;
    size_t places = (size_t)from->size * sizeof *from->label;
    if (from->size == 0) return FUT_OK;
    if (to->entered == NULL) {
        fut_checkpoint_free_memory(to);
        FUT_TRY(new_memory(from->size, from->dim, to));
    }
    state->memory_people = loss->classes;
    FUT_TRY(bk->download(bk, to->e, from->e, (size_t)(from->size * from->dim) * sizeof(float), NULL));
    FUT_TRY(bk->download(bk, to->label, from->label, places, NULL));
    FUT_TRY(bk->download(bk, to->image, from->image, places, NULL));
    return bk->download(bk, to->entered, from->entered, sizeof *from->entered, NULL);
}

fut_status fut_checkpoint_write_memory(fut_h5 *h5, const fut_checkpoint_state *state)
{
    const fut_row_memory *memory = &state->memory;
    const int64_t shape[] = {memory->size, memory->dim};
    if (memory->size == 0) return FUT_OK;
    FUT_TRY(fut_checkpoint_write_tensor(h5, "/loss/memory/embeddings", FUT_H5_F32, 2, shape, memory->e));
    FUT_TRY(fut_checkpoint_write_tensor(h5, "/loss/memory/labels", FUT_H5_I64, 1, shape, memory->label));
    FUT_TRY(fut_checkpoint_write_tensor(h5, "/loss/memory/images", FUT_H5_I64, 1, shape, memory->image));
    FUT_TRY(fut_h5_set_i64(h5, memory_group, "pointer", *memory->entered % memory->size));
    FUT_TRY(fut_h5_set_i64(h5, memory_group, "filled", *memory->entered >= memory->size));
    return fut_h5_set_i64(h5, memory_group, "people", state->memory_people);
}

/* Of the size and the people that the loss has. */
static fut_status check_memory(fut_h5 *h5, const char *path, const fut_loss *loss)
{
    fut_h5_info info;
    int64_t people = 0;
    FUT_TRY(fut_h5_get_info(h5, "/loss/memory/labels", &info));
    FUT_CHECK(info.count == loss->memory.size, FUT_ERR_CONFIG,
              "%s: its memory is of %" PRId64 " embeddings, memory.size is now %" PRId64 ": put it back, or choose another `run:`", path,
              info.count, loss->memory.size);
    FUT_TRY(fut_h5_get_i64(h5, memory_group, "people", &people));
    FUT_CHECK(people == loss->classes, FUT_ERR_CONFIG,
              "%s: its memory has labels of %" PRId64 " people, now %" PRId64
              " are trained on: put sampler.min_images back, or choose another `run:`",
              path, people, loss->classes);
    return FUT_OK;
}

/* A ring's places: a file that lies must not send the next batch elsewhere. */
static fut_status check_places(const char *path, const fut_row_memory *memory, int64_t pointer, int64_t people)
{
    FUT_CHECK(pointer >= 0 && pointer < memory->size, FUT_ERR_DATA, "%s: %s has pointer %" PRId64 ", its places are 0 to %" PRId64, path,
              memory_group, pointer, memory->size - 1);
    for (int64_t i = 0; i < memory->size; i++)
        FUT_CHECK(memory->label[i] >= -1 && memory->label[i] < people, FUT_ERR_DATA,
                  "%s: /loss/memory/labels has %" PRId64 " at place %" PRId64 ", of %" PRId64 " people", path, memory->label[i], i, people);
    return FUT_OK;
}

static fut_status read_places(fut_h5 *h5, const char *path, int64_t people, fut_row_memory *memory)
{
    const int64_t shape[] = {memory->size, memory->dim};
    int64_t pointer = 0, filled = 0;
    FUT_TRY(fut_checkpoint_read_tensor(h5, path, "/loss/memory/embeddings", FUT_H5_F32, 2, shape, memory->e));
    FUT_TRY(fut_checkpoint_read_tensor(h5, path, "/loss/memory/labels", FUT_H5_I64, 1, shape, memory->label));
    FUT_TRY(fut_checkpoint_read_tensor(h5, path, "/loss/memory/images", FUT_H5_I64, 1, shape, memory->image));
    FUT_TRY(fut_h5_get_i64(h5, memory_group, "pointer", &pointer));
    FUT_TRY(fut_h5_get_i64(h5, memory_group, "filled", &filled));
    FUT_TRY(check_places(path, memory, pointer, people));
    *memory->entered = filled == 0 ? pointer : pointer + memory->size; /* so far as it matters */
    return FUT_OK;
}

static fut_status upload_memory(fut_backend *bk, const fut_row_memory *from, const fut_row_memory *to)
{
    const size_t places = (size_t)to->size * sizeof *to->label;
    FUT_TRY(bk->upload(bk, to->e, from->e, (size_t)(to->size * to->dim) * sizeof(float), NULL));
    FUT_TRY(bk->upload(bk, to->label, from->label, places, NULL));
    FUT_TRY(bk->upload(bk, to->image, from->image, places, NULL));
    FUT_TRY(bk->upload(bk, to->entered, from->entered, sizeof *to->entered, NULL));
    return bk->sync(bk, NULL);
}

static fut_status read_memory(fut_h5 *h5, const char *path, const fut_loss *loss)
{
    fut_status st = FUT_OK;
    fut_row_memory host = {0};
    FUT_TRY_GOTO(check_memory(h5, path, loss), out);
    FUT_TRY_GOTO(new_memory(loss->memory.size, loss->memory.dim, &host), out);
    FUT_TRY_GOTO(read_places(h5, path, loss->classes, &host), out);
    FUT_TRY_GOTO(upload_memory(loss->bk, &host, &loss->memory), out);
out:
    fut_checkpoint_free_memory(&host);
    return st;
}

fut_status fut_checkpoint_read_memory(const char *path, fut_loss *loss)
{
    fut_status st = FUT_OK;
    fut_h5 *h5 = NULL;
    if (loss->memory.size == 0) return FUT_OK;
    FUT_TRY_GOTO(fut_checkpoint_open(path, &h5), out);
    if (fut_h5_has(h5, memory_group))
        FUT_TRY_GOTO(read_memory(h5, path, loss), out);
    else
        FUT_WARN("%s has no memory of the loss: it begins empty", path);
out:
    fut_h5_close(&h5);
    return st;
}
