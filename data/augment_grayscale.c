/* torchvision's RandomGrayscale. */
#include "data/augment.h"
#include "data/image_adjust.h"

typedef struct grayscale_config {
    double p;
} grayscale_config;

static const fut_opt options[] = {
    FUT_OPT_F64(grayscale_config, p, "0.1", 0, 1, "", "probability"),
    FUT_OPT_END,
};

static void apply(const void *config, const fut_augment_draw *draw, fut_image *image, void *scratch)
{
    (void)scratch;
    const grayscale_config *grayscale = config;
    if (fut_augment_uniform(draw, 0) < grayscale->p) fut_image_grayscale(image);
}

static const fut_augment_type type = {.stream = 3, .apply = apply};

const fut_opt_choice fut_augment_grayscale = {"grayscale", "without colours", options, sizeof(grayscale_config), &type};
