#include "launch/config.h"

#include "core/base/mem.h"
#include "core/base/yaml.h"
#include "core/loss/loss.h"
#include "core/miner/miner.h"
#include "core/nn/graph.h"
#include "core/nn/net.h"
#include "core/optim/optim.h"
#include "core/sched/sched.h"
#include "data/augment.h"
#include "launch/evaluate.h"

#include <string.h>

static const char *const normalize_names[] = {"imagenet", "half", "dataset", NULL};
static const char *const precision_names[] = {"f32", "tf32", "bf16", "f16", NULL};
static const char *const embedding_norm_names[] = {"auto", "none", "batch_norm", NULL};
static const char *const batch_norm_names[] = {"shard", "global", NULL};
static const char *const sampler_names[] = {"m_per_class", NULL};
static const char *const decay_of_names[] = {"all", "weights", NULL};
static const char *const evaluated_names[] = {"ema", "weights", NULL};
static const char *const recompute_names[] = {"false", "true", "auto", NULL};
static const char *const best_names[] = {"eer", "auc", "loss", NULL};

static const fut_opt data_options[] = {
    FUT_OPT_STRING(fut_config_data, file, "", "packed faces, from `futago pack`; required"),
    FUT_OPT_I64(fut_config_data, size, "224", 16, 1024, "pixels", "height and width the network sees"),
    FUT_OPT_ENUM(fut_config_data, normalize, "imagenet", normalize_names,
                 "pixel mean and deviation: ImageNet's, half (0.5 and 0.5), or the training photos' own"),
    FUT_OPT_VARIANTS(fut_config_data, augment, "[]", fut_augment_choices, "random changes of the training photos, in this order"),
    FUT_OPT_I64(fut_config_data, threads, "1", 1, 64, "threads", "reading threads a rank"),
    FUT_OPT_END,
};

static const fut_opt model_options[] = {
    FUT_OPT_STRING(
        fut_config_model, backbone, "tf_efficientnetv2_b0",
        "network: tf_efficientnetv2_b0 to b3, tf_efficientnet_lite0, resnet18, 34, 50, 101, iresnet18, 50, 100, mobilefacenet, tiny; "
        "see futago inspect --model NAME"),
    FUT_OPT_I64(fut_config_model, embedding, "512", 2, 8192, "values", "length of an embedding"),
    FUT_OPT_ENUM(fut_config_model, embedding_norm, "auto", embedding_norm_names,
                 "batch norm on the embeddings; auto: where the network's own definition has one (iresnet, mobilefacenet)"),
    FUT_OPT_ENUM(fut_config_model, batch_norm, "shard", batch_norm_names,
                 "what the statistics of a training batch norm are of: a shard's photos, or the global batch's (as SyncBatchNorm)"),
    FUT_OPT_STRING(fut_config_model, weights, "", "safetensors file with the network's names to start from; empty: random"),
    FUT_OPT_END,
};

static const fut_opt sampler_options[] = {
    FUT_OPT_ENUM(fut_config_sampler, type, "m_per_class", sampler_names, "m photos of each person in a row"),
    FUT_OPT_I64(fut_config_sampler, m, "4", 1, 1024, "photos", "photos a person"),
    FUT_OPT_I64(fut_config_sampler, batch_size, "0", 0, 1e6, "photos",
                "people are drawn anew for each batch of this size; 0: in passes over all people"),
    FUT_OPT_I64(fut_config_sampler, length, "100000", 1, 1e9, "photos", "photos an epoch, before it is trimmed to whole passes"),
    FUT_OPT_I64(fut_config_sampler, min_images, "1", 1, 1e6, "photos", "people with fewer training photos are left out"),
    FUT_OPT_END,
};

static const fut_opt memory_options[] = {
    FUT_OPT_I64(fut_config_memory, size, "0", 0, 1e7, "embeddings",
                "a batch's photos are compared with these last ones, of this batch and those before it; 0: with the batch"),
    FUT_OPT_END,
};

static const fut_opt update_options[] = {
    FUT_OPT_F64(fut_config_update, clip_norm, "0", 0, 1e9, "", "a longer gradient of all parameters is shortened to this; 0: never"),
    FUT_OPT_ENUM(fut_config_update, weight_decay, "all", decay_of_names,
                 "what optimizer.weight_decay acts on; weights: not on norms, biases and other vectors"),
    FUT_OPT_F64(fut_config_update, backbone_lr, "1", 0, 10, "",
                "learning rate of all but the embedding layer, of the optimizer's; 0: only that layer is trained"),
    FUT_OPT_STRING(fut_config_update, frozen, "",
                   "parameters that are not trained: beginnings of their names, with commas (conv_stem,bn1,blocks.0)"),
    FUT_OPT_F64(fut_config_update, ema, "0", 0, 0.9999999, "",
                "what a step leaves of a running average of the parameters (0.999); 0: there is none"),
    FUT_OPT_ENUM(fut_config_update, evaluate, "ema", evaluated_names, "what is evaluated and exported where there is such an average"),
    FUT_OPT_END,
};

