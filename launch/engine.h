/* The engine: one rank's share of a training step on its device, from a batch to changed parameters. It knows no files and no schedule; the
 * trainer feeds it a run, `futago bench` feeds it noise.
 *
 *     fut_engine_step(step 7)      enqueues, or replays a recording of, all of: forward, gather, loss, backward + reduction, update
 *     fut_engine_step(step 8)
 *     fut_engine_outcome(step 7)   waits for the device, reads what the step did */
#ifndef FUT_LAUNCH_ENGINE_H
#define FUT_LAUNCH_ENGINE_H

#include "core/loss/loss.h"
#include "core/nn/net.h"
#include "core/optim/optim.h"
#include "dist/comm.h"
#include "dist/reduce.h"
#include "launch/feed.h"
#include "launch/lockstep.h"
#include "launch/model.h"
#include "launch/step_report.h"
#include "launch/vitals.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_IN_FLIGHT = 2 }; /* steps: one computes, the next is being enqueued */

/* What the trainer asks of a step, beside the batch. */
typedef struct fut_step_wish {
    double lr;
    bool stop; /* this rank was asked to stop */
    bool look; /* read fut_engine.vitals after it, where there are any */
} fut_step_wish;

/* What the host writes for a step: uploaded before it. */
typedef struct fut_step_scalars {
    double lr;
    double stop; /* 1 on a rank that was asked to stop; summed with the loss, so that rank 0 learns of it */
} fut_step_scalars;

/* What the host reads of a step: downloaded after it. */
typedef struct fut_step_outcome {
    double sums[FUT_LOSS_SUMS + 1]; /* of the loss over all shards, then the ranks that were asked to stop */
    fut_step_control control;
} fut_step_outcome;

/* Places of a step where `bench` wants to know when the device came by. */
typedef enum fut_mark { FUT_MARK_BEGIN, FUT_MARK_INPUTS, FUT_MARK_COMPUTED, FUT_MARK_REDUCED, FUT_MARK_END, FUT_MARKS } fut_mark;

typedef struct fut_engine {
    const fut_config *config;
    fut_comm *comm;               /* between processes; borrowed */
    fut_comm *device_comm;        /* between their devices' memories: comm itself where that is the host's */
    int shards, my_first, my_end; /* this rank's shards are [my_first, my_end) */
    int slots;                    /* shards whose activations are kept at once: all of mine, or one; 0 until fut_engine_plan */
    int threads;                  /* of the CPU */
    int64_t bucket;               /* KiB of gradients that are summed at once; 0: all, since nothing was asked for or measured */
    size_t bytes_free_before;     /* on the device, before the engine took any; of the host's, this rank's share */
    int64_t host_bytes_before;    /* fut_mem_bytes at that time */

    fut_backend *bk;
    fut_backend_info info;
    fut_net *net;
    fut_loss *loss;
    fut_optim *optim;
    fut_tree *tree;         /* sums leaves over shards */
    fut_tree *loss_tree;    /* sums what shards spread; NULL unless the loss spreads */
    fut_lockstep *lockstep; /* NULL: batch norm is over a shard */

    /* device memory of a step */
    int64_t dim;               /* of an embedding */
    float *e_dealt;            /* [batch, dim] embeddings in dealt order: mine, then everybody's */
    float *e;                  /* [batch, dim] in the sampler's order */
    float *de;                 /* [largest shard, dim]; in lockstep one for each of my shards */
    float *leaves;             /* in lockstep, [my shards][leaf_count]; NULL where every rank has one shard, which writes into the tree */
    double *loss_rows;         /* [shards, sums + 1]: fut_step_outcome.sums of each shard */
    double *loss_total;        /* [sums + 1] */
    fut_step_scalars *scalars; /* one */

    /* pinned memory, and events, of the steps in flight, used in turn */
    fut_step_scalars *host_scalars; /* [FUT_IN_FLIGHT] */
    fut_step_outcome *outcomes;     /* [FUT_IN_FLIGHT] */
    fut_event *done[FUT_IN_FLIGHT];
    fut_vitals *vitals; /* NULL unless asked for; then rank 0's; places by step as above */

    fut_recording *recordings[FUT_FEED_PLACES]; /* of a full batch's step, by the place of its inputs; NULL: not recorded yet */
    int64_t recorded_moves;      /* fut_net_moves when a full batch's step last ran: everything it needs is planned; -1: never */
    fut_event *marks[FUT_MARKS]; /* NULL unless fut_engine_mark was called: then nothing is recorded for replay */
} fut_engine;

