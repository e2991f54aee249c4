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
#include "launch/run_folder.h"
#include "launch/step_report.h"

typedef struct fut_trainer {
    const fut_config *config;
    fut_comm *comm;
    int shards, my_first, my_end; /* this rank's shards are [my_first, my_end) */
    int64_t total_steps;          /* of the whole run */

    fut_backend *bk;
    fut_dataset *dataset;
    fut_net *net;
    fut_loss *loss;
    fut_optim *optim;
    fut_batches *batches;
    fut_tree *tree; /* sums leaves over shards */

    int64_t dim;            /* of an embedding */
    float *e_dealt;         /* [batch, dim] embeddings in dealt order: mine, then everybody's */
    float *e;               /* [batch, dim] in the sampler's order */
    float *de;              /* [largest shard, dim] */
    float *leaf, *leaf_sum; /* [leaf_count] gradient and batch statistics of one shard, and of all */

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
