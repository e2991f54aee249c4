#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "dist/boot.h"
#include "launch/args.h"
#include "launch/baseline.h"
#include "launch/command.h"
#include "launch/curves.h"
#include "launch/evaluate.h"
#include "launch/model.h"
#include "launch/pairs_eval.h"
#include "launch/photos.h"
#include "launch/report.h"
#include "launch/run_folder.h"

#include <stdio.h>
#include <string.h>

static const char intro[] =
    "Evaluates the trained network of RUN: ROC, AUC, EER, TAR at FAR, thresholds, hardest pairs; one among many: rank-k, CMC, MAP@R, FNIR\n"
    "at FPIR. On a part of the run's own dataset, on any packed file (--data), or on a list of pairs over a folder of photos (--pairs "
    "with\n"
    "--images; 10 folds for LFW's pairs.txt; pairs only).\n"
    "Writes a page with the curves and the hardest pairs to RUN/report.html.";

enum { HARDEST = 12, FACTS_MAX = 10 };

static const fut_arg args_table[] = {
    FUT_ARG_POSITIONAL("RUN", "folder of a trained run"),
    FUT_ARG_VALUE('p', "part", "train|val|test|val+test", "test", "part of the split"),
    FUT_ARG_VALUE('d', "data", "FILE", NULL, "another packed file than the run's own"),
    FUT_ARG_VALUE(0, "pairs", "FILE", NULL, "a list of pairs in LFW's format"),
    FUT_ARG_VALUE(0, "images", "DIR", NULL, "the photos that --pairs names"),
    FUT_PHOTO_CROP_ARG,
    FUT_ARG_FLAG(0, "flip", "with --pairs: add the mirrored photo's embedding"),
    FUT_CHECKPOINT_ARG,
    FUT_PRECISION_ARG,
    FUT_ARG_FLAG('b', "baseline", "beside it, what a pixel distance and the network before training reach on the same pairs"),
    FUT_ARG_VALUE(0, "html", "FILE", NULL, "where the page goes; default RUN/report.html, of --data and --pairs RUN/report-NAME.html"),
    FUT_ARG_FLAG(0, "json", "print an object instead of text"),
    FUT_ARG_END,
};

/* Everything the report is made of. */
typedef struct evaluation {
    fut_trained trained;
    fut_dataset *dataset; /* NULL with --pairs */
    fut_pairs pairs;      /* with --pairs */
    fut_eval_part part;
    fut_part_result result;
    fut_identification identification; /* rank 0's; not with --pairs */
    fut_baseline baseline;             /* with --baseline */
    bool has_baseline;
    fut_curves curves;
    fut_image picture[4 * HARDEST];
    fut_str name[4 * HARDEST];
    fut_report_pair hard_same[HARDEST], hard_different[HARDEST];
    fut_report_fact fact[FACTS_MAX];
    fut_str value[FACTS_MAX];
    int n_facts;
} evaluation;

static void evaluation_fini(evaluation *e)
{
    fut_trained_close(&e->trained);
    fut_dataset_close(&e->dataset);
    fut_pairs_fini(&e->pairs);
    fut_part_result_fini(&e->result);
    fut_curves_fini(&e->curves);
    for (int i = 0; i < 4 * HARDEST; i++) {
        fut_image_fini(&e->picture[i]);
        fut_str_fini(&e->name[i]);
    }
    for (int i = 0; i < FACTS_MAX; i++)
        fut_str_fini(&e->value[i]);
}

/* ---- measuring ----------------------------------------------------------------------------------------------------------------- */

static fut_status open_part(evaluation *e, const fut_args *args)
{
    int part = 0;
    const char *file = fut_args_is_given(args, "data") ? fut_args_get(args, "data") : e->trained.config->data.file;
    FUT_TRY(fut_args_get_word(args, "part", &part));
    e->part = (fut_eval_part)part;
    FUT_TRY(fut_dataset_open(file, &e->dataset));
    int64_t n = fut_eval_part_size(e->dataset, e->part);
    FUT_CHECK(n > 0, FUT_ERR_DATA, "%s: its %s part is empty", file, fut_eval_part_names[part]);
    return FUT_OK;
}

