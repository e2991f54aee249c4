#include "core/tensor/param.h"

int64_t fut_param_count(const fut_param *param)
{
    int64_t count = 1;
    for (int i = 0; i < param->rank; i++)
        count *= param->dim[i];
    return count;
}

int64_t fut_params_count(const fut_params *params)
{
    int64_t count = 0;
    for (int i = 0; i < params->n; i++)
        count += fut_param_count(&params->param[i]);
    return count;
}
