/* torchvision's RandomRotation with BILINEAR: angle ~ U(-degrees, degrees). torchvision has no default angle and takes the nearest pixel
 * unless told otherwise, which tears lines of a face. */
#include "data/augment.h"
#include "data/image_adjust.h"

typedef struct rotation_config {
    double p;
    double degrees;
    int64_t fill;
} rotation_config;

static const fut_opt options[] = {
    FUT_OPT_F64(rotation_config, p, "1", 0, 1, "", "probability"),
    FUT_OPT_F64(rotation_config, degrees, "10", 0, 180, "degrees", "largest angle, either way"),
    FUT_OPT_I64(rotation_config, fill, "0", 0, 255, "", "level of the corners that come into view"),
    FUT_OPT_END,
};

static size_t scratch_bytes(int64_t height, int64_t width)
{
    return (size_t)(3 * height * width);
}

static void apply(const void *config, const fut_augment_draw *draw, fut_image *image, void *scratch)
{
    const rotation_config *rotation = config;
    if (fut_augment_uniform(draw, 0) >= rotation->p) return;
    double degrees = fut_augment_between(draw, 1, -rotation->degrees, rotation->degrees);
    fut_image_rotate(image, degrees, (uint8_t)rotation->fill, scratch);
}

static const fut_augment_type type = {.stream = 5, .scratch_bytes = scratch_bytes, .apply = apply};

const fut_opt_choice fut_augment_rotation = {"rotation", "turned around the middle", options, sizeof(rotation_config), &type};
