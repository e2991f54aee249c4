/* Which of cuDNN's engines runs a pass of a convolution.
 *
 * The heuristics propose, notes and workspace rule out, the clock decides: the first MEASURED that make a plan run on memory made for it.
 * Plans were made offline with cuDNN 9.19 and 9.26 for compute capability 8.0, 9.0, 10.0 and 12.0 (it takes a GPU's description in place of
 * the GPU). What that showed:
 *   - padding that differs on two sides is taken by most engines of 16 bits and TF32, but of those for true f32 it leaves a single, general
 *     one on some GPUs. So where few are left, a copy of the image with its padding around it competes.
 *   - no engine writes an f32 filter gradient from activations of 16 bits: it comes in 16 bits, from sums in f32, and is widened. */
#include "core/backend/cuda/cuda_conv.h"
#include "core/backend/cuda/kernels/kernels_conv.h"

#include "core/base/log.h"
#include "core/base/mem.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum { MEASURED = 16, OF_ONE_ENGINE = 6 /* at most, with other knobs */, FEW = 4, PROPOSED = 64, ROUNDS = 2, RUNS = 3 };
static const size_t workspace_wanted = (size_t)256 << 20; /* at most; one block of it serves all convolutions of a net */
static const char *const kind_names[] = {"forward", "backward-data", "backward-filter"};

struct fut_cuda_pass {
    fut_backend *bk;
    fut_cudnn_kind kind;
    fut_conv_desc desc;
    fut_cuda_choice choice;
    fut_cudnn_plan *plan;
};

typedef struct candidate {
    fut_cuda_choice choice;
    fut_cudnn_plan *plan;
} candidate;

/* Candidates so far, and why the last one that is not among them is not. */
typedef struct search {
    candidate found[MEASURED];
    int count;
    char refusal[512];
} search;

/* ---- a pass under a choice ---- */

fut_shape4 fut_cuda_conv_out(const fut_conv_desc *d)
{
    return (fut_shape4){d->x.n, d->out_c, (d->x.h + d->pad_top + d->pad_bottom - d->kh) / d->stride + 1,
                        (d->x.w + d->pad_left + d->pad_right - d->kw) / d->stride + 1};
}

static fut_cudnn_problem problem_of(const fut_cuda_pass *pass, const fut_cuda_choice *choice)
{
    const fut_conv_desc *d = &pass->desc;
    fut_cudnn_problem p = {
        .kind = pass->kind,
        .x = d->x,
        .y = fut_cuda_conv_out(d),
        .kh = d->kh,
        .kw = d->kw,
        .stride = d->stride,
        .pad_top = d->pad_top,
        .pad_left = d->pad_left,
        .pad_bottom = d->pad_bottom,
        .pad_right = d->pad_right,
        .dtype = d->dtype,
    };
    if (choice->padded) {
        p.x.h += p.pad_top + p.pad_bottom;
        p.x.w += p.pad_left + p.pad_right;
        p.pad_top = p.pad_left = p.pad_bottom = p.pad_right = 0;
    }
    return p;
}

/* All that an algorithm's choice depends on. */
static void print_key(const fut_cuda_pass *pass, char key_out[FUT_CUDA_KEY])
{
    const fut_cuda *cuda = fut_cuda_of(pass->bk);
    const fut_conv_desc *d = &pass->desc;
    (void)snprintf(key_out, FUT_CUDA_KEY, "%s %s x %lld,%lld,%lld,%lld w %lld,%lld,%lld stride %lld pad %lld,%lld,%lld,%lld%s%s",
                   kind_names[pass->kind], fut_dtype_name(d->dtype), (long long)d->x.n, (long long)d->x.c, (long long)d->x.h,
                   (long long)d->x.w, (long long)d->out_c, (long long)d->kh, (long long)d->kw, (long long)d->stride, (long long)d->pad_top,
                   (long long)d->pad_left, (long long)d->pad_bottom, (long long)d->pad_right,
                   cuda->tf32 && d->dtype == FUT_F32 ? " tf32" : "", cuda->deterministic ? " deterministic" : "");
}

size_t fut_cuda_pass_scratch_bytes(const fut_cuda_pass *pass)
{
    size_t workspace = fut_cudnn_plan_workspace_bytes(pass->plan);
    if (!pass->choice.padded) return workspace;
    return fut_cuda_aligned(workspace) + fut_cuda_act_bytes(pass->bk, problem_of(pass, &pass->choice).x, pass->desc.dtype);
}

int64_t fut_cuda_pass_engine(const fut_cuda_pass *pass)
{
    return pass->choice.engine;
}

