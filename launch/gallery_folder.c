/* A gallery from a folder: decode, embed, leave out what cannot be read. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "data/scan.h"
#include "launch/evaluate.h"
#include "launch/gallery_impl.h"
#include "launch/photos.h"

#include <string.h>

enum { WARNINGS_MAX = 20 };

/* The files of a folder and which of them this rank, later any rank, could read. */
typedef struct folder {
    const char *path;
    double crop;
    fut_scan scan;
    float *embedding;   /* [n_files, dim] */
    float *is_readable; /* [n_files] 1 or 0: a number, since ranks add theirs up */
    int64_t n_warned;
} folder;

static void folder_fini(folder *f)
{
    fut_scan_fini(&f->scan);
    fut_mem_free(f->embedding);
    fut_mem_free(f->is_readable);
}

static fut_status folder_init(folder *f, int64_t dim)
{
    FUT_TRY(fut_scan_folder(f->path, true, &f->scan));
    FUT_CHECK(f->scan.n_people > 0, FUT_ERR_DATA, "%s: no sub-folder there, %lld files; it must hold one sub-folder a person, with photos",
              f->path, (long long)f->scan.n_beside);
    for (int64_t i = 0; i < f->scan.n_skips; i++)
        FUT_WARN_ONCE("%s/%s: left out, %s", f->path, f->scan.skip[i].path, f->scan.skip[i].reason);
    if (f->scan.n_beside > 0)
        FUT_WARN_ONCE("%s: %lld files beside the people's folders belong to nobody", f->path, (long long)f->scan.n_beside);
    FUT_TRY(FUT_NEW_ARRAY(f->scan.n_files * dim, &f->embedding));
    return FUT_NEW_ARRAY(f->scan.n_files, &f->is_readable);
}

/* Read files [first, first + n) into rgb, those that were readable one after another; *n_out of them, their places go to place_out. */
static fut_status read_files(folder *f, const fut_photo_list *list, int64_t first, int64_t n, int threads, uint8_t *rgb, fut_status *status,
                             int64_t *place_out, int64_t *n_out)
{
    size_t bytes = (size_t)(list->size * list->size * 3);
    *n_out = 0;
    fut_photo_list_read_many(list, first, n, threads, rgb, status);
    for (int64_t i = 0; i < n; i++) {
        uint8_t *row = rgb + (size_t)*n_out * bytes;
        /* What failed is read again, for its message. */
        fut_status st = status[i] == FUT_OK ? FUT_OK : fut_photo_list_read(list, first + i, row);
        if (st == FUT_ERR_NO_MEMORY) return st;
        if (st == FUT_OK) {
            if (status[i] == FUT_OK) memmove(row, rgb + (size_t)i * bytes, bytes);
            place_out[(*n_out)++] = first + i;
            f->is_readable[first + i] = 1;
            continue;
        }
        if (f->n_warned++ < WARNINGS_MAX) FUT_WARN("left out: %s", fut_trail_message());
        fut_trail_clear();
    }
    return FUT_OK;
}

/* What a chunk of files needs. */
typedef struct chunk_memory {
    const char **path; /* of all files */
    uint8_t *rgb;
    fut_status *status;
    int64_t *place;
    float *embedding;
} chunk_memory;

static void chunk_memory_fini(chunk_memory *m)
{
    void *blocks[] = {m->path, m->rgb, m->status, m->place, m->embedding};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        fut_mem_free(blocks[i]);
}

static fut_status chunk_memory_init(const folder *f, const fut_net_spec *spec, int64_t chunk, chunk_memory *m)
{
    FUT_TRY(fut_mem_alloc((size_t)f->scan.n_files, sizeof *m->path, (void **)&m->path));
    for (int64_t i = 0; i < f->scan.n_files; i++)
        m->path[i] = f->scan.file[i].path;
    FUT_TRY(FUT_NEW_ARRAY(chunk * spec->size * spec->size * 3, &m->rgb));
    FUT_TRY(FUT_NEW_ARRAY(chunk, &m->status));
    FUT_TRY(FUT_NEW_ARRAY(chunk, &m->place));
    return FUT_NEW_ARRAY(chunk * spec->embedding, &m->embedding);
}

