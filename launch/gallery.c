#include "launch/gallery.h"

#include "core/base/mem.h"
#include "core/metric/metric.h"
#include "data/dataset.h"
#include "launch/evaluate.h"
#include "launch/gallery_impl.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---- texts --------------------------------------------------------------------------------------------------------------------- */

fut_status fut_texts_add(fut_texts *texts, const char *text, size_t length)
{
    if (texts->n + 2 > texts->capacity) {
        void *block = texts->offset;
        int64_t capacity = texts->capacity == 0 ? 64 : 2 * texts->capacity;
        FUT_TRY(fut_mem_grow(&block, (size_t)texts->capacity, (size_t)capacity, sizeof *texts->offset));
        texts->offset = block;
        texts->capacity = capacity;
    }
    FUT_TRY(fut_str_append(&texts->bytes, text, length));
    texts->offset[++texts->n] = texts->bytes.length;
    return FUT_OK;
}

const char *fut_texts_get(const fut_texts *texts, int64_t i, size_t *length_out)
{
    *length_out = (size_t)(texts->offset[i + 1] - texts->offset[i]);
    return fut_str_text(&texts->bytes) + texts->offset[i];
}

void fut_texts_fini(fut_texts *texts)
{
    fut_str_fini(&texts->bytes);
    fut_mem_free(texts->offset);
    *texts = (fut_texts){0};
}

/* ---- opening ------------------------------------------------------------------------------------------------------------------- */

static fut_status copy_names(const fut_dataset *dataset, fut_gallery *g)
{
    const fut_dataset_info *info = fut_dataset_get_info(dataset);
    size_t length = 0;
    FUT_TRY(FUT_NEW_ARRAY(info->n_identities + 1, &g->first));
    for (int64_t c = 0; c <= info->n_identities; c++)
        g->first[c] = fut_dataset_get_first(dataset)[c];
    for (int64_t c = 0; c < info->n_identities; c++) {
        const char *name = fut_dataset_get_identity_name(dataset, c, &length);
        FUT_TRY(fut_texts_add(&g->person, name, length));
    }
    for (int64_t i = 0; i < info->n_images; i++) {
        const char *source = fut_dataset_get_source(dataset, i, &length);
        FUT_TRY(fut_texts_add(&g->photo, source, length));
    }
    return FUT_OK;
}

static fut_status open_packed(fut_trained *trained, fut_comm *comm, const char *path, fut_gallery *g)
{
    fut_status st = FUT_OK;
    const fut_config *config = trained->config;
    fut_dataset *dataset = NULL;
    int64_t *image = NULL;
    st = fut_dataset_open(path, &dataset);
    if (st == FUT_OK) st = copy_names(dataset, g);
    if (st == FUT_OK) st = FUT_NEW_ARRAY(g->photo.n, &image);
    if (st == FUT_OK) st = FUT_NEW_ARRAY(g->photo.n * g->dim, &g->embedding);
    FUT_TRY_GOTO(fut_comm_agree(comm, st), out);
    for (int64_t i = 0; i < g->photo.n; i++)
        image[i] = i;
    FUT_TRY_GOTO(
        fut_embed_dataset(trained->net, comm, dataset, image, g->photo.n, config->eval.batch, (int)config->data.threads, g->embedding),
        out);
out:
    fut_mem_free(image);
    fut_dataset_close(&dataset);
    return st;
}

fut_status fut_gallery_open(fut_trained *trained, fut_comm *comm, const char *path, double crop, fut_gallery *gallery_out)
{
    struct stat about;
    fut_gallery g = {.dim = fut_net_get_spec(trained->net)->embedding};
    FUT_TRY(fut_comm_agree(comm, fut_net_reserve(trained->net, 1, trained->config->eval.batch, false)));
    bool is_folder = stat(path, &about) == 0 && S_ISDIR(about.st_mode);
    fut_status st = is_folder ? fut_gallery_open_folder(trained, comm, path, crop, &g) : open_packed(trained, comm, path, &g);
    if (st == FUT_OK) {
        *gallery_out = g;
        g = (fut_gallery){0};
    }
    fut_gallery_fini(&g);
    return st;
}

void fut_gallery_fini(fut_gallery *g)
{
    fut_texts_fini(&g->person);
    fut_texts_fini(&g->photo);
    fut_texts_fini(&g->left_out);
    fut_mem_free(g->first);
    fut_mem_free(g->embedding);
    *g = (fut_gallery){0};
}

/* ---- ranking ------------------------------------------------------------------------------------------------------------------- */

/* Similarity with the mean of rows [first, end); 0 where they cancel out. */
static double centroid_similarity(const fut_gallery *g, int64_t first, int64_t end, const float *embedding)
{
    double dot = 0;
    double length2 = 0;
    for (int64_t d = 0; d < g->dim; d++) {
        double sum = 0;
        for (int64_t i = first; i < end; i++)
            sum += (double)g->embedding[i * g->dim + d];
        dot += sum * (double)embedding[d];
        length2 += sum * sum;
    }
    return length2 > 0 ? dot / sqrt(length2) : 0;
}

static fut_candidate compare_person(const fut_gallery *g, int64_t person, const float *embedding, fut_gallery_by by)
{
    int64_t first = g->first[person];
    int64_t end = g->first[person + 1];
    double best = -INFINITY;
    double sum = 0;
    fut_candidate c = {.person = person};
    for (int64_t i = first; i < end; i++) {
        double score = (double)fut_metric_score(embedding, g->embedding + i * g->dim, g->dim);
        sum += score;
        if (!(score > best)) continue;
        best = score;
        c.photo = i;
    }
    c.similarity = by == FUT_GALLERY_BEST   ? best
                   : by == FUT_GALLERY_MEAN ? sum / (double)(end - first)
                                            : centroid_similarity(g, first, end, embedding);
    return c;
}

static int most_alike_first(const void *a, const void *b)
{
    const fut_candidate *x = a;
    const fut_candidate *y = b;
    if (x->similarity != y->similarity) return x->similarity > y->similarity ? -1 : 1;
    return (x->person > y->person) - (x->person < y->person);
}

void fut_gallery_rank(const fut_gallery *g, const float *embedding, fut_gallery_by by, fut_candidate *candidate_out)
{
    for (int64_t c = 0; c < g->person.n; c++)
        candidate_out[c] = compare_person(g, c, embedding, by);
    qsort(candidate_out, (size_t)g->person.n, sizeof *candidate_out, most_alike_first);
}