static fut_status run_pass(fut_cuda_pass *pass, void *x, void *w, void *y, void *scratch, fut_stream *stream)
{
    cudnnHandle_t handle = NULL;
    const fut_conv_desc *d = &pass->desc;
    FUT_TRY(fut_cuda_cudnn_on(pass->bk, stream, &handle));
    if (!pass->choice.padded) return fut_cudnn_plan_run(pass->plan, handle, x, w, y, scratch);

    cudaStream_t native = fut_cuda_stream(pass->bk, stream);
    fut_shape4 padded = problem_of(pass, &pass->choice).x;
    void *image = (char *)scratch + fut_cuda_aligned(fut_cudnn_plan_workspace_bytes(pass->plan));
    if (pass->kind != FUT_CUDNN_BACKWARD_DATA)
        FUT_CUDA_TRY(fut_cuda_launch_window(d->x, padded, -d->pad_top, -d->pad_left, d->dtype, x, image, native));
    FUT_TRY(fut_cudnn_plan_run(pass->plan, handle, image, w, y, scratch));
    if (pass->kind == FUT_CUDNN_BACKWARD_DATA)
        FUT_CUDA_TRY(fut_cuda_launch_window(padded, d->x, d->pad_top, d->pad_left, d->dtype, image, x, native));
    return FUT_OK;
}

fut_status fut_cuda_pass_run(fut_cuda_pass *pass, void *x, void *w, void *y, void *scratch, fut_stream *stream)
{
    fut_status st = run_pass(pass, x, w, y, scratch, stream);
    if (st != FUT_OK) {
        char key[FUT_CUDA_KEY];
        print_key(pass, key);
        fut_trail_context("convolution %s, engine %lld", key, (long long)pass->choice.engine);
    }
    return st;
}

/* ---- candidates ---- */

/* Not supported is an answer, no error, while there are others to ask. */
static fut_status note_refusal(search *s, fut_status st)
{
    if (st != FUT_ERR_UNSUPPORTED) return st;
    (void)snprintf(s->refusal, sizeof s->refusal, "%s", fut_trail_message());
    fut_trail_clear();
    return FUT_OK;
}

/* Nor is an engine that fails to make a plan, but it should not. */
static fut_status note_failure(search *s, const fut_cuda_choice *choice, fut_status st)
{
    if (st == FUT_OK || st == FUT_ERR_UNSUPPORTED || st == FUT_ERR_NO_MEMORY) return note_refusal(s, st);
    FUT_WARN("engine %lld of cuDNN is left out: %s", (long long)choice->engine, fut_trail_message());
    return note_refusal(s, FUT_ERR_UNSUPPORTED);
}

static bool has_enough_of(const search *s, int64_t engine)
{
    int count = 0;
    for (int i = 0; i < s->count; i++)
        count += s->found[i].choice.engine == engine;
    return count >= OF_ONE_ENGINE;
}

static fut_status add_candidate(const fut_cuda_pass *pass, const fut_cuda_choice *choice, size_t workspace_max, search *s)
{
    const fut_cuda *cuda = fut_cuda_of(pass->bk);
    fut_cudnn_problem problem = problem_of(pass, choice);
    fut_cudnn_plan *plan = NULL;
    if (has_enough_of(s, choice->engine)) return FUT_OK;
    FUT_TRY(note_failure(s, choice, fut_cudnn_plan_create(cuda->cudnn, &problem, choice, &plan)));
    if (plan && fut_cudnn_plan_workspace_bytes(plan) > workspace_max) fut_cudnn_plan_destroy(&plan);
    if (plan) s->found[s->count++] = (candidate){*choice, plan};
    return FUT_OK;
}

/* Engines for the image as it is, or padded. */
static fut_status add_candidates(const fut_cuda_pass *pass, bool padded, size_t workspace_max, search *s)
{
    const fut_cuda *cuda = fut_cuda_of(pass->bk);
    fut_cudnn_rules rules = {.tf32 = cuda->tf32, .deterministic = cuda->deterministic};
    fut_cudnn_problem problem = problem_of(pass, &(fut_cuda_choice){.padded = padded});
    fut_cuda_choice *proposed = NULL;
    int count = 0;
    FUT_TRY(FUT_NEW_ARRAY(PROPOSED, &proposed));
    fut_status st = note_refusal(s, fut_cudnn_engines(cuda->cudnn, &problem, rules, PROPOSED, proposed, &count));
    for (int i = 0; i < count && s->count < MEASURED && st == FUT_OK; i++) {
        proposed[i].padded = padded;
        st = add_candidate(pass, &proposed[i], workspace_max, s);
    }
    fut_mem_free(proposed);
    return st;
}

