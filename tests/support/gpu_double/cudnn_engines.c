/* The engines, like in kind to cuDNN's: the quickest ones are not the ones that a careful caller may take. */
#include "cudnn_double.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ANY_TYPE, ONLY_F32, ONLY_HALF };

typedef struct engine {
    int64_t index; /* global; with gaps, as cuDNN's */
    const char *what;
    int types;                                                                     /* of the inputs */
    int channels;                                                                  /* C and K of a group are multiples of this */
    int64_t alignment;                                                             /* that the tensors must have declared */
    bool wide_output;                                                              /* an f32 output of half inputs */
    bool symmetric;                                                                /* paddings only the same before and after */
    bool nondeterministic, tensor_core, down_convert, strict_nan, compiled, never; /* never: its plans cannot be made */
    int64_t workspace; /* a part that does not depend on the shapes; 0: needs none at all */
    bool has_knob;     /* CUDNN_KNOB_TYPE_TILE_SIZE, 0..1: another order of summation, another workspace */
} engine;

/* In the order of the heuristics: quickest first, they think. Tensor cores see f32 as TF32, and cuDNN's runtime-compiled engines say so by
 * TENSOR_CORE alone. */
static const engine engines[] = {
    {.index = 20,
     .what = "split sums, added by atomics",
     .types = ANY_TYPE,
     .channels = 1,
     .alignment = 4,
     .symmetric = true,
     .nondeterministic = true,
     .workspace = 1023},
    {.index = 72,
     .what = "TF32, compiled at run time",
     .types = ONLY_F32,
     .channels = 4,
     .alignment = 16,
     .tensor_core = true,
     .compiled = true,
     .workspace = 65},
    {.index = 38,
     .what = "TF32 by conversion of the inputs",
     .types = ONLY_F32,
     .channels = 1,
     .alignment = 4,
     .tensor_core = true,
     .down_convert = true,
     .workspace = 4099},
    {.index = 47,
     .what = "one whose plans cannot be made",
     .types = ANY_TYPE,
     .channels = 1,
     .alignment = 2,
     .never = true,
     .workspace = 333},
    {.index = 70,
     .what = "tensor cores, compiled at run time",
     .types = ONLY_HALF,
     .channels = 8,
     .alignment = 16,
     .wide_output = true,
     .tensor_core = true,
     .compiled = true,
     .workspace = 129},
    {.index = 5, .what = "tiles", .types = ANY_TYPE, .channels = 1, .alignment = 4, .workspace = 2051, .has_knob = true},
    {.index = 0, .what = "plain loops", .types = ANY_TYPE, .channels = 1, .alignment = 2, .strict_nan = true},
};
enum { ENGINES = sizeof(engines) / sizeof(engines[0]), GLOBAL_COUNT = 81 };

int64_t cudnn_engine_count(void)
{
    return GLOBAL_COUNT;
}

static const engine *engine_of(int64_t index)
{
    for (int i = 0; i < ENGINES; i++)
        if (engines[i].index == index) return &engines[i];
    return NULL;
}

/* GPU_DOUBLE_CUDNN: what a card or a version may lack. */
static bool lacks(const char *word)
{
    const char *words = getenv("GPU_DOUBLE_CUDNN");
    return words && strstr(words, word);
}

/* NULL: the engine can run this; else why not. */
static const char *obstacle(const engine *e, const cudnn_operation *o)
{
    const cudnn_convolution *c = &o->convolution;
    const bool lopsided = c->pre[0] != c->post[0] || c->pre[1] != c->post[1];
    if (lopsided && (e->symmetric || lacks("symmetric"))) return "its paddings are the same on both sides";
    const cudnnDataType_t in = cudnn_input(o, 0)->type, out = cudnn_output(o)->type;
    const int64_t groups = cudnn_groups(o);
    if (e->types == ONLY_F32 && in != CUDNN_DATA_FLOAT) return "its inputs are f32";
    if (e->types == ONLY_HALF && in == CUDNN_DATA_FLOAT) return "its inputs are f16 or bf16";
    if (in != out && (!e->wide_output || out != CUDNN_DATA_FLOAT || lacks("narrow"))) return "its output has the inputs' type";
    if (o->x.dims[1] / groups % e->channels || o->w.dims[0] / groups % e->channels) return "it needs other multiples of channels";
    const cudnn_tensor *all[3] = {&o->x, &o->w, &o->y};
    for (int i = 0; i < 3; i++)
        if (all[i]->alignment < e->alignment) return "it needs tensors declared with more alignment";
    return NULL;
}

