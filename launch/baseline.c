#include "launch/baseline.h"

#include "core/base/mem.h"
#include "core/nn/weights.h"

#include <math.h>

/* One photo as a vector of length 1: every colour's mean taken off, so that light and tint count less. */
static void pixel_row(const uint8_t *rgb, int64_t pixels, float *row)
{
    double mean[3] = {0};
    double squares = 0;
    for (int64_t i = 0; i < 3 * pixels; i++)
        mean[i % 3] += rgb[i] / (double)pixels;
    for (int64_t i = 0; i < 3 * pixels; i++)
        squares += (rgb[i] - mean[i % 3]) * (rgb[i] - mean[i % 3]);
    double scale = 1 / fmax(sqrt(squares), 1e-12);
    for (int64_t i = 0; i < 3 * pixels; i++)
        row[i] = (float)((rgb[i] - mean[i % 3]) * scale);
}

typedef struct pixel_set {
    float *row;
    int64_t *label;
} pixel_set;

static void pixel_set_fini(pixel_set *set)
{
    fut_mem_free(set->row);
    fut_mem_free(set->label);
}

static fut_status read_pixels(const fut_dataset *dataset, const int64_t *image, int64_t n, pixel_set *set)
{
    fut_status st = FUT_OK;
    const fut_dataset_info *info = fut_dataset_get_info(dataset);
    int64_t pixels = (int64_t)info->width * (int64_t)info->height;
    uint8_t *rgb = NULL;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(3 * pixels, &rgb), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(n * 3 * pixels, &set->row), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(n, &set->label), out);
    for (int64_t i = 0; i < n; i++) {
        FUT_TRY_GOTO(fut_dataset_read(dataset, image[i], rgb), out);
        pixel_row(rgb, pixels, set->row + i * 3 * pixels);
        set->label[i] = fut_dataset_get_labels(dataset)[image[i]];
    }
out:
    fut_mem_free(rgb);
    return st;
}

static fut_status measure_pixels(const fut_dataset *dataset, const fut_part_result *result, fut_baseline_score *out_)
{
    fut_status st = FUT_OK;
    const fut_dataset_info *info = fut_dataset_get_info(dataset);
    pixel_set query = {0};
    pixel_set reference = {0};
    fut_verification v = {0};
    FUT_TRY_GOTO(read_pixels(dataset, result->image, result->n, &query), out);
    if (result->paired_with_train) FUT_TRY_GOTO(read_pixels(dataset, result->reference, result->n_reference, &reference), out);
    fut_metric_set a = {.embedding = query.row, .label = query.label, .n = result->n};
    fut_metric_set b = {.embedding = reference.row, .label = reference.label, .n = result->n_reference};
    FUT_TRY_GOTO(
        fut_metric_embeddings(&a, result->paired_with_train ? &b : NULL, 3 * (int64_t)info->width * (int64_t)info->height, NULL, &v), out);
    *out_ = (fut_baseline_score){.eer = v.eer, .auc = v.auc};
out:
    pixel_set_fini(&query);
    pixel_set_fini(&reference);
    fut_verification_fini(&v);
    return st;
}

static fut_status measure_untrained(fut_trained *trained, fut_comm *comm, const fut_dataset *dataset, fut_eval_part part,
                                    fut_baseline_score *out)
{
    const fut_config *config = trained->config;
    fut_part_result result = {0};
    fut_status st = fut_net_init(trained->net, (uint64_t)config->seed);
    if (st == FUT_OK && config->model.weights[0] != '\0') st = fut_weights_load(trained->net, config->model.weights);
    FUT_TRY(fut_comm_agree(comm, st));
    FUT_TRY(fut_evaluate_part(trained->net, comm, dataset, part, config->eval.batch, (int)config->data.threads, 0, NULL, &result));
    *out = (fut_baseline_score){.eer = result.verification.eer, .auc = result.verification.auc};
    fut_part_result_fini(&result);
    return FUT_OK;
}

fut_status fut_baseline_measure(fut_trained *trained, fut_comm *comm, const fut_dataset *dataset, fut_eval_part part,
                                const fut_part_result *result, fut_baseline *out)
{
    fut_status st = FUT_OK;
    fut_baseline baseline = {0};
    if (fut_comm_rank(comm) == 0) st = measure_pixels(dataset, result, &baseline.pixels);
    FUT_TRY(fut_comm_agree(comm, st));
    FUT_TRY(measure_untrained(trained, comm, dataset, part, &baseline.untrained));
    *out = baseline;
    return FUT_OK;
}
