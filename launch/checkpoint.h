/* A checkpoint: everything a run needs to go on, in one HDF5 file that knows nothing of ranks.
 *
 *   /model/<timm name>  f32, and i64 num_batches_tracked      /optimizer/<slot>/<name>  f32
 *   /trained/<timm name>  what is trained, where /model is an average of it
 *   /loss/<name>  f32, the loss's own parameters; in the groups of all else that is trained they are loss.<name>
 *   /loss/memory/{embeddings, labels, images}  the loss's memory, where it has one, with pointer, filled and people as attributes
 *   /sampler/{mt_key, people}                                  attributes: format, version, progress, config, dataset, numeric profile
 *   every dataset carries its XXH3; the file is sealed as a whole; `complete` is written last
 *
 * Written beside and renamed by rank 0, verified on load. */
#ifndef FUT_LAUNCH_CHECKPOINT_H
#define FUT_LAUNCH_CHECKPOINT_H

#include "core/loss/loss.h"
#include "core/nn/net.h"
#include "core/optim/optim.h"
#include "core/sched/sched.h"
#include "data/sampler.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a run stands. Times are not part of it: a resumed run is the same run. */
typedef struct fut_progress {
    int64_t step;      /* steps trained */
    int64_t epoch;     /* 0-based, of the next step, or of the last when it ended an epoch */
    int64_t batch;     /* batches of this epoch trained or dropped */
    int64_t best_step; /* -1: none yet */
    double best_value; /* of eval.best */
    double threshold;  /* similarity at the equal error rate of the last evaluation; what verify decides by */
    double eer;        /* of that evaluation; -1: none yet */
    fut_sched_state schedule;
} fut_progress;

/* What must agree between the run that wrote a checkpoint and the one that reads it. */
typedef struct fut_checkpoint_meta {
    int64_t shards;
    int64_t threads; /* CPU threads of a shard */
    int64_t bucket;  /* fut_engine.bucket */
    uint64_t dataset_fingerprint;
    fut_str config;  /* resolved YAML */
    fut_str library; /* numeric profile: same bits need the same text */
    fut_str tuning;  /* the device's choices of algorithms (fut_backend.tuning_get); empty on the CPU */
    fut_str model;   /* "tf_efficientnetv2_b0, 512, 112 px": what the parameters are of */
    fut_str loss;    /* "W, b": names of the loss's own parameters; empty: it has none */
    double mean[3], std[3];
    double crop; /* centred fraction of each photo that the dataset holds: what other photos are cut to before they meet the network */
} fut_checkpoint_meta;
void fut_checkpoint_meta_fini(fut_checkpoint_meta *meta);

/* What is trained, while the network has an average of it: device packs of the network's sizes. */
typedef struct fut_checkpoint_held {
    void *params, *stats;
} fut_checkpoint_held;

/* A run's state in host memory, as it was at one moment: a file is written from it while training goes on. One is for one network and
 * optimizer, is zero before it is first taken, and keeps its memory from one time to the next. */
typedef struct fut_checkpoint_state {
    const fut_net *net; /* borrowed: the names and shapes of its tensors */
    fut_progress progress;
    float *params, *stats;           /* the network's */
    bool averaged;                   /* the network's are an average; what is trained is in the next two */
    float *held_params, *held_stats; /* NULL: there never was an average */
    int slots;
    const char *slot_name[FUT_OPTIM_SLOTS_MAX];
    float *slot[FUT_OPTIM_SLOTS_MAX];
    fut_step_control control;
    int64_t steps_tracked;
    fut_sampler_state sampler;
    fut_row_memory memory; /* of the loss, here on the host; size 0: there is none */
    int64_t memory_people; /* labels there are below it */
} fut_checkpoint_state;

/* Memory for what fut_checkpoint_take copies of a network and optimizer whose parameters may be averaged: fresh pages take a second where a
 * copy takes milliseconds. Without it, taking allocates. Errors: FUT_ERR_NO_MEMORY. */
fut_status fut_checkpoint_reserve(fut_checkpoint_state *state, const fut_net *net, bool averaged, const fut_optim *optim) FUT_MUST_CHECK;
/* Waits for the device. held: NULL where the network has what is trained; loss: whose memory is kept, NULL: of none. Errors:
 * FUT_ERR_NO_MEMORY, the device's. */
fut_status fut_checkpoint_take(fut_checkpoint_state *state, const fut_progress *progress, fut_net *net, const fut_checkpoint_held *held,
                               fut_optim *optim, const fut_loss *loss, const fut_sampler_state *sampler) FUT_MUST_CHECK;
void fut_checkpoint_state_fini(fut_checkpoint_state *state);

/* May run beside training, not beside another call that enters HDF5.
 * Errors: FUT_ERR_CANT_CREATE (disk full), FUT_ERR_PERMISSION, FUT_ERR_IO; nothing stands under `path` then. */
fut_status fut_checkpoint_write(const char *path, const fut_checkpoint_meta *meta, const fut_checkpoint_state *state) FUT_MUST_CHECK;

/* Read what identifies a checkpoint, without its tensors. Owns: meta, release with fut_checkpoint_meta_fini.
 * Errors: FUT_ERR_NO_INPUT; FUT_ERR_DATA for a file that is damaged, incomplete, or not a futago checkpoint. */
fut_status fut_checkpoint_read_meta(const char *path, fut_checkpoint_meta *meta_out, fut_progress *progress_out) FUT_MUST_CHECK;
/* Read the tensors into net (and optim, sampler unless NULL): with an optimizer what is trained, without one what is to be used. Errors: as
 * above; FUT_ERR_DATA naming the tensor that is missing, of another shape, or fails its checksum. The net may be partly written on error.
 */
fut_status fut_checkpoint_read(const char *path, fut_net *net, fut_optim *optim, fut_sampler_state *sampler) FUT_MUST_CHECK;

/* Read the memory of the loss, where that has one: it stays empty, with a warning, where the file has none, as of a run that begins to
 * keep one. Errors: FUT_ERR_CONFIG for a memory of another size, or of other people; FUT_ERR_DATA. */
fut_status fut_checkpoint_read_memory(const char *path, fut_loss *loss) FUT_MUST_CHECK;

/* SHA-256 of the network's parameters and statistics (not the loss's) in state-dict order, as hex: what two runs compare. */
fut_status fut_model_digest(fut_net *net, char hex_out[65]) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
