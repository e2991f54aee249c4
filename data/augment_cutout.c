/* torchvision's RandomErasing (Zhong et al. 2017; with equal sides, Cutout of DeVries and Taylor 2017): a rectangle of one level whose
 * share of the area ~ U(scale_min, scale_max) and whose height over width ~ exp U(log ratio_min, log ratio_max); ten tries until one is
 * smaller than the photo, else nothing. torchvision erases what is normalised already, so that its value 0 is ImageNet's mean colour;
 * here it is the pixels' level: 124 116 104 is that mean, 0 is black. */
#include "data/augment.h"
#include "data/image_adjust.h"

#include <math.h>

typedef struct cutout_config {
    double p;
    double scale_min, scale_max;
    double ratio_min, ratio_max;
    int64_t value;
} cutout_config;

static const fut_opt options[] = {
    FUT_OPT_F64(cutout_config, p, "0.5", 0, 1, "", "probability"),
    FUT_OPT_F64(cutout_config, scale_min, "0.02", 0, 1, "", "least part of the area"),
    FUT_OPT_F64(cutout_config, scale_max, "0.33", 0, 1, "", "largest part of the area"),
    FUT_OPT_F64(cutout_config, ratio_min, "0.3", 0.01, 100, "", "least height over width"),
    FUT_OPT_F64(cutout_config, ratio_max, "3.3", 0.01, 100, "", "largest height over width"),
    FUT_OPT_I64(cutout_config, value, "0", 0, 255, "", "level of its pixels"),
    FUT_OPT_END,
};

static fut_status check(const void *config)
{
    const cutout_config *cutout = config;
    FUT_CHECK(cutout->scale_min <= cutout->scale_max, FUT_ERR_CONFIG, "scale_min %g is above scale_max %g", cutout->scale_min,
              cutout->scale_max);
    FUT_CHECK(cutout->ratio_min <= cutout->ratio_max, FUT_ERR_CONFIG, "ratio_min %g is above ratio_max %g", cutout->ratio_min,
              cutout->ratio_max);
    return FUT_OK;
}

enum { TRIES = 10 };

static void apply(const void *config, const fut_augment_draw *draw, fut_image *image, void *scratch)
{
    (void)scratch;
    const cutout_config *cutout = config;
    if (fut_augment_uniform(draw, 0) >= cutout->p) return;
    for (int i = 0; i < TRIES; i++) {
        double area = (double)(image->height * image->width) * fut_augment_between(draw, 2 * i + 1, cutout->scale_min, cutout->scale_max);
        double ratio = exp(fut_augment_between(draw, 2 * i + 2, log(cutout->ratio_min), log(cutout->ratio_max)));
        fut_image_rect part = {.height = llrint(sqrt(area * ratio)), .width = llrint(sqrt(area / ratio))};
        if (part.height >= image->height || part.width >= image->width) continue;
        part.y = fut_augment_below(draw, 2 * TRIES + 1, image->height - part.height + 1);
        part.x = fut_augment_below(draw, 2 * TRIES + 2, image->width - part.width + 1);
        fut_image_fill(image, &part, (uint8_t)cutout->value);
        return;
    }
}

static const fut_augment_type type = {.stream = 6, .check = check, .apply = apply};

const fut_opt_choice fut_augment_cutout = {"cutout", "a rectangle erased", options, sizeof(cutout_config), &type};
