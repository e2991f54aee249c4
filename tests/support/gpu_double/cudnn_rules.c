/* What must hold of a descriptor when it is finalized. */
#include "cudnn_double.h"

#include <inttypes.h>

size_t cudnn_type_size(cudnnDataType_t type)
{
    return type == CUDNN_DATA_FLOAT ? 4 : type == CUDNN_DATA_HALF || type == CUDNN_DATA_BFLOAT16 ? 2 : 0;
}

size_t cudnn_tensor_bytes(const cudnn_tensor *t)
{
    return (size_t)(t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3]) * cudnn_type_size(t->type);
}

int64_t cudnn_groups(const cudnn_operation *o)
{
    return o->x.dims[1] / o->w.dims[1];
}

const cudnn_tensor *cudnn_output(const cudnn_operation *o)
{
    return o->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR         ? &o->y
           : o->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? &o->x
                                                                                     : &o->w;
}

const cudnn_tensor *cudnn_input(const cudnn_operation *o, int which)
{
    const cudnn_tensor *all[3] = {&o->x, &o->w, &o->y};
    for (int i = 0; i < 3; i++)
        if (all[i] != cudnn_output(o) && which-- == 0) return all[i];
    return NULL;
}

/* ---- tensors and convolutions ---- */

enum { TENSOR_DIMENSIONS = 1, TENSOR_STRIDES = 2 }; /* rows of the attribute table, for their counts */
enum { CONVOLUTION_PRE = 3, CONVOLUTION_DILATIONS = 6 };

static cudnnStatus_t finalize_tensor(const cudnn_tensor *t)
{
    const size_t size = cudnn_type_size(t->type);
    const int dims = t->head.count[TENSOR_DIMENSIONS], strides = t->head.count[TENSOR_STRIDES];
    if (!size)
        return cudnn_misuse(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "tensor %" PRId64 ": the double has f32, f16 and bf16, not data type %d",
                            t->uid, (int)t->type);
    if (dims != strides)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "tensor %" PRId64 ": %d dimensions but %d strides", t->uid, dims, strides);
    if (dims != 4) return cudnn_misuse(CUDNN_STATUS_NOT_SUPPORTED, "tensor %" PRId64 ": %d dimensions; N, C, H, W is four", t->uid, dims);
    for (int i = 0; i < dims; i++) {
        if (t->dims[i] < 1)
            return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "tensor %" PRId64 ": dimension %d is %" PRId64, t->uid, i, t->dims[i]);
        if (t->strides[i] < 1)
            return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "tensor %" PRId64 ": stride %d is %" PRId64, t->uid, i, t->strides[i]);
    }
    if (t->alignment < (int64_t)size || t->alignment & (t->alignment - 1))
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "tensor %" PRId64 ": an alignment of %" PRId64 " bytes is no power of two from %zu",
                            t->uid, t->alignment, size);
    if (t->is_virtual || t->is_by_value)
        return cudnn_misuse(CUDNN_STATUS_NOT_SUPPORTED, "tensor %" PRId64 ": a graph of one convolution has no virtual or by-value tensors",
                            t->uid);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finalize_convolution(const cudnn_convolution *c)
{
    if (c->spatial != 2) return cudnn_misuse(CUDNN_STATUS_NOT_SUPPORTED, "%" PRId64 " spatial dimensions; the double has 2", c->spatial);
    for (int row = CONVOLUTION_PRE; row <= CONVOLUTION_DILATIONS; row++)
        if (c->head.count[row] != 2)
            return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "a padding, stride or dilation has %d elements for 2 spatial dimensions",
                                c->head.count[row]);
    if (c->mode != CUDNN_CROSS_CORRELATION)
        return cudnn_misuse(CUDNN_STATUS_NOT_SUPPORTED, "CUDNN_CONVOLUTION flips the filter; networks mean CUDNN_CROSS_CORRELATION");
    if (c->compute != CUDNN_DATA_FLOAT)
        return cudnn_misuse(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "compute type %d; the double computes in CUDNN_DATA_FLOAT",
                            (int)c->compute);
    for (int i = 0; i < 2; i++)
        if (c->pre[i] < 0 || c->post[i] < 0 || c->strides[i] < 1 || c->dilations[i] < 1)
            return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "axis %d: paddings %" PRId64 ", %" PRId64 ", stride %" PRId64 ", dilation %" PRId64,
                                i, c->pre[i], c->post[i], c->strides[i], c->dilations[i]);
    return CUDNN_STATUS_SUCCESS;
}

/* ---- operations ---- */

