#include "dist/nccl/nccl_probe.h"

#include <nccl.h>

void fut_nccl_module_probe(int *built_out, int *found_out)
{
    *built_out = NCCL_VERSION_CODE;
    *found_out = 0;
    (void)ncclGetVersion(found_out);
}
