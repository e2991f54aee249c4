/* oneDNN 2.x. */
#include "core/backend/cpu/cpu_dnnl.h"

#include "core/base/mem.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <string.h>

struct fut_dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int threads;
};

enum { ARG_X, ARG_WEIGHTS, ARG_Y, ARG_SCRATCH, ARG_BIAS, ARG_SLOPE, ARG_RESIDUAL, ARGS };

struct fut_dnnl_conv {
    fut_dnnl *dnnl;
    dnnl_primitive_t primitive, copy; /* copy: reorder of the weights, NULL where they are plain */
    dnnl_memory_desc_t weights;
    dnnl_exec_arg_t args[ARGS];
    dnnl_memory_t plain_weights; /* of copy; its other side is args[ARG_WEIGHTS] */
    bool copies_out;
    size_t scratch_bytes, x_bytes, y_bytes;
    const char *impl;
};

#define FUT_DNNL(expr)                                                                                                                     \
    do {                                                                                                                                   \
        dnnl_status_t dnnl_status_ = (expr);                                                                                               \
        if (dnnl_status_ != dnnl_success) return dnnl_fail(dnnl_status_, #expr);                                                           \
    } while (0)

static fut_status dnnl_fail(dnnl_status_t status, const char *what)
{
    switch (status) {
    case dnnl_out_of_memory:
        return FUT_FAIL(FUT_ERR_NO_MEMORY, "oneDNN is out of memory in %s", what);
    case dnnl_unimplemented:
        return FUT_FAIL(FUT_ERR_UNSUPPORTED, "oneDNN does not implement %s on this processor", what);
    default:
        return FUT_FAIL(FUT_ERR_INTERNAL, "oneDNN refused %s with status %d", what, (int)status);
    }
}

fut_dnnl_isa fut_dnnl_get_isa(void)
{
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    fut_dnnl_isa found = {
        .avx2 = (isa & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2,
        .avx512 = (isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core,
        .bf16 = (isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16,
    };
    bool amx = (isa & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx;
    bool vnni = (isa & dnnl_cpu_isa_avx512_core_vnni) == dnnl_cpu_isa_avx512_core_vnni;
    found.name = amx            ? "avx512_core_amx"
                 : found.bf16   ? "avx512_core_bf16"
                 : vnni         ? "avx512_core_vnni"
                 : found.avx512 ? "avx512_core"
                 : found.avx2   ? "avx2"
                                : "sse41";
    return found;
}

void fut_dnnl_version(char *text, size_t size)
{
    const dnnl_version_t *version = dnnl_version();
    (void)snprintf(text, size, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
}

static fut_status open_engine(fut_dnnl *dnnl)
{
    omp_set_num_threads(dnnl->threads);
    FUT_DNNL(dnnl_engine_create(&dnnl->engine, dnnl_cpu, 0));
    FUT_DNNL(dnnl_stream_create(&dnnl->stream, dnnl->engine, dnnl_stream_default_flags));
    return FUT_OK;
}

fut_status fut_dnnl_create(int threads, fut_dnnl **dnnl_out)
{
    fut_status st = FUT_OK;
    fut_dnnl *dnnl = NULL;
    FUT_TRY(FUT_NEW(&dnnl));
    dnnl->threads = threads;
    FUT_TRY_GOTO(open_engine(dnnl), out);
    *dnnl_out = dnnl;
    dnnl = NULL;
out:
    fut_dnnl_destroy(&dnnl);
    return st;
}

void fut_dnnl_destroy(fut_dnnl **dnnl)
{
    if (!*dnnl) return;
    if ((*dnnl)->stream) dnnl_stream_destroy((*dnnl)->stream);
    if ((*dnnl)->engine) dnnl_engine_destroy((*dnnl)->engine);
    fut_mem_free(*dnnl);
    *dnnl = NULL;
}

static fut_status activation_layout(fut_shape4 shape, fut_dtype dtype, int lanes, dnnl_memory_desc_t *layout_out)
{
    const dnnl_dims_t dims = {shape.n, shape.c, shape.h, shape.w};
    dnnl_format_tag_t tag = shape.c == 3 ? dnnl_nchw : lanes == 16 ? dnnl_nChw16c : dnnl_nChw8c;
    FUT_DNNL(dnnl_memory_desc_init_by_tag(layout_out, 4, dims, dtype == FUT_BF16 ? dnnl_bf16 : dnnl_f32, tag));
    return FUT_OK;
}

static fut_status weight_layout(const fut_conv_desc *d, dnnl_data_type_t type, bool plain, dnnl_memory_desc_t *layout_out)
{
    bool grouped = d->groups > 1;
    const dnnl_dims_t dense = {d->out_c, d->x.c, d->kh, d->kw};
    const dnnl_dims_t groups = {d->groups, d->out_c / d->groups, d->x.c / d->groups, d->kh, d->kw};
    dnnl_format_tag_t tag = !plain ? dnnl_format_tag_any : grouped ? dnnl_goihw : dnnl_oihw;
    FUT_DNNL(dnnl_memory_desc_init_by_tag(layout_out, grouped ? 5 : 4, grouped ? groups : dense, type, tag));
    return FUT_OK;
}

static fut_shape4 shape_out(const fut_conv_desc *d)
{
    return (fut_shape4){d->x.n, d->out_c, (d->x.h + d->pad_top + d->pad_bottom - d->kh) / d->stride + 1,
                        (d->x.w + d->pad_left + d->pad_right - d->kw) / d->stride + 1};
}

static int64_t winograd_tiles(fut_shape4 out)
{
    return (out.h + 3) / 4 * ((out.w + 3) / 4);
}

/* Winograd's F(4x4, 3x3) multiplies 36 numbers where a direct convolution multiplies 144, and loses half of that to its transforms. It pays
 * where tiles of 4x4 cover the output without much waste. A rule of the shape, never of a clock, and not of the number of images: the same
 * bits on every rank, and for a photo whatever batch it is in. oneDNN 2.x has it for f32 with AVX-512 and unit strides; 3.x has none. */
static bool winograd_pays(const fut_conv_desc *d, fut_shape4 out)
{
    int64_t covered = winograd_tiles(out) * 16;
    return d->dtype == FUT_F32 && d->groups == 1 && d->kh == 3 && d->kw == 3 && d->stride == 1 && d->x.c >= 8 && d->out_c >= 8 &&
           out.h * out.w * 2 > covered;
}

int64_t fut_dnnl_conv_part(const fut_dnnl *dnnl, const fut_conv_desc *desc)
{
    enum { TILES_A_THREAD = 128, TILES = 256 };
    fut_shape4 out = shape_out(desc);
    int64_t tiles = dnnl->threads * TILES_A_THREAD > TILES ? dnnl->threads * TILES_A_THREAD : TILES, part = 1;
    if (!winograd_pays(desc, out)) return 0;
    while (part * winograd_tiles(out) < tiles)
        part *= 2; /* most batches are multiples of it */
    return part;
}

/* One value a channel, f32. */
static fut_status channel_layout(int64_t channels, dnnl_memory_desc_t *layout_out)
{
    const dnnl_dims_t dims = {channels};
    FUT_DNNL(dnnl_memory_desc_init_by_tag(layout_out, 1, dims, dnnl_f32, dnnl_a));
    return FUT_OK;
}

/* Primitive descriptors want the forward's as a hint; a pass makes its own. attr: with a tail or without; only a forward has_bias. */
static fut_status describe_pass(fut_dnnl *dnnl, fut_dnnl_pass pass, const fut_conv_desc *d, int lanes, dnnl_alg_kind_t algorithm,
                                bool has_bias, const_dnnl_primitive_attr_t attr, const_dnnl_primitive_desc_t hint,
                                dnnl_primitive_desc_t *description_out)
{
    const dnnl_dims_t strides = {d->stride, d->stride}, before = {d->pad_top, d->pad_left}, after = {d->pad_bottom, d->pad_right};
    dnnl_memory_desc_t x, y, weights, bias;
    dnnl_convolution_desc_t conv;
    FUT_TRY(activation_layout(d->x, d->dtype, lanes, &x));
    FUT_TRY(activation_layout(shape_out(d), d->dtype, lanes, &y));
    FUT_TRY(channel_layout(d->out_c, &bias));
    bool half = d->dtype == FUT_BF16 && pass != FUT_DNNL_BACKWARD_WEIGHTS;
    FUT_TRY(weight_layout(d, half ? dnnl_bf16 : dnnl_f32, false, &weights));
    switch (pass) {
    case FUT_DNNL_FORWARD:
        FUT_DNNL(dnnl_convolution_forward_desc_init(&conv, dnnl_forward_training, algorithm, &x, &weights, has_bias ? &bias : NULL, &y,
                                                    strides, before, after));
        break;
    case FUT_DNNL_BACKWARD_DATA:
        FUT_DNNL(dnnl_convolution_backward_data_desc_init(&conv, algorithm, &x, &weights, &y, strides, before, after));
        break;
    case FUT_DNNL_BACKWARD_WEIGHTS:
        FUT_DNNL(dnnl_convolution_backward_weights_desc_init(&conv, algorithm, &x, &weights, NULL, &y, strides, before, after));
        break;
    }
    dnnl_status_t status = dnnl_primitive_desc_create(description_out, &conv, attr, dnnl->engine, hint);
    if (status == dnnl_unimplemented) return FUT_OK; /* the caller knows what else to try */
    return status == dnnl_success ? FUT_OK : dnnl_fail(status, "this convolution");
}

/* *description_out stays NULL where there is none. */
static fut_status choose_pass(fut_dnnl *dnnl, fut_dnnl_pass pass, const fut_conv_desc *d, int lanes, bool has_bias,
                              const_dnnl_primitive_attr_t attr, const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *description_out)
{
    if (winograd_pays(d, shape_out(d)))
        FUT_TRY(describe_pass(dnnl, pass, d, lanes, dnnl_convolution_winograd, has_bias, attr, hint, description_out));
    if (*description_out) return FUT_OK;
    return describe_pass(dnnl, pass, d, lanes, dnnl_convolution_direct, has_bias, attr, hint, description_out);
}

static fut_status add_arg(fut_dnnl_conv *conv, int slot, int id, const dnnl_memory_desc_t *layout)
{
    conv->args[slot].arg = id;
    FUT_DNNL(dnnl_memory_create(&conv->args[slot].memory, layout, conv->dnnl->engine, DNNL_MEMORY_NONE));
    return FUT_OK;
}

static fut_status create_copy(fut_dnnl_conv *conv, const fut_conv_desc *d)
{
    dnnl_memory_desc_t plain;
    dnnl_primitive_desc_t description = NULL;
    FUT_TRY(weight_layout(d, dnnl_f32, true, &plain));
    if (dnnl_memory_desc_equal(&plain, &conv->weights)) return FUT_OK;
    FUT_DNNL(dnnl_memory_create(&conv->plain_weights, &plain, conv->dnnl->engine, DNNL_MEMORY_NONE));
    const dnnl_memory_desc_t *from = conv->copies_out ? &conv->weights : &plain, *to = conv->copies_out ? &plain : &conv->weights;
    FUT_DNNL(dnnl_reorder_primitive_desc_create(&description, from, conv->dnnl->engine, to, conv->dnnl->engine, NULL));
    dnnl_status_t status = dnnl_primitive_create(&conv->copy, description);
    dnnl_primitive_desc_destroy(description);
    FUT_DNNL(status);
    return FUT_OK;
}

/* Where a tail's operations stand among the post-ops: bias is none of them. */
static int place_of_act(const fut_dnnl_tail *tail)
{
    return tail->residual && !tail->residual_after ? 1 : 0;
}

static int place_of_residual(const fut_dnnl_tail *tail)
{
    return tail->residual_after && tail->act != FUT_ACT_NONE ? 1 : 0;
}

static fut_status add_tail_args(fut_dnnl_conv *conv, const fut_conv_desc *d, const fut_dnnl_tail *tail, const dnnl_memory_desc_t *y)
{
    dnnl_memory_desc_t bias, slope;
    const dnnl_dims_t channels = {1, d->out_c, 1, 1};
    FUT_TRY(channel_layout(d->out_c, &bias));
    FUT_TRY(add_arg(conv, ARG_BIAS, DNNL_ARG_BIAS, &bias));
    if (tail->residual) FUT_TRY(add_arg(conv, ARG_RESIDUAL, DNNL_ARG_ATTR_MULTIPLE_POST_OP(place_of_residual(tail)) | DNNL_ARG_SRC_1, y));
    if (tail->act != FUT_ACT_PRELU) return FUT_OK;
    FUT_DNNL(dnnl_memory_desc_init_by_tag(&slope, 4, channels, dnnl_f32, dnnl_nchw));
    return add_arg(conv, ARG_SLOPE, DNNL_ARG_ATTR_MULTIPLE_POST_OP(place_of_act(tail)) | DNNL_ARG_WEIGHTS, &slope);
}

/* Borrowed from the description, or from what owns it. */
static fut_status impl_of(const_dnnl_primitive_desc_t description, const char **impl_out)
{
    FUT_DNNL(dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, (void *)impl_out));
    return FUT_OK;
}

/* tail: NULL, or a forward's. */
static fut_status fill_conv(fut_dnnl_conv *conv, fut_dnnl_pass pass, const fut_conv_desc *d, const fut_dnnl_tail *tail,
                            const_dnnl_primitive_desc_t description)
{
    static const struct pass_args {
        dnnl_query_t x, weights, y;
        int x_id, weights_id, y_id;
    } passes[] = {
        [FUT_DNNL_FORWARD] = {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md, DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
        [FUT_DNNL_BACKWARD_DATA] = {dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md, DNNL_ARG_DIFF_SRC,
                                    DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
        [FUT_DNNL_BACKWARD_WEIGHTS] = {dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md, DNNL_ARG_SRC,
                                       DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST},
    };
    const struct pass_args *p = &passes[pass];
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    const dnnl_memory_desc_t *x = dnnl_primitive_desc_query_md(description, p->x, 0);
    const dnnl_memory_desc_t *y = dnnl_primitive_desc_query_md(description, p->y, 0);
    conv->weights = *dnnl_primitive_desc_query_md(description, p->weights, 0);
    conv->scratch_bytes = dnnl_memory_desc_get_size(scratch);
    conv->x_bytes = dnnl_memory_desc_get_size(x);
    conv->y_bytes = dnnl_memory_desc_get_size(y);
    conv->copies_out = pass == FUT_DNNL_BACKWARD_WEIGHTS;
    FUT_DNNL(dnnl_primitive_create(&conv->primitive, description));
    FUT_TRY(add_arg(conv, ARG_X, p->x_id, x));
    FUT_TRY(add_arg(conv, ARG_WEIGHTS, p->weights_id, &conv->weights));
    FUT_TRY(add_arg(conv, ARG_Y, p->y_id, y));
    FUT_TRY(add_arg(conv, ARG_SCRATCH, DNNL_ARG_SCRATCHPAD, scratch));
    const_dnnl_primitive_desc_t own = NULL; /* lives as long as the primitive, and so does its text */
    FUT_DNNL(dnnl_primitive_get_primitive_desc(conv->primitive, &own));
    FUT_TRY(impl_of(own, &conv->impl));
    if (tail) FUT_TRY(add_tail_args(conv, d, tail, dnnl_primitive_desc_query_md(description, p->y, 0)));
    return create_copy(conv, d);
}

static fut_status create_attr(dnnl_primitive_attr_t *attr_out)
{
    FUT_DNNL(dnnl_primitive_attr_create(attr_out));
    FUT_DNNL(dnnl_primitive_attr_set_scratchpad_mode(*attr_out, dnnl_scratchpad_mode_user));
    return FUT_OK;
}

static fut_status append_act(dnnl_post_ops_t ops, fut_act_kind act)
{
    enum { EACH_CHANNEL = 1 << 1, CEILING = 6 };
    switch (act) {
    case FUT_ACT_RELU:
        FUT_DNNL(dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0));
        break;
    case FUT_ACT_RELU6:
        FUT_DNNL(dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_clip, 0, CEILING));
        break;
    case FUT_ACT_SILU:
        FUT_DNNL(dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_swish, 1, 0));
        break;
    case FUT_ACT_PRELU:
        FUT_DNNL(dnnl_post_ops_append_prelu(ops, EACH_CHANNEL));
        break;
    case FUT_ACT_NONE:
        break;
    }
    return FUT_OK;
}

static fut_status append_tail(dnnl_post_ops_t ops, const fut_conv_desc *d, int lanes, const fut_dnnl_tail *tail)
{
    dnnl_memory_desc_t y;
    FUT_TRY(activation_layout(shape_out(d), d->dtype, lanes, &y));
    if (!tail->residual || tail->residual_after) FUT_TRY(append_act(ops, tail->act));
    if (tail->residual) FUT_DNNL(dnnl_post_ops_append_binary(ops, dnnl_binary_add, &y));
    return tail->residual && !tail->residual_after ? append_act(ops, tail->act) : FUT_OK;
}

/* attr copies the post-ops. */
static fut_status set_tail(dnnl_primitive_attr_t attr, const fut_conv_desc *d, int lanes, const fut_dnnl_tail *tail)
{
    dnnl_post_ops_t ops = NULL;
    FUT_DNNL(dnnl_post_ops_create(&ops));
    fut_status st = append_tail(ops, d, lanes, tail);
    dnnl_status_t status = st == FUT_OK ? dnnl_primitive_attr_set_post_ops(attr, ops) : dnnl_success;
    dnnl_post_ops_destroy(ops);
    FUT_TRY(st);
    FUT_DNNL(status);
    return FUT_OK;
}

/* From a forward's description to that with a tail, or NULL where that would be by another implementation. */
static fut_status describe_tail(fut_dnnl *dnnl, const fut_conv_desc *d, int lanes, const fut_dnnl_tail *tail, dnnl_primitive_attr_t attr,
                                dnnl_primitive_desc_t *description)
{
    fut_status st = FUT_OK;
    dnnl_primitive_desc_t with = NULL;
    const char *impl_with = "", *impl_without = "";
    FUT_TRY_GOTO(set_tail(attr, d, lanes, tail), out);
    FUT_TRY_GOTO(choose_pass(dnnl, FUT_DNNL_FORWARD, d, lanes, true, attr, NULL, &with), out);
    if (with) FUT_TRY_GOTO(impl_of(with, &impl_with), out);
    FUT_TRY_GOTO(impl_of(*description, &impl_without), out);
    bool alike = strcmp(impl_with, impl_without) == 0;
    dnnl_primitive_desc_destroy(*description);
    *description = alike ? with : NULL;
    if (alike) with = NULL;
out:
    if (with) dnnl_primitive_desc_destroy(with);
    return st;
}

fut_status fut_dnnl_conv_create(fut_dnnl *dnnl, fut_dnnl_pass pass, const fut_conv_desc *desc, int lanes, const fut_dnnl_tail *tail,
                                fut_dnnl_conv **conv_out)
{
    fut_status st = FUT_OK;
    fut_dnnl_conv *conv = NULL;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t forward = NULL, description = NULL;
    omp_set_num_threads(dnnl->threads);
    FUT_TRY_GOTO(FUT_NEW(&conv), out);
    conv->dnnl = dnnl;
    FUT_TRY_GOTO(create_attr(&attr), out);
    if (pass != FUT_DNNL_FORWARD)
        FUT_TRY_GOTO(describe_pass(dnnl, FUT_DNNL_FORWARD, desc, lanes, dnnl_convolution_direct, false, attr, NULL, &forward), out);
    FUT_TRY_GOTO(choose_pass(dnnl, pass, desc, lanes, false, attr, forward, &description), out);
    FUT_CHECK_GOTO(description, FUT_ERR_UNSUPPORTED, out, "oneDNN does not implement this convolution on this processor");
    if (tail) FUT_TRY_GOTO(describe_tail(dnnl, desc, lanes, tail, attr, &description), out);
    if (!description) goto out;
    FUT_TRY_GOTO(fill_conv(conv, pass, desc, tail, description), out);
    *conv_out = conv;
    conv = NULL;
out:
    if (description) dnnl_primitive_desc_destroy(description);
    if (forward) dnnl_primitive_desc_destroy(forward);
    if (attr) dnnl_primitive_attr_destroy(attr);
    fut_dnnl_conv_destroy(&conv);
    return st;
}

void fut_dnnl_conv_destroy(fut_dnnl_conv **conv)
{
    fut_dnnl_conv *c = *conv;
    if (!c) return;
    if (c->primitive) dnnl_primitive_destroy(c->primitive);
    if (c->copy) dnnl_primitive_destroy(c->copy);
    if (c->plain_weights) dnnl_memory_destroy(c->plain_weights);
    for (int i = 0; i < ARGS; i++)
        if (c->args[i].memory) dnnl_memory_destroy(c->args[i].memory);
    fut_mem_free(c);
    *conv = NULL;
}

const char *fut_dnnl_conv_impl(const fut_dnnl_conv *conv)
{
    return conv->impl;
}

size_t fut_dnnl_conv_weight_bytes(const fut_dnnl_conv *conv)
{
    return dnnl_memory_desc_get_size(&conv->weights);
}

size_t fut_dnnl_conv_scratch_bytes(const fut_dnnl_conv *conv)
{
    return conv->scratch_bytes;
}

size_t fut_dnnl_conv_x_bytes(const fut_dnnl_conv *conv)
{
    return conv->x_bytes;
}

size_t fut_dnnl_conv_y_bytes(const fut_dnnl_conv *conv)
{
    return conv->y_bytes;
}

bool fut_dnnl_conv_weights_plain(const fut_dnnl_conv *conv)
{
    return !conv->copy;
}

bool fut_dnnl_conv_same_weights(const fut_dnnl_conv *a, const fut_dnnl_conv *b)
{
    return dnnl_memory_desc_equal(&a->weights, &b->weights);
}

/* oneDNN takes every handle as void *, though it only writes outputs. */
static fut_status point(dnnl_memory_t memory, const void *data)
{
    FUT_DNNL(dnnl_memory_set_data_handle(memory, (void *)(uintptr_t)data));
    return FUT_OK;
}

fut_status fut_dnnl_conv_copy_weights(fut_dnnl_conv *conv, const void *from, void *to)
{
    dnnl_memory_t inside = conv->args[ARG_WEIGHTS].memory, outside = conv->plain_weights;
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, conv->copies_out ? inside : outside},
                                    {DNNL_ARG_TO, conv->copies_out ? outside : inside}};
    omp_set_num_threads(conv->dnnl->threads);
    FUT_TRY(point(args[0].memory, from));
    FUT_TRY(point(args[1].memory, to));
    FUT_DNNL(dnnl_primitive_execute(conv->copy, conv->dnnl->stream, 2, args));
    return FUT_OK;
}

fut_status fut_dnnl_conv_run(fut_dnnl_conv *conv, const void *x, const void *weights, const fut_dnnl_tail_args *tail, const void *y,
                             void *scratch)
{
    const void *data[ARGS] = {[ARG_X] = x, [ARG_WEIGHTS] = weights, [ARG_Y] = y, [ARG_SCRATCH] = scratch};
    dnnl_exec_arg_t args[ARGS];
    int count = 0;
    if (tail) {
        data[ARG_BIAS] = tail->bias;
        data[ARG_SLOPE] = tail->slope;
        data[ARG_RESIDUAL] = tail->residual;
    }
    omp_set_num_threads(conv->dnnl->threads);
    for (int i = 0; i < ARGS; i++) {
        if (!conv->args[i].memory) continue; /* an operand that the pass has not */
        FUT_TRY(point(conv->args[i].memory, data[i]));
        args[count++] = conv->args[i];
    }
    FUT_DNNL(dnnl_primitive_execute(conv->primitive, conv->dnnl->stream, count, args));
    return FUT_OK;
}