static fut_status find_candidates(const fut_cuda_pass *pass, search *s)
{
    const fut_conv_desc *d = &pass->desc;
    bool uneven = d->pad_top != d->pad_bottom || d->pad_left != d->pad_right;
    FUT_TRY(add_candidates(pass, false, workspace_wanted, s));
    if (uneven && s->count < FEW) FUT_TRY(add_candidates(pass, true, workspace_wanted, s));
    if (s->count == 0) FUT_TRY(add_candidates(pass, false, SIZE_MAX, s));
    FUT_CHECK(s->count > 0, FUT_ERR_UNSUPPORTED, "no engine of cuDNN takes it%s: %s",
              fut_cuda_of(pass->bk)->deterministic ? " and gives the same bits every time" : "",
              s->refusal[0] ? s->refusal : "none is proposed");
    return FUT_OK;
}

/* ---- the clock ---- */

/* Tensors to run on: zeros. */
typedef struct trial {
    void *x, *w, *y, *scratch;
    fut_event *from, *to;
} trial;

static void trial_fini(fut_backend *bk, trial *t)
{
    fut_cuda_free(bk, t->x);
    fut_cuda_free(bk, t->w);
    fut_cuda_free(bk, t->y);
    fut_cuda_free(bk, t->scratch);
    fut_cuda_event_destroy(bk, t->from);
    fut_cuda_event_destroy(bk, t->to);
}

static fut_status alloc_zeros(fut_backend *bk, size_t bytes, void **ptr_out)
{
    FUT_TRY(fut_cuda_alloc(bk, bytes, ptr_out));
    return fut_cuda_fill_zero(bk, *ptr_out, bytes, NULL);
}

static fut_status trial_init(const fut_cuda_pass *pass, size_t scratch_bytes, trial *t)
{
    const fut_conv_desc *d = &pass->desc;
    FUT_TRY(alloc_zeros(pass->bk, fut_cuda_act_bytes(pass->bk, d->x, d->dtype), &t->x));
    FUT_TRY(alloc_zeros(pass->bk, (size_t)(d->out_c * d->x.c * d->kh * d->kw) * fut_dtype_size(d->dtype), &t->w));
    FUT_TRY(alloc_zeros(pass->bk, fut_cuda_act_bytes(pass->bk, fut_cuda_conv_out(d), d->dtype), &t->y));
    FUT_TRY(fut_cuda_alloc(pass->bk, scratch_bytes, &t->scratch));
    FUT_TRY(fut_cuda_event_create(pass->bk, &t->from));
    return fut_cuda_event_create(pass->bk, &t->to);
}

static fut_status try_pass(fut_cuda_pass *pass, const trial *t)
{
    return run_pass(pass, t->x, t->w, t->y, t->scratch, NULL);
}

/* Seconds of one run of the pass as it is; it has run before, which loaded its code. */
static fut_status time_pass(fut_cuda_pass *pass, const trial *t, double *seconds_out)
{
    FUT_TRY(fut_cuda_event_record(pass->bk, t->from, NULL));
    for (int i = 0; i < RUNS; i++)
        FUT_TRY(try_pass(pass, t));
    FUT_TRY(fut_cuda_event_record(pass->bk, t->to, NULL));
    FUT_TRY(fut_cuda_sync(pass->bk, NULL));
    FUT_TRY(fut_cuda_event_seconds(pass->bk, t->from, t->to, seconds_out));
    *seconds_out /= RUNS;
    return FUT_OK;
}

static void use(fut_cuda_pass *pass, const candidate *c)
{
    pass->choice = c->choice;
    pass->plan = c->plan;
}

/* A plan that fails only when it runs never wins. Where it broke the device, the next one fails too, and then none is left. */
static fut_status note_slow(search *s, fut_status st, double *seconds)
{
    if (st == FUT_OK) return FUT_OK;
    *seconds = INFINITY;
    if (st == FUT_ERR_UNSUPPORTED) return note_refusal(s, st);
    FUT_WARN("an engine that failed when it was tried is left out: %s", fut_trail_message());
    return note_refusal(s, FUT_ERR_UNSUPPORTED);
}

