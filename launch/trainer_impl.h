/* The trainer's insides, shared by trainer.c (the loop) and trainer_setup.c (birth, resume, death). */
#ifndef FUT_LAUNCH_TRAINER_IMPL_H
#define FUT_LAUNCH_TRAINER_IMPL_H

#include "core/loss/loss.h"
#include "core/nn/net.h"
#include "core/optim/optim.h"
#include "dist/comm.h"
#include "dist/gather.h"
#include "dist/reduce.h"
#include "launch/batches.h"
#include "launch/checkpoint.h"
#include "launch/feed.h"
#include "launch/run_folder.h"
#include "launch/step_report.h"

/* What the host writes for a step, beside the batch: uploaded before it. */
typedef struct fut_step_scalars {
    double lr;
    double stop; /* 1 on a rank that was asked to stop; summed with the loss, so that rank 0 learns of it */
} fut_step_scalars;

/* What the host reads of a step: downloaded after it. */
typedef struct fut_step_outcome {
    double sums[FUT_LOSS_SUMS_MAX + 1]; /* of the loss over all shards, then the ranks that were asked to stop */
    fut_step_control control;
} fut_step_outcome;

/* A step on its way: enqueued, its outcome not read yet. */
typedef struct fut_step_pending {
    bool open;
    fut_step_result result; /* all but the loss and the norm */
    fut_step_timer timer;
    fut_event *done;
} fut_step_pending;

enum { FUT_PLACES = 2 }; /* steps in flight: one computes, the next is being enqueued */

typedef struct fut_trainer {
    const fut_config *config;
    fut_comm *comm;               /* between processes */
    fut_comm *device_comm;        /* between their devices' memories: comm itself where that is the host's */
    int shards, my_first, my_end; /* this rank's shards are [my_first, my_end) */
    int64_t total_steps;          /* of the whole run */

    fut_backend *bk;
    fut_backend_info info;
    fut_dataset *dataset;
    fut_net *net;
    fut_loss *loss;
    fut_optim *optim;
    fut_batches *batches;
    fut_feed *feed;
    fut_tree *tree; /* sums leaves over shards */

    /* device memory of a step */
    int64_t dim;               /* of an embedding */
    float *e_dealt;            /* [batch, dim] embeddings in dealt order: mine, then everybody's */
    float *e;                  /* [batch, dim] in the sampler's order */
    float *de;                 /* [largest shard, dim] */
    double *loss_rows;         /* [shards, sums + 1]: fut_step_outcome.sums of each shard */
    double *loss_total;        /* [sums + 1] */
    fut_step_scalars *scalars; /* one */

    /* pinned memory and the work of steps in flight, used in turn */
    fut_step_scalars *host_scalars;        /* [FUT_PLACES] */
    fut_step_outcome *outcomes;            /* [FUT_PLACES] */
    fut_step_pending pending[FUT_PLACES];  /* of step: step % FUT_PLACES */
    fut_recording *recordings[FUT_PLACES]; /* of a full batch's step, by the place of its inputs; NULL: not recorded yet */
    int64_t recorded_moves;                /* fut_net_moves when a full batch's step last ran: everything it needs is planned; -1: never */
    double last_done;                      /* clock when the last outcome was read */

    fut_progress progress;
    fut_checkpoint_meta meta;
    bool stop_asked;  /* some rank was asked to stop */
    double last_save; /* clock */

    fut_run_folder *folder; /* rank 0 */
    FILE *log_file;         /* rank 0 */
    fut_step_report report; /* rank 0 */
} fut_trainer;

/* Make or resume the run. Collective. */
fut_status fut_trainer_open(const fut_config *config, fut_comm *comm, fut_trainer *trainer_out) FUT_MUST_CHECK;
void fut_trainer_close(fut_trainer *trainer);

/* Rank 0 writes a checkpoint of the current state, links last.h5 and best.h5, prunes; the others wait for it. A failure to write is a
 * warning while an older checkpoint stands; `must` makes it an error. Collective. */
fut_status fut_trainer_save(fut_trainer *trainer, bool must) FUT_MUST_CHECK;

#endif
