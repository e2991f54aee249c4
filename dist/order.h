/* Rank 0 decides, everyone obeys: a small struct without pointers from rank 0 to all. */
#ifndef FUT_DIST_ORDER_H
#define FUT_DIST_ORDER_H

#include "dist/comm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* order: `bytes` of a struct without pointers, padding included, of one program on machines of one kind. Collective. */
static inline fut_status fut_order_broadcast(fut_comm *comm, void *order, size_t bytes, const char *what)
{
    return fut_comm_broadcast(comm, order, (int64_t)bytes, FUT_U8, 0, what);
}

#ifdef __cplusplus
}
#endif

#endif
