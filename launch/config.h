/* The configuration of a run: design and defaults are the option tables of config.c; every key has a default except data.file. */
#ifndef FUT_LAUNCH_CONFIG_H
#define FUT_LAUNCH_CONFIG_H

#include "core/base/opt.h"
#include "core/base/str.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fut_normalize { FUT_NORMALIZE_IMAGENET, FUT_NORMALIZE_HALF, FUT_NORMALIZE_DATASET } fut_normalize;
typedef enum fut_precision { FUT_PRECISION_F32, FUT_PRECISION_TF32, FUT_PRECISION_BF16, FUT_PRECISION_F16 } fut_precision;
typedef enum fut_recompute { FUT_RECOMPUTE_NEVER, FUT_RECOMPUTE_ALWAYS, FUT_RECOMPUTE_AUTO } fut_recompute;
typedef enum fut_best { FUT_BEST_EER, FUT_BEST_AUC, FUT_BEST_LOSS } fut_best;

typedef struct fut_config_data {
    fut_opt_text file;
    int64_t size;
    int normalize; /* fut_normalize */
    fut_opt_variants augment;
    int64_t threads;
} fut_config_data;

typedef struct fut_config_model {
    fut_opt_text backbone;
    int64_t embedding;
    int embedding_norm; /* fut_embedding_norm */
    int batch_norm;     /* fut_batch_norm */
    fut_opt_text weights;
} fut_config_model;

typedef struct fut_config_sampler {
    int type; /* m_per_class */
    int64_t m;
    int64_t batch_size; /* 0: none, as in the article */
    int64_t length;
    int64_t min_images;
} fut_config_sampler;

typedef struct fut_config_memory {
    int64_t size; /* 0: there is none */
} fut_config_memory;

typedef enum fut_decay_of { FUT_DECAY_ALL, FUT_DECAY_WEIGHTS } fut_decay_of;
typedef enum fut_evaluated { FUT_EVALUATED_EMA, FUT_EVALUATED_WEIGHTS } fut_evaluated;

/* What an update does beside its optimizer. */
typedef struct fut_config_update {
    double clip_norm;
    int weight_decay; /* fut_decay_of */
    double backbone_lr;
    fut_opt_text frozen; /* prefixes of parameters' names, with commas */
    double ema;
    int evaluate; /* fut_evaluated */
} fut_config_update;

typedef struct fut_config_train {
    int64_t epochs;
    int64_t steps; /* 0: epochs decide */
    int64_t batch;
    fut_opt_text shards; /* "auto" or a number */
    int recompute;       /* fut_recompute */
    fut_opt_text bucket; /* "auto" or KiB of gradients that are summed at once */
    bool overlap;        /* sum them while the backward goes on */
    int64_t threads;     /* CPU threads of a shard; 0: cores of the node over its ranks */
    double save_every;
    int64_t save_steps;
    int64_t keep;
    int64_t log_every;
    double deadline;
    int64_t check_replicas; /* 0: never */
} fut_config_train;

typedef struct fut_config_eval {
    int64_t every;
    int part;
    int best;
    int64_t batch;
} fut_config_eval;

typedef struct fut_config {
    fut_opt_text run;
    int64_t seed;
    fut_opt_text backend;
    int precision; /* fut_precision */
    bool deterministic;
    fut_config_data data;
    fut_config_model model;
    fut_config_sampler sampler;
    fut_opt_variant loss;
    fut_opt_variant miner;
    fut_config_memory memory;
    fut_opt_variant optimizer;
    fut_opt_variant scheduler;
    fut_config_update update;
    fut_config_train train;
    fut_config_eval eval;
} fut_config;

extern const fut_opt fut_config_options[];

/* Defaults, then the file, then each "a.b=v" of sets, then the checks between fields that need no data.
 * path NULL: defaults and sets only. Owns: *config_out, release with fut_config_destroy.
 * Errors: FUT_ERR_CONFIG (place, found, expected, remedy), FUT_ERR_NO_INPUT. */
fut_status fut_config_load(const char *path, const char *const *sets, int set_count, fut_config **config_out) FUT_MUST_CHECK;
void fut_config_destroy(fut_config **config);

/* Settings that provably cannot learn: FUT_ERR_CONFIG with the proof and the remedy unless their name is among allowed[].
 * Warnings (a schedule longer than the run) are logged. */
fut_status fut_config_lint(const fut_config *config, const char *const *allowed, int allowed_count) FUT_MUST_CHECK;

/* The fewest photos of a shard: batch norm over a shard cannot do with one. */
int64_t fut_config_shard_min(const fut_config *config);
/* Can train.batch be dealt to so many shards? Errors: FUT_ERR_CONFIG. */
fut_status fut_config_check_shards(const fut_config *config, int64_t shards) FUT_MUST_CHECK;
/* train.bucket; 0: auto. */
int64_t fut_config_bucket(const fut_config *config);
/* Pixel mean and standard deviation of `data.normalize`; the dataset's own are passed in. */
void fut_config_normalization(const fut_config *config, const double data_mean[3], const double data_std[3], double mean_out[3],
                              double std_out[3]);

/* The whole resolved configuration as YAML. */
fut_status fut_config_print(const fut_config *config, fut_str *out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