static const fut_opt train_options[] = {
    FUT_OPT_I64(fut_config_train, epochs, "50", 1, 1e9, "epochs", "length of the run"),
    FUT_OPT_I64(fut_config_train, steps, "0", 0, 1e12, "steps", "stop after this many steps instead; 0: train.epochs decides"),
    FUT_OPT_I64(fut_config_train, batch, "32", 2, 1e6, "photos", "the global batch, over all ranks"),
    FUT_OPT_STRING(fut_config_train, shards, "auto", "shards of the global batch: a number, or auto for the ranks of the first launch"),
    FUT_OPT_ENUM(fut_config_train, recompute, "auto", recompute_names,
                 "keep one shard's activations at a time and run each forward twice, to the same bits; auto: where all would not fit"),
    FUT_OPT_STRING(fut_config_train, bucket, "auto",
                   "KiB of gradients that are summed over the ranks at once, to the same bits; auto: measured when a run begins"),
    FUT_OPT_BOOL(fut_config_train, overlap, "true", "sum them while the backward goes on, to the same bits; false: after it"),
    FUT_OPT_I64(fut_config_train, threads, "0", 0, 1024, "threads",
                "CPU threads of a shard; 0: a machine's cores over the shards on it, the same on any number of ranks"),
    FUT_OPT_DURATION(fut_config_train, save_every, "5 min", 0, 1e9, "time between checkpoints; 0: never by time"),
    FUT_OPT_I64(fut_config_train, save_steps, "0", 0, 1e12, "steps", "steps between checkpoints; 0: never by steps"),
    FUT_OPT_I64(fut_config_train, keep, "3", 1, 1000, "files", "newest checkpoints kept, beside the best"),
    FUT_OPT_I64(fut_config_train, log_every, "10", 1, 1e9, "steps", "steps between log lines; metrics.jsonl has every step"),
    FUT_OPT_DURATION(fut_config_train, deadline, "0", 0, 1e6,
                     "longest wait for another rank before the run gives up; 0: from what was seen, at least 2 min"),
    FUT_OPT_I64(fut_config_train, check_replicas, "100", 0, 1e12, "steps",
                "steps between comparisons of all ranks' parameters and loss memory, also made before every checkpoint; 0: never"),
    FUT_OPT_END,
};

static const fut_opt eval_options[] = {
    FUT_OPT_I64(fut_config_eval, every, "1", 0, 1e9, "epochs", "epochs between evaluations; 0: only at the end"),
    FUT_OPT_ENUM(fut_config_eval, part, "val", fut_eval_part_names, "part of the split that is evaluated"),
    FUT_OPT_ENUM(fut_config_eval, best, "eer", best_names, "what the best checkpoint is best in"),
    FUT_OPT_I64(fut_config_eval, batch, "32", 1, 4096, "photos", "photos embedded at once"),
    FUT_OPT_END,
};

const fut_opt fut_config_options[] = {
    FUT_OPT_STRING(fut_config, run, "runs/run", "folder of the run: checkpoints, metrics, report"),
    FUT_OPT_I64(fut_config, seed, "0", 0, 4294967295.0, "",
                "seed of the sampler (as np.random.seed), initialisation, dealing and augmentation"),
    FUT_OPT_STRING(fut_config, backend, "auto", "auto, or a backend by name: cuda, cpu, ref"),
    FUT_OPT_ENUM(fut_config, precision, "f32", precision_names,
                 "type of the activations; weights, statistics and losses are f32. tf32: f32, but a GPU may round what it convolves"),
    FUT_OPT_BOOL(fut_config, deterministic, "true",
                 "the same bits every time; false: a GPU may take faster algorithms that differ in the last bits"),
    FUT_OPT_TABLE(fut_config, data, data_options, "the faces"),
    FUT_OPT_TABLE(fut_config, model, model_options, "the network"),
    FUT_OPT_TABLE(fut_config, sampler, sampler_options, "which photos make an epoch"),
    FUT_OPT_VARIANT(fut_config, loss, "contrastive", fut_loss_choices, "the loss"),
    FUT_OPT_VARIANT(fut_config, miner, "none", fut_miner_choices, "which pairs the loss sees"),
    FUT_OPT_TABLE(fut_config, memory, memory_options, "embeddings that the loss keeps from step to step (cross-batch memory)"),
    FUT_OPT_VARIANT(fut_config, optimizer, "adamw", fut_optim_choices, "the optimizer"),
    FUT_OPT_VARIANT(fut_config, scheduler, "cosine", fut_sched_choices, "the learning rate over the epochs"),
    FUT_OPT_TABLE(fut_config, update, update_options, "what an update does beside its optimizer"),
    FUT_OPT_TABLE(fut_config, train, train_options, "length and shape of the run"),
    FUT_OPT_TABLE(fut_config, eval, eval_options, "evaluation while training"),
    FUT_OPT_END,
};

int64_t fut_config_shard_min(const fut_config *config)
{
    return config->model.batch_norm == FUT_BATCH_NORM_GLOBAL ? 1 : 2;
}

