#include "launch/evaluate.h"

#include "core/base/log.h"
#include "core/base/mem.h"
#include "data/loader.h"
#include "launch/metric_team.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { READ_AHEAD = 3 };

void fut_embedding_normalize(float *row, int64_t dim)
{
    double sum = 0;
    for (int64_t i = 0; i < dim; i++)
        sum += (double)row[i] * (double)row[i];
    double scale = 1 / fmax(sqrt(sum), 1e-12);
    for (int64_t i = 0; i < dim; i++)
        row[i] = (float)(row[i] * scale);
}

/* Device memory for embedding up to `n` images. */
typedef struct embedder {
    fut_net *net;
    fut_backend *bk;
    uint8_t *rgb;
    float *embeddings;
} embedder;

static void embedder_fini(embedder *e)
{
    if (e->rgb != NULL) e->bk->free(e->bk, e->rgb);
    if (e->embeddings != NULL) e->bk->free(e->bk, e->embeddings);
    *e = (embedder){0};
}

static size_t photo_bytes(const fut_net *net)
{
    int64_t size = fut_net_get_spec(net)->size;
    return (size_t)(size * size * 3);
}

static fut_status embedder_init(fut_net *net, int64_t n, embedder *out_)
{
    fut_status st = FUT_OK;
    fut_backend *bk = fut_net_backend(net);
    embedder e = {.net = net, .bk = bk};
    FUT_TRY_GOTO(bk->alloc(bk, (size_t)n * photo_bytes(net), (void **)&e.rgb), out);
    FUT_TRY_GOTO(bk->alloc(bk, (size_t)(n * fut_net_get_spec(net)->embedding) * sizeof(float), (void **)&e.embeddings), out);
    *out_ = e;
    e = (embedder){0};
out:
    embedder_fini(&e);
    return st;
}

static fut_status embed(embedder *e, const uint8_t *rgb, int64_t n, float *embedding_out)
{
    int64_t dim = fut_net_get_spec(e->net)->embedding;
    FUT_TRY(e->bk->upload(e->bk, e->rgb, rgb, (size_t)n * photo_bytes(e->net), NULL));
    FUT_TRY(fut_net_forward_eval(e->net, n, e->rgb, e->embeddings));
    FUT_TRY(e->bk->download(e->bk, embedding_out, e->embeddings, (size_t)(n * dim) * sizeof(float), NULL));
    FUT_TRY(e->bk->sync(e->bk, NULL));
    for (int64_t i = 0; i < n; i++)
        fut_embedding_normalize(embedding_out + i * dim, dim);
    return FUT_OK;
}

fut_status fut_embed_images(fut_net *net, const uint8_t *rgb, int64_t n, float *embedding_out)
{
    embedder e = {0};
    FUT_TRY(embedder_init(net, n, &e));
    fut_status st = embed(&e, rgb, n, embedding_out);
    embedder_fini(&e);
    return st;
}

typedef struct chunks {
    const int64_t *image;
    int64_t n, size, count;
    int rank, ranks;
} chunks;

static fut_status submit_chunk(const chunks *c, fut_loader *loader, int64_t index)
{
    int64_t first = index * c->size;
    fut_loader_request request = {.step = index, .n = first + c->size < c->n ? c->size : c->n - first, .image = c->image + first};
    return fut_loader_submit(loader, &request);
}

/* This rank's chunks: rank, rank + ranks, rank + 2 ranks, ... */
static fut_status embed_my_chunks(embedder *e, const chunks *c, fut_loader *loader, float *embedding_out)
{
    int64_t dim = fut_net_get_spec(e->net)->embedding;
    int64_t ahead = c->rank;
    for (int64_t index = c->rank; index < c->count; index += c->ranks) {
        for (; ahead < c->count && fut_loader_room(loader) > 0; ahead += c->ranks)
            FUT_TRY(submit_chunk(c, loader, ahead));
        fut_loader_batch batch;
        FUT_TRY(fut_loader_wait(loader, index, &batch));
        fut_status st = embed(e, batch.rgb, batch.n, embedding_out + index * c->size * dim);
        fut_loader_release(loader);
        FUT_TRY(st);
        fut_log_progress("embedded %lld of %lld photos", (long long)(index * c->size + batch.n), (long long)c->n);
    }
    fut_log_progress("%s", "");
    return FUT_OK;
}

