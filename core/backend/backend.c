/* The registry of backends, and what every op shares. */
#include "core/backend/backend.h"

#include "core/base/log.h"
#include "core/base/str.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FUT_BACKEND(row) fut_status fut_backend_create_##row(const fut_backend_options *options, fut_backend **bk_out) FUT_MUST_CHECK;
#include "core/backend/backends.def"
#undef FUT_BACKEND

typedef struct registry_row {
    const char *name;
    fut_status (*create)(const fut_backend_options *options, fut_backend **bk_out);
} registry_row;

static const registry_row registry[] = {
#define FUT_BACKEND(row) {#row, fut_backend_create_##row},
#include "core/backend/backends.def"
#undef FUT_BACKEND
};
enum { REGISTRY_ROWS = sizeof registry / sizeof registry[0] };

/* That a machine without a GPU uses none is no news. */
static fut_log_level level_of_not_used(void)
{
    return getenv("FUTAGO_MODULES") != NULL || access("/dev/nvidiactl", F_OK) == 0 ? FUT_LOG_INFO : FUT_LOG_DEBUG;
}

/* The last row whose device is here. A device that is missing is no failure; one that is broken is. */
static fut_status create_best(const fut_backend_options *options, fut_backend **bk_out)
{
    for (int i = REGISTRY_ROWS - 1; i > 0; i--) {
        fut_status st = registry[i].create(options, bk_out);
        if (st != FUT_ERR_UNSUPPORTED) return st;
        fut_log_write(level_of_not_used(), 0, "not used: %s", fut_trail_message());
        fut_trail_clear();
    }
    return registry[0].create(options, bk_out);
}

/* With a comma before each. */
static const char names[] =
#define FUT_BACKEND(row) ", " #row
#include "core/backend/backends.def"
#undef FUT_BACKEND
    ;

static const char *nearest_name(const char *name)
{
    const char *words[REGISTRY_ROWS + 2] = {"auto"};
    for (int i = 0; i < REGISTRY_ROWS; i++)
        words[i + 1] = registry[i].name;
    return fut_str_nearest(name, words);
}

fut_status fut_backend_check_name(const char *name)
{
    if (strcmp(name, "auto") == 0) return FUT_OK;
    for (int i = 0; i < REGISTRY_ROWS; i++)
        if (strcmp(name, registry[i].name) == 0) return FUT_OK;
    const char *nearest = nearest_name(name);
    if (nearest) return FUT_FAIL(FUT_ERR_CONFIG, "no backend is called '%s'; did you mean '%s'?", name, nearest);
    return FUT_FAIL(FUT_ERR_CONFIG, "no backend is called '%s'; there are %s, and auto takes the best one here", name, names + 2);
}

fut_status fut_backend_create(const char *name, const fut_backend_options *options, fut_backend **bk_out)
{
    FUT_CHECK(options->threads > 0, FUT_ERR_CONFIG, "backend %s: %d threads, must be at least 1", name, options->threads);
    FUT_TRY(fut_backend_check_name(name));
    for (int i = 0; i < REGISTRY_ROWS; i++)
        if (strcmp(name, registry[i].name) == 0) return registry[i].create(options, bk_out);
    return create_best(options, bk_out);
}

void fut_backend_destroy(fut_backend **bk)
{
    if (*bk) (*bk)->destroy(*bk);
    *bk = NULL;
}

void fut_op_destroy(fut_op **op)
{
    if (*op) (*op)->ops->destroy(*op);
    *op = NULL;
}

fut_status fut_conv_desc_check(const char *backend, const fut_conv_desc *d)
{
    FUT_CHECK(d->x.n > 0 && d->x.c > 0 && d->x.h > 0 && d->x.w > 0 && d->out_c > 0 && d->kh > 0 && d->kw > 0 && d->stride > 0 &&
                  d->pad_top >= 0 && d->pad_left >= 0 && d->pad_bottom >= 0 && d->pad_right >= 0,
              FUT_ERR_SHAPE, "conv: sizes must be positive and padding not negative");
    FUT_CHECK(d->groups == 1 || (d->groups == d->x.c && d->out_c == d->x.c), FUT_ERR_UNSUPPORTED,
              "%s backend, conv: %lld groups of %lld input and %lld output channels; it has dense and depthwise ones", backend,
              (long long)d->groups, (long long)d->x.c, (long long)d->out_c);
    FUT_CHECK(d->x.h + d->pad_top + d->pad_bottom >= d->kh && d->x.w + d->pad_left + d->pad_right >= d->kw, FUT_ERR_SHAPE,
              "conv: a %lld x %lld kernel does not fit a padded image of %lld x %lld", (long long)d->kh, (long long)d->kw,
              (long long)(d->x.h + d->pad_top + d->pad_bottom), (long long)(d->x.w + d->pad_left + d->pad_right));
    return FUT_OK;
}
