/* The way to NCCL: the module that holds it is opened when first asked for, since a program linked to libnccl starts only where that is. */
#include "core/base/module.h"
#include "dist/comm.h"

typedef fut_status (*nccl_create)(fut_comm *host, fut_backend *bk, fut_comm **comm_out);

fut_status fut_comm_create_nccl(fut_comm *host, fut_backend *bk, fut_comm **comm_out)
{
    fut_module_function create = NULL;
    /* A rank whose machine lacks NCCL must not leave the others waiting. */
    FUT_TRY(fut_comm_agree(host, fut_module_find("futago_nccl", "fut_nccl_module_create", &create)));
    return ((nccl_create)create)(host, bk, comm_out);
}