fut_status fut_embed_dataset(fut_net *net, fut_comm *comm, const fut_dataset *dataset, const int64_t *image, int64_t n, int64_t chunk,
                             int threads, float *embedding_out)
{
    fut_status st = FUT_OK;
    const fut_net_spec *spec = fut_net_get_spec(net);
    chunks c = {
        .image = image, .n = n, .size = chunk, .count = (n + chunk - 1) / chunk, .rank = fut_comm_rank(comm), .ranks = fut_comm_size(comm)};
    fut_loader_config config = {.threads = threads, .depth = READ_AHEAD, .max_images = chunk, .height = spec->size, .width = spec->size};
    fut_loader *loader = NULL;
    embedder e = {0};
    memset(embedding_out, 0, (size_t)(n * spec->embedding) * sizeof *embedding_out);
    FUT_TRY_GOTO(fut_loader_create(dataset, &config, &loader), out);
    FUT_TRY_GOTO(embedder_init(net, chunk, &e), out);
    FUT_TRY_GOTO(embed_my_chunks(&e, &c, loader, embedding_out), out);
out:
    embedder_fini(&e);
    fut_loader_destroy(&loader);
    FUT_TRY(fut_comm_agree(comm, st));
    /* Every row is computed by one rank and zero elsewhere, so the sum is exact in any order. */
    return fut_comm_all_reduce_sum(comm, embedding_out, n * spec->embedding, FUT_F32, "embeddings of an evaluation");
}

void fut_part_result_fini(fut_part_result *result)
{
    fut_verification_fini(&result->verification);
    fut_mem_free(result->image);
    fut_mem_free(result->reference);
    fut_mem_free(result->label);
    fut_mem_free(result->reference_label);
    fut_mem_free(result->embedding);
    fut_mem_free(result->reference_embedding);
    *result = (fut_part_result){0};
}

fut_status fut_part_identification(const fut_part_result *r, int64_t dim, fut_identification *out)
{
    fut_metric_set query = {.embedding = r->embedding, .label = r->label, .n = r->n};
    fut_metric_set reference = {.embedding = r->reference_embedding, .label = r->reference_label, .n = r->n_reference};
    return fut_metric_identification(&query, r->paired_with_train ? &reference : NULL, dim, out);
}

const char *const fut_eval_part_names[] = {"train", "val", "test", "val+test", NULL};

int64_t fut_eval_part_size(const fut_dataset *dataset, fut_eval_part part)
{
    int64_t n[FUT_PART_COUNT];
    for (int i = 0; i < FUT_PART_COUNT; i++)
        (void)fut_dataset_get_part(dataset, (fut_part)i, &n[i]);
    return part == FUT_EVAL_VAL_AND_TEST ? n[FUT_PART_VAL] + n[FUT_PART_TEST] : n[part];
}

/* Photos of a part in the split's order, their labels, their embeddings. */
typedef struct embedded {
    int64_t *image;
    int64_t *label;
    float *embedding;
    int64_t n;
} embedded;

static void embedded_fini(embedded *e)
{
    fut_mem_free(e->image);
    fut_mem_free(e->label);
    fut_mem_free(e->embedding);
}

