/* Every call into CUDA, cuDNN and cuBLASLt fails in turn, on the GPU double: the error names the call and what the library said, has the
 * right exit code, and nothing is left behind.
 *
 * The program runs itself as a child, with the failure in its environment. The child does what a run does in miniature: a backend, plans, a
 * step forward and back, the end of a step, a recording and its replay. */
#include "core/backend/backend.h"
#include "core/base/mem.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the child ---- */

enum { N = 2, C = 16, SIDE = 6, PLAIN = N * C * SIDE * SIDE, OPS = 4, BLOCKS_MAX = 64, EMBEDDING = 8 };
static const fut_shape4 shape = {N, C, SIDE, SIDE};

typedef struct run {
    fut_backend *bk;
    void *block[BLOCKS_MAX];
    int blocks;
    float *pinned; /* [PLAIN] */
    fut_stream *side;
    fut_event *begin, *fork, *join;
    fut_recording *recording;
    fut_op *op[OPS];
    fut_op_args args[OPS];
    void *x, *y, *dx, *pooled, *dpooled, *e, *h, *norm, *dh, *sim, *dsim, *kind;
    double *sums, *lr;
    fut_step_control *control;
    float *p, *g, *m, *v, *w, *b, *dw, *db;
    fut_pair_rows rows;
} run;

static fut_status block_new(run *r, size_t bytes, const void *host, void *out)
{
    void *ptr = NULL;
    FUT_TRY(r->bk->alloc(r->bk, bytes, &ptr));
    r->block[r->blocks++] = ptr;
    memcpy(out, &ptr, sizeof ptr);
    return host ? r->bk->upload(r->bk, ptr, host, bytes, NULL) : r->bk->fill_zero(r->bk, ptr, bytes, NULL);
}

static fut_status plan_ops(run *r)
{
    fut_backend *bk = r->bk;
    fut_conv_desc conv = {.x = shape,
                          .out_c = C,
                          .kh = 3,
                          .kw = 3,
                          .stride = 1,
                          .pad_top = 1,
                          .pad_left = 1,
                          .pad_bottom = 1,
                          .pad_right = 1,
                          .groups = 1,
                          .dtype = FUT_F32,
                          .real = FUT_F32,
                          .need_dx = true};
    fut_norm_act_desc norm = {.x = shape, .eps = 1e-3, .act = FUT_ACT_SILU, .dtype = FUT_F32, .real = FUT_F32};
    fut_se_desc se = {.x = shape, .reduced = 4, .act = FUT_ACT_SILU, .dtype = FUT_F32, .real = FUT_F32};
    FUT_TRY(bk->conv(bk, &conv, &r->op[0]));
    conv.groups = C;
    FUT_TRY(bk->conv(bk, &conv, &r->op[1]));
    FUT_TRY(bk->norm_act(bk, &norm, &r->op[2]));
    FUT_TRY(bk->squeeze_excite(bk, &se, &r->op[3]));
    for (int i = 0; i < OPS; i++) {
        fut_op_args *args = &r->args[i];
        args->x = args->dy = r->x;
        args->y = r->y;
        args->dx = r->dx;
        FUT_TRY(block_new(r, r->op[i]->saved_bytes, NULL, &args->saved));
        FUT_TRY(block_new(r, r->op[i]->scratch_bytes, NULL, &args->scratch));
        for (int k = 0; k < 4; k++) {
            args->param[k] = r->p; /* large enough for any */
            args->dparam[k] = r->g;
        }
        for (int k = 0; k < 2; k++)
            args->batch[k] = r->v;
    }
    return FUT_OK;
}

