/* torchvision's ColorJitter with probability p: brightness, contrast and saturation by factors ~ U(max(0, 1 - x), 1 + x), hue by
 * ~ U(-x, x) of the colour circle, in a random order. torchvision's defaults change nothing; these are MoCo v2's (Chen et al. 2020). */
#include "data/augment.h"
#include "data/image_adjust.h"

typedef struct jitter_config {
    double p;
    double brightness, contrast, saturation, hue;
} jitter_config;

static const fut_opt options[] = {
    FUT_OPT_F64(jitter_config, p, "0.8", 0, 1, "", "probability"),
    FUT_OPT_F64(jitter_config, brightness, "0.4", 0, 10, "", "the factor lies at most so far from 1"),
    FUT_OPT_F64(jitter_config, contrast, "0.4", 0, 10, "", "the factor lies at most so far from 1"),
    FUT_OPT_F64(jitter_config, saturation, "0.4", 0, 10, "", "the factor lies at most so far from 1"),
    FUT_OPT_F64(jitter_config, hue, "0.1", 0, 0.5, "of the circle", "largest turn, either way"),
    FUT_OPT_END,
};

static double factor(const fut_augment_draw *draw, int i, double reach)
{
    return fut_augment_between(draw, i, reach < 1 ? 1 - reach : 0, 1 + reach);
}

enum { BRIGHTNESS, CONTRAST, SATURATION, HUE, CHANGES };

static void change(const jitter_config *jitter, const fut_augment_draw *draw, int which, fut_image *image)
{
    if (which == BRIGHTNESS && jitter->brightness > 0) fut_image_brightness(image, factor(draw, 1, jitter->brightness));
    if (which == CONTRAST && jitter->contrast > 0) fut_image_contrast(image, factor(draw, 2, jitter->contrast));
    if (which == SATURATION && jitter->saturation > 0) fut_image_saturation(image, factor(draw, 3, jitter->saturation));
    if (which == HUE && jitter->hue > 0) fut_image_hue(image, fut_augment_between(draw, 4, -jitter->hue, jitter->hue));
}

static void apply(const void *config, const fut_augment_draw *draw, fut_image *image, void *scratch)
{
    (void)scratch;
    const jitter_config *jitter = config;
    int order[CHANGES] = {BRIGHTNESS, CONTRAST, SATURATION, HUE};
    if (fut_augment_uniform(draw, 0) >= jitter->p) return;
    for (int i = CHANGES - 1; i > 0; i--) {
        int64_t j = fut_augment_below(draw, 4 + i, i + 1);
        int kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    for (int i = 0; i < CHANGES; i++)
        change(jitter, draw, order[i], image);
}

static const fut_augment_type type = {.stream = 2, .apply = apply};

const fut_opt_choice fut_augment_color_jitter = {"color_jitter", "light and colours", options, sizeof(jitter_config), &type};
