/* Every kernel that has a backward, in double on ref. */
#include "core/base/mem.h"
#include "tests/gradcheck/gradcheck.h"

#include <stdio.h>
#include <string.h>

enum { VARIABLES_MAX = 6 };

static fut_backend *bk;

/* A planned op with buffers for everything it may touch; the loss is <y, dy>. */
typedef struct op_case {
    const char *what;
    fut_op *op;
    fut_op_args args;
    int64_t y_count;
    gradcheck_variable variable[VARIABLES_MAX];
    int variables;
    void *owned[4 * VARIABLES_MAX];
    int owned_count;
} op_case;

static double *new_doubles(op_case *c, int64_t count, uint64_t stream)
{
    double *values = NULL;
    FUT_TEST_OK(FUT_NEW_ARRAY(count, &values));
    c->owned[c->owned_count++] = values;
    if (stream > 0) gradcheck_fill(values, count, stream);
    return values;
}

/* A variable filled at random, with room for its gradient. */
static void new_variable(op_case *c, const char *name, int64_t count, const void **value_out, void **gradient_out)
{
    double *value = new_doubles(c, count, (uint64_t)c->variables + 1), *gradient = new_doubles(c, count, 0);
    c->variable[c->variables++] = (gradcheck_variable){.name = name, .value = value, .gradient = gradient, .count = count};
    *value_out = value;
    *gradient_out = gradient;
}

static void new_param(op_case *c, int i, const char *name, int64_t count)
{
    new_variable(c, name, count, &c->args.param[i], &c->args.dparam[i]);
}

static void new_output(op_case *c, int64_t count)
{
    c->y_count = count;
    c->args.y = new_doubles(c, count, 0);
    c->args.dy = new_doubles(c, count, 100);
    c->args.saved = new_doubles(c, (int64_t)(c->op->saved_bytes / sizeof(double)), 0);
    c->args.scratch = new_doubles(c, (int64_t)(c->op->scratch_bytes / sizeof(double)), 0);
}

static double op_loss(void *context)
{
    op_case *c = context;
    FUT_TEST_OK(c->op->ops->forward(c->op, &c->args));
    return gradcheck_dot(c->args.y, c->args.dy, c->y_count);
}

/* Forward, backward, check every variable; then free everything. */
static void check_op(op_case *c)
{
    op_loss(c);
    FUT_TEST_OK(c->op->ops->backward_data(c->op, &c->args));
    if (c->op->ops->backward_params) FUT_TEST_OK(c->op->ops->backward_params(c->op, &c->args));
    for (int i = 0; i < c->variables; i++)
        gradcheck(c->what, &c->variable[i], op_loss, c);
    fut_op_destroy(&c->op);
    for (int i = 0; i < c->owned_count; i++)
        fut_mem_free(c->owned[i]);
}

/* ---- convolution ----------------------------------------------------------------------------------------------------------------- */

static void check_conv(const char *what, const fut_conv_desc *d)
{
    op_case c = {.what = what};
    FUT_TEST_OK(bk->conv(bk, d, &c.op));
    int64_t out_h = (d->x.h + d->pad_top + d->pad_bottom - d->kh) / d->stride + 1;
    int64_t out_w = (d->x.w + d->pad_left + d->pad_right - d->kw) / d->stride + 1;
    new_variable(&c, "x", d->x.n * d->x.c * d->x.h * d->x.w, &c.args.x, &c.args.dx);
    new_param(&c, 0, "weight", d->out_c * d->x.c / d->groups * d->kh * d->kw);
    new_output(&c, d->x.n * d->out_c * out_h * out_w);
    check_op(&c);
}

static void conv(void **state)
{
    (void)state;
    fut_conv_desc d = {.x = {2, 3, 6, 5}, .out_c = 4, .kh = 3, .kw = 3, .stride = 1, .groups = 1, .dtype = FUT_F64, .real = FUT_F64};
    d.need_dx = true;
    check_conv("conv 3x3, no padding", &d);
    d.pad_top = d.pad_left = d.pad_bottom = d.pad_right = 1;
    check_conv("conv 3x3, padding 1", &d);
    d.stride = 2;
    d.pad_top = d.pad_left = 0;
    check_conv("conv 3x3, stride 2, padding after only", &d);
    d.pad_top = 2;
    d.pad_right = 0;
    check_conv("conv 3x3, stride 2, padding 2 above, 1 below", &d);
}