/* ---- engines and configurations made by hand ---- */

cudnnStatus_t cudnn_finalize_engine(const cudnn_engine *given)
{
    if (given->index < 0 || given->index >= GLOBAL_COUNT)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "engine %" PRId64 " of %d", given->index, (int)GLOBAL_COUNT);
    const engine *e = engine_of(given->index);
    const char *why = e ? obstacle(e, &given->graph.operation) : "it is for another architecture";
    return why ? cudnn_refuse(CUDNN_STATUS_NOT_SUPPORTED, "engine %" PRId64 ": %s", given->index, why) : CUDNN_STATUS_SUCCESS;
}

enum { CONFIG_KNOBS = 1 }; /* row of the attribute table */

static int64_t knob_value(const cudnn_config *c)
{
    return c->head.count[CONFIG_KNOBS] ? c->knobs[0].value : 0;
}

cudnnStatus_t cudnn_finalize_config(const cudnn_config *c)
{
    const engine *e = engine_of(c->engine.index);
    for (int i = 0; i < c->head.count[CONFIG_KNOBS]; i++) {
        const cudnn_knob *k = &c->knobs[i];
        if (!e->has_knob || i > 0 || k->type != CUDNN_KNOB_TYPE_TILE_SIZE)
            return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "engine %" PRId64 " has no such knob %d", e->index, (int)k->type);
        if (k->value < 0 || k->value > 1)
            return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "engine %" PRId64 ": knob %d goes from 0 to 1, not %" PRId64, e->index,
                                (int)k->type, k->value);
    }
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnn_finalize_plan(const cudnn_plan *p)
{
    const engine *e = engine_of(p->config.engine.index);
    if (p->handle != p->config.engine.graph.handle) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "the plan's handle is not the graph's");
    if (p->handle->stream && gpu_double_is_capturing(p->handle->stream))
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "a plan is made, which may load code, while its handle's stream is being captured");
    if (e->never) return cudnn_refuse(CUDNN_STATUS_NOT_SUPPORTED, "engine %" PRId64 " cannot run this after all", e->index);
    return CUDNN_STATUS_SUCCESS;
}

int64_t cudnn_workspace(const cudnn_config *c)
{
    const engine *e = engine_of(c->engine.index);
    if (!e->workspace) return 0;
    const cudnn_operation *o = &c->engine.graph.operation;
    return e->workspace + 2 * o->w.dims[0] * o->w.dims[2] * o->w.dims[3] * (o->x.dims[1] + knob_value(c)) + 2 * knob_value(c);
}

cudnn_arithmetic cudnn_arithmetic_of(const cudnn_config *c)
{
    const engine *e = engine_of(c->engine.index);
    const bool f32 = cudnn_input(&c->engine.graph.operation, 0)->type == CUDNN_DATA_FLOAT;
    return (cudnn_arithmetic){.tf32 = e->tensor_core && f32, .changing = e->nondeterministic, .order = e->has_knob ? 1 + knob_value(c) : 0};
}

/* ---- what an engine says about itself ---- */

cudnn_answer cudnn_numerical_notes(const cudnn_engine *given, int64_t capacity, cudnnBackendNumericalNote_t *out)
{
    const engine *e = engine_of(given->index);
    const struct {
        bool has;
        cudnnBackendNumericalNote_t note;
    } all[] = {{e->tensor_core, CUDNN_NUMERICAL_NOTE_TENSOR_CORE},
               {e->down_convert, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS},
               {e->nondeterministic, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC},
               {e->strict_nan, CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP}};
    cudnn_answer answer = {0};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!all[i].has) continue;
        if (answer.total++ < capacity) out[answer.given++] = all[i].note;
    }
    return answer;
}

