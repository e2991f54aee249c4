/* torchvision's RandomResizedCrop: a part whose share of the area ~ U(scale_min, scale_max) and whose width over height ~
 * exp U(log ratio_min, log ratio_max), resized to the photo's size (bilinear, antialiased, as Pillow does); ten tries until one fits,
 * else the largest centred part of an allowed shape. */
#include "data/augment.h"

#include <math.h>

typedef struct crop_config {
    double scale_min, scale_max;
    double ratio_min, ratio_max;
} crop_config;

static const fut_opt options[] = {
    FUT_OPT_F64(crop_config, scale_min, "0.08", 0.0001, 1, "", "least part of the area that is kept"),
    FUT_OPT_F64(crop_config, scale_max, "1", 0.0001, 1, "", "largest part of the area that is kept"),
    FUT_OPT_F64(crop_config, ratio_min, "0.75", 0.01, 100, "", "least width over height"),
    FUT_OPT_F64(crop_config, ratio_max, "1.3333333333333333", 0.01, 100, "", "largest width over height"),
    FUT_OPT_END,
};

static fut_status check(const void *config)
{
    const crop_config *crop = config;
    FUT_CHECK(crop->scale_min <= crop->scale_max, FUT_ERR_CONFIG, "scale_min %g is above scale_max %g", crop->scale_min, crop->scale_max);
    FUT_CHECK(crop->ratio_min <= crop->ratio_max, FUT_ERR_CONFIG, "ratio_min %g is above ratio_max %g", crop->ratio_min, crop->ratio_max);
    return FUT_OK;
}

static size_t scratch_bytes(int64_t height, int64_t width)
{
    return fut_image_resize_scratch_bytes(width, height, width, height);
}

enum { TRIES = 10 };

static fut_image_rect centred(const crop_config *crop, int64_t height, int64_t width)
{
    fut_image_rect part = {.width = width, .height = height};
    double ratio = (double)width / (double)height;
    if (ratio < crop->ratio_min) part.height = llrint((double)width / crop->ratio_min);
    if (ratio > crop->ratio_max) part.width = llrint((double)height * crop->ratio_max);
    part.width = part.width < 1 ? 1 : part.width;
    part.height = part.height < 1 ? 1 : part.height;
    part.x = (width - part.width) / 2;
    part.y = (height - part.height) / 2;
    return part;
}

static fut_image_rect draw_part(const crop_config *crop, const fut_augment_draw *draw, int64_t height, int64_t width)
{
    for (int i = 0; i < TRIES; i++) {
        double area = (double)(height * width) * fut_augment_between(draw, 2 * i, crop->scale_min, crop->scale_max);
        double ratio = exp(fut_augment_between(draw, 2 * i + 1, log(crop->ratio_min), log(crop->ratio_max)));
        fut_image_rect part = {.width = llrint(sqrt(area * ratio)), .height = llrint(sqrt(area / ratio))};
        if (part.width < 1 || part.height < 1 || part.width > width || part.height > height) continue;
        part.y = fut_augment_below(draw, 2 * TRIES, height - part.height + 1);
        part.x = fut_augment_below(draw, 2 * TRIES + 1, width - part.width + 1);
        return part;
    }
    return centred(crop, height, width);
}

static void apply(const void *config, const fut_augment_draw *draw, fut_image *image, void *scratch)
{
    const fut_image_rect part = draw_part(config, draw, image->height, image->width);
    fut_image_resize_into(image, &part, image->width, image->height, scratch, image->rgb);
}

static const fut_augment_type type = {.stream = 1, .check = check, .scratch_bytes = scratch_bytes, .apply = apply};

const fut_opt_choice fut_augment_random_resized_crop = {"random_resized_crop", "a part, at the photo's size", options, sizeof(crop_config),
                                                        &type};
