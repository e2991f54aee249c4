/* A training step on paper: how long its parts take on a device and a network, and the memory it needs. One shard a rank.
 *
 *     order | forward | gather | loss | [spread] | backward --------------- | update
 *                                                     sum of bucket n .. 0 |<-- exposed -->|
 *
 * Where batch norm is over the global batch, every such layer of forward and backward also waits for its sums.
 *
 * Computation: layer by layer the larger of bytes / bandwidth and FLOP / FLOP/s, or that scaled to a measured sum. Communication:
 * dist/cost.h. */
#ifndef FUT_LAUNCH_STEP_MODEL_H
#define FUT_LAUNCH_STEP_MODEL_H

#include "core/nn/net.h"
#include "launch/bench_plan.h"
#include "launch/config.h"
#include "launch/network_file.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_step_layer {
    double forward, backward; /* seconds */
    int64_t before;           /* parameters of the layers before it: where the finished end of a leaf begins after its backward */
    int64_t sums[2];          /* f64 that its batch norm adds up over the ranks, forward and backward; 0: nothing */
} fut_step_layer;

/* What does not depend on the ranks. */
typedef struct fut_step_model {
    fut_step_layer *layer;
    int layers;
    int64_t photos;                   /* a shard, and so a rank */
    int64_t dim, leaf, params, stats; /* the loss's parameters are in leaf and params */
    int64_t references;               /* what a loss compares photos with instead of the batch: classes, its memory; 0: nothing */
    int64_t memory;                   /* embeddings of the loss's memory; 0: none */
    int slots;                        /* arrays of the parameters' size that the optimizer keeps */
    bool symmetric;                   /* of the loss: nothing to spread */
    bool overlaps;                    /* sums run beside the backward */
    int64_t bucket;                   /* bytes; 0: one for all */
    double forward, backward, update; /* seconds */
    double slower;                    /* than the least: 1, or what was measured */
    double memory_bound;              /* share of them that the device's memory bounds */
    double activations;               /* bytes */
    double launch;                    /* seconds that a kernel takes at least */
    double save_every;                /* seconds between checkpoints; 0: none by time */
    fut_bench_device device;
} fut_step_model;

typedef struct fut_step_shard {
    int64_t photos;
    double activations; /* bytes that they take */
} fut_step_shard;

/* compute: measured seconds of the forward, backward and update of such a shard; 0: the device's least. The net, which has none of the
 * loss's parameters, is asked for its shapes; people: classes of a loss of classes. Owns: the layers; fut_step_model_fini. */
fut_status fut_step_model_init(const fut_config *config, const fut_net *net, int64_t people, const fut_step_shard *shard,
                               const fut_bench_device *device, double compute, fut_step_model *model_out) FUT_MUST_CHECK;
/* All of the computation takes `factor` times as long. */
void fut_step_model_slow_down(fut_step_model *model, double factor);
void fut_step_model_fini(fut_step_model *model);

/* What could be otherwise. */
typedef struct fut_step_knobs {
    int64_t bucket;                      /* bytes; 0: one bucket */
    int gradient_bytes, embedding_bytes; /* on the way, a value */
    bool node_negatives;                 /* embeddings are gathered inside a node only */
} fut_step_knobs;
/* As futago does it. */
fut_step_knobs fut_step_knobs_default(const fut_step_model *model);

/* Seconds and bytes of one rank. */
typedef struct fut_step_plan {
    int ranks;
    double order, forward, gather, sums, loss, spread, backward, update; /* sums: of the loss */
    double norm;         /* sums of batch norm over the global batch, forward and backward */
    double sum, exposed; /* of the gradients: all of it, and what the backward does not hide */
    double step;
    double communication; /* exposed: order, norm, gather, sums of the loss, spread, exposed */
    double parameters, optimizer, gradients, activations, pairs, memory;
    double checkpoint, checkpoint_share; /* seconds a checkpoint stops everybody, and their share of the run */
    int64_t messages;                    /* that a rank sends a step */
    int64_t bytes;
    char bottleneck[96];
} fut_step_plan;
void fut_step_model_predict(const fut_step_model *model, const fut_network_file *network, int ranks, const fut_step_knobs *knobs,
                            fut_step_plan *plan_out);

/* A change and what it would save. */
typedef struct fut_step_advice {
    char what[112];
    double seconds; /* a step of as many photos */
    bool in_futago; /* else it would have to be built */
} fut_step_advice;
enum { FUT_STEP_ADVICES = 5 };
/* Every change, the one that saves most first; twice: the model of a shard of twice the photos. */
void fut_step_model_advise(const fut_step_model *model, const fut_step_model *twice, const fut_network_file *network, int ranks,
                           fut_step_advice advice_out[FUT_STEP_ADVICES]);

#ifdef __cplusplus
}
#endif

#endif