static fut_status list_part(const fut_dataset *dataset, fut_eval_part part, embedded *out)
{
    const int32_t *label_of = fut_dataset_get_labels(dataset);
    fut_part first = part == FUT_EVAL_VAL_AND_TEST ? FUT_PART_VAL : (fut_part)part;
    int64_t n_first = 0;
    int64_t n_second = 0;
    const int64_t *ids = fut_dataset_get_part(dataset, first, &n_first);
    const int64_t *more = fut_dataset_get_part(dataset, FUT_PART_TEST, &n_second);
    if (part != FUT_EVAL_VAL_AND_TEST) n_second = 0;
    out->n = n_first + n_second;
    FUT_TRY(FUT_NEW_ARRAY(out->n, &out->image));
    FUT_TRY(FUT_NEW_ARRAY(out->n, &out->label));
    memcpy(out->image, ids, (size_t)n_first * sizeof *ids);
    memcpy(out->image + n_first, more, (size_t)n_second * sizeof *more);
    for (int64_t i = 0; i < out->n; i++)
        out->label[i] = label_of[out->image[i]];
    return FUT_OK;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Does any person have two photos here? */
static fut_status has_positive_pair(const embedded *e, bool *has_out)
{
    int64_t *sorted = NULL;
    *has_out = false;
    FUT_TRY(FUT_NEW_ARRAY(e->n, &sorted));
    memcpy(sorted, e->label, (size_t)e->n * sizeof *sorted);
    qsort(sorted, (size_t)e->n, sizeof *sorted, by_value);
    for (int64_t i = 1; i < e->n; i++)
        *has_out = *has_out || sorted[i] == sorted[i - 1];
    fut_mem_free(sorted);
    return FUT_OK;
}

fut_status fut_eval_has_loss(const fut_dataset *dataset, fut_eval_part part, const fut_eval_loss *loss, bool *has_out)
{
    fut_status st = FUT_OK;
    embedded listed = {0};
    *has_out = false;
    FUT_TRY_GOTO(list_part(dataset, part, &listed), out);
    if (!fut_loss_is_of_classes(loss->config))
        FUT_TRY_GOTO(has_positive_pair(&listed, has_out), out);
    else
        for (int64_t i = 0; i < listed.n; i++)
            *has_out = *has_out || loss->classes->of[listed.label[i]] >= 0;
out:
    embedded_fini(&listed);
    return st;
}

static fut_status embed_part(fut_net *net, fut_comm *comm, const fut_dataset *dataset, int64_t chunk, int threads, embedded *part)
{
    FUT_TRY(FUT_NEW_ARRAY(part->n * fut_net_get_spec(net)->embedding, &part->embedding));
    return fut_embed_dataset(net, comm, dataset, part->image, part->n, chunk, threads, part->embedding);
}

enum { LOSS_ROWS = 256 }; /* of the pair matrix at once */

/* What the loss reads, on the device. */
typedef struct loss_inputs {
    fut_backend *bk;
    void *embedding;
    int64_t *label, *image, *row; /* [n]; row is 0 .. n - 1 */
    double *sums;                 /* one row of sums a chunk of rows */
} loss_inputs;

static void loss_inputs_fini(loss_inputs *in)
{
    void *blocks[] = {in->embedding, in->label, in->image, in->row, in->sums};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (blocks[i] != NULL) in->bk->free(in->bk, blocks[i]);
}

static fut_status to_device(fut_backend *bk, const void *host, size_t bytes, void **device_out)
{
    FUT_TRY(bk->alloc(bk, bytes, device_out));
    return bk->upload(bk, *device_out, host, bytes, NULL);
}

static fut_status loss_inputs_init(fut_backend *bk, const embedded *part, int64_t n, int64_t dim, size_t sums_bytes, loss_inputs *in)
{
    fut_status st = FUT_OK;
    int64_t *row = NULL;
    *in = (loss_inputs){.bk = bk};
    FUT_TRY_GOTO(FUT_NEW_ARRAY(n, &row), out);
    for (int64_t i = 0; i < n; i++)
        row[i] = i;
    FUT_TRY_GOTO(to_device(bk, part->embedding, (size_t)(n * dim) * sizeof(float), &in->embedding), out);
    FUT_TRY_GOTO(to_device(bk, part->label, (size_t)n * sizeof *in->label, (void **)&in->label), out);
    FUT_TRY_GOTO(to_device(bk, part->image, (size_t)n * sizeof *in->image, (void **)&in->image), out);
    FUT_TRY_GOTO(to_device(bk, row, (size_t)n * sizeof *in->row, (void **)&in->row), out);
    FUT_TRY_GOTO(bk->alloc(bk, sums_bytes, (void **)&in->sums), out);
    FUT_TRY_GOTO(bk->sync(bk, NULL), out);
out:
    fut_mem_free(row);
    return st;
}

/* The photos of the part that a loss of classes is defined on, their labels the classes'. */
static fut_status list_known(const embedded *part, int64_t dim, const fut_classes *classes, embedded *known)
{
    FUT_TRY(FUT_NEW_ARRAY(part->n, &known->image));
    FUT_TRY(FUT_NEW_ARRAY(part->n, &known->label));
    FUT_TRY(FUT_NEW_ARRAY(part->n * dim, &known->embedding));
    for (int64_t i = 0; i < part->n; i++) {
        if (classes->of[part->label[i]] < 0) continue;
        known->image[known->n] = part->image[i];
        known->label[known->n] = classes->of[part->label[i]];
        memcpy(known->embedding + known->n * dim, part->embedding + i * dim, (size_t)dim * sizeof(float));
        known->n++;
    }
    return FUT_OK;
}

/* The training loss over all pairs of the part at once. */
static fut_status pairs_loss(fut_net *net, const fut_eval_loss *from, const embedded *part, double *loss_out)
{
    fut_status st = FUT_OK;
    fut_backend *bk = fut_net_backend(net);
    int64_t dim = fut_net_get_spec(net)->embedding;
    int64_t n = part->n < FUT_EVAL_LOSS_MAX ? part->n : FUT_EVAL_LOSS_MAX;
    int64_t chunks_n = (n + LOSS_ROWS - 1) / LOSS_ROWS;
    fut_loss_sizes sizes = {.batch = n, .rows = LOSS_ROWS, .dim = dim, .classes = from->classes->n};
    size_t sums_bytes = (size_t)(chunks_n * FUT_LOSS_SUMS) * sizeof(double);
    double total[FUT_LOSS_SUMS] = {0};
    double *sums = NULL;
    loss_inputs in = {0};
    fut_loss *loss = NULL;
    fut_loss_report report;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(chunks_n * FUT_LOSS_SUMS, &sums), out);
    FUT_TRY_GOTO(loss_inputs_init(bk, part, n, dim, sums_bytes, &in), out);
    FUT_TRY_GOTO(fut_loss_create(bk, from->config, NULL, FUT_F32, &sizes, &loss), out);
    if (fut_net_loss_param_count(net) > 0) fut_loss_bind_params(loss, fut_net_loss_params(net));
    FUT_TRY_GOTO(fut_loss_begin(loss, n, in.embedding, in.label, in.image), out);
    for (int64_t c = 0; c < chunks_n; c++) {
        int64_t first = c * LOSS_ROWS;
        int64_t count = n - first < LOSS_ROWS ? n - first : LOSS_ROWS;
        FUT_TRY_GOTO(fut_loss_rows(loss, count, in.row + first, in.sums + c * FUT_LOSS_SUMS), out);
    }
    FUT_TRY_GOTO(bk->download(bk, sums, in.sums, sums_bytes, NULL), out);
    FUT_TRY_GOTO(bk->sync(bk, NULL), out);
    for (int64_t c = 0; c < chunks_n; c++)
        for (int i = 0; i < FUT_LOSS_SUMS; i++)
            total[i] += sums[c * FUT_LOSS_SUMS + i];
    fut_loss_read(loss, total, &report);
    *loss_out = report.loss;
out:
    fut_loss_destroy(&loss);
    loss_inputs_fini(&in);
    fut_mem_free(sums);
    return st;
}

