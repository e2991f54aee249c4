#include "core/base/log.h"
#include "core/base/mem.h"
#include "dist/boot.h"
#include "launch/args.h"
#include "launch/command.h"
#include "launch/evaluate.h"
#include "launch/gallery.h"
#include "launch/photos.h"

#include <stdio.h>
#include <string.h>

static const char intro[] =
    "Says who is on each photo: ranks the people of GALLERY by similarity, and says \"unknown\" where nobody reaches the threshold.\n"
    "Among many people somebody is alike by chance: a threshold for pairs lets about FAR x people strangers through. `futago eval`\n"
    "prints thresholds for strangers (FNIR at FPIR).\n"
    "Exit status: 0 everybody was found, 1 somebody is unknown, 64 and above an error.";

static const fut_arg args_table[] = {
    FUT_ARG_POSITIONAL("RUN", "folder of a trained run"),
    FUT_ARG_POSITIONAL("GALLERY", "a folder, one sub-folder a person, or a packed file"),
    FUT_ARG_POSITIONAL("PHOTO", "a photo of somebody"),
    FUT_ARG_REST("PHOTOS", "more photos"),
    FUT_ARG_VALUE('k', "top", "K", "5", "people to list for each photo"),
    FUT_ARG_VALUE(0, "by", "best|mean|centroid", "best",
                  "a person's similarity: of their most similar photo, the mean of all, or with the mean of their embeddings"),
    FUT_ARG_VALUE(
        0, "threshold", "S", NULL,
        "unknown below this similarity; default: where the error rates were equal in training's evaluation, as for `futago verify`"),
    FUT_PHOTO_CROP_ARG,
    FUT_CHECKPOINT_ARG,
    FUT_PRECISION_ARG,
    FUT_ARG_FLAG(0, "json", "print an object"),
    FUT_ARG_END,
};

typedef struct search {
    fut_trained trained;
    fut_gallery gallery;
    fut_gallery_by by;
    double threshold, crop;
    bool is_threshold_given;
    int64_t top;
    const char **path; /* [n] photos that are searched for */
    int64_t n;
    float *embedding;         /* [n, dim] */
    fut_candidate *candidate; /* [people] */
    int64_t n_unknown;
} search;

static void search_fini(search *s)
{
    fut_gallery_fini(&s->gallery);
    fut_trained_close(&s->trained);
    fut_mem_free(s->path);
    fut_mem_free(s->embedding);
    fut_mem_free(s->candidate);
}

static fut_status read_options(search *s, const fut_args *args)
{
    int by = 0;
    FUT_TRY(fut_args_get_i64(args, "top", 1, INT32_MAX, &s->top));
    FUT_TRY(fut_args_get_word(args, "by", &by));
    s->by = (fut_gallery_by)by;
    s->is_threshold_given = fut_args_is_given(args, "threshold");
    if (s->is_threshold_given) FUT_TRY(fut_args_get_f64(args, "threshold", -1, 1, &s->threshold));
    s->n = 1 + fut_args_count(args, "PHOTOS");
    FUT_TRY(fut_mem_alloc((size_t)s->n, sizeof *s->path, (void **)&s->path));
    s->path[0] = fut_args_get(args, "PHOTO");
    for (int i = 1; i < s->n; i++)
        s->path[i] = fut_args_get_at(args, "PHOTOS", i - 1);
    return FUT_OK;
}

static fut_status open_run(search *s, const fut_comm *comm, const fut_args *args)
{
    fut_model_place place = fut_model_place_of(comm);
    FUT_TRY(read_options(s, args));
    FUT_TRY(fut_trained_open(fut_args_get(args, "RUN"), fut_args_get(args, "checkpoint"), fut_args_get(args, "precision"), &place,
                             &s->trained));
    FUT_TRY(fut_photo_crop(args, &s->trained, &s->crop));
    return s->is_threshold_given ? FUT_OK : fut_trained_threshold(&s->trained, &s->threshold);
}

