/* Losses on the embeddings of the global batch.
 *
 *   every rank:   fut_loss_begin(E, labels)                 E [B, D] in the sampler's order, the same on every rank
 *   every shard:  fut_loss_rows(rows)   -> sums             the shard's rows of the B x B pair matrix; f64 sums, added over shards by
 *                                                           the tree
 *                 fut_loss_grad(rows, total sums) -> dE     exact gradient of the shard's embeddings
 *
 * Everything is device memory, enqueued on the backend's own stream; only fut_loss_type.report reads the sums on the host, a step late if
 * need be.
 *
 * Sums and gradients are defined per shard and row, so they do not depend on how many ranks there are. Memory is O(rows x B).
 * A loss is one file with a fut_loss_type and one row in losses.def. */
#ifndef FUT_CORE_LOSS_LOSS_H
#define FUT_CORE_LOSS_LOSS_H

#include "core/backend/backend.h"
#include "core/base/opt.h"
#include "core/base/str.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_LOSS_SUMS_MAX = 16 };

typedef struct fut_loss fut_loss;

/* What a step's loss was, for people and the health line. Means are over all ordered pairs of the kind; 0 where there are none. */
typedef struct fut_loss_report {
    double loss;
    double active_pos, active_neg; /* pairs (or triplets) with a gradient */
    double count_pos, count_neg;   /* pairs there are */
    double mean_pos, mean_neg;     /* mean similarity of each kind */
} fut_loss_report;

typedef struct fut_loss_type {
    int sums; /* f64 values a shard adds */
    /* Sums of the rows, device; loss->h holds the unit embeddings. */
    fut_status (*rows)(fut_loss *loss, const fut_pair_rows *rows, double *sums);
    /* dh [rows->n, dim]: gradient with respect to the unit embeddings of the rows. */
    fut_status (*grad)(fut_loss *loss, const fut_pair_rows *rows, const double *sums, void *dh);
    void (*report)(const double *sums, fut_loss_report *report_out); /* sums on the host */
    /* Appends a proof and a remedy when these settings cannot learn, and returns the name `--allow` takes; NULL when nothing is wrong. */
    const char *(*lint)(const void *config, fut_str *proof);
} fut_loss_type;

struct fut_loss {
    const fut_loss_type *type;
    const void *config; /* borrowed from the configuration */
    fut_backend *bk;
    fut_dtype real;
    int64_t max_batch, max_rows, dim;
    const int64_t *label, *image; /* of the batch begun; borrowed */
    int64_t batch;
    void *h, *norm; /* device [max_batch, dim], [max_batch] */
    void *sim;      /* device [max_rows, max_batch] */
};

/* NULL-terminated choices for `loss: {type: ...}`; payload is the fut_loss_type. */
extern const fut_opt_choice *const fut_loss_choices[];

/* Errors: FUT_ERR_NO_MEMORY. `config` is borrowed until destroy. */
fut_status fut_loss_create(fut_backend *bk, const fut_opt_variant *config, fut_dtype real, int64_t max_batch, int64_t max_rows, int64_t dim,
                           fut_loss **loss_out) FUT_MUST_CHECK;
void fut_loss_destroy(fut_loss **loss);

/* e: [batch, dim] device; label, image: [batch] device, borrowed until the last grad of this batch. */
fut_status fut_loss_begin(fut_loss *loss, int64_t batch, const void *e, const int64_t *label, const int64_t *image) FUT_MUST_CHECK;
/* row: [n] device, positions in the batch. sums: [type->sums] device, overwritten. */
fut_status fut_loss_rows(fut_loss *loss, int64_t n, const int64_t *row, double *sums) FUT_MUST_CHECK;
/* sums: device, the total over all shards. de_out: [n, dim] device. */
fut_status fut_loss_grad(fut_loss *loss, int64_t n, const int64_t *row, const double *sums, void *de_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