fut_status fut_config_check_shards(const fut_config *config, int64_t shards)
{
    FUT_CHECK(config->train.batch >= shards, FUT_ERR_CONFIG, "train.batch %lld over %lld shards leaves shards without a photo",
              (long long)config->train.batch, (long long)shards);
    FUT_CHECK(config->train.batch >= fut_config_shard_min(config) * shards, FUT_ERR_CONFIG,
              "train.batch %lld over %lld shards leaves fewer than 2 photos a shard, too few for batch norm: use a larger batch, fewer "
              "shards, or model.batch_norm: global",
              (long long)config->train.batch, (long long)shards);
    return FUT_OK;
}

enum { BUCKET_MAX_KIB = 1 << 20 };

int64_t fut_config_bucket(const fut_config *config)
{
    int64_t kib = 0;
    return fut_str_to_i64(config->train.bucket, &kib) && kib > 0 && kib <= BUCKET_MAX_KIB ? kib : 0;
}

static fut_status check_fields(const fut_config *config)
{
    const fut_config_sampler *sampler = &config->sampler;
    const fut_backbone *backbone = NULL;
    int64_t shards = 0;
    FUT_TRY(fut_backend_check_name(config->backend));
    FUT_TRY(fut_backbone_find(config->model.backbone, &backbone));
    FUT_CHECK(config->data.file[0] != '\0', FUT_ERR_CONFIG, "data.file is missing: name the file that `futago pack` made");
    FUT_CHECK(strcmp(config->train.shards, "auto") == 0 || (fut_str_to_i64(config->train.shards, &shards) && shards >= 1), FUT_ERR_CONFIG,
              "train.shards is '%s': expected auto or a number of at least 1", config->train.shards);
    FUT_TRY(fut_config_check_shards(config, shards));
    FUT_CHECK(
        config->model.batch_norm == FUT_BATCH_NORM_SHARD || config->train.recompute != FUT_RECOMPUTE_ALWAYS, FUT_ERR_CONFIG,
        "train.recompute: true with model.batch_norm: global: statistics over the global batch need every shard's activations at every "
        "layer, so one shard cannot be computed again alone. Use model.batch_norm: shard, or train.recompute: auto");
    FUT_CHECK(fut_config_bucket(config) > 0 || strcmp(config->train.bucket, "auto") == 0, FUT_ERR_CONFIG,
              "train.bucket is '%s': expected auto or a number of KiB from 1 to %d", config->train.bucket, BUCKET_MAX_KIB);
    FUT_CHECK(sampler->batch_size == 0 || sampler->batch_size % sampler->m == 0, FUT_ERR_CONFIG,
              "sampler.batch_size %lld is not a multiple of sampler.m %lld", (long long)sampler->batch_size, (long long)sampler->m);
    FUT_CHECK(sampler->batch_size <= sampler->length, FUT_ERR_CONFIG, "sampler.batch_size %lld is larger than sampler.length %lld",
              (long long)sampler->batch_size, (long long)sampler->length);
    return fut_augment_check(&config->data.augment);
}

fut_status fut_config_load(const char *path, const char *const *sets, int set_count, fut_config **config_out)
{
    fut_status st = FUT_OK;
    fut_config *config = NULL;
    fut_yaml_node *root = NULL;
    if (path != NULL)
        FUT_TRY_GOTO(fut_yaml_parse_file(path, &root), out);
    else
        FUT_TRY_GOTO(fut_yaml_parse_text("(none)", "", 0, &root), out);
    for (int i = 0; i < set_count; i++)
        FUT_TRY_GOTO(fut_yaml_set(root, sets[i]), out);
    FUT_TRY_GOTO(FUT_NEW(&config), out);
    FUT_TRY_GOTO(fut_opt_defaults(fut_config_options, config), out);
    FUT_TRY_GOTO(fut_opt_load(fut_config_options, config, root), out);
    st = check_fields(config);
    if (st != FUT_OK && path != NULL) fut_trail_context("%s", path);
    if (st != FUT_OK) goto out;
    *config_out = config;
    config = NULL;
out:
    fut_yaml_destroy(&root);
    fut_config_destroy(&config);
    return st;
}

void fut_config_destroy(fut_config **config)
{
    if (*config == NULL) return;
    fut_opt_fini(fut_config_options, *config);
    fut_mem_free(*config);
    *config = NULL;
}

void fut_config_normalization(const fut_config *config, const double data_mean[3], const double data_std[3], double mean_out[3],
                              double std_out[3])
{
    static const double imagenet_mean[3] = {0.485, 0.456, 0.406};
    static const double imagenet_std[3] = {0.229, 0.224, 0.225};
    static const double half[3] = {0.5, 0.5, 0.5};
    const double *mean = config->data.normalize == FUT_NORMALIZE_IMAGENET ? imagenet_mean : half;
    const double *std = config->data.normalize == FUT_NORMALIZE_IMAGENET ? imagenet_std : half;
    if (config->data.normalize == FUT_NORMALIZE_DATASET) {
        mean = data_mean;
        std = data_std;
    }
    memcpy(mean_out, mean, 3 * sizeof *mean);
    memcpy(std_out, std, 3 * sizeof *std);
}

fut_status fut_config_print(const fut_config *config, fut_str *out)
{
    return fut_opt_print_yaml(fut_config_options, config, out);
}
