/* A network: a backbone with an embedding head, planned on a backend.
 *
 *   images u8 [n, size, size, 3] -> backbone -> global mean pool -> Linear(embedding) -> [batch norm] -> embeddings [n, d]
 *
 * (not of unit length; a backbone may have a head of its own between its features and the embeddings).
 *
 * Parameters lie in one contiguous pack in timm's layouts, in the order their layers run, statistics (batch-norm running mean, variance) in
 * another, so that gradients are one vector, buckets are plain ranges and an optimizer is one pass. A loss's parameters stand at the end
 * of the pack: they are trained with the network's and no part of the network. A "leaf" is what one shard contributes to a step:
 *
 *   leaf = [ gradient of every parameter | of the loss's | batch mean and unbiased variance of every batch norm ]    (leaf_count reals)
 *
 * summed over shards by the tree; the last part divided by the number of shards updates the running statistics once a step.
 * A slot holds the activations of one shard between its forward and its backward; a rank has as many slots as shards. */
#ifndef FUT_CORE_NN_NET_H
#define FUT_CORE_NN_NET_H

#include "core/backend/backend.h"
#include "core/tensor/param.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_net fut_net;

/* Batch norm on the embeddings, as torch.nn.BatchNorm1d with eps 1e-5: as the backbone's definition has it, without, or with. */
typedef enum fut_embedding_norm { FUT_EMBEDDING_NORM_OWN, FUT_EMBEDDING_NORM_NONE, FUT_EMBEDDING_NORM_BATCH } fut_embedding_norm;

/* What a training batch norm's statistics are of: each shard's images, or all shards'. */
typedef enum fut_batch_norm { FUT_BATCH_NORM_SHARD, FUT_BATCH_NORM_GLOBAL } fut_batch_norm;

typedef struct fut_net_spec {
    const char *backbone;   /* a row of backbones.def: "tf_efficientnetv2_b0" */
    int64_t embedding;      /* d */
    int64_t size;           /* image height and width */
    int embedding_norm;     /* fut_embedding_norm; 0 is the backbone's own */
    int batch_norm;         /* fut_batch_norm: global plans for fut_net_forward_lockstep, where a shard keeps all its memory to itself */
    fut_dtype dtype;        /* of activations */
    fut_dtype real;         /* f32; f64 on ref */
    double mean[3], std[3]; /* of the normalisation */
    fut_params loss;        /* room for the loss's parameters; usually none but in training */
} fut_net_spec;

/* A named tensor inside the packs. Borrowed from the net. */
typedef struct fut_net_tensor {
    const char *name; /* timm's: "blocks.1.0.conv_exp.weight", "bn1.running_mean", "embedder.weight" */
    int rank;
    int64_t dim[4];
    int64_t count;
    int64_t offset; /* reals from the start of its pack */
    bool trainable; /* in the parameter pack; else in the statistics pack */
    bool frozen;    /* a parameter that is never trained: its gradient is 0 */
    bool of_loss;   /* a parameter of the loss, "loss.W", and not of the network */
    bool no_decay;  /* a parameter that weight decay never acts on */
} fut_net_tensor;

fut_status fut_net_create(fut_backend *bk, const fut_net_spec *spec, fut_net **net_out) FUT_MUST_CHECK;
void fut_net_destroy(fut_net **net);
const fut_net_spec *fut_net_get_spec(const fut_net *net);
fut_backend *fut_net_backend(const fut_net *net); /* borrowed */

/* Tensors in the order their layers run: timm's state_dict order, but for ResNets' downsample branches (num_batches_tracked entries are not
 * tensors here: one counter serves all, see fut_net_steps_tracked). */
int64_t fut_net_tensor_count(const fut_net *net);
const fut_net_tensor *fut_net_tensor_at(const fut_net *net, int64_t i);
/* The loss's tensors follow those: i of tensor_at is below the sum of both counts. */
int64_t fut_net_loss_tensor_count(const fut_net *net);
int64_t fut_net_loss_param_count(const fut_net *net);
int64_t fut_net_param_count(const fut_net *net); /* P, the loss's too */
int64_t fut_net_stat_count(const fut_net *net);  /* Q */
int64_t fut_net_leaf_count(const fut_net *net);  /* P + Q */
/* Device memory of the packs, dtype real. After writing to either call fut_net_params_changed: layers keep copies, and inference may have
 * statistics folded into weights. */
