/* torchvision's RandomHorizontalFlip. */
#include "data/augment.h"

typedef struct flip_config {
    double p;
} flip_config;

static const fut_opt options[] = {
    FUT_OPT_F64(flip_config, p, "0.5", 0, 1, "", "probability"),
    FUT_OPT_END,
};

static void apply(const void *config, const fut_augment_draw *draw, fut_image *image, void *scratch)
{
    (void)scratch;
    const flip_config *flip = config;
    if (fut_augment_uniform(draw, 0) < flip->p) fut_image_mirror(image->height, image->width, image->rgb);
}

static const fut_augment_type type = {.stream = 0, .apply = apply};

const fut_opt_choice fut_augment_flip = {"flip", "left and right swapped", options, sizeof(flip_config), &type};