/* Photos that are searched for, in chunks that the network has room for. Before the gallery: a bad path should not wait for it. */
static fut_status embed_photos(search *s)
{
    fut_status st = FUT_OK;
    int64_t dim = s->trained.config->model.embedding;
    int64_t size = s->trained.config->data.size;
    int64_t chunk = s->trained.config->eval.batch < s->n ? s->trained.config->eval.batch : s->n;
    fut_photo_list photos = {.path = s->path, .n = s->n, .crop = s->crop, .size = size};
    uint8_t *rgb = NULL;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(chunk * size * size * 3, &rgb), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(s->n * dim, &s->embedding), out);
    FUT_TRY_GOTO(fut_net_reserve(s->trained.net, 1, chunk, false), out);
    for (int64_t first = 0; first < s->n; first += chunk) {
        int64_t n = s->n - first < chunk ? s->n - first : chunk;
        FUT_TRY_GOTO(fut_photo_list_read_all(&photos, first, n, s->trained.threads, rgb), out);
        FUT_TRY_GOTO(fut_embed_images(s->trained.net, rgb, n, s->embedding + first * dim), out);
    }
out:
    fut_mem_free(rgb);
    return st;
}

/* At the run's own threshold the EER is the chance that a stranger is taken for one given person. */
static void warn_of_strangers(const search *s)
{
    double expected = s->trained.progress.eer * (double)s->gallery.person.n;
    if (!s->is_threshold_given && expected >= 0.5)
        FUT_WARN(
            "at the run's threshold for pairs a stranger is taken for %.1f of these %lld people on average; `futago eval` prints higher "
            "thresholds, for strangers (FNIR at FPIR)",
            expected, (long long)s->gallery.person.n);
}

/* ---- the answer ---------------------------------------------------------------------------------------------------------------- */

static int64_t shown(const search *s)
{
    return s->top < s->gallery.person.n ? s->top : s->gallery.person.n;
}

static bool is_known(const search *s)
{
    return s->candidate[0].similarity >= s->threshold;
}

static fut_status append_text(fut_str *out, const fut_texts *texts, int64_t i)
{
    size_t length = 0;
    const char *text = fut_texts_get(texts, i, &length);
    return fut_str_append_escaped(out, text, length);
}

static fut_status append_json(fut_str *out, const char *before, const fut_texts *texts, int64_t i)
{
    size_t length = 0;
    const char *text = fut_texts_get(texts, i, &length);
    FUT_TRY(fut_str_printf(out, "%s", before));
    return fut_str_append_json(out, text, length);
}

static fut_status describe_text(const search *s, const char *path, fut_str *out)
{
    const fut_candidate *c = s->candidate;
    FUT_TRY(fut_str_append_escaped(out, path, strlen(path)));
    FUT_TRY(fut_str_printf(out, ": "));
    if (is_known(s)) {
        FUT_TRY(append_text(out, &s->gallery.person, c[0].person));
    } else {
        FUT_TRY(fut_str_printf(out, "unknown"));
    }
    FUT_TRY(fut_str_printf(out, "\n"));
    for (int64_t k = 0; k < shown(s); k++) {
        FUT_TRY(fut_str_printf(out, "%4lld  %7.4f  ", (long long)(k + 1), c[k].similarity));
        FUT_TRY(append_text(out, &s->gallery.person, c[k].person));
        FUT_TRY(fut_str_printf(out, "  ("));
        FUT_TRY(append_text(out, &s->gallery.photo, c[k].photo));
        FUT_TRY(fut_str_printf(out, ")\n"));
    }
    return FUT_OK;
}

static fut_status describe_json(const search *s, const char *path, fut_str *out)
{
    const fut_candidate *c = s->candidate;
    FUT_TRY(fut_str_printf(out, "{\"photo\":"));
    FUT_TRY(fut_str_append_json(out, path, strlen(path)));
    if (is_known(s)) {
        FUT_TRY(append_json(out, ",\"known\":true,\"person\":", &s->gallery.person, c[0].person));
    } else {
        FUT_TRY(fut_str_printf(out, ",\"known\":false,\"person\":null"));
    }
    FUT_TRY(fut_str_printf(out, ",\"candidates\":["));
    for (int64_t k = 0; k < shown(s); k++) {
        FUT_TRY(append_json(out, k > 0 ? ",{\"person\":" : "{\"person\":", &s->gallery.person, c[k].person));
        FUT_TRY(fut_str_printf(out, ",\"similarity\":%.9g", c[k].similarity));
        FUT_TRY(append_json(out, ",\"photo\":", &s->gallery.photo, c[k].photo));
        FUT_TRY(fut_str_printf(out, "}"));
    }
    return fut_str_printf(out, "]}");
}

