/* The trainer's insides, shared by trainer.c (the loop) and trainer_setup.c (birth, resume, death). */
#ifndef FUT_LAUNCH_TRAINER_IMPL_H
#define FUT_LAUNCH_TRAINER_IMPL_H

#include "dist/comm.h"
#include "launch/average.h"
#include "launch/batches.h"
#include "launch/checkpoint.h"
#include "launch/engine.h"
#include "launch/exposure.h"
#include "launch/feed.h"
#include "launch/pace.h"
#include "launch/replicas.h"
#include "launch/run_folder.h"
#include "launch/saver.h"
#include "launch/step_report.h"

/* A step on its way: enqueued, its outcome not read yet. */
typedef struct fut_step_pending {
    bool open;
    fut_step_result result; /* all but the loss and the norm */
    fut_step_timer timer;
} fut_step_pending;

typedef struct fut_trainer {
    const fut_config *config;
    fut_comm *comm;
    int shards;
    int64_t total_steps, total_epochs; /* of the whole run; the last one may be cut short */
    int64_t until;                     /* stop after this step; 0: no such step */

    fut_dataset *dataset;
    fut_classes classes;
    fut_engine *engine;
    fut_replicas *replicas; /* NULL: nothing to compare */
    fut_average *average;   /* NULL: what is trained is evaluated */
    fut_batches *batches;
    fut_feed *feed;

    fut_step_pending pending[FUT_IN_FLIGHT]; /* by step */
    fut_pace *pace;                          /* NULL: one rank */
    double last_done;                        /* clock when the last outcome was read */

    fut_progress progress;
    fut_checkpoint_meta meta;
    bool stop_asked;  /* some rank was asked to stop */
    double last_save; /* clock */

    fut_run_folder *folder; /* rank 0 */
    fut_saver *saver;       /* rank 0 */
    FILE *log_file;         /* rank 0 */
    fut_step_report report; /* rank 0 */
    fut_exposure exposure;
} fut_trainer;

/* Make or resume the run. Collective. */
fut_status fut_trainer_open(const fut_config *config, fut_comm *comm, fut_trainer *trainer_out) FUT_MUST_CHECK;
void fut_trainer_close(fut_trainer *trainer);

/* Rank 0 begins a checkpoint of the current state, which a thread writes, links as last.h5 and best.h5, and prunes after. A failure to
 * write is a warning while an older checkpoint stands; `must` waits for the file and makes it an error. Collective. */
fut_status fut_trainer_save(fut_trainer *trainer, bool must) FUT_MUST_CHECK;

#endif
