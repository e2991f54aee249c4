/* Losses of the rows of a batch: what a kernel is told about one. Part of backend.h.
 *
 * v [rows, batch] compares a shard's rows with the whole batch; kind [rows, batch] says which of the comparisons count, and as what. A loss
 * is made of items, which a reducer filters and averages:
 *
 *     contrastive        an item a pair; positives and negatives are reduced apart and added
 *     bce                an item a pair: its logit is a s + b, or v + b where v is a logit already (difference)
 *     triplet            an item a triplet: an anchor (the row), a positive and a negative of it
 *     ntxent             an item a positive pair
 *     multi_similarity, supcon, circle      an item a row
 *     arcface, cosface   an item a row: its references are classes, of which one is its own
 *
 * Every formula is pytorch-metric-learning 2.9's. */
#ifndef FUT_CORE_BACKEND_ROW_LOSS_H
#define FUT_CORE_BACKEND_ROW_LOSS_H

#include <stdbool.h>
#include <stdint.h>

/* What compares two embeddings. */
typedef enum fut_distance { FUT_DISTANCE_COSINE, FUT_DISTANCE_L2, FUT_DISTANCE_DOT } fut_distance;

/* What a pair is to the loss; uint8_t in `kind`. */
enum { FUT_PAIR_LEFT_OUT, FUT_PAIR_POSITIVE, FUT_PAIR_NEGATIVE };

/* How a row's pairs are chosen. Far is sign * v: larger for what is less alike. Of equals the lowest place in the batch is taken.
 *
 *     pair_margin        positives farther than pos_margin, negatives nearer than neg_margin
 *     easy_hard          one pair a side by its strategy; a row that lacks a side is left out whole, unless the other side takes all
 *     multi_similarity   positives farther than the nearest negative less epsilon, negatives nearer than the farthest positive plus epsilon
 *     distance_weighted  triplets drawn by chance (draw_formulas.h): kernels draw_triplets and drawn_loss
 */
typedef enum fut_row_miner_kind {
    FUT_MINER_ALL_PAIRS,
    FUT_MINER_PAIR_MARGIN,
    FUT_MINER_EASY_HARD,
    FUT_MINER_MULTI_SIMILARITY,
    FUT_MINER_DISTANCE_WEIGHTED
} fut_row_miner_kind;

/* hard: the farthest positive, the nearest negative; easy: the other way round; semihard: the nearest negative farther than the positive
 * chosen, the farthest positive nearer than the negative chosen. */
typedef enum fut_miner_strategy { FUT_STRATEGY_EASY, FUT_STRATEGY_HARD, FUT_STRATEGY_SEMIHARD, FUT_STRATEGY_ALL } fut_miner_strategy;

typedef struct fut_row_miner {
    fut_row_miner_kind kind;
    fut_distance distance;
    double sign;                         /* +1: v is a distance, -1: a similarity */
    double pos_margin, neg_margin;       /* pair_margin */
    fut_miner_strategy pos, neg;         /* easy_hard */
    double epsilon;                      /* multi_similarity */
    double cutoff, nonzero_loss_cutoff;  /* distance_weighted */
    uint64_t key;                        /* distance_weighted: of its random numbers */
    bool of_triplets;                    /* chooses triplets, for the triplet loss alone: those with above < sign (v_n - v_p) <= up_to */
    double triplet_above, triplet_up_to; /* of_triplets */
} fut_row_miner;

/* A triplet drawn for a row: places of the batch. A row's draws stand together; after the last pos is -1. */
typedef struct fut_row_draw {
    int32_t pos, neg;
} fut_row_draw;

typedef enum fut_row_loss_kind {
    FUT_ROW_CONTRASTIVE,
    FUT_ROW_TRIPLET,
    FUT_ROW_MULTI_SIMILARITY,
    FUT_ROW_SUPCON,
    FUT_ROW_NTXENT,
    FUT_ROW_CIRCLE,
    FUT_ROW_BCE,
    FUT_ROW_ARCFACE,
    FUT_ROW_COSFACE
} fut_row_loss_kind;

typedef struct fut_row_loss {
    fut_row_loss_kind kind;
    double sign; /* +1: v is a distance, -1: a similarity */
    bool l2;     /* v = |h_i - h_j| of unit rows: gradients are of their product s, dv/ds = -1/v, 0 where v is 0 */

    double pos_margin, neg_margin;       /* contrastive: [sign (v - pos_margin)]+ and [sign (neg_margin - v)]+ */
    double margin;                       /* triplet: [sign (v_p - v_n) + margin]+; arcface: radians; cosface: a cosine */
    double scale;                        /* arcface, cosface: of the logits */
    bool smooth;                         /* triplet: log(1 + exp(.)) instead of [.]+ */
    bool swap;                           /* triplet: the nearer of v_n and the positive's own value with the negative; kernel swap_loss */
    double triplet_above, triplet_up_to; /* triplet: only those with above < sign (v_n - v_p) <= up_to */
    double alpha, beta, base;            /* multi_similarity */
    double temperature;                  /* supcon, ntxent */
    double m, gamma;                     /* circle */
    bool balanced;                       /* bce: positives and negatives are reduced apart and weigh half each */
    bool difference;                     /* bce: v = w . |h_i - h_j|, kernel difference_rows */
    const void *logit_scale;             /* bce: device, real: a; NULL: 1 */
    const void *logit_shift;             /* bce: device, real: b */

    double low, high; /* items whose loss is not strictly between are left out */
    bool mean;        /* the sum of the items kept is divided by their number */
} fut_row_loss;

/* Sums over a shard's rows, always f64. */
enum fut_row_sum {
    FUT_ROW_LOSS,
    FUT_ROW_LOSS_NEG, /* of the items kept; contrastive's negatives apart */
    FUT_ROW_KEPT,
    FUT_ROW_KEPT_NEG, /* items kept */
    FUT_ROW_ACTIVE_POS,
    FUT_ROW_ACTIVE_NEG, /* pairs with a gradient */
    FUT_ROW_COUNT_POS,
    FUT_ROW_COUNT_NEG, /* ordered pairs that count */
    FUT_ROW_VALUE_POS,
    FUT_ROW_VALUE_NEG, /* sums of v */
    FUT_ROW_SLOPE_POS,
    FUT_ROW_SLOPE_NEG, /* bce: sums of the items' derivatives by their logits */
    FUT_ROW_SLOPE_VALUE_POS,
    FUT_ROW_SLOPE_VALUE_NEG, /* the same, each times its v */
    FUT_ROW_SUMS
};

#endif
