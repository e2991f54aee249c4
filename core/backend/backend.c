/* The registry of backends, and what every op shares. */
#include "core/backend/backend.h"

#include "core/base/log.h"
#include "core/base/str.h"

#include <string.h>

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

static void say_chosen(fut_backend *bk)
{
    fut_backend_info info;
    bk->info(bk, &info);
    FUT_INFO("backend %s: %s", bk->name, info.device);
}

/* The last row whose device is here. A device that is missing is no failure; one that is broken is. */
static fut_status create_best(const fut_backend_options *options, fut_backend **bk_out)
{
    for (int i = REGISTRY_ROWS - 1; i > 0; i--) {
        fut_status st = registry[i].create(options, bk_out);
        if (st == FUT_OK) say_chosen(*bk_out);
        if (st != FUT_ERR_UNSUPPORTED) return st;
        FUT_INFO("not used: %s", fut_trail_message());
        fut_trail_clear();
    }
    FUT_TRY(registry[0].create(options, bk_out));
    say_chosen(*bk_out);
    return FUT_OK;
}

static const char *nearest_name(const char *name)
{
    const char *words[REGISTRY_ROWS + 2] = {"auto"};
    for (int i = 0; i < REGISTRY_ROWS; i++)
        words[i + 1] = registry[i].name;
    return fut_str_nearest(name, words);
}

fut_status fut_backend_create(const char *name, const fut_backend_options *options, fut_backend **bk_out)
{
    FUT_CHECK(options->threads > 0, FUT_ERR_CONFIG, "backend %s: %d threads, must be at least 1", name, options->threads);
    if (strcmp(name, "auto") == 0) return create_best(options, bk_out);
    for (int i = 0; i < REGISTRY_ROWS; i++)
        if (strcmp(name, registry[i].name) == 0) return registry[i].create(options, bk_out);
    const char *nearest = nearest_name(name);
    if (nearest) return FUT_FAIL(FUT_ERR_CONFIG, "no backend is called '%s'; did you mean '%s'?", name, nearest);
    return FUT_FAIL(FUT_ERR_CONFIG, "no backend is called '%s'; 'auto' takes the best one here", name);
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