/* Options that would do nothing beside the others, or that lack one. */
static fut_status check_args(const fut_args *args)
{
    static const char *const of_pairs[] = {"images", "crop", "flip"}, *const of_files[] = {"data", "part", "baseline"};
    bool pairs = fut_args_is_given(args, "pairs");
    for (size_t i = 0; !pairs && i < sizeof of_pairs / sizeof *of_pairs; i++)
        FUT_CHECK(!fut_args_is_given(args, of_pairs[i]), FUT_ERR_USAGE, "--%s is for --pairs, not for packed files", of_pairs[i]);
    for (size_t i = 0; pairs && i < sizeof of_files / sizeof *of_files; i++)
        FUT_CHECK(!fut_args_is_given(args, of_files[i]), FUT_ERR_USAGE, "--%s is for packed files, not for --pairs", of_files[i]);
    FUT_CHECK(!pairs || fut_args_is_given(args, "images"), FUT_ERR_USAGE, "--pairs needs --images DIR, the folder with the photos");
    return FUT_OK;
}

/* The network and what it is measured on. */
static fut_status open_inputs(evaluation *e, const fut_comm *comm, const fut_args *args)
{
    FUT_TRY(check_args(args));
    fut_model_place place = fut_model_place_of(comm);
    FUT_TRY(fut_trained_open(fut_args_get(args, "RUN"), fut_args_get(args, "checkpoint"), fut_args_get(args, "precision"), &place,
                             &e->trained));
    FUT_TRY(fut_net_reserve(e->trained.net, 1, e->trained.config->eval.batch, false));
    if (!fut_args_is_given(args, "pairs")) return open_part(e, args);
    return fut_pairs_read(fut_args_get(args, "pairs"), &e->pairs);
}

/* The baseline comes last: it puts the untrained network in the trained one's place. */
static fut_status measure_part(evaluation *e, fut_comm *comm, const fut_args *args)
{
    fut_status st = FUT_OK;
    const fut_config *config = e->trained.config;
    FUT_TRY(fut_evaluate_part(e->trained.net, comm, e->dataset, e->part, config->eval.batch, (int)config->data.threads, HARDEST, NULL,
                              &e->result));
    if (fut_comm_rank(comm) == 0) st = fut_part_identification(&e->result, config->model.embedding, &e->identification);
    FUT_TRY(fut_comm_agree(comm, st));
    e->has_baseline = fut_args_is_given(args, "baseline");
    return e->has_baseline ? fut_baseline_measure(&e->trained, comm, e->dataset, e->part, &e->result, &e->baseline) : FUT_OK;
}

static fut_status measure_pairs(evaluation *e, const fut_args *args)
{
    fut_pairs_options options = {.flip = fut_args_is_given(args, "flip"),
                                 .chunk = e->trained.config->eval.batch,
                                 .threads = e->trained.threads,
                                 .n_hardest = HARDEST};
    FUT_TRY(fut_photo_crop(args, &e->trained, &options.crop));
    return fut_evaluate_pairs(e->trained.net, &e->pairs, fut_args_get(args, "images"), &options, &e->result.verification);
}

/* ---- the hardest pairs, as pictures -------------------------------------------------------------------------------------------- */

/* Picture and name of one photo of the part or of its reference. */
static fut_status dataset_photo(const evaluation *e, int64_t image, fut_image *picture, fut_str *name)
{
    const fut_dataset_info *info = fut_dataset_get_info(e->dataset);
    size_t length = 0;
    const char *person = fut_dataset_get_identity_name(e->dataset, fut_dataset_get_labels(e->dataset)[image], &length);
    FUT_TRY(fut_image_create(info->width, info->height, picture));
    FUT_TRY(fut_dataset_read(e->dataset, image, picture->rgb));
    return fut_str_append_escaped(name, person, length);
}

static fut_status pairs_photo(const fut_args *args, const fut_trained *trained, const char *path, fut_image *picture, fut_str *name)
{
    fut_status st = FUT_OK;
    fut_str full = {0};
    double crop = 1;
    FUT_TRY_GOTO(fut_photo_crop(args, trained, &crop), out);
    FUT_TRY_GOTO(fut_str_printf(&full, "%s/%s", fut_args_get(args, "images"), path), out);
    FUT_TRY_GOTO(fut_photo_read(fut_str_text(&full), crop, 112, picture), out);
    FUT_TRY_GOTO(fut_str_append_escaped(name, path, strlen(path)), out);
out:
    fut_str_fini(&full);
    return st;
}