static cudnnStatus_t check_shapes(const cudnn_operation *o)
{
    const int64_t *x = o->x.dims, *w = o->w.dims, *y = o->y.dims;
    const cudnn_convolution *c = &o->convolution;
    if (x[0] != y[0]) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "batches differ: %" PRId64 " in, %" PRId64 " out", x[0], y[0]);
    if (w[0] != y[1])
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "the filter has %" PRId64 " output channels, the output %" PRId64, w[0], y[1]);
    if (x[1] % w[1])
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "%" PRId64 " input channels are no multiple of the filter's %" PRId64, x[1], w[1]);
    if (w[0] % cudnn_groups(o))
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "%" PRId64 " output channels cannot be split in %" PRId64 " groups", w[0],
                            cudnn_groups(o));
    for (int i = 0; i < 2; i++) {
        const int64_t reach = (w[2 + i] - 1) * c->dilations[i] + 1, padded = x[2 + i] + c->pre[i] + c->post[i];
        const int64_t out = padded < reach ? 0 : (padded - reach) / c->strides[i] + 1;
        if (out != y[2 + i])
            return cudnn_misuse(CUDNN_STATUS_BAD_PARAM,
                                "axis %d: (%" PRId64 " + %" PRId64 " + %" PRId64 " - ((%" PRId64 " - 1) * %" PRId64 " + 1)) / %" PRId64
                                " + 1 is %" PRId64 ", the output has %" PRId64,
                                i, x[2 + i], c->pre[i], c->post[i], w[2 + i], c->dilations[i], c->strides[i], out, y[2 + i]);
    }
    return CUDNN_STATUS_SUCCESS;
}

/* Channels innermost, no gaps. The stride of an axis of one element does not matter. */
static bool is_channels_last(const cudnn_tensor *t)
{
    const int64_t dense[4] = {t->dims[1] * t->dims[2] * t->dims[3], 1, t->dims[1] * t->dims[3], t->dims[1]};
    for (int i = 0; i < 4; i++)
        if (t->dims[i] > 1 && t->strides[i] != dense[i]) return false;
    return true;
}

static cudnnStatus_t finalize_operation(cudnn_operation *o, cudnnBackendDescriptorType_t kind)
{
    o->kind = kind;
    if (!o->x.head.finalized || !o->w.head.finalized || !o->y.head.finalized || !o->convolution.head.finalized)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "a tensor or the convolution was not finalized when it was set");
    CUDNN_DOUBLE_TRY(check_shapes(o));
    const cudnn_tensor *all[3] = {&o->x, &o->w, &o->y};
    for (int i = 0; i < 3; i++)
        if (!is_channels_last(all[i]))
            return cudnn_misuse(CUDNN_STATUS_NOT_SUPPORTED_LAYOUT,
                                "tensor %" PRId64 " [%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "] has strides [%" PRId64 ", %" PRId64
                                ", %" PRId64 ", %" PRId64 "], not those of dense channels-last memory",
                                all[i]->uid, all[i]->dims[0], all[i]->dims[1], all[i]->dims[2], all[i]->dims[3], all[i]->strides[0],
                                all[i]->strides[1], all[i]->strides[2], all[i]->strides[3]);
    if (o->x.uid == o->w.uid || o->x.uid == o->y.uid || o->w.uid == o->y.uid)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "unique ids %" PRId64 ", %" PRId64 ", %" PRId64 " are not unique", o->x.uid, o->w.uid,
                            o->y.uid);
    if (cudnn_input(o, 0)->type != cudnn_input(o, 1)->type)
        return cudnn_misuse(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "the two inputs have data types %d and %d", (int)cudnn_input(o, 0)->type,
                            (int)cudnn_input(o, 1)->type);
    return CUDNN_STATUS_SUCCESS;
}

/* ---- the rest ---- */

enum { PACK_UIDS = 0, PACK_POINTERS = 1 };

static cudnnStatus_t finalize_pack(const cudnn_pack *p)
{
    const int uids = p->head.count[PACK_UIDS], pointers = p->head.count[PACK_POINTERS];
    if (uids != pointers) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "%d unique ids but %d data pointers", uids, pointers);
    for (int i = 0; i < uids; i++) {
        if (!p->pointers[i])
            return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "the data pointer of tensor %" PRId64 " is NULL", p->uids[i]);
        for (int j = 0; j < i; j++)
            if (p->uids[i] == p->uids[j])
                return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES, "tensor %" PRId64 " has two data pointers", p->uids[i]);
    }
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnn_finalize(cudnn_descriptor *d)
{
    switch (d->type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
        return finalize_tensor(&d->is.tensor);
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
        return finalize_convolution(&d->is.convolution);
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
        return finalize_operation(&d->is.operation, d->type);
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
        return cudnn_finalize_heuristics(&d->is.heuristics);
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
        return cudnn_finalize_engine(&d->is.engine);
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR:
        return cudnn_finalize_config(&d->is.config);
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
        return cudnn_finalize_plan(&d->is.plan);
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
        return finalize_pack(&d->is.pack);
    case CUDNN_BACKEND_KNOB_INFO_DESCRIPTOR:
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "a knob's bounds are only ever read from an engine");
    default:
        return CUDNN_STATUS_SUCCESS;
    }
}
