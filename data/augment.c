#include "data/augment.h"

#define FUT_AUGMENT(name) extern const fut_augment_type fut_augment_##name;
#include "data/augments.def"
#undef FUT_AUGMENT

const char *const fut_augment_names[] = {
#define FUT_AUGMENT(name) #name,
#include "data/augments.def"
#undef FUT_AUGMENT
    NULL,
};

const fut_augment_type *const fut_augment_types[] = {
#define FUT_AUGMENT(name) &fut_augment_##name,
#include "data/augments.def"
#undef FUT_AUGMENT
};

double fut_augment_uniform(const fut_augment_draw *draw, int i)
{
    /* 256 numbers a stream, 256 streams an image. */
    uint64_t at = (draw->position << 16) | (draw->stream << 8) | (uint64_t)i;
    return fut_philox_uniform(draw->philox, draw->step, at);
}

void fut_augment_apply(const fut_opt_names *list, uint64_t seed, int64_t step, int64_t position, int64_t height, int64_t width,
                       uint8_t *rgb)
{
    fut_augment_draw draw = {.philox = fut_philox_key(seed, FUT_RNG_AUGMENT), .step = (uint64_t)step, .position = (uint64_t)position};
    for (int i = 0; i < list->count; i++) {
        const fut_augment_type *type = fut_augment_types[list->index[i]];
        draw.stream = type->stream;
        type->apply(&draw, height, width, rgb);
    }
}