/* The best of two rounds counts: the first one finds the GPU's clock still low. */
static fut_status time_all(fut_cuda_pass *pass, search *s, const trial *t, double *best)
{
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < s->count; i++) {
            double seconds = 0;
            use(pass, &s->found[i]);
            FUT_TRY(note_slow(s, try_pass(pass, t), &seconds));
            if (!isinf(seconds)) FUT_TRY(time_pass(pass, t, &seconds));
            if (round == 0 || seconds < best[i] || isinf(seconds)) best[i] = seconds;
        }
    return FUT_OK;
}

static fut_status pick_fastest(fut_cuda_pass *pass, search *s, int *fastest_out)
{
    fut_status st = FUT_OK;
    trial t = {0};
    size_t scratch_bytes = 0;
    double best[MEASURED] = {0};
    for (int i = 0; i < s->count; i++) {
        use(pass, &s->found[i]);
        size_t bytes = fut_cuda_pass_scratch_bytes(pass);
        if (bytes > scratch_bytes) scratch_bytes = bytes;
    }
    FUT_TRY_GOTO(trial_init(pass, scratch_bytes, &t), out);
    FUT_TRY_GOTO(time_all(pass, s, &t, best), out);
    *fastest_out = 0;
    for (int i = 0; i < s->count; i++) {
        FUT_DEBUG("  engine %lld%s: %.1f us, workspace %zu bytes", (long long)s->found[i].choice.engine,
                  s->found[i].choice.padded ? " padded" : "", best[i] * 1e6, fut_cudnn_plan_workspace_bytes(s->found[i].plan));
        if (best[i] < best[*fastest_out]) *fastest_out = i;
    }
    FUT_CHECK_GOTO(isfinite(best[*fastest_out]), FUT_ERR_UNSUPPORTED, out, "no engine of cuDNN runs it: %s", s->refusal);
out:
    pass->plan = NULL; /* the search owns them all */
    trial_fini(pass->bk, &t);
    return st;
}

static fut_status choose(fut_cuda_pass *pass, const char *key)
{
    fut_status st = FUT_OK;
    search *s = NULL;
    int best = 0;
    FUT_TRY(FUT_NEW(&s));
    FUT_TRY_GOTO(find_candidates(pass, s), out);
    FUT_DEBUG("%s: %d algorithms", key, s->count);
    if (s->count > 1) FUT_TRY_GOTO(pick_fastest(pass, s, &best), out);
    FUT_TRY_GOTO(fut_cuda_tuning_put(fut_cuda_of(pass->bk)->tuning, key, &s->found[best].choice), out);
    use(pass, &s->found[best]);
    s->found[best].plan = NULL;
out:
    for (int i = 0; i < s->count; i++)
        fut_cudnn_plan_destroy(&s->found[i].plan);
    fut_mem_free(s);
    return st;
}

/* ---- planning ---- */

/* The plan of a choice made earlier. One that this cuDNN does not take after all is a warning and leaves pass->plan NULL. */
static fut_status take_known(fut_cuda_pass *pass, const char *key)
{
    const fut_cuda *cuda = fut_cuda_of(pass->bk);
    const fut_cuda_choice *known = fut_cuda_tuning_find(cuda->tuning, key);
    if (!known) return FUT_OK;
    pass->choice = *known;
    fut_cudnn_problem problem = problem_of(pass, known);
    fut_status st = fut_cudnn_plan_create(cuda->cudnn, &problem, known, &pass->plan);
    if (st == FUT_OK || st == FUT_ERR_NO_MEMORY) return st;
    FUT_WARN("convolution %s: engine %lld, chosen earlier, does not run here (%s); choosing anew", key, (long long)known->engine,
             fut_trail_message());
    fut_trail_clear();
    return FUT_OK;
}

fut_status fut_cuda_pass_create(fut_backend *bk, fut_cudnn_kind kind, const fut_conv_desc *desc, fut_cuda_pass **pass_out)
{
    fut_status st = FUT_OK;
    fut_cuda_pass *pass = NULL;
    char key[FUT_CUDA_KEY];
    FUT_TRY(FUT_NEW(&pass));
    *pass = (fut_cuda_pass){.bk = bk, .kind = kind, .desc = *desc};
    print_key(pass, key);
    FUT_TRY_GOTO(take_known(pass, key), out);
    if (!pass->plan) FUT_TRY_GOTO(choose(pass, key), out);
    *pass_out = pass;
    pass = NULL;
out:
    if (st != FUT_OK) fut_trail_context("convolution %s", key);
    fut_cuda_pass_destroy(&pass);
    return st;
}

void fut_cuda_pass_destroy(fut_cuda_pass **pass)
{
    if (!*pass) return;
    fut_cudnn_plan_destroy(&(*pass)->plan);
    fut_mem_free(*pass);
    *pass = NULL;
}
