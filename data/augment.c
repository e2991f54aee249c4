#include "data/augment.h"

#define FUT_AUGMENT(name) extern const fut_opt_choice fut_augment_##name;
#include "data/augments.def"
#undef FUT_AUGMENT

const fut_opt_choice *const fut_augment_choices[] = {
#define FUT_AUGMENT(name) &fut_augment_##name,
#include "data/augments.def"
#undef FUT_AUGMENT
    NULL,
};

double fut_augment_uniform(const fut_augment_draw *draw, int i)
{
    /* 256 numbers a stream, 256 streams an image. */
    uint64_t at = (draw->position << 16) | (draw->stream << 8) | (uint64_t)i;
    return fut_philox_uniform(draw->philox, draw->step, at);
}

double fut_augment_between(const fut_augment_draw *draw, int i, double min, double max)
{
    return min + (max - min) * fut_augment_uniform(draw, i);
}

int64_t fut_augment_below(const fut_augment_draw *draw, int i, int64_t count)
{
    return (int64_t)(fut_augment_uniform(draw, i) * (double)count);
}

static const fut_augment_type *type_of(const fut_opt_variants *list, int i)
{
    return list->item[i].choice->payload;
}

fut_status fut_augment_check(const fut_opt_variants *list)
{
    for (int i = 0; i < list->count; i++) {
        const fut_augment_type *type = type_of(list, i);
        if (type->check == NULL) continue;
        fut_status st = type->check(list->item[i].config);
        if (st != FUT_OK) fut_trail_context("data.augment: %s", list->item[i].choice->name);
        if (st != FUT_OK) return st;
    }
    return FUT_OK;
}

size_t fut_augment_scratch_bytes(const fut_opt_variants *list, int64_t height, int64_t width)
{
    size_t most = 0;
    for (int i = 0; i < list->count; i++) {
        const fut_augment_type *type = type_of(list, i);
        size_t bytes = type->scratch_bytes != NULL ? type->scratch_bytes(height, width) : 0;
        if (bytes > most) most = bytes;
    }
    return most;
}

void fut_augment_apply(const fut_opt_variants *list, uint64_t seed, int64_t step, int64_t position, fut_image *image, void *scratch)
{
    fut_augment_draw draw = {.philox = fut_philox_key(seed, FUT_RNG_AUGMENT), .step = (uint64_t)step, .position = (uint64_t)position};
    for (int i = 0; i < list->count; i++) {
        const fut_augment_type *type = type_of(list, i);
        draw.stream = type->stream;
        type->apply(list->item[i].config, &draw, image, scratch);
    }
}