static fut_status get_ready(run *r)
{
    fut_backend *bk = r->bk;
    static const int64_t row[N] = {0, 1};
    static const double lr = 1e-3;
    static const fut_step_control control = {.scale = 1};
    size_t plain = PLAIN * sizeof(float), params = (size_t)C * C * 9 * sizeof(float), act = bk->act_bytes(bk, shape, FUT_F32);
    void *device = NULL;
    FUT_TRY(bk->alloc_host(bk, plain, (void **)&r->pinned));
    for (int i = 0; i < PLAIN; i++)
        r->pinned[i] = (float)(i % 7) - 3;
    FUT_TRY(bk->stream_create(bk, &r->side));
    FUT_TRY(bk->event_create(bk, &r->begin));
    FUT_TRY(bk->event_create(bk, &r->fork));
    FUT_TRY(bk->event_create(bk, &r->join));
    void **const acts[] = {&r->x, &r->y, &r->dx};
    for (int i = 0; i < 3; i++)
        FUT_TRY(block_new(r, act, NULL, acts[i]));
    float **const packs[] = {&r->p, &r->g, &r->m, &r->v, &r->w, &r->b, &r->dw, &r->db};
    for (int i = 0; i < 8; i++)
        FUT_TRY(block_new(r, params, NULL, packs[i]));
    void **const plains[] = {&r->pooled, &r->dpooled, &r->e, &r->h, &r->norm, &r->dh, &r->sim, &r->dsim, &r->kind};
    for (int i = 0; i < 9; i++)
        FUT_TRY(block_new(r, (size_t)N * C * sizeof(float), NULL, plains[i]));
    FUT_TRY(block_new(r, FUT_ROW_SUMS * sizeof(double), NULL, &r->sums));
    FUT_TRY(block_new(r, sizeof lr, &lr, &r->lr));
    FUT_TRY(block_new(r, sizeof control, &control, &r->control));
    FUT_TRY(block_new(r, sizeof row, row, &device));
    r->rows = (fut_pair_rows){.n = N, .refs = N, .dim = EMBEDDING, .row = device, .label = device, .image = device};
    FUT_TRY(block_new(r, plain, NULL, &device));
    FUT_TRY(bk->upload(bk, device, r->pinned, plain, NULL));
    FUT_TRY(bk->act_import(bk, shape, FUT_F32, FUT_F32, device, r->x, NULL));
    return plan_ops(r);
}

static fut_status forward_and_back(run *r)
{
    for (int i = 0; i < OPS; i++) {
        const fut_op_ops *ops = r->op[i]->ops;
        if (ops->prepare) FUT_TRY(ops->prepare(r->op[i], &r->args[i]));
        FUT_TRY(ops->forward(r->op[i], &r->args[i]));
        FUT_TRY(ops->backward_data(r->op[i], &r->args[i]));
        if (ops->backward_params) FUT_TRY(ops->backward_params(r->op[i], &r->args[i]));
    }
    return FUT_OK;
}

static fut_status finish_step(run *r)
{
    fut_backend *bk = r->bk;
    static const fut_row_miner all_pairs = {.kind = FUT_MINER_ALL_PAIRS};
    static const fut_row_loss loss = {
        .kind = FUT_ROW_CONTRASTIVE, .sign = -1, .pos_margin = 1, .neg_margin = .05, .high = INFINITY, .mean = true};
    static const fut_adam_args adam = {.beta1 = .9, .beta2 = .999, .eps = 1e-8};
    FUT_TRY(bk->event_record(bk, r->fork, NULL));
    FUT_TRY(bk->event_wait(bk, r->side, r->fork));
    FUT_TRY(bk->add(bk, N * C, FUT_F32, r->pooled, r->dpooled, r->side));
    FUT_TRY(bk->event_record(bk, r->join, r->side));
    FUT_TRY(bk->linear(bk, N, C, EMBEDDING, FUT_F32, r->pooled, r->w, r->b, r->e, NULL));
    FUT_TRY(bk->normalize_rows(bk, N, EMBEDDING, FUT_F32, r->e, r->h, r->norm, NULL));
    FUT_TRY(bk->similarity_rows(bk, &r->rows, FUT_F32, r->h, r->h, r->sim, NULL));
    FUT_TRY(bk->select_pairs(bk, &r->rows, &all_pairs, FUT_F32, r->sim, r->kind, NULL));
    FUT_TRY(bk->row_loss(bk, &r->rows, &loss, FUT_F32, r->sim, r->kind, r->dsim, r->sums, NULL));
    FUT_TRY(bk->row_loss_weigh(bk, &r->rows, &loss, FUT_F32, r->kind, r->sums, r->dsim, NULL));
    FUT_TRY(bk->rows_times(bk, &r->rows, FUT_F32, 2, r->dsim, r->h, r->dh, NULL));
    FUT_TRY(bk->normalize_rows_backward(bk, N, EMBEDDING, FUT_F32, NULL, r->h, r->norm, r->dh, r->dh, NULL));
    FUT_TRY(bk->event_wait(bk, NULL, r->join));
    FUT_TRY(bk->linear_backward(bk, N, C, EMBEDDING, FUT_F32, r->pooled, r->w, r->dh, r->dpooled, r->dw, r->db, NULL));
    FUT_TRY(bk->step_check(bk, C * C * 9, FUT_F32, r->g, r->sums, 1, r->control, NULL));
    return bk->adam(bk, C * C * 9, FUT_F32, &adam, r->lr, r->control, NULL, r->p, r->g, r->m, r->v, NULL);
}

