/* Evaluation of a network: embeddings of photos over all ranks, verification metrics on rank 0. */
#ifndef FUT_LAUNCH_EVALUATE_H
#define FUT_LAUNCH_EVALUATE_H

#include "core/loss/loss.h"
#include "core/metric/identification.h"
#include "core/metric/metric.h"
#include "core/nn/net.h"
#include "data/dataset.h"
#include "dist/comm.h"
#include "launch/classes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Scale a row of `dim` values to length 1; a zero row stays zero. */
void fut_embedding_normalize(float *row, int64_t dim);

/* Embed photos of a dataset with running statistics, in chunks dealt to ranks in turn; every rank gets all of them.
 * The chunking depends on nothing but `chunk`, so the numbers do not depend on the number of ranks.
 * Shape:      image [n] ids; embedding_out [n, d] f32 host, rows of length 1
 * Collective: yes. Errors: an unreadable photo, on every rank. */
fut_status fut_embed_dataset(fut_net *net, fut_comm *comm, const fut_dataset *dataset, const int64_t *image, int64_t n, int64_t chunk,
                             int threads, float *embedding_out) FUT_MUST_CHECK;
/* The same for pictures in memory: rgb [n, size, size, 3]. Not collective. */
fut_status fut_embed_images(fut_net *net, const uint8_t *rgb, int64_t n, float *embedding_out) FUT_MUST_CHECK;

/* What can be evaluated: a part of the split, or the two held-out parts as one. */
typedef enum fut_eval_part { FUT_EVAL_TRAIN, FUT_EVAL_VAL, FUT_EVAL_TEST, FUT_EVAL_VAL_AND_TEST } fut_eval_part;
extern const char *const fut_eval_part_names[]; /* "train", "val", "test", "val+test"; NULL-terminated */
/* Photos in it. */
int64_t fut_eval_part_size(const fut_dataset *dataset, fut_eval_part part);

typedef struct fut_part_result {
    fut_verification verification;
    double loss; /* of all pairs of the part at once (the first FUT_EVAL_LOSS_MAX photos); of a loss of classes, of the photos of people
                  * that were trained on; NaN where fut_eval_has_loss says that there is none */
    bool paired_with_train; /* nobody in the part has two photos: it was paired with the training photos instead */
    int64_t *image;         /* [n] ids behind the query rows */
    int64_t *reference;     /* [n_reference] ids behind the reference rows; NULL unless paired_with_train */
    int64_t n, n_reference;
    int64_t *label, *reference_label; /* of those rows */
    float *embedding, *reference_embedding;
} fut_part_result;
void fut_part_result_fini(fut_part_result *result);

/* One among many, over the same photos. Not collective, for rank 0's result. dim: of an embedding. */
fut_status fut_part_identification(const fut_part_result *result, int64_t dim, fut_identification *out) FUT_MUST_CHECK;

enum { FUT_EVAL_LOSS_MAX = 4096 };

/* The loss that is trained with; its parameters are the network's. */
typedef struct fut_eval_loss {
    const fut_opt_variant *config;
    const fut_classes *classes;
} fut_eval_loss;

/* Whether the loss is defined on a part: somebody in it has two photos, which a loss of pairs can bring together; or, for a loss of
 * classes, is trained on. */
fut_status fut_eval_has_loss(const fut_dataset *dataset, fut_eval_part part, const fut_eval_loss *loss, bool *has_out) FUT_MUST_CHECK;

/* Evaluate one part of a dataset. Rank 0 gets the result, other ranks an empty one. loss may be NULL. Collective. */
fut_status fut_evaluate_part(fut_net *net, fut_comm *comm, const fut_dataset *dataset, fut_eval_part part, int64_t chunk, int threads,
                             int64_t n_hardest, const fut_eval_loss *loss, fut_part_result *result_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
