/* oneDNN 2.x. */
#include "core/backend/cpu/cpu_dnnl.h"

#include "core/base/mem.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>

struct fut_dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int threads;
};

enum { ARG_X, ARG_WEIGHTS, ARG_Y, ARG_SCRATCH, ARGS };

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

/* Primitive descriptors want the forward's as a hint; a pass makes its own. */
static fut_status describe_pass(fut_dnnl *dnnl, fut_dnnl_pass pass, const fut_conv_desc *d, int lanes, dnnl_alg_kind_t algorithm,
                                const_dnnl_primitive_attr_t attr, const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *description_out)
{
    const dnnl_dims_t strides = {d->stride, d->stride}, before = {d->pad_top, d->pad_left}, after = {d->pad_bottom, d->pad_right};
    dnnl_memory_desc_t x, y, weights;
    dnnl_convolution_desc_t conv;
    FUT_TRY(activation_layout(d->x, d->dtype, lanes, &x));
    FUT_TRY(activation_layout(shape_out(d), d->dtype, lanes, &y));
    bool half = d->dtype == FUT_BF16 && pass != FUT_DNNL_BACKWARD_WEIGHTS;
    FUT_TRY(weight_layout(d, half ? dnnl_bf16 : dnnl_f32, false, &weights));
    switch (pass) {
    case FUT_DNNL_FORWARD:
        FUT_DNNL(
            dnnl_convolution_forward_desc_init(&conv, dnnl_forward_training, algorithm, &x, &weights, NULL, &y, strides, before, after));
        break;
    case FUT_DNNL_BACKWARD_DATA:
        FUT_DNNL(dnnl_convolution_backward_data_desc_init(&conv, algorithm, &x, &weights, &y, strides, before, after));
        break;
    case FUT_DNNL_BACKWARD_WEIGHTS:
        FUT_DNNL(dnnl_convolution_backward_weights_desc_init(&conv, algorithm, &x, &weights, NULL, &y, strides, before, after));
        break;
    }
    dnnl_status_t status = dnnl_primitive_desc_create(description_out, &conv, attr, dnnl->engine, hint);
    if (status == dnnl_unimplemented && algorithm == dnnl_convolution_winograd) return FUT_OK; /* the caller takes the direct one */
    return status == dnnl_success ? FUT_OK : dnnl_fail(status, "this convolution");
}

static fut_status choose_pass(fut_dnnl *dnnl, fut_dnnl_pass pass, const fut_conv_desc *d, int lanes, const_dnnl_primitive_attr_t attr,
                              const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *description_out)
{
    if (winograd_pays(d, shape_out(d)))
        FUT_TRY(describe_pass(dnnl, pass, d, lanes, dnnl_convolution_winograd, attr, hint, description_out));
    if (*description_out) return FUT_OK;
    return describe_pass(dnnl, pass, d, lanes, dnnl_convolution_direct, attr, hint, description_out);
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

static fut_status fill_conv(fut_dnnl_conv *conv, fut_dnnl_pass pass, const fut_conv_desc *d, const_dnnl_primitive_desc_t description)
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
    FUT_DNNL(dnnl_primitive_desc_query(own, dnnl_query_impl_info_str, 0, (void *)&conv->impl));
    return create_copy(conv, d);
}

fut_status fut_dnnl_conv_create(fut_dnnl *dnnl, fut_dnnl_pass pass, const fut_conv_desc *desc, int lanes, fut_dnnl_conv **conv_out)
{
    fut_status st = FUT_OK;
    fut_dnnl_conv *conv = NULL;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t forward = NULL, description = NULL;
    omp_set_num_threads(dnnl->threads);
    FUT_TRY_GOTO(FUT_NEW(&conv), out);
    conv->dnnl = dnnl;
    FUT_CHECK_GOTO(dnnl_primitive_attr_create(&attr) == dnnl_success &&
                       dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success,
                   FUT_ERR_NO_MEMORY, out, "oneDNN cannot make primitive attributes");
    if (pass != FUT_DNNL_FORWARD)
        FUT_TRY_GOTO(describe_pass(dnnl, FUT_DNNL_FORWARD, desc, lanes, dnnl_convolution_direct, attr, NULL, &forward), out);
    FUT_TRY_GOTO(choose_pass(dnnl, pass, desc, lanes, attr, forward, &description), out);
    FUT_TRY_GOTO(fill_conv(conv, pass, desc, description), out);
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

fut_status fut_dnnl_conv_run(fut_dnnl_conv *conv, const void *x, const void *weights, const void *y, void *scratch)
{
    omp_set_num_threads(conv->dnnl->threads);
    FUT_TRY(point(conv->args[ARG_X].memory, x));
    FUT_TRY(point(conv->args[ARG_WEIGHTS].memory, weights));
    FUT_TRY(point(conv->args[ARG_Y].memory, y));
    FUT_TRY(point(conv->args[ARG_SCRATCH].memory, scratch));
    FUT_DNNL(dnnl_primitive_execute(conv->primitive, conv->dnnl->stream, ARGS, conv->args));
    return FUT_OK;
}