void *fut_net_params(fut_net *net);
void *fut_net_stats(fut_net *net);
void *fut_net_loss_params(fut_net *net);
/* The loss's part of something that is laid out as the parameters are: a leaf, an optimizer's slot. */
void *fut_net_loss_part(const fut_net *net, void *pack);
void fut_net_params_changed(fut_net *net);
/* A training step has changed parameters and statistics: fut_net_params_changed, and one more step tracked. */
void fut_net_step_taken(fut_net *net);
/* How often memory of the net has moved: a recording of its work made before the last move is void. */
int64_t fut_net_moves(const fut_net *net);
/* batch-norm num_batches_tracked: steps of training seen. */
int64_t *fut_net_steps_tracked(fut_net *net);

/* timm's initialisation, drawn from Philox(seed): the same on every rank and backend. */
fut_status fut_net_init(fut_net *net, uint64_t seed) FUT_MUST_CHECK;

/* Make room for `slots` shards of at most max_n images. Plans for smaller n are made on first use (fut_net_plan makes one ahead). Owns its
 * memory. */
fut_status fut_net_reserve(fut_net *net, int slots, int64_t max_n, bool training) FUT_MUST_CHECK;
fut_status fut_net_plan(fut_net *net, int64_t n, bool training) FUT_MUST_CHECK;

/* rgb: u8 [n, size, size, 3] device. embeddings: [n, d] real, device. All enqueue on the backend's own stream. */
fut_status fut_net_forward(fut_net *net, int slot, int64_t n, const uint8_t *rgb,
                           void *embeddings_out) FUT_MUST_CHECK; /* training: batch statistics */
fut_status fut_net_forward_eval(fut_net *net, int64_t n, const uint8_t *rgb,
                                void *embeddings_out) FUT_MUST_CHECK; /* running statistics; touches no slot */
/* Told after each part of the backward: the leaf is complete from element `first` to its end. first falls; 0 comes last. */
typedef struct fut_net_progress {
    fut_status (*ready)(void *context, int64_t first);
    void *context;
} fut_net_progress;
/* leaf_out: [leaf_count] real, device, overwritten but for the loss's part, which must be there already. Uses up the slot's forward;
 * parameters must not have changed since. progress may be NULL. */
fut_status fut_net_backward(fut_net *net, int slot, int64_t n, const void *d_embeddings, void *leaf_out,
                            const fut_net_progress *progress) FUT_MUST_CHECK;
/* A shard of this rank in a step whose shards go through the network together, layer by layer. */
typedef struct fut_net_shard {
    int slot;
    int64_t n;
    const uint8_t *rgb;       /* forward: as in fut_net_forward */
    void *embeddings;         /* forward, out */
    const void *d_embeddings; /* backward: as in fut_net_backward */
    void *leaf;               /* backward, out */
} fut_net_shard;
/* How a batch norm's sums are added over all shards, of all ranks. */
typedef struct fut_net_join {
    /* Where shard i of this rank, i = 0, 1, ..., writes its `count` sums (f64, device); the call says that shard i - 1 has. */
    fut_status (*leaf)(void *context, int64_t count, int i, double **leaf_out);
    /* All shards of this rank have written: the sums over all shards, until the next leaf. Collective. */
    fut_status (*total)(void *context, int64_t count, const double **total_out);
    void *context;
} fut_net_join;
/* fut_net_forward and fut_net_backward of all shards of this rank with batch norm over all `images` of all shards (torch.nn.SyncBatchNorm).
 * progress is told when every leaf is complete from `first` on. Collective, in so far as join is. */
fut_status fut_net_forward_lockstep(fut_net *net, const fut_net_shard *shards, int count, int64_t images,
                                    const fut_net_join *join) FUT_MUST_CHECK;
fut_status fut_net_backward_lockstep(fut_net *net, const fut_net_shard *shards, int count, int64_t images, const fut_net_join *join,
                                     const fut_net_progress *progress) FUT_MUST_CHECK;
/* stats_out: [stat_count] real, device: the batch means and unbiased variances of a slot's forward, which is used up, as by a backward. */
fut_status fut_net_take_batch_stats(fut_net *net, int slot, int64_t n, void *stats_out) FUT_MUST_CHECK;
/* running = (1 - momentum) running + momentum * (sum / shards), from the second part of the tree-summed leaf, unless control says that the
 * step is not finite. */
fut_status fut_net_update_stats(fut_net *net, const void *leaf_sum, int shards, const fut_step_control *control) FUT_MUST_CHECK;

/* For people and tests: bytes planned: parameters and statistics, what a slot keeps, what all share, parameters in kernels' layouts. */
typedef struct fut_net_memory {
    size_t params, slot, shared, held;
} fut_net_memory;
void fut_net_memory_use(const fut_net *net, fut_net_memory *memory_out);

#ifdef __cplusplus
}
#endif

#endif
