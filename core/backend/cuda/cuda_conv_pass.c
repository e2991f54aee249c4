/* Which of cuDNN's engines runs a pass of a convolution.
 *
 * The heuristics propose, notes and workspace rule out, the clock decides: the first MEASURED that make a plan run on memory made for it.
 * Two questions are settled the same way. With activations of 16 bits, does backward filter write f32 or 16 bits? NVIDIA's tables name only
 * the latter for its precompiled engines, the engines compiled at run time may do either; both are asked. And padding that differs on two
 * sides: where no engine takes it, the image is copied into one with its padding around it. */
#include "core/backend/cuda/cuda_conv.h"
#include "core/backend/cuda/kernels/kernels_conv.h"

#include "core/base/log.h"
#include "core/base/mem.h"

#include <stdio.h>
#include <string.h>

enum { MEASURED = 8, PROPOSED = 24, RUNS = 5 };
static const size_t workspace_max = (size_t)256 << 20; /* one block of it serves all convolutions of a net */
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
        .filter = pass->kind == FUT_CUDNN_BACKWARD_FILTER && choice->gradient_f32 ? FUT_F32 : d->dtype,
    };
    if (choice->padded) {
        p.x.h += p.pad_top + p.pad_bottom;
        p.x.w += p.pad_left + p.pad_right;
        p.pad_top = p.pad_left = p.pad_bottom = p.pad_right = 0;
    }
    return p;
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

fut_dtype fut_cuda_pass_filter(const fut_cuda_pass *pass)
{
    return problem_of(pass, &pass->choice).filter;
}

fut_status fut_cuda_pass_run(fut_cuda_pass *pass, void *x, void *w, void *y, void *scratch, fut_stream *stream)
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

/* ---- candidates ---- */

/* An engine that refuses is no error while others are left. */
static fut_status note_refusal(search *s, fut_status st)
{
    if (st == FUT_OK || st == FUT_ERR_NO_MEMORY) return st;
    (void)snprintf(s->refusal, sizeof s->refusal, "%s", fut_trail_message());
    fut_trail_clear();
    return FUT_OK;
}

static fut_status add_candidate(const fut_cuda_pass *pass, const fut_cuda_choice *choice, search *s)
{
    const fut_cuda *cuda = fut_cuda_of(pass->bk);
    fut_cudnn_problem problem = problem_of(pass, choice);
    fut_cudnn_plan *plan = NULL;
    FUT_TRY(note_refusal(s, fut_cudnn_plan_create(cuda->cudnn, &problem, choice, &plan)));
    if (plan && fut_cudnn_plan_workspace_bytes(plan) > workspace_max) {
        (void)snprintf(s->refusal, sizeof s->refusal, "engine %lld needs %zu MiB of workspace, more than %zu", (long long)choice->engine,
                       fut_cudnn_plan_workspace_bytes(plan) >> 20, workspace_max >> 20);
        fut_cudnn_plan_destroy(&plan);
    }
    if (plan) s->found[s->count++] = (candidate){*choice, plan};
    return FUT_OK;
}

/* Up to `most` more with the flags of `like`. */
static fut_status add_candidates(const fut_cuda_pass *pass, const fut_cuda_choice *like, int most, search *s)
{
    const fut_cuda *cuda = fut_cuda_of(pass->bk);
    fut_cudnn_rules rules = {.tf32 = cuda->tf32, .deterministic = cuda->deterministic};
    fut_cudnn_problem problem = problem_of(pass, like);
    fut_cuda_choice *proposed = NULL;
    int count = 0, end = s->count + most;
    FUT_TRY(FUT_NEW_ARRAY(PROPOSED, &proposed));
    fut_status st = note_refusal(s, fut_cudnn_engines(cuda->cudnn, &problem, rules, PROPOSED, proposed, &count));
    for (int i = 0; i < count && s->count < end && st == FUT_OK; i++) {
        proposed[i].padded = like->padded;
        st = add_candidate(pass, &proposed[i], s);
    }
    fut_mem_free(proposed);
    return st;
}

static fut_status find_candidates(const fut_cuda_pass *pass, search *s)
{
    const fut_conv_desc *d = &pass->desc;
    bool two_gradients = pass->kind == FUT_CUDNN_BACKWARD_FILTER && d->dtype != FUT_F32;
    bool padding = d->pad_top || d->pad_left || d->pad_bottom || d->pad_right;
    for (int padded = 0; padded <= padding && s->count == 0; padded++) {
        fut_cuda_choice like = {.padded = padded};
        if (two_gradients) {
            fut_cuda_choice wide = {.padded = padded, .gradient_f32 = true};
            FUT_TRY(add_candidates(pass, &wide, MEASURED / 2, s));
        }
        FUT_TRY(add_candidates(pass, &like, MEASURED - s->count, s));
    }
    FUT_CHECK(s->count > 0, FUT_ERR_UNSUPPORTED, "no engine of cuDNN takes it%s: %s",
              fut_cuda_of(pass->bk)->deterministic ? " and gives the same bits every time" : "", s->refusal);
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
    FUT_TRY(alloc_zeros(pass->bk, (size_t)(d->out_c * d->x.c * d->kh * d->kw) * sizeof(float), &t->w));
    FUT_TRY(alloc_zeros(pass->bk, fut_cuda_act_bytes(pass->bk, fut_cuda_conv_out(d), d->dtype), &t->y));
    FUT_TRY(fut_cuda_alloc(pass->bk, scratch_bytes, &t->scratch));
    FUT_TRY(fut_cuda_event_create(pass->bk, &t->from));
    return fut_cuda_event_create(pass->bk, &t->to);
}

/* Seconds of one run of the pass as it is. */
static fut_status time_pass(fut_cuda_pass *pass, const trial *t, double *seconds_out)
{
    FUT_TRY(fut_cuda_pass_run(pass, t->x, t->w, t->y, t->scratch, NULL)); /* the first one loads code */
    FUT_TRY(fut_cuda_event_record(pass->bk, t->from, NULL));
    for (int i = 0; i < RUNS; i++)
        FUT_TRY(fut_cuda_pass_run(pass, t->x, t->w, t->y, t->scratch, NULL));
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

static fut_status pick_fastest(fut_cuda_pass *pass, const search *s, int *best_out)
{
    fut_status st = FUT_OK;
    trial t = {0};
    size_t scratch_bytes = 0;
    double best = 0;
    for (int i = 0; i < s->count; i++) {
        use(pass, &s->found[i]);
        size_t bytes = fut_cuda_pass_scratch_bytes(pass);
        if (bytes > scratch_bytes) scratch_bytes = bytes;
    }
    FUT_TRY_GOTO(trial_init(pass, scratch_bytes, &t), out);
    for (int i = 0; i < s->count; i++) {
        double seconds = 0;
        use(pass, &s->found[i]);
        FUT_TRY_GOTO(time_pass(pass, &t, &seconds), out);
        FUT_DEBUG("  engine %lld%s: %.1f us, workspace %zu bytes", (long long)pass->choice.engine,
                  pass->choice.gradient_f32 ? " to f32" : "", seconds * 1e6, fut_cudnn_plan_workspace_bytes(pass->plan));
        if (i == 0 || seconds < best) {
            best = seconds;
            *best_out = i;
        }
    }
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
