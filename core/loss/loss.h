/* Losses on the embeddings of the global batch.
 *
 *   every rank:   fut_loss_begin(E, labels)                 E [B, D] in the sampler's order, the same on every rank
 *   every shard:  fut_loss_rows(rows)   -> sums             the shard's rows of the B x B pair matrix; f64 sums, added over shards by
 *                                                           the tree
 *   every shard, if the loss spreads:
 *                 fut_loss_spread(rows, total sums) -> dH   what the rows do to every embedding of the batch, added over shards by a tree
 *   every rank:   fut_loss_take(total dH)
 *   every shard:  fut_loss_grad(rows, total sums) -> dE     exact gradient of the shard's embeddings, and the shard's summand of the
 *                                                           gradient of the loss's own parameters, where it has any
 *
 * A loss compares a shard's rows with references. These are the batch's own embeddings, and then a pair acts on both its ends; or a weight
 * vector a class, which are parameters of the loss; or a memory of the last batches' embeddings (Wang et al. 2020, XBM), which a batch
 * enters when it begins and which has no gradient.
 *
 * Everything is device memory, enqueued on the backend's own stream; only fut_loss_read reads the sums, on the host, a step late if need
 * be.
 *
 * Sums and gradients are defined per shard and row, so they do not depend on how many ranks there are. Memory is O(rows x references) and
 * O(references x D).
 * A loss is one file with a fut_loss_type and one row in losses.def; the formulas are core/backend/row_formulas.h's. */
#ifndef FUT_CORE_LOSS_LOSS_H
#define FUT_CORE_LOSS_LOSS_H

#include "core/backend/backend.h"
#include "core/base/opt.h"
#include "core/base/str.h"
#include "core/tensor/param.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_LOSS_SUMS = FUT_ROW_SUMS };

typedef struct fut_loss fut_loss;

/* What a step's loss was, for people and the health line. Means are over all ordered pairs of the kind; 0 where there are none. */
typedef struct fut_loss_report {
    double loss;
    double active_pos, active_neg; /* pairs with a gradient */
    double count_pos, count_neg;   /* pairs there are */
    double mean_pos, mean_neg;     /* mean similarity or distance of each kind */
} fut_loss_report;

/* The options every loss has: its config begins with them, its table with FUT_LOSS_OPTIONS. */
typedef struct fut_loss_common {
    int distance, reducer; /* fut_distance; the words of fut_loss_reducer_names */
    double low, high;
} fut_loss_common;

extern const char *const fut_loss_distance_names[], *const fut_loss_reducer_names[];

#define FUT_LOSS_DISTANCE(S, distance_)                                                                                                    \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_ENUM, .name = "distance", .offset = FUT_OPT_FIELD(S, common.distance, int), .def = distance_, .unit = "",     \
        .doc = "what compares two embeddings: cosine and l2 of unit length, dot as they are", .names = fut_loss_distance_names             \
    }
#define FUT_LOSS_REDUCER(S, reducer_)                                                                                                      \
    {.kind = FUT_OPT_KIND_ENUM,                                                                                                            \
     .name = "reducer",                                                                                                                    \
     .offset = FUT_OPT_FIELD(S, common.reducer, int),                                                                                      \
     .def = reducer_,                                                                                                                      \
     .unit = "",                                                                                                                           \
     .doc = "how the loss's items become one number",                                                                                      \
     .names = fut_loss_reducer_names},                                                                                                     \
        {.kind = FUT_OPT_KIND_F64,                                                                                                         \
         .name = "low",                                                                                                                    \
         .offset = FUT_OPT_FIELD(S, common.low, double),                                                                                   \
         .def = "0",                                                                                                                       \
         .min = -1e6,                                                                                                                      \
         .max = 1e30,                                                                                                                      \
         .unit = "",                                                                                                                       \
         .doc = "reducer threshold: items above it count"},                                                                                \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_F64, .name = "high", .offset = FUT_OPT_FIELD(S, common.high, double), .def = "1e30", .min = -1e6,             \
        .max = 1e30, .unit = "", .doc = "reducer threshold: items below it count"                                                          \
    }