static void conv_pointwise(void **state)
{
    (void)state;
    fut_conv_desc d = {.x = {3, 5, 4, 3}, .out_c = 7, .kh = 1, .kw = 1, .stride = 1, .groups = 1, .dtype = FUT_F64, .real = FUT_F64};
    d.need_dx = true;
    check_conv("conv 1x1", &d);
    d.stride = 2;
    check_conv("conv 1x1, stride 2", &d);
}

static void conv_depthwise(void **state)
{
    (void)state;
    fut_conv_desc d = {.x = {2, 4, 7, 6}, .out_c = 4, .kh = 5, .kw = 5, .stride = 1, .groups = 4, .dtype = FUT_F64, .real = FUT_F64};
    d.need_dx = true;
    d.pad_top = d.pad_left = d.pad_bottom = d.pad_right = 2;
    check_conv("depthwise 5x5", &d);
    d.stride = 2;
    d.pad_left = 1;
    check_conv("depthwise 5x5, stride 2, padding 1 left, 2 right", &d);
    d.kh = d.kw = 3;
    d.pad_top = d.pad_left = 0;
    d.pad_bottom = d.pad_right = 1;
    check_conv("depthwise 3x3, stride 2, padding after only", &d);
}

/* ---- norm_act -------------------------------------------------------------------------------------------------------------------- */

static void check_norm_act(fut_act_kind act, bool residual, bool residual_after)
{
    static const char *const act_names[] = {"none", "relu", "relu6", "silu", "prelu"};
    char what[64];
    snprintf(what, sizeof what, "norm_act %s%s", act_names[act],
             !residual        ? ""
             : residual_after ? ", residual after"
                              : ", residual inside");
    fut_norm_act_desc d = {.x = {3, 4, 3, 5}, .eps = 1e-3, .act = act, .residual = residual, .residual_after = residual_after};
    d.dtype = d.real = FUT_F64;
    op_case c = {.what = what};
    FUT_TEST_OK(bk->norm_act(bk, &d, &c.op));
    int64_t count = d.x.n * d.x.c * d.x.h * d.x.w;
    new_variable(&c, "x", count, &c.args.x, &c.args.dx);
    if (residual) new_variable(&c, "residual", count, &c.args.residual, &c.args.dresidual);
    new_param(&c, 0, "gamma", d.x.c);
    new_param(&c, 1, "beta", d.x.c);
    if (act == FUT_ACT_PRELU) new_param(&c, 2, "slope", d.x.c);
    /* relu6's upper corner is reached with a gamma of some size. */
    for (int64_t i = 0; i < d.x.c; i++)
        ((double *)c.args.param[0])[i] = act == FUT_ACT_RELU6 ? 4 + (double)i : 0.5 + (double)i;
    new_output(&c, count);
    for (int i = 0; i < 2; i++)
        c.args.batch[i] = new_doubles(&c, d.x.c, 0);
    check_op(&c);
}

static void norm_act(void **state)
{
    (void)state;
    for (int act = FUT_ACT_NONE; act <= FUT_ACT_PRELU; act++) {
        check_norm_act((fut_act_kind)act, false, false);
        check_norm_act((fut_act_kind)act, true, true);
        check_norm_act((fut_act_kind)act, true, false);
    }
}

/* ---- squeeze_excite, pools ------------------------------------------------------------------------------------------------------ */

static void squeeze_excite(void **state)
{
    (void)state;
    for (int act = FUT_ACT_RELU; act <= FUT_ACT_SILU; act++) {
        fut_se_desc d = {.x = {3, 6, 3, 4}, .reduced = 4, .act = (fut_act_kind)act, .dtype = FUT_F64, .real = FUT_F64};
        op_case c = {.what = "squeeze_excite"};
        FUT_TEST_OK(bk->squeeze_excite(bk, &d, &c.op));
        int64_t count = d.x.n * d.x.c * d.x.h * d.x.w;
        new_variable(&c, "x", count, &c.args.x, &c.args.dx);
        new_param(&c, 0, "w1", d.reduced * d.x.c);
        new_param(&c, 1, "b1", d.reduced);
        new_param(&c, 2, "w2", d.x.c * d.reduced);
        new_param(&c, 3, "b2", d.x.c);
        new_output(&c, count);
        check_op(&c);
    }
}