static int cpu_threads(fut_net *net)
{
    fut_backend *bk = fut_net_backend(net);
    fut_backend_info info;
    bk->info(bk, &info);
    return info.threads;
}

static fut_status part_loss(fut_net *net, const fut_eval_loss *from, const embedded *part, bool has_positive, double *loss_out)
{
    fut_status st = FUT_OK;
    embedded known = {0};
    *loss_out = NAN;
    if (!fut_loss_is_of_classes(from->config)) return has_positive ? pairs_loss(net, from, part, loss_out) : FUT_OK;
    FUT_TRY_GOTO(list_known(part, fut_net_get_spec(net)->embedding, from->classes, &known), out);
    if (known.n > 0) FUT_TRY_GOTO(pairs_loss(net, from, &known, loss_out), out);
out:
    embedded_fini(&known);
    return st;
}

fut_status fut_evaluate_part(fut_net *net, fut_comm *comm, const fut_dataset *dataset, fut_eval_part part, int64_t chunk, int threads,
                             int64_t n_hardest, const fut_eval_loss *loss, fut_part_result *result_out)
{
    fut_status st = FUT_OK;
    int64_t dim = fut_net_get_spec(net)->embedding;
    bool has_positive = false;
    embedded query = {0};
    embedded train = {0};
    fut_part_result result = {0};
    fut_metric_team team = fut_metric_team_of(comm);
    FUT_TRY_GOTO(list_part(dataset, part, &query), out);
    FUT_TRY_GOTO(has_positive_pair(&query, &has_positive), out);
    result.paired_with_train = !has_positive && query.n > 0 && part != FUT_EVAL_TRAIN;
    FUT_TRY_GOTO(embed_part(net, comm, dataset, chunk, threads, &query), out);
    if (result.paired_with_train) {
        FUT_TRY_GOTO(list_part(dataset, FUT_EVAL_TRAIN, &train), out);
        FUT_TRY_GOTO(embed_part(net, comm, dataset, chunk, threads, &train), out);
    }
    fut_metric_set a = {.embedding = query.embedding, .label = query.label, .n = query.n};
    fut_metric_set b = {.embedding = train.embedding, .label = train.label, .n = train.n};
    fut_metric_options options = {.n_hardest = n_hardest, .threads = cpu_threads(net), .team = &team};
    FUT_TRY_GOTO(fut_metric_embeddings(&a, result.paired_with_train ? &b : NULL, dim, &options, &result.verification), out);
    if (fut_comm_rank(comm) == 0) {
        if (loss != NULL) FUT_TRY_GOTO(part_loss(net, loss, &query, has_positive, &result.loss), agree);
        result.n = query.n;
        result.image = query.image;
        result.label = query.label;
        result.embedding = query.embedding;
        query = (embedded){0};
        result.n_reference = train.n;
        result.reference = train.image;
        result.reference_label = train.label;
        result.reference_embedding = train.embedding;
        train = (embedded){0};
    }
agree:
    FUT_TRY_GOTO(fut_comm_agree(comm, st), out);
    *result_out = result;
    result = (fut_part_result){0};
out:
    embedded_fini(&query);
    embedded_fini(&train);
    fut_part_result_fini(&result);
    return st;
}