cudnn_answer cudnn_behavior_notes(const cudnn_engine *given, int64_t capacity, cudnnBackendBehaviorNote_t *out)
{
    cudnn_answer answer = {.total = engine_of(given->index)->compiled};
    if (answer.total && capacity > 0) out[answer.given++] = CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    return answer;
}

static cudnn_knob tile_knob(int64_t value)
{
    cudnn_knob k = {.type = CUDNN_KNOB_TYPE_TILE_SIZE, .value = value, .minimum = 0, .maximum = 1, .stride = 1};
    k.head = (cudnn_head){.finalized = true, .count = {1, 1}};
    return k;
}

cudnn_answer cudnn_knob_info(const cudnn_engine *given, int64_t capacity, cudnnBackendDescriptor_t *out)
{
    cudnn_answer answer = {.total = engine_of(given->index)->has_knob};
    if (!answer.total || capacity < 1) return answer;
    cudnn_descriptor *filled = cudnn_to_fill(out[0], CUDNN_BACKEND_KNOB_INFO_DESCRIPTOR);
    if (!filled) return (cudnn_answer){.status = CUDNN_STATUS_BAD_PARAM};
    filled->is.knob = tile_knob(0);
    answer.given = 1;
    return answer;
}

/* ---- heuristics ---- */

/* Whether the mode proposes this engine. The fallback engines are those that always work. */
static bool proposes(cudnnBackendHeurMode_t mode, const engine *e)
{
    return mode == CUDNN_HEUR_MODE_FALLBACK ? e->index == 0 || e->index == 5 : mode == CUDNN_HEUR_MODE_INSTANT ? e->index != 70 : true;
}

cudnnStatus_t cudnn_finalize_heuristics(const cudnn_heuristics *h)
{
    if (h->mode < 0 || h->mode >= CUDNN_HEUR_MODES_COUNT) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "heuristics mode %d", (int)h->mode);
    if (h->mode == CUDNN_HEUR_MODE_FALLBACK) return CUDNN_STATUS_SUCCESS; /* a list, maybe empty */
    for (int i = 0; i < ENGINES; i++)
        if (proposes(h->mode, &engines[i]) && !obstacle(&engines[i], &h->graph.operation)) return CUDNN_STATUS_SUCCESS;
    return cudnn_refuse(CUDNN_STATUS_NOT_SUPPORTED, "no engine supports this graph");
}

static cudnn_config config_for(const cudnn_graph *graph, const engine *e, int64_t knob)
{
    cudnn_config c = {.engine = {.graph = *graph, .index = e->index}};
    c.engine.head = (cudnn_head){.finalized = true, .count = {1, 1}};
    c.head = (cudnn_head){.finalized = true, .count = {1}};
    if (e->has_knob) {
        c.head.count[CONFIG_KNOBS] = 1;
        c.knobs[0] = tile_knob(knob);
    }
    return c;
}

cudnn_answer cudnn_heuristic_results(const cudnn_heuristics *h, int64_t capacity, cudnnBackendDescriptor_t *out)
{
    cudnn_answer answer = {0};
    for (int i = 0; i < ENGINES; i++) {
        if (!proposes(h->mode, &engines[i])) continue;
        for (int64_t knob = engines[i].has_knob; knob >= 0; knob--) {
            answer.total++; /* also those that turn out not to fit */
            if (obstacle(&engines[i], &h->graph.operation) || answer.given >= capacity) continue;
            cudnn_descriptor *filled = cudnn_to_fill(out[answer.given], CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
            if (!filled) {
                answer.status = CUDNN_STATUS_BAD_PARAM;
                return answer;
            }
            filled->is.config = config_for(&h->graph, &engines[i], knob);
            answer.given++;
        }
    }
    return answer;
}