static void max_pool(void **state)
{
    (void)state;
    const fut_max_pool_desc cases[] = {
        {.x = {2, 3, 7, 6}, .kernel = 3, .stride = 2, .pad = 1, .dtype = FUT_F64},
        {.x = {1, 2, 6, 8}, .kernel = 2, .stride = 2, .pad = 0, .dtype = FUT_F64},
        {.x = {1, 2, 5, 5}, .kernel = 3, .stride = 1, .pad = 1, .dtype = FUT_F64}, /* pixels that win several windows */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const fut_max_pool_desc *d = &cases[i];
        op_case c = {.what = "max_pool"};
        FUT_TEST_OK(bk->max_pool(bk, d, &c.op));
        int64_t out_h = (d->x.h + 2 * d->pad - d->kernel) / d->stride + 1, out_w = (d->x.w + 2 * d->pad - d->kernel) / d->stride + 1;
        new_variable(&c, "x", d->x.n * d->x.c * d->x.h * d->x.w, &c.args.x, &c.args.dx);
        new_output(&c, d->x.n * d->x.c * out_h * out_w);
        check_op(&c);
    }
}

static void global_pool(void **state)
{
    (void)state;
    fut_shape4 x = {2, 3, 4, 5};
    op_case c = {.what = "global_pool"};
    FUT_TEST_OK(bk->global_pool(bk, x, FUT_F64, FUT_F64, &c.op));
    new_variable(&c, "x", x.n * x.c * x.h * x.w, &c.args.x, &c.args.dx);
    new_output(&c, x.n * x.c);
    check_op(&c);
}

/* ---- immediate kernels ----------------------------------------------------------------------------------------------------------- */

enum { ROWS = 3, IN = 5, OUT = 4 };

typedef struct dense {
    double x[ROWS * IN], w[OUT * IN], b[OUT], y[ROWS * OUT], dy[ROWS * OUT];
} dense;

static double linear_loss(void *context)
{
    dense *d = context;
    FUT_TEST_OK(bk->linear(bk, ROWS, IN, OUT, FUT_F64, d->x, d->w, d->b, d->y, NULL));
    return gradcheck_dot(d->y, d->dy, ROWS * OUT);
}

static void linear(void **state)
{
    (void)state;
    dense d;
    double dx[ROWS * IN], dw[OUT * IN], db[OUT];
    gradcheck_fill(d.x, ROWS * IN, 1);
    gradcheck_fill(d.w, OUT * IN, 2);
    gradcheck_fill(d.b, OUT, 3);
    gradcheck_fill(d.dy, ROWS * OUT, 4);
    FUT_TEST_OK(bk->linear_backward(bk, ROWS, IN, OUT, FUT_F64, d.x, d.w, d.dy, dx, dw, db, NULL));
    const gradcheck_variable variables[] = {
        {.name = "x", .value = d.x, .gradient = dx, .count = ROWS * IN},
        {.name = "w", .value = d.w, .gradient = dw, .count = OUT * IN},
        {.name = "b", .value = d.b, .gradient = db, .count = OUT},
    };
    for (int i = 0; i < 3; i++)
        gradcheck("linear", &variables[i], linear_loss, &d);
}

typedef struct unit_rows {
    double e[ROWS * IN], h[ROWS * IN], norm[ROWS], dh[ROWS * IN];
} unit_rows;

static double normalize_loss(void *context)
{
    unit_rows *u = context;
    FUT_TEST_OK(bk->normalize_rows(bk, ROWS, IN, FUT_F64, u->e, u->h, u->norm, NULL));
    return gradcheck_dot(u->h, u->dh, ROWS * IN);
}

static void normalize_rows(void **state)
{
    (void)state;
    unit_rows u;
    double de[ROWS * IN];
    gradcheck_fill(u.e, ROWS * IN, 1);
    gradcheck_fill(u.dh, ROWS * IN, 2);
    normalize_loss(&u);
    FUT_TEST_OK(bk->normalize_rows_backward(bk, ROWS, IN, FUT_F64, NULL, u.h, u.norm, u.dh, de, NULL));
    gradcheck_variable e = {.name = "e", .value = u.e, .gradient = de, .count = ROWS * IN};
    gradcheck("normalize_rows", &e, normalize_loss, &u);
}

static int create_backend(void **state)
{
    (void)state;
    return fut_backend_create("ref", &(fut_backend_options){.threads = 1}, &bk) == FUT_OK ? 0 : -1;
}

static int destroy_backend(void **state)
{
    (void)state;
    fut_backend_destroy(&bk);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv),        cmocka_unit_test(conv_pointwise), cmocka_unit_test(conv_depthwise),
        cmocka_unit_test(norm_act),    cmocka_unit_test(squeeze_excite), cmocka_unit_test(max_pool),
        cmocka_unit_test(global_pool), cmocka_unit_test(linear),         cmocka_unit_test(normalize_rows),
    };
    return cmocka_run_group_tests(tests, create_backend, destroy_backend);
}