/* slot: where in picture[] and name[] this list of pairs begins. */
static fut_status show_pairs(evaluation *e, const fut_args *args, const fut_hard_pair *hard, int64_t n, int slot, fut_report_pair *out)
{
    for (int64_t i = 0; i < n; i++) {
        fut_image *picture = &e->picture[slot + 2 * i];
        fut_str *name = &e->name[slot + 2 * i];
        if (e->dataset != NULL) {
            const int64_t *reference = e->result.reference != NULL ? e->result.reference : e->result.image;
            FUT_TRY(dataset_photo(e, e->result.image[hard[i].a], &picture[0], &name[0]));
            FUT_TRY(dataset_photo(e, reference[hard[i].b], &picture[1], &name[1]));
        } else {
            FUT_TRY(pairs_photo(args, &e->trained, e->pairs.pair[hard[i].a].a, &picture[0], &name[0]));
            FUT_TRY(pairs_photo(args, &e->trained, e->pairs.pair[hard[i].a].b, &picture[1], &name[1]));
        }
        out[i] = (fut_report_pair){.a = &picture[0],
                                   .b = &picture[1],
                                   .name_a = fut_str_text(&name[0]),
                                   .name_b = fut_str_text(&name[1]),
                                   .score = (double)hard[i].score};
    }
    return FUT_OK;
}

/* ---- the report ---------------------------------------------------------------------------------------------------------------- */

static fut_str *add_fact(evaluation *e, const char *name)
{
    e->fact[e->n_facts].name = name;
    return &e->value[e->n_facts++];
}

/* How many people of the part have photos in the train part, which a network knows better than people it never saw. */
static fut_status tell_people(const evaluation *e, fut_str *text)
{
    enum { TRAINED = 1, HERE = 2 };
    uint8_t *seen = NULL;
    int64_t n_train = 0, people = 0, trained = 0;
    const int64_t *train = fut_dataset_get_part(e->dataset, FUT_PART_TRAIN, &n_train);
    const int32_t *label = fut_dataset_get_labels(e->dataset);
    const int64_t identities = fut_dataset_get_info(e->dataset)->n_identities;
    FUT_TRY(FUT_NEW_ARRAY(identities, &seen));
    for (int64_t i = 0; i < n_train; i++)
        seen[label[train[i]]] |= TRAINED;
    for (int64_t i = 0; i < e->result.n; i++)
        seen[e->result.label[i]] |= HERE;
    for (int64_t c = 0; c < identities; c++) {
        people += (seen[c] & HERE) != 0;
        trained += seen[c] == (HERE | TRAINED);
    }
    fut_mem_free(seen);
    return fut_str_printf(text, "%lld of the %lld people of this part were trained on%s", (long long)trained, (long long)people,
                          trained > 0 ? ": not a measure of people never seen" : "");
}

static fut_status collect_facts(evaluation *e, const fut_args *args)
{
    char now[32];
    const fut_verification *v = &e->result.verification;
    fut_clock_utc(now, sizeof now);
    FUT_TRY(fut_str_printf(add_fact(e, "model"), "%s", fut_str_text(&e->trained.meta.model)));
    FUT_TRY(
        fut_str_printf(add_fact(e, "checkpoint"), "%s, step %lld", fut_str_text(&e->trained.path), (long long)e->trained.progress.step));
    if (e->dataset != NULL)
        FUT_TRY(fut_str_printf(add_fact(e, "dataset"), "%s, %s part, %lld photos", fut_dataset_get_path(e->dataset),
                               fut_eval_part_names[e->part], (long long)e->result.n));
    else
        FUT_TRY(fut_str_printf(add_fact(e, "pairs"), "%s over %s%s", fut_args_get(args, "pairs"), fut_args_get(args, "images"),
                               fut_args_is_given(args, "flip") ? ", embeddings of photo and mirrored photo added" : ""));
    FUT_TRY(fut_str_printf(add_fact(e, "pairs scored"), "%lld of one person, %lld of different people", (long long)v->n_same,
                           (long long)v->n_different));
    if (fut_args_is_given(args, "precision")) FUT_TRY(fut_str_printf(add_fact(e, "precision"), "%s", fut_args_get(args, "precision")));
    if (e->dataset != NULL && fut_dataset_get_info(e->dataset)->fingerprint == e->trained.meta.dataset_fingerprint)
        FUT_TRY(tell_people(e, add_fact(e, "people")));
    if (e->has_baseline) {
        FUT_TRY(
            fut_str_printf(add_fact(e, "pixel distance"), "EER %.2f %%  AUC %.4f", 100 * e->baseline.pixels.eer, e->baseline.pixels.auc));
        FUT_TRY(fut_str_printf(add_fact(e, "before training"), "EER %.2f %%  AUC %.4f", 100 * e->baseline.untrained.eer,
                               e->baseline.untrained.auc));
    }
    FUT_TRY(fut_str_printf(add_fact(e, "backend"), "%s", fut_str_text(&e->trained.meta.library)));
    FUT_TRY(fut_str_printf(add_fact(e, "made"), "%s", now));
    for (int i = 0; i < e->n_facts; i++)
        e->fact[i].value = fut_str_text(&e->value[i]);
    return FUT_OK;
}