static fut_status begin_json(const search *s, const fut_args *args, fut_str *out)
{
    FUT_TRY(fut_str_printf(out, "{\"gallery\":"));
    FUT_TRY(fut_str_append_json(out, fut_args_get(args, "GALLERY"), strlen(fut_args_get(args, "GALLERY"))));
    FUT_TRY(fut_str_printf(out, ",\"people\":%lld,\"photos_in_gallery\":%lld,\"unreadable\":%lld,\"left_out\":[",
                           (long long)s->gallery.person.n, (long long)s->gallery.photo.n, (long long)s->gallery.n_unreadable));
    for (int64_t i = 0; i < s->gallery.left_out.n; i++)
        FUT_TRY(append_json(out, i > 0 ? "," : "", &s->gallery.left_out, i));
    return fut_str_printf(out, "],\"by\":\"%s\",\"threshold\":%.9g,\"threshold_from\":\"%s\",\"photos\":[", fut_args_get(args, "by"),
                          s->threshold, s->is_threshold_given ? "option" : "run");
}

static fut_status end_text(const search *s, fut_str *out)
{
    FUT_TRY(fut_str_printf(out, "of %lld people with %lld photos; unknown below similarity %.4f", (long long)s->gallery.person.n,
                           (long long)s->gallery.photo.n, s->threshold));
    if (s->is_threshold_given) return fut_str_printf(out, "\n");
    return fut_str_printf(out, ", the run's own threshold for pairs (EER %.2f %%); --threshold sets another\n",
                          100 * s->trained.progress.eer);
}

static fut_status answer(search *s, const fut_args *args)
{
    fut_status st = FUT_OK;
    fut_str out_text = {0};
    bool is_json = fut_args_is_given(args, "json");
    FUT_TRY_GOTO(FUT_NEW_ARRAY(s->gallery.person.n, &s->candidate), out);
    if (is_json) FUT_TRY_GOTO(begin_json(s, args, &out_text), out);
    for (int64_t i = 0; i < s->n; i++) {
        fut_gallery_rank(&s->gallery, s->embedding + i * s->gallery.dim, s->by, s->candidate);
        s->n_unknown += !is_known(s);
        if (is_json && i > 0) FUT_TRY_GOTO(fut_str_printf(&out_text, ","), out);
        FUT_TRY_GOTO(is_json ? describe_json(s, s->path[i], &out_text) : describe_text(s, s->path[i], &out_text), out);
    }
    FUT_TRY_GOTO(is_json ? fut_str_printf(&out_text, "]}\n") : end_text(s, &out_text), out);
    (void)fputs(fut_str_text(&out_text), stdout);
    fut_command_set_exit(s->n_unknown > 0 ? 1 : 0);
out:
    fut_str_fini(&out_text);
    return st;
}

static fut_status identify(fut_comm *comm, int argc, char **argv)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    search s = {0};
    FUT_TRY_GOTO(fut_comm_agree(comm, fut_args_parse(args_table, intro, argc, argv, &args)), out);
    if (args == NULL) goto out;
    FUT_TRY_GOTO(fut_comm_agree(comm, open_run(&s, comm, args)), out);
    if (fut_comm_rank(comm) == 0) st = embed_photos(&s);
    FUT_TRY_GOTO(fut_comm_agree(comm, st), out);
    FUT_TRY_GOTO(fut_gallery_open(&s.trained, comm, fut_args_get(args, "GALLERY"), s.crop, &s.gallery), out);
    if (fut_comm_rank(comm) == 0) {
        warn_of_strangers(&s);
        st = answer(&s, args);
    }
    st = fut_comm_agree(comm, st);
out:
    search_fini(&s);
    fut_args_destroy(&args);
    return st;
}

fut_status fut_cmd_identify(int argc, char **argv)
{
    fut_comm *comm = NULL;
    FUT_TRY(fut_boot(&comm));
    return fut_boot_finish(&comm, identify(comm, argc, argv));
}