typedef struct fut_loss_type {
    bool symmetric;     /* d loss / d s_ij of a pair is the same from both its rows: no spread */
    bool of_classes;    /* photos are compared with classes, whose weights are the loss's parameters (fut_loss_class_weights) */
    bool stop_gradient; /* a factor of the loss is taken as constant: the gradient is not the loss's derivative */
    /* What the loss's own options say, into a row_out that has the common ones'. */
    void (*describe)(const void *config, fut_row_loss *row_out);
    /* The loss's own parameters; NULL: it has none. classes: people that are trained on. */
    void (*params)(const void *config, int64_t classes, int64_t dim, fut_params *params_out);
    /* Of a classifier of pairs, the logit that two embeddings [dim] are of one person; params: its own, all on the host. NULL: it is none.
     */
    double (*logit)(const void *config, const float *params, int64_t dim, const float *a, const float *b);
    /* Appends a proof and a remedy when these settings cannot learn, and returns the name `--allow` takes; NULL when nothing is wrong. */
    const char *(*lint)(const void *config, fut_str *proof);
    /* Appends a warning of what is likely a mistake, or nothing; NULL: there is nothing to warn of. */
    fut_status (*warn)(const void *config, fut_str *text);
} fut_loss_type;

/* What the rows are compared with where that is not the batch. */
typedef struct fut_loss_references {
    int64_t count;          /* 0: it is the batch */
    const void *raw;        /* device [count, dim]; classes: borrowed, else the memory's */
    void *unit, *norm;      /* device [count, dim], [count]: as the batch's */
    int64_t *label, *image; /* device [count]; see fut_pair_rows */
} fut_loss_references;

/* The most that a loss will see. */
typedef struct fut_loss_sizes {
    int64_t batch, rows; /* of the global batch, of a shard */
    int64_t dim;         /* of an embedding */
    int64_t classes;     /* people that are trained on; 0: unknown, for a loss that has no weights of them */
    int64_t memory;      /* embeddings of the last batches, this one among them, that rows are compared with; 0: with the batch */
} fut_loss_sizes;

struct fut_loss {
    fut_row_loss row;
    fut_row_miner miner;
    bool of_classes, spreads;
    fut_loss_references ref;
    fut_row_memory memory; /* size 0: there is none */
    int64_t classes;       /* labels are below it */
    fut_distance distance;
    fut_backend *bk;
    const fut_step_control *control; /* of fut_loss_seed */
    fut_dtype real;
    int64_t max_batch, max_rows, max_refs, dim;
    const void *params;           /* device; borrowed; NULL: it has none */
    const int64_t *label, *image; /* of the batch begun; borrowed */
    int64_t batch;
    const int64_t *computed; /* the rows whose v, kind and g stand in memory, unweighed; NULL: none */
    const void *e, *h;       /* the embeddings; what is compared of them: unit, or e */
    void *unit, *norm;       /* device [max_batch, dim], [max_batch] */
    void *v, *g;             /* device [max_rows, max_refs]; [max_batch, max_batch] for a triplet loss with swap */
    int64_t *places;         /* device [max_batch]: 0, 1, ...; NULL unless the loss spreads */
    uint8_t *kind;           /* device [max_rows, max_refs] */
    fut_row_draw *draw;      /* device [max_rows, max_refs]; NULL but with a miner that draws */
    double *sums;            /* device [FUT_LOSS_SUMS]; of rows computed again, or `computed` where the loss has parameters */
    void *dh_rows;           /* device [max_rows, dim]; NULL where neither the batch nor classes need more than the rows' own gradient */
    void *de;                /* device [max_batch, dim]; NULL unless the loss spreads */
};

/* NULL-terminated choices for `loss: {type: ...}`; payload is the fut_loss_type. */
extern const fut_opt_choice *const fut_loss_choices[];

/* What these settings are likely mistaken in; empty text: nothing. */
fut_status fut_loss_warn(const fut_opt_variant *config, fut_str *text) FUT_MUST_CHECK;
/* For fut_loss_type.warn, of an option that makes exponents of similarities, times `factor`. It can be so large that only the hardest is
 * seen, and in a softmax over what is bounded so small that nothing is told apart. Nothing overflows: exponents are taken from the largest.
 */
fut_status fut_loss_warn_sharp(const char *option, double value, double factor, const char *usual, fut_str *text) FUT_MUST_CHECK;
fut_status fut_loss_warn_softmax(const char *option, double value, double factor, bool is_bounded, const char *usual,
                                 fut_str *text) FUT_MUST_CHECK;