/* Build backend, network, loss, optimizer, reduction and step memory for shards dealt over the ranks of comm. threads 0: see
 * fut_model_threads. Parameters are not set, and nothing is planned: fut_engine_plan follows. Collective. Errors: FUT_ERR_CONFIG,
 * FUT_ERR_UNSUPPORTED, FUT_ERR_NO_MEMORY, the same on all ranks. */
typedef struct fut_engine_options {
    int shards, threads;
    int64_t classes;        /* people that are trained on: labels are below it */
    double mean[3], std[3]; /* of the normalisation */
    bool vitals;            /* steps can be looked at */
    int64_t bucket;         /* fut_engine.bucket where train.bucket is auto and it was measured before; 0: it was not */
} fut_engine_options;
fut_status fut_engine_create(const fut_config *config, fut_comm *comm, const fut_engine_options *options,
                             fut_engine **engine_out) FUT_MUST_CHECK;
void fut_engine_destroy(fut_engine **engine);

/* Part of it: fut_engine.bucket, as the configuration has it, as it is known (0: not), or by a short measurement of some sizes on the
 * communicator of the devices, where there are several ranks and more than the smallest size to sum. Collective. */
fut_status fut_engine_choose_bucket(fut_engine *engine, int64_t known) FUT_MUST_CHECK;

/* Every size that the run will ask the network for; 0 stands for none. */
typedef struct fut_engine_sizes {
    int64_t batch[2]; /* photos of a global batch: full, and a pass's last */
    int batches;
    int64_t evaluation[4]; /* photos embedded at once */
    int evaluations;
} fut_engine_sizes;
/* Plan them all now, so that no step later plans, measures or allocates. What is measured is measured by rank 0 and taken by all; tuned:
 * choices known already (fut_backend.tuning_get; NULL or "": none), used where the library text is `library`. tuning_out gets rank 0's
 * choices, on rank 0. Collective. Errors: FUT_ERR_NO_MEMORY (with the largest shard that would fit), the same on all ranks. */
fut_status fut_engine_plan(fut_engine *engine, const fut_engine_sizes *sizes, const char *tuned, const char *library,
                           fut_str *tuning_out) FUT_MUST_CHECK;

/* Rank 0's parameters, statistics, optimizer state and memory of the loss to all. Collective. */
fut_status fut_engine_share_state(fut_engine *engine) FUT_MUST_CHECK;

/* Enqueue step number `step`; of two steps in flight the earlier outcome must have been read. timer: laps of the host's work, where the
 * device is the host. Collective. */
fut_status fut_engine_step(fut_engine *engine, int64_t step, const fut_inputs *in, const fut_step_wish *wish,
                           fut_step_timer *timer) FUT_MUST_CHECK;
/* Wait for a step's outcome; borrowed until the next-but-one step. */
fut_status fut_engine_outcome(fut_engine *engine, int64_t step, const fut_step_outcome **outcome_out) FUT_MUST_CHECK;

/* The next full step is enqueued anew and then recorded again: after work that may have moved the network's memory on some rank, such as an
 * evaluation. All ranks replay a step or none does, which NCCL asks for. */
void fut_engine_forget_recordings(fut_engine *engine);

/* Destroy the recordings of an engine. Takes void *, since a communicator that is given up calls it. */
void fut_engine_drop_recordings(void *engine);

/* From now on steps leave marks, and are enqueued anew every time instead of replayed. */
fut_status fut_engine_mark(fut_engine *engine) FUT_MUST_CHECK;

/* Photos of a rank's largest shard. */
int64_t fut_engine_largest_shard(const fut_engine *engine);
/* Whether a shard's forward runs again before its backward, since one slot of activations serves all shards of this rank. */
bool fut_engine_recomputes(const fut_engine *engine);

#ifdef __cplusplus
}
#endif

#endif
