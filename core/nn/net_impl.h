/* The net's data; private to core/nn. */
#ifndef FUT_CORE_NN_NET_IMPL_H
#define FUT_CORE_NN_NET_IMPL_H

#include "core/nn/describe.h"
#include "core/nn/plan_impl.h"

typedef struct fut_slot {
    void *memory;
    size_t bytes;
    const fut_plan *filled; /* by a forward that no backward has used up */
    int64_t version;        /* of the parameters, at that forward */
} fut_slot;

struct fut_net {
    fut_net_spec spec; /* spec.backbone is the registry's own string */
    fut_backend *bk;
    fut_graph *graph;
    void *params, *stats; /* packs, device */
    int64_t steps;
    int64_t version; /* of the parameters; starts at 1 */
    int64_t moves;   /* of blocks below */
    fut_plan *plans; /* a list: few shapes ever occur */
    fut_slot *slots;
    int slot_count;
    void *shared;
    size_t shared_bytes;
    const fut_net_probe *probe; /* NULL: nobody measures */
};

/* The plan for (n, training), made on first use; shared memory is made large enough for it. */
fut_status fut_net_find_plan(fut_net *net, int64_t n, bool training, fut_plan **plan_out) FUT_MUST_CHECK;
/* Give a slot that holds nothing at least `bytes`. */
fut_status fut_net_grow_slot(fut_net *net, fut_slot *slot, size_t bytes) FUT_MUST_CHECK;

#endif