/* This rank's chunks of files: rank, rank + ranks, ... */
static fut_status embed_files(folder *f, const fut_trained *trained, const fut_comm *comm)
{
    fut_status st = FUT_OK;
    const fut_net_spec *spec = fut_net_get_spec(trained->net);
    int64_t chunk = trained->config->eval.batch;
    chunk_memory m = {0};
    FUT_TRY_GOTO(chunk_memory_init(f, spec, chunk, &m), out);
    fut_photo_list list = {.folder = f->path, .path = m.path, .n = f->scan.n_files, .crop = f->crop, .size = spec->size};
    for (int64_t first = fut_comm_rank(comm) * chunk; first < list.n; first += fut_comm_size(comm) * chunk) {
        int64_t n = list.n - first < chunk ? list.n - first : chunk;
        int64_t n_readable = 0;
        FUT_TRY_GOTO(read_files(f, &list, first, n, trained->threads, m.rgb, m.status, m.place, &n_readable), out);
        if (n_readable > 0) FUT_TRY_GOTO(fut_embed_images(trained->net, m.rgb, n_readable, m.embedding), out);
        for (int64_t i = 0; i < n_readable; i++)
            memcpy(f->embedding + m.place[i] * spec->embedding, m.embedding + i * spec->embedding,
                   (size_t)spec->embedding * sizeof *m.embedding);
        fut_log_progress("embedded %lld of %lld photos", (long long)(first + n), (long long)list.n);
    }
out:
    fut_log_progress("%s", "");
    chunk_memory_fini(&m);
    return st;
}

/* Readable photos move to the front, people without one drop out. Files stand by person. */
static fut_status keep_readable(folder *f, fut_gallery *g)
{
    int64_t file = 0;
    FUT_TRY(FUT_NEW_ARRAY(f->scan.n_people + 1, &g->first));
    for (int64_t person = 0; person < f->scan.n_people; person++) {
        const char *name = f->scan.person[person];
        int64_t before = g->photo.n;
        for (; file < f->scan.n_files && f->scan.file[file].person == person; file++) {
            if (f->is_readable[file] == 0) {
                g->n_unreadable++;
                continue;
            }
            memmove(f->embedding + g->photo.n * g->dim, f->embedding + file * g->dim, (size_t)g->dim * sizeof *f->embedding);
            FUT_TRY(fut_texts_add(&g->photo, f->scan.file[file].path, strlen(f->scan.file[file].path)));
        }
        if (g->photo.n > before) {
            FUT_TRY(fut_texts_add(&g->person, name, strlen(name)));
            g->first[g->person.n] = g->photo.n;
            continue;
        }
        FUT_TRY(fut_texts_add(&g->left_out, name, strlen(name)));
        if (g->left_out.n <= WARNINGS_MAX) FUT_WARN_ONCE("%s/%s: no readable photo, so this person cannot be found", f->path, name);
    }
    if (g->n_unreadable > WARNINGS_MAX) FUT_WARN_ONCE("%s: %lld files left out in all", f->path, (long long)g->n_unreadable);
    if (g->left_out.n > WARNINGS_MAX) FUT_WARN_ONCE("%s: %lld people without a readable photo in all", f->path, (long long)g->left_out.n);
    FUT_CHECK(g->photo.n > 0, FUT_ERR_DATA,
              "%s: nobody of %lld people has a readable photo; it must hold one sub-folder a person, with photos", f->path,
              (long long)f->scan.n_people);
    g->embedding = f->embedding;
    f->embedding = NULL;
    return FUT_OK;
}

fut_status fut_gallery_open_folder(fut_trained *trained, fut_comm *comm, const char *path, double crop, fut_gallery *g)
{
    folder f = {.path = path, .crop = crop};
    fut_status st = folder_init(&f, g->dim);
    FUT_TRY_GOTO(fut_comm_agree(comm, st), out);
    FUT_TRY_GOTO(fut_comm_agree(comm, embed_files(&f, trained, comm)), out);
    /* Every row comes from one rank and is zero elsewhere, so the sums are exact. */
    FUT_TRY_GOTO(fut_comm_all_reduce_sum(comm, f.embedding, f.scan.n_files * g->dim, FUT_F32, "embeddings of a folder"), out);
    FUT_TRY_GOTO(fut_comm_all_reduce_sum(comm, f.is_readable, f.scan.n_files, FUT_F32, "readable photos of a folder"), out);
    FUT_TRY_GOTO(fut_comm_agree(comm, keep_readable(&f, g)), out);
out:
    folder_fini(&f);
    return st;
}
