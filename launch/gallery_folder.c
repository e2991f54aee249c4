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

/* Decode files [first, first + n) one after another into rgb; *n_out of them were readable, their places go to place_out. */
static fut_status read_files(folder *f, int64_t first, int64_t n, int64_t size, uint8_t *rgb, int64_t *place_out, int64_t *n_out)
{
    fut_status st = FUT_OK;
    fut_str path = {0};
    size_t bytes = (size_t)(size * size * 3);
    *n_out = 0;
    for (int64_t i = first; i < first + n; i++) {
        fut_image photo = {0};
        path.length = 0;
        FUT_TRY_GOTO(fut_str_printf(&path, "%s/%s", f->path, f->scan.file[i].path), out);
        st = fut_photo_read(fut_str_text(&path), f->crop, size, &photo);
        if (st == FUT_ERR_NO_MEMORY) goto out;
        if (st == FUT_OK) {
            memcpy(rgb + (size_t)*n_out * bytes, photo.rgb, bytes);
            place_out[(*n_out)++] = i;
            f->is_readable[i] = 1;
        } else {
            if (f->n_warned++ < WARNINGS_MAX) FUT_WARN("left out: %s", fut_trail_message());
            fut_trail_clear();
            st = FUT_OK;
        }
        fut_image_fini(&photo);
    }
out:
    fut_str_fini(&path);
    return st;
}

/* This rank's chunks of files: rank, rank + ranks, ... */
static fut_status embed_files(folder *f, fut_net *net, const fut_comm *comm, int64_t chunk)
{
    fut_status st = FUT_OK;
    const fut_net_spec *spec = fut_net_get_spec(net);
    uint8_t *rgb = NULL;
    int64_t *place = NULL;
    float *embedding = NULL;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(chunk * spec->size * spec->size * 3, &rgb), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(chunk, &place), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(chunk * spec->embedding, &embedding), out);
    for (int64_t first = fut_comm_rank(comm) * chunk; first < f->scan.n_files; first += fut_comm_size(comm) * chunk) {
        int64_t n = f->scan.n_files - first < chunk ? f->scan.n_files - first : chunk;
        int64_t n_readable = 0;
        FUT_TRY_GOTO(read_files(f, first, n, spec->size, rgb, place, &n_readable), out);
        if (n_readable > 0) FUT_TRY_GOTO(fut_embed_images(net, rgb, n_readable, embedding), out);
        for (int64_t i = 0; i < n_readable; i++)
            memcpy(f->embedding + place[i] * spec->embedding, embedding + i * spec->embedding, (size_t)spec->embedding * sizeof *embedding);
        fut_log_progress("embedded %lld of %lld photos", (long long)(first + n), (long long)f->scan.n_files);
    }
out:
    fut_log_progress("%s", "");
    fut_mem_free(rgb);
    fut_mem_free(place);
    fut_mem_free(embedding);
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
    FUT_TRY_GOTO(fut_comm_agree(comm, embed_files(&f, trained->net, comm, trained->config->eval.batch)), out);
    /* Every row comes from one rank and is zero elsewhere, so the sums are exact. */
    FUT_TRY_GOTO(fut_comm_all_reduce_sum(comm, f.embedding, f.scan.n_files * g->dim, FUT_F32, "embeddings of a folder"), out);
    FUT_TRY_GOTO(fut_comm_all_reduce_sum(comm, f.is_readable, f.scan.n_files, FUT_F32, "readable photos of a folder"), out);
    FUT_TRY_GOTO(fut_comm_agree(comm, keep_readable(&f, g)), out);
out:
    folder_fini(&f);
    return st;
}
