#include "core/loss/loss.h"

#include <math.h>

fut_status fut_loss_warn(const fut_opt_variant *config, fut_str *text)
{
    const fut_loss_type *type = config->choice->payload;
    return type->warn == NULL ? FUT_OK : type->warn(config->config, text);
}

fut_status fut_loss_warn_sharp(const char *option, double value, double factor, const char *usual, fut_str *text)
{
    static const double vanishes = 104; /* exp(-104) rounds to 0 in f32 */
    if (factor < 100 * vanishes) return FUT_OK;
    return fut_str_printf(
        text,
        "loss.%s %g: of what a photo is compared with, one that is %.2g less hard than the hardest weighs exp(-104) beside "
        "it, so hardly any but the hardest has a gradient. Use about %s",
        option, value, vanishes / factor, usual);
}

fut_status fut_loss_warn_softmax(const char *option, double value, double factor, bool is_bounded, const char *usual, fut_str *text)
{
    if (factor > 1 || !is_bounded) return fut_loss_warn_sharp(option, value, factor, usual, text);
    return fut_str_printf(text,
                          "loss.%s %g lets exponents differ by %g at most, since similarities and distances of unit vectors span 2: of 100 "
                          "the right one never gets more than 1 / (1 + 99 exp(-%g)) = %.2g, and the loss of a perfect network is hardly "
                          "below that of any other. Use about %s",
                          option, value, 2 * factor, 2 * factor, 1 / (1 + 99 * exp(-2 * factor)), usual);
}
