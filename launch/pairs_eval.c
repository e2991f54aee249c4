#include "launch/pairs_eval.h"

#include "core/base/log.h"
#include "core/base/mem.h"
#include "launch/evaluate.h"
#include "launch/photos.h"

#include <stdlib.h>
#include <string.h>

/* The photos of a list, each once, sorted by path. */
typedef struct photo_list {
    const char **path;
    int64_t n;
} photo_list;

static int by_path(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static fut_status collect(const fut_pairs *pairs, photo_list *list)
{
    FUT_TRY(fut_mem_alloc((size_t)(2 * pairs->n), sizeof *list->path, (void **)&list->path));
    for (int64_t i = 0; i < pairs->n; i++) {
        list->path[2 * i] = pairs->pair[i].a;
        list->path[2 * i + 1] = pairs->pair[i].b;
    }
    qsort(list->path, (size_t)(2 * pairs->n), sizeof *list->path, by_path);
    for (int64_t i = 0; i < 2 * pairs->n; i++)
        if (list->n == 0 || strcmp(list->path[i], list->path[list->n - 1]) != 0) list->path[list->n++] = list->path[i];
    return FUT_OK;
}

static int64_t find(const photo_list *list, const char *path)
{
    const char **found = bsearch(&path, list->path, (size_t)list->n, sizeof *list->path, by_path);
    return found - list->path;
}

static void add(float *a, const float *b, int64_t dim)
{
    for (int64_t i = 0; i < dim; i++)
        a[i] += b[i];
}

static fut_status embed_list(fut_net *net, const photo_list *list, const char *folder, const fut_pairs_options *options, float *embedding)
{
    fut_status st = FUT_OK;
    const fut_net_spec *spec = fut_net_get_spec(net);
    int64_t dim = spec->embedding;
    int64_t photo = spec->size * spec->size * 3;
    fut_photo_list photos = {.folder = folder, .path = list->path, .n = list->n, .crop = options->crop, .size = spec->size};
    uint8_t *rgb = NULL;
    float *mirrored = NULL;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(options->chunk * photo, &rgb), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(options->chunk * dim, &mirrored), out);
    for (int64_t first = 0; first < list->n; first += options->chunk) {
        int64_t n = list->n - first < options->chunk ? list->n - first : options->chunk;
        FUT_TRY_GOTO(fut_photo_list_read_all(&photos, first, n, options->threads, rgb), out);
        FUT_TRY_GOTO(fut_embed_images(net, rgb, n, embedding + first * dim), out);
        if (options->flip) {
            for (int64_t i = 0; i < n; i++)
                fut_image_mirror(spec->size, spec->size, rgb + i * photo);
            FUT_TRY_GOTO(fut_embed_images(net, rgb, n, mirrored), out);
            for (int64_t i = 0; i < n; i++) {
                add(embedding + (first + i) * dim, mirrored + i * dim, dim);
                fut_embedding_normalize(embedding + (first + i) * dim, dim);
            }
        }
        fut_log_progress("embedded %lld of %lld photos", (long long)(first + n), (long long)list->n);
    }
    fut_log_progress("%s", "");
out:
    fut_mem_free(rgb);
    fut_mem_free(mirrored);
    return st;
}

fut_status fut_evaluate_pairs(fut_net *net, const fut_pairs *pairs, const char *folder, const fut_pairs_options *options,
                              fut_verification *out_)
{
    fut_status st = FUT_OK;
    int64_t dim = fut_net_get_spec(net)->embedding;
    photo_list list = {0};
    float *embedding = NULL;
    float *score = NULL;
    uint8_t *same = NULL;
    fut_metric_options metric = {.n_folds = pairs->n_folds > 1 ? pairs->n_folds : 0, .n_hardest = options->n_hardest};
    FUT_TRY_GOTO(collect(pairs, &list), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(list.n * dim, &embedding), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(pairs->n, &score), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(pairs->n, &same), out);
    FUT_TRY_GOTO(embed_list(net, &list, folder, options, embedding), out);
    for (int64_t i = 0; i < pairs->n; i++) {
        const float *a = embedding + find(&list, pairs->pair[i].a) * dim;
        const float *b = embedding + find(&list, pairs->pair[i].b) * dim;
        score[i] = fut_metric_score(a, b, dim);
        same[i] = pairs->pair[i].same;
    }
    FUT_TRY_GOTO(fut_metric_pairs(score, same, pairs->n, &metric, out_), out);
out:
    fut_mem_free(list.path);
    fut_mem_free(embedding);
    fut_mem_free(score);
    fut_mem_free(same);
    return st;
}
