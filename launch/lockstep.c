#include "launch/lockstep.h"

#include "core/base/mem.h"

/* One tree for every number of sums that a layer has. */
typedef struct sum_tree {
    int64_t count;
    fut_tree *tree;
} sum_tree;

struct fut_lockstep {
    fut_net_join join;
    int first; /* of this rank's shards */
    fut_net_shard *shards;
    sum_tree *trees;
    int64_t n_trees;
};

static const char *const what = "sums of a batch norm";

static fut_tree *find_tree(const fut_lockstep *l, int64_t count)
{
    for (int64_t i = 0; i < l->n_trees; i++)
        if (l->trees[i].count == count) return l->trees[i].tree;
    return NULL;
}

static fut_status leaf(void *lockstep, int64_t count, int i, double **leaf_out)
{
    fut_lockstep *l = lockstep;
    fut_tree *tree = find_tree(l, count);
    FUT_CHECK(tree != NULL, FUT_ERR_INTERNAL, "%s: no tree for %lld of them", what, (long long)count);
    if (i > 0) FUT_TRY(fut_tree_leaf_ready(tree, 0, what));
    return fut_tree_begin_leaf(tree, l->first + i, (void **)leaf_out);
}

static fut_status total(void *lockstep, int64_t count, const double **total_out)
{
    fut_tree *tree = find_tree(lockstep, count);
    FUT_TRY(fut_tree_leaf_ready(tree, 0, what));
    return fut_tree_finish(tree, (const void **)total_out, what);
}

static fut_status add_tree(fut_lockstep *l, fut_backend *bk, fut_comm *comm, int shards, int64_t count)
{
    if (find_tree(l, count) != NULL) return FUT_OK;
    FUT_TRY(fut_tree_create(comm, bk, shards, count, FUT_F64, 0, &l->trees[l->n_trees].tree));
    l->trees[l->n_trees++].count = count;
    return FUT_OK;
}

fut_status fut_lockstep_create(const fut_net *net, fut_comm *comm, int shards, int first, int end, fut_lockstep **lockstep_out)
{
    fut_status st = FUT_OK;
    fut_lockstep *l = NULL;
    int64_t tensors = fut_net_tensor_count(net);
    FUT_TRY_GOTO(FUT_NEW(&l), out);
    *l = (fut_lockstep){.join = {.leaf = leaf, .total = total, .context = l}, .first = first};
    FUT_TRY_GOTO(FUT_NEW_ARRAY(end - first, &l->shards), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(2 * tensors, &l->trees), out);
    for (int64_t i = 0; i < tensors; i++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(net, i);
        if (tensor->trainable) continue; /* a statistic: of a batch norm, with its channels */
        FUT_TRY_GOTO(add_tree(l, fut_net_backend(net), comm, shards, tensor->count * FUT_NORM_SUMS), out);
        FUT_TRY_GOTO(add_tree(l, fut_net_backend(net), comm, shards, tensor->count * FUT_NORM_GRADIENT_SUMS), out);
    }
    *lockstep_out = l;
    l = NULL;
out:
    fut_lockstep_destroy(&l);
    return st;
}

void fut_lockstep_destroy(fut_lockstep **lockstep)
{
    fut_lockstep *l = *lockstep;
    if (l == NULL) return;
    for (int64_t i = 0; i < l->n_trees; i++)
        fut_tree_destroy(&l->trees[i].tree);
    fut_mem_free(l->trees);
    fut_mem_free(l->shards);
    fut_mem_free(l);
    *lockstep = NULL;
}

fut_net_shard *fut_lockstep_shards(fut_lockstep *l)
{
    return l->shards;
}

const fut_net_join *fut_lockstep_join(const fut_lockstep *l)
{
    return &l->join;
}
