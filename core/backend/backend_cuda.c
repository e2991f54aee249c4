/* The row `cuda` of backends.def: opens the module that holds the backend. */
#include "core/backend/backend.h"

#include "core/base/module.h"

fut_status fut_backend_create_cuda(const fut_backend_options *options, fut_backend **bk_out) FUT_MUST_CHECK;

fut_status fut_backend_create_cuda(const fut_backend_options *options, fut_backend **bk_out)
{
    fut_module_function found = NULL;
    fut_status st = fut_module_find("futago_cuda", "fut_cuda_module_create", &found);
    if (st == FUT_OK) st = ((fut_status(*)(const fut_backend_options *, fut_backend **))found)(options, bk_out);
    if (st != FUT_OK) fut_trail_context("backend cuda");
    return st;
}