/* Can the loss have this miner? Errors: FUT_ERR_CONFIG. */
fut_status fut_loss_check_miner(const fut_opt_variant *config, const fut_row_miner *miner) FUT_MUST_CHECK;

/* Can the loss have a memory of this size with batches of this one? Errors: FUT_ERR_CONFIG. */
fut_status fut_loss_check_memory(const fut_opt_variant *config, int64_t memory, int64_t batch) FUT_MUST_CHECK;

/* The parameters that the loss wants trained beside the network; none for most. */
fut_params fut_loss_params(const fut_opt_variant *config, int64_t classes, int64_t dim);

/* Does the loss say how likely two embeddings are of one person? Then, from its parameters, all on the host: */
bool fut_loss_tells_probability(const fut_opt_variant *config);
double fut_loss_probability(const fut_opt_variant *config, const float *params, int64_t dim, const float *a, const float *b);

/* fut_loss_type.params of losses of classes: W [classes, dim], which starts normal with deviation 1, as the peer's (there [dim, classes]).
 */
void fut_loss_class_weights(const void *config, int64_t classes, int64_t dim, fut_params *params_out);
bool fut_loss_is_of_classes(const fut_opt_variant *config);

/* miner: NULL where the loss sees all pairs. A memory is empty. Errors: fut_loss_check_miner's, fut_loss_check_memory's; FUT_ERR_CONFIG for
 * a loss of fewer than two classes; FUT_ERR_NO_MEMORY. */
fut_status fut_loss_create(fut_backend *bk, const fut_opt_variant *config, const fut_row_miner *miner, fut_dtype real,
                           const fut_loss_sizes *sizes, fut_loss **loss_out) FUT_MUST_CHECK;
void fut_loss_destroy(fut_loss **loss);
/* Where a loss's parameters are, one behind the other: device, borrowed. Before the first begin of a loss that has any. */
void fut_loss_bind_params(fut_loss *loss, const void *params);
/* What a miner that draws draws by: the same seed, step and batch give the same triplets. control: device, borrowed; NULL: step 0. */
void fut_loss_seed(fut_loss *loss, uint64_t seed, const fut_step_control *control);
/* Do a shard's rows act on embeddings of other shards, other than those act themselves? Then every shard must spread before one takes. */
bool fut_loss_spreads(const fut_loss *loss);
bool fut_loss_type_spreads(const fut_loss_type *type, const fut_row_miner *miner, int64_t memory);

/* A batch enters the memory, where there is one, whatever becomes of the step; a row that is not finite leaves its place there empty.
 * e: [batch, dim] device; label (a loss of classes: below their number), image: [batch] device; all borrowed until the last grad of this
 * batch. */
fut_status fut_loss_begin(fut_loss *loss, int64_t batch, const void *e, const int64_t *label, const int64_t *image) FUT_MUST_CHECK;
/* row: [n] device, positions in the batch. sums: [FUT_LOSS_SUMS] device, overwritten. */
fut_status fut_loss_rows(fut_loss *loss, int64_t n, const int64_t *row, double *sums) FUT_MUST_CHECK;
/* total: device, the sums of all shards. dh_out: [batch, dim] device, overwritten: a shard's summand of d loss / d h. */
fut_status fut_loss_spread(fut_loss *loss, int64_t n, const int64_t *row, const double *total, void *dh_out) FUT_MUST_CHECK;
/* dh: [batch, dim] device, the sum over all shards; free again on return's work. */
fut_status fut_loss_take(fut_loss *loss, const void *dh) FUT_MUST_CHECK;
/* de_out: [n, dim] device. dparams_out: device, overwritten, laid out as the loss's parameters; NULL where it has none. Where the loss
 * spreads, after fut_loss_take. */
fut_status fut_loss_grad(fut_loss *loss, int64_t n, const int64_t *row, const double *total, void *de_out,
                         void *dparams_out) FUT_MUST_CHECK;

/* total: [FUT_LOSS_SUMS] on the host. */
void fut_loss_read(const fut_loss *loss, const double *total, fut_loss_report *report_out);

#ifdef __cplusplus
}
#endif

#endif
