/* torchvision's GaussianBlur with probability p: sigma ~ U(sigma_min, sigma_max). torchvision leaves p and the kernel to the user; the
 * defaults here are SimCLR's (Chen et al. 2020, appendix A): one half, and a tenth of the photo's side. */
#include "data/augment.h"
#include "data/image_adjust.h"

typedef struct blur_config {
    double p;
    double sigma_min, sigma_max;
    int64_t kernel;
} blur_config;

static const fut_opt options[] = {
    FUT_OPT_F64(blur_config, p, "0.5", 0, 1, "", "probability"),
    FUT_OPT_F64(blur_config, sigma_min, "0.1", 0.01, 100, "pixels", "least deviation of the Gaussian"),
    FUT_OPT_F64(blur_config, sigma_max, "2", 0.01, 100, "pixels", "largest deviation of the Gaussian"),
    FUT_OPT_I64(blur_config, kernel, "0", 0, FUT_BLUR_KERNEL_MAX, "pixels", "width of the Gaussian, odd; 0: about a tenth of the side"),
    FUT_OPT_END,
};

static fut_status check(const void *config)
{
    const blur_config *blur = config;
    FUT_CHECK(blur->sigma_min <= blur->sigma_max, FUT_ERR_CONFIG, "sigma_min %g is above sigma_max %g", blur->sigma_min, blur->sigma_max);
    FUT_CHECK(blur->kernel == 0 || blur->kernel % 2 == 1, FUT_ERR_CONFIG, "kernel %lld has no middle: use an odd one, or 0",
              (long long)blur->kernel);
    return FUT_OK;
}

static int64_t kernel_of(const blur_config *blur, const fut_image *image)
{
    int64_t side = image->height < image->width ? image->height : image->width;
    int64_t kernel = blur->kernel > 0 ? blur->kernel : side / 20 * 2 + 1;
    if (kernel > 2 * side - 1) kernel = 2 * side - 1;
    return kernel > FUT_BLUR_KERNEL_MAX ? FUT_BLUR_KERNEL_MAX : kernel;
}

static void apply(const void *config, const fut_augment_draw *draw, fut_image *image, void *scratch)
{
    const blur_config *blur = config;
    if (fut_augment_uniform(draw, 0) >= blur->p) return;
    double sigma = fut_augment_between(draw, 1, blur->sigma_min, blur->sigma_max);
    fut_image_blur(image, kernel_of(blur, image), sigma, scratch);
}

static const fut_augment_type type = {.stream = 4, .check = check, .scratch_bytes = fut_image_blur_scratch_bytes, .apply = apply};

const fut_opt_choice fut_augment_blur = {"blur", "Gaussian blur", options, sizeof(blur_config), &type};
