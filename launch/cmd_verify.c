#include "core/base/mem.h"
#include "core/metric/metric.h"
#include "launch/args.h"
#include "launch/command.h"
#include "launch/evaluate.h"
#include "launch/model.h"
#include "launch/photos.h"

#include <stdio.h>

static const char intro[] =
    "Says whether two photos show the same person, by the similarity of their embeddings; a model trained with loss bce tells the\n"
    "probability too, which the answer does not hang on.\n"
    "Exit status: 0 same person, 1 different people, 64 and above an error.";

static const fut_arg args_table[] = {
    FUT_ARG_POSITIONAL("RUN", "folder of a trained run"),
    FUT_ARG_POSITIONAL("A", "a photo"),
    FUT_ARG_POSITIONAL("B", "another photo"),
    FUT_ARG_VALUE(0, "threshold", "S", NULL,
                  "same person from this similarity on; default: where the error rates were equal in training's evaluation"),
    FUT_PHOTO_CROP_ARG,
    FUT_CHECKPOINT_ARG,
    FUT_PRECISION_ARG,
    FUT_ARG_FLAG(0, "json", "print an object"),
    FUT_ARG_END,
};

static fut_status embed_pair(fut_trained *trained, const char *const path[2], double crop, float *embedding)
{
    fut_status st = FUT_OK;
    int64_t size = trained->config->data.size;
    fut_photo_list photos = {.path = path, .n = 2, .crop = crop, .size = size};
    uint8_t *rgb = NULL;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(2 * size * size * 3, &rgb), out);
    FUT_TRY_GOTO(fut_photo_list_read_all(&photos, 0, 2, trained->threads, rgb), out);
    FUT_TRY_GOTO(fut_net_reserve(trained->net, 1, 2, false), out);
    FUT_TRY_GOTO(fut_embed_images(trained->net, rgb, 2, embedding), out);
out:
    fut_mem_free(rgb);
    return st;
}

static fut_status threshold_of(const fut_args *args, const fut_trained *trained, double *threshold_out)
{
    if (fut_args_is_given(args, "threshold")) return fut_args_get_f64(args, "threshold", -1, 1, threshold_out);
    return fut_trained_threshold(trained, threshold_out);
}

/* probability: NULL where the model does not tell it. */
static void print_answer(const fut_args *args, double similarity, double threshold, const double *probability)
{
    bool same = similarity >= threshold, json = fut_args_is_given(args, "json");
    if (json)
        (void)printf("{\"similarity\":%.9g,\"threshold\":%.9g,\"same\":%s", similarity, threshold, same ? "true" : "false");
    else
        (void)printf("%s  similarity %.4f, threshold %.4f", same ? "same person" : "different people", similarity, threshold);
    if (probability != NULL) (void)printf(json ? ",\"probability\":%.9g" : ", probability %.4f", *probability);
    (void)puts(json ? "}" : "");
    fut_command_set_exit(same ? 0 : 1);
}

fut_status fut_cmd_verify(int argc, char **argv)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    fut_trained trained = {0};
    float *embedding = NULL;
    double crop = 1;
    double threshold = 0;
    double probability = 0;
    FUT_TRY_GOTO(fut_args_parse(args_table, intro, argc, argv, &args), out);
    if (args == NULL) goto out;
    fut_model_place place = fut_model_place_of(NULL);
    FUT_TRY_GOTO(
        fut_trained_open(fut_args_get(args, "RUN"), fut_args_get(args, "checkpoint"), fut_args_get(args, "precision"), &place, &trained),
        out);
    FUT_TRY_GOTO(fut_photo_crop(args, &trained, &crop), out);
    FUT_TRY_GOTO(threshold_of(args, &trained, &threshold), out);
    int64_t dim = trained.config->model.embedding;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(2 * dim, &embedding), out);
    const char *const path[2] = {fut_args_get(args, "A"), fut_args_get(args, "B")};
    FUT_TRY_GOTO(embed_pair(&trained, path, crop, embedding), out);
    const bool tells = fut_trained_tells_probability(&trained);
    if (tells) FUT_TRY_GOTO(fut_trained_probability(&trained, embedding, embedding + dim, &probability), out);
    print_answer(args, fut_metric_score(embedding, embedding + dim, dim), threshold, tells ? &probability : NULL);
out:
    fut_mem_free(embedding);
    fut_trained_close(&trained);
    fut_args_destroy(&args);
    return st;
}