/* A recording ends also where something in it failed: until then the device refuses to free. */
static fut_status record_step(run *r)
{
    FUT_TRY(r->bk->record_begin(r->bk, NULL));
    fut_status st = forward_and_back(r);
    if (st == FUT_OK) st = finish_step(r);
    fut_status ended = r->bk->record_end(r->bk, NULL, &r->recording);
    return st != FUT_OK ? st : ended;
}

static fut_status live(run *r)
{
    fut_backend_options options = {.threads = 1, .deterministic = true};
    const char *ranks = getenv("FUT_TEST_RANKS");
    options.ranks_on_node = ranks ? atoi(ranks) : 1;
    FUT_TRY(fut_backend_create("cuda", &options, &r->bk));
    fut_backend *bk = r->bk;
    FUT_TRY(get_ready(r));
    FUT_TRY(bk->event_record(bk, r->begin, NULL));
    FUT_TRY(forward_and_back(r));
    FUT_TRY(finish_step(r));
    FUT_TRY(bk->sync(bk, NULL));
    FUT_TRY(record_step(r));
    FUT_TRY(bk->replay(bk, r->recording, NULL));
    FUT_TRY(bk->download(bk, r->pinned, r->e, N * EMBEDDING * sizeof(float), NULL));
    FUT_TRY(bk->event_record(bk, r->join, NULL));
    FUT_TRY(bk->sync(bk, NULL));
    bool done = false;
    double seconds = 0;
    FUT_TRY(bk->event_done(bk, r->join, &done));
    return bk->event_seconds(bk, r->begin, r->join, &seconds);
}

static void release(run *r)
{
    fut_backend *bk = r->bk;
    if (!bk) return;
    for (int i = 0; i < OPS; i++)
        fut_op_destroy(&r->op[i]);
    bk->recording_destroy(bk, r->recording);
    bk->event_destroy(bk, r->begin);
    bk->event_destroy(bk, r->fork);
    bk->event_destroy(bk, r->join);
    if (r->side) bk->stream_destroy(bk, r->side);
    for (int i = 0; i < r->blocks; i++)
        bk->free(bk, r->block[i]);
    bk->free_host(bk, r->pinned);
    fut_backend_destroy(&r->bk);
}

/* Exit code of the error, which is printed; 98 where heap blocks are left. The double makes it 99 where something of the device is. */
static int child(void)
{
    int64_t before = fut_mem_bytes();
    static run r;
    fut_status st = live(&r);
    if (st != FUT_OK) printf("%s [%s]\n", fut_trail_message(), fut_trail_place());
    release(&r);
    fut_trail_clear();
    if (fut_mem_bytes() != before) {
        printf("%lld bytes of the heap are left\n", (long long)(fut_mem_bytes() - before));
        return 98;
    }
    return fut_status_exit_code(st);
}

/* ---- the parent ---- */

static char self[1024];
static fut_test_dir dir;

enum { SAID_MAX = 4096 };

/* Run the child with these variables set; what it said in said [SAID_MAX]. */
static int run_child(const char *variables, char *said)
{
    char command[4096];
    (void)snprintf(command, sizeof command, "FUTAGO_MODULES=%s/double GPU_DOUBLE_DELAY_US=0 GPU_DOUBLE_LEAKS=2 %s timeout 60 %s child 2>&1",
                   FUT_TEST_BINARY_DIR, variables, self);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t length = fread(said, 1, SAID_MAX - 1, pipe);
    said[length] = '\0';
    while (fgetc(pipe) != EOF)
        ;
    int status = pclose(pipe);
    if (!WIFEXITED(status)) fail_msg("%s: ended by signal %d: %s", variables, WTERMSIG(status), said);
    return WEXITSTATUS(status);
}

static void expect(const char *variables, int exit_code, const char *text)
{
    char said[SAID_MAX];
    int got = run_child(variables, said);
    if (got != exit_code || !strstr(said, text))
        fail_msg("%s: exit code %d, must be %d with '%s': %s", variables, got, exit_code, text, said);
}