/* The page of the run's own photos is RUN/report.html; other photos have theirs beside it, named after their file. */
static fut_status default_page(const fut_args *args, fut_str *path)
{
    fut_status st = FUT_OK;
    fut_str name = {0};
    const char *other = fut_args_is_given(args, "pairs") ? fut_args_get(args, "pairs") : fut_args_get(args, "data");
    if (other == NULL) return fut_run_path(fut_args_get(args, "RUN"), "report.html", path);
    const char *slash = strrchr(other, '/');
    const char *base = slash != NULL ? slash + 1 : other;
    FUT_TRY_GOTO(fut_str_printf(&name, "report-%.*s.html", (int)strcspn(base, "."), base), out);
    FUT_TRY_GOTO(fut_run_path(fut_args_get(args, "RUN"), fut_str_text(&name), path), out);
out:
    fut_str_fini(&name);
    return st;
}

static fut_status publish(const fut_report *report, const fut_args *args)
{
    fut_status st = FUT_OK;
    fut_str text = {0};
    fut_str html = {0};
    if (fut_args_is_given(args, "html"))
        FUT_TRY_GOTO(fut_str_printf(&html, "%s", fut_args_get(args, "html")), out);
    else
        FUT_TRY_GOTO(default_page(args, &html), out);
    FUT_TRY_GOTO(fut_report_write_html(report, fut_str_text(&html)), out);
    if (fut_args_is_given(args, "json")) {
        FUT_TRY_GOTO(fut_report_json(report, &text), out);
    } else {
        FUT_TRY_GOTO(fut_report_text(report, &text), out);
    }
    (void)fputs(fut_str_text(&text), stdout);
    FUT_INFO("report: %s", fut_str_text(&html));
out:
    fut_str_fini(&text);
    fut_str_fini(&html);
    return st;
}

static fut_status report(evaluation *e, const fut_args *args)
{
    const fut_verification *v = &e->result.verification;
    const char *run = fut_args_get(args, "RUN");
    FUT_TRY(show_pairs(e, args, v->hard_same, v->n_hard_same, 0, e->hard_same));
    FUT_TRY(show_pairs(e, args, v->hard_different, v->n_hard_different, 2 * HARDEST, e->hard_different));
    FUT_TRY(collect_facts(e, args));
    FUT_TRY(fut_curves_read(run, &e->curves));
    fut_report page = {
        .title = run,
        .fact = e->fact,
        .n_facts = e->n_facts,
        .verification = v,
        .identification = e->dataset != NULL ? &e->identification : NULL,
        .note = e->result.paired_with_train ? "Nobody has two photos in this part, so it was paired with the training photos." : NULL,
        .hard_same = e->hard_same,
        .n_hard_same = v->n_hard_same,
        .hard_different = e->hard_different,
        .n_hard_different = v->n_hard_different,
        .chart = e->curves.chart,
        .n_charts = e->curves.n_charts};
    return publish(&page, args);
}

static fut_status evaluate(fut_comm *comm, int argc, char **argv)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    evaluation *e = NULL;
    FUT_TRY_GOTO(fut_comm_agree(comm, fut_args_parse(args_table, intro, argc, argv, &args)), out);
    if (args == NULL) goto out;
    FUT_TRY_GOTO(FUT_NEW(&e), out);
    FUT_TRY_GOTO(fut_comm_agree(comm, open_inputs(e, comm, args)), out);
    if (e->dataset != NULL) FUT_TRY_GOTO(measure_part(e, comm, args), out);
    if (fut_comm_rank(comm) == 0) {
        if (e->dataset == NULL) st = measure_pairs(e, args);
        if (st == FUT_OK) st = report(e, args);
    }
    st = fut_comm_agree(comm, st);
out:
    if (e != NULL) evaluation_fini(e);
    fut_mem_free(e);
    fut_args_destroy(&args);
    return st;
}

fut_status fut_cmd_eval(int argc, char **argv)
{
    fut_comm *comm = NULL;
    FUT_TRY(fut_boot(&comm));
    return fut_boot_finish(&comm, evaluate(comm, argc, argv));
}
