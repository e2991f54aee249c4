/* The network of a configuration, and the trained network of a run. */
#ifndef FUT_LAUNCH_MODEL_H
#define FUT_LAUNCH_MODEL_H

#include "dist/comm.h"
#include "launch/checkpoint.h"
#include "launch/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a rank computes. */
typedef struct fut_model_place {
    int threads;       /* of the CPU */
    int device;        /* of the GPUs of this node, the rank's: its place among the node's ranks */
    int ranks_on_node; /* 0: unknown */
} fut_model_place;
/* A rank's place: its share of the node's cores, but no more than it may run on, and the GPU of its number. NULL: alone on the node. */
fut_model_place fut_model_place_of(const fut_comm *comm);

/* CPU threads of a shard where nobody says: the machine's cores over the shards on it, at least 1, but no more than the process may run on.
 * On one machine that is the same for any number of ranks. */
int fut_model_threads(const fut_comm *comm, int shards);

/* A backend and a network on it, parameters not set. loss: parameters to train beside the network's; NULL: none. Owns: both; destroy the
 * net first. */
fut_status fut_model_create(const fut_config *config, const fut_model_place *place, const double mean[3], const double std[3],
                            const fut_params *loss, fut_backend **bk_out, fut_net **net_out) FUT_MUST_CHECK;
/* "tf_efficientnetv2_b0, embedding 512, 112 px": what must agree between a run and its checkpoint. */
fut_status fut_model_describe(const fut_config *config, fut_str *out) FUT_MUST_CHECK;
/* "W": the names of the loss's own parameters, which must agree too; "" where it has none. */
fut_status fut_model_describe_loss(const fut_config *config, fut_str *out) FUT_MUST_CHECK;

/* The trained network of a run folder. */
typedef struct fut_trained {
    fut_config *config;
    fut_backend *bk;
    fut_net *net;
    fut_checkpoint_meta meta;
    fut_progress progress;
    fut_str path; /* of the checkpoint */
    int threads;  /* the rank's share of the CPU */
} fut_trained;

/* The option whose value is `which` below. A word or a file, so the words are not in its value: options with | take nothing else. */
#define FUT_CHECKPOINT_ARG FUT_ARG_VALUE('c', "checkpoint", "CHECKPOINT", "best", "best, last, or a checkpoint file")

/* The option whose value is `precision` below. */
#define FUT_PRECISION_ARG                                                                                                                  \
    FUT_ARG_VALUE(0, "precision", "f32|tf32|bf16|f16", NULL,                                                                               \
                  "what the network computes in; default: the run's. bf16 is faster where the processor has it (docs/speed.md)")

/* which: "best" (falls back to last when nothing was evaluated yet), "last", or the path of a checkpoint. precision: NULL is the run's.
 * Errors: FUT_ERR_NO_INPUT (no such run, no checkpoint yet), FUT_ERR_DATA, FUT_ERR_UNSUPPORTED (the backend lacks the precision). */
fut_status fut_trained_open(const char *run, const char *which, const char *precision, const fut_model_place *place,
                            fut_trained *out) FUT_MUST_CHECK;
/* The similarity from which two photos are of one person: where the error rates of the run's last evaluation were equal.
 * Errors: FUT_ERR_NO_INPUT: it was never evaluated. */
fut_status fut_trained_threshold(const fut_trained *trained, double *threshold_out) FUT_MUST_CHECK;
/* Was it trained as a classifier of pairs? Then, how likely two embeddings (on the host) are of one person. */
bool fut_trained_tells_probability(const fut_trained *trained);
fut_status fut_trained_probability(const fut_trained *trained, const float *a, const float *b, double *probability_out) FUT_MUST_CHECK;
void fut_trained_close(fut_trained *trained);

#ifdef __cplusplus
}
#endif

#endif