/* Which GPU, or why none. */
static void test_creation(void **state)
{
    (void)state;
    expect("GPU_DOUBLE_DRIVER=0", 78, "no NVIDIA driver on this machine");
    expect("GPU_DOUBLE_DRIVER=12040", 78, "knows CUDA up to 12.4 and this build needs 13.0");
    expect("GPU_DOUBLE_DEVICES=0", 78, "no GPU on this machine");
    expect("CUDA_VISIBLE_DEVICES=", 78, "CUDA_VISIBLE_DEVICES is '', which leaves no GPU");
    expect("CUDA_VISIBLE_DEVICES=9", 78, "CUDA_VISIBLE_DEVICES is '9'");
    expect("FUT_TEST_RANKS=5", 78, "5 ranks on this node and 4 GPUs");
    expect("FUT_TEST_RANKS=2 CUDA_VISIBLE_DEVICES=3", 78, "2 ranks on this node and 1 GPU, of those CUDA_VISIBLE_DEVICES names");
    expect("GPU_DOUBLE_MEMORY=1000000", 71, "out of memory");
    expect("GPU_DOUBLE_MEMORY=9000000", 71, "are free");
}

typedef struct entry {
    char name[64];
    long calls;
} entry;
enum { ENTRIES_MAX = 128 };

static int count_calls(entry *entries)
{
    char path[FUT_TEST_PATH_MAX], variables[FUT_TEST_PATH_MAX + 32], said[SAID_MAX];
    fut_test_dir_path(&dir, "calls", path);
    (void)snprintf(variables, sizeof variables, "GPU_DOUBLE_COUNT=%s", path);
    int got = run_child(variables, said);
    if (got != 0) fail_msg("without a failure: exit code %d: %s", got, said);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    int count = 0;
    while (count < ENTRIES_MAX && fscanf(file, "%63s %ld", entries[count].name, &entries[count].calls) == 2)
        count++;
    (void)fclose(file);
    assert_true(count > 20);
    return count;
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* A failed release is nobody's error, the last wait of a stream belongs to its release, and a look at an error is no work. */
static bool may_fail_unseen(const char *name, bool last)
{
    return (last && strcmp(name, "cudaStreamSynchronize") == 0) || strstr(name, "Free") || strstr(name, "Destroy") ||
           strstr(name, "GetLastError") || strcmp(name, "cudaMemGetInfo") == 0;
}

static void fail_nth(const char *name, long nth, bool last)
{
    char variables[256], said[SAID_MAX];
    /* Out of memory; CUDNN_STATUS_EXECUTION_FAILED; CUBLAS_STATUS_EXECUTION_FAILED; an ECC error on the device; cudaErrorUnknown. */
    bool memory = starts(name, "cudaMalloc"), dnn = starts(name, "cudnn"), blas = starts(name, "cublas");
    bool device = strcmp(name, "kernel") == 0 || strcmp(name, "stream") == 0;
    int code = memory ? 2 : dnn ? 5000 : blas ? 13 : device ? 214 : 999;
    int want = memory ? 71 : dnn || blas || device ? 74 : 70;
    (void)snprintf(variables, sizeof variables, "GPU_DOUBLE_FAIL=%s:%ld=%d", name, nth, code);
    int got = run_child(variables, said);
    if (may_fail_unseen(name, last) && got == 0) return;
    /* An engine that cannot be finalized or timed is one that does not fit; the next one is taken. */
    if ((starts(name, "cudnnBackend") || strcmp(name, "cudnnSetStream") == 0) && got == 0) return;
    bool absent = want == 70 && got == 78; /* a library that does not start counts as one that is not there */
    if (got != want && !absent) fail_msg("%s: exit code %d, must be %d: %s", variables, got, want, said);
    if (!device && strcmp(name, "cudaLaunchKernel") != 0 && !strstr(said, name)) fail_msg("%s: not named: %s", variables, said);
    if (!strstr(said, "[core/backend/cuda/")) fail_msg("%s: no place: %s", variables, said);
}

static void test_each_call(void **state)
{
    (void)state;
    static entry entries[ENTRIES_MAX];
    int count = count_calls(entries);
    for (int i = 0; i < count; i++) {
        long calls = entries[i].calls, last = 0;
        const long places[] = {1, 2, calls / 2, calls};
        for (int k = 0; k < 4; k++)
            if (places[k] > last && places[k] <= calls) fail_nth(entries[i].name, last = places[k], places[k] == calls);
    }
    print_message("  %d entry points\n", count);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "child") == 0) return child();
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return 1;
    if (access(FUT_TEST_BINARY_DIR "/double/futago_cuda.so", R_OK) != 0) {
        print_message("skipped: the GPU double is not built\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_creation), cmocka_unit_test(test_each_call)};
    fut_test_dir_create(&dir);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fut_test_dir_remove(&dir);
    return failed;
}
