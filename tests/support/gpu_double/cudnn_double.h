/* cuDNN of the GPU double: the backend API of cuDNN 9 for graphs of one 2-D convolution.
 *
 *     tensor, convolution ─▶ operation ─▶ graph ─▶ heuristics ─▶ configuration ─▶ plan ┐
 *                                           └────▶ engine (+ knobs) ────┘              ├─▶ cudnnBackendExecute ─▶ a job on the stream
 *                                                               variant pack ──────────┘
 *
 * cudnn_descriptors.c  the table of attributes; create, destroy, set, get       cudnn_rules.c    what cudnnBackendFinalize checks
 * cudnn_engines.c      which engines there are, what each can do and needs      cudnn_execute.c  handles, execution and its checks
 * cudnn_convolution.c  the arithmetic                                           cudnn_real.c     NVIDIA's library as a witness
 *
 * Statuses and the meaning of every call were compared with cuDNN 9.19 and 9.26, whose descriptors work without a GPU. As there:
 *   - A descriptor set as an attribute is copied then and there, unfinalized if it is so; what becomes of the original does not matter.
 *   - A query of 0 elements tells how many there are, else the count is what was given. The heuristics' count is a bound: fewer may come.
 *   - Heuristic results, and the engine of a configuration, are written into descriptors that the caller has created and not finalized.
 *   - Groups are C of x divided by C of the filter. BOOLEAN is one byte.
 * Stricter than cuDNN (each is a misuse, see gpu_double.h, and gives the status in brackets if that does not abort):
 *   - No defaults: every attribute that the documentation calls required must be set [BAD_PARAM].
 *   - Channels-last tensors only, filters KRSC, exactly dense [NOT_SUPPORTED_LAYOUT]; f32, f16 and bf16, accumulated in f32.
 *   - The unique ids of a graph differ, the variant pack has exactly these, once each [BAD_PARAM, BAD_PARAM_DUPLICATED_ENTRIES].
 *   - A plan runs on the handle it was made with, on a stream that was set, never the legacy one [BAD_PARAM, BAD_PARAM_STREAM_MISMATCH].
 *   - Pointers have the alignment that their tensor declared [BAD_PARAM_MISALIGNED_POINTER]; output, inputs and workspace do not overlap.
 *   - The workspace is overwritten from its first to its last byte, and the sizes are odd.
 *   - No plan is made while its handle's stream is being captured. Executing then is allowed.
 *   - A NULL or unknown object anywhere is a misuse too. What is left at exit is named.
 * Not a misuse: what cuDNN refuses in good order, such as an engine that does not support the graph [NOT_SUPPORTED].
 *
 * Environment, beside gpu_double.h's:
 *   GPU_DOUBLE_CUDNN=symmetric,narrow   no engine pads unevenly; none writes f32 from 16-bit inputs
 *   GPU_DOUBLE_CUDNN_REAL=libcudnn.so.9 descriptors are made in NVIDIA's library too, which must accept them */
#ifndef GPU_DOUBLE_CUDNN_DOUBLE_H
#define GPU_DOUBLE_CUDNN_DOUBLE_H

#include "gpu_double.h"

#include "include/cudnn.h"

enum { CUDNN_DOUBLE_MAX_DIMS = 8, CUDNN_DOUBLE_MAX_ROWS = 12, CUDNN_DOUBLE_MAX_KNOBS = 4, CUDNN_DOUBLE_MAX_TENSORS = 16 };

/* ---- what descriptors hold; all plain values, so that a copy is an assignment ---- */

/* First member of each: which rows of the attribute table have been set, and with how many elements. */
typedef struct cudnn_head {
    bool finalized;
    uint8_t count[CUDNN_DOUBLE_MAX_ROWS];
} cudnn_head;

typedef struct cudnn_tensor {
    cudnn_head head;
    cudnnDataType_t type;
    int64_t dims[CUDNN_DOUBLE_MAX_DIMS], strides[CUDNN_DOUBLE_MAX_DIMS]; /* N, C, H, W; of a filter K, C, R, S */
    int64_t uid, alignment;
    bool is_virtual, is_by_value;
} cudnn_tensor;

typedef struct cudnn_convolution {
    cudnn_head head;
    cudnnDataType_t compute;
    cudnnConvolutionMode_t mode;
    int64_t spatial;
    int64_t pre[CUDNN_DOUBLE_MAX_DIMS], post[CUDNN_DOUBLE_MAX_DIMS], strides[CUDNN_DOUBLE_MAX_DIMS], dilations[CUDNN_DOUBLE_MAX_DIMS];
} cudnn_convolution;

typedef struct cudnn_operation {
    cudnn_head head;
    cudnnBackendDescriptorType_t kind;
    cudnn_convolution convolution;
    cudnn_tensor x, w, y; /* of the backward operations these are dx, w, dy and x, dw, dy */
    double alpha, beta;
} cudnn_operation;

typedef struct cudnn_graph {
    cudnn_head head;
    cudnnHandle_t handle;
    cudnn_operation operation;
} cudnn_graph;

typedef struct cudnn_engine {
    cudnn_head head;
    cudnn_graph graph;
    int64_t index;
} cudnn_engine;

typedef struct cudnn_knob { /* KNOB_CHOICE, and KNOB_INFO with its bounds */
    cudnn_head head;
    cudnnBackendKnobType_t type;
    int64_t value, minimum, maximum, stride;
} cudnn_knob;

typedef struct cudnn_config {
    cudnn_head head;
    cudnn_engine engine;
    cudnn_knob knobs[CUDNN_DOUBLE_MAX_KNOBS];
} cudnn_config;

typedef struct cudnn_plan {
    cudnn_head head;
    cudnnHandle_t handle;
    cudnn_config config;
} cudnn_plan;

typedef struct cudnn_heuristics {
    cudnn_head head;
    cudnn_graph graph;
    cudnnBackendHeurMode_t mode;
} cudnn_heuristics;

typedef struct cudnn_pack {
    cudnn_head head;
    int64_t uids[CUDNN_DOUBLE_MAX_TENSORS];
    void *pointers[CUDNN_DOUBLE_MAX_TENSORS];
    void *workspace;
} cudnn_pack;

typedef struct cudnn_descriptor {
    cudnnBackendDescriptorType_t type;
    struct cudnn_descriptor *next; /* of all live ones with the same hash of the address */
    cudnnBackendDescriptor_t real; /* the same in NVIDIA's library, see cudnn_real.c; NULL where that is not asked */
    union {
        cudnn_head head;
        cudnn_tensor tensor;
        cudnn_convolution convolution;
        cudnn_operation operation;
        cudnn_graph graph;
        cudnn_engine engine;
        cudnn_knob knob;
        cudnn_config config;
        cudnn_plan plan;
        cudnn_heuristics heuristics;
        cudnn_pack pack;
    } is;
} cudnn_descriptor;

/* ---- errors: both keep the text for cudnnGetLastErrorString and return the status ---- */

cudnnStatus_t cudnn_misuse(cudnnStatus_t status, const char *format, ...) __attribute__((format(printf, 2, 3)));
cudnnStatus_t cudnn_refuse(cudnnStatus_t status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define CUDNN_DOUBLE_TRY(expression)                                                                                                       \
    do {                                                                                                                                   \
        const cudnnStatus_t tried = (expression);                                                                                          \
        if (tried != CUDNN_STATUS_SUCCESS) return tried;                                                                                   \
    } while (0)

/* Names of constants, as in the header; NULL for a number that is none. */
#define GPU_DOUBLE_ENUM(type) const char *cudnn_name_of_##type(int value);
#define GPU_DOUBLE_VALUE(name, value)
#define GPU_DOUBLE_ENUM_END(type)
#define GPU_DOUBLE_FUNCTION(result, name, parameters)
#include "include/cudnn.def"
#undef GPU_DOUBLE_ENUM
#undef GPU_DOUBLE_VALUE
#undef GPU_DOUBLE_ENUM_END
#undef GPU_DOUBLE_FUNCTION

/* ---- cudnn_descriptors.c ---- */

cudnn_descriptor *cudnn_find_descriptor(const void *address);    /* NULL: no live descriptor */
cudnnStatus_t cudnn_require(const cudnn_descriptor *descriptor); /* every required attribute is set */

/* ---- cudnn_real.c: what the double has accepted, does cuDNN accept it? ---- */

cudnnStatus_t cudnn_real_create(cudnn_descriptor *descriptor);
void cudnn_real_destroy(cudnn_descriptor *descriptor);
cudnnStatus_t cudnn_real_set(cudnn_descriptor *descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                             int64_t count, const void *elements);
cudnnStatus_t cudnn_real_finalize(cudnn_descriptor *descriptor);

/* ---- cudnn_rules.c ---- */

cudnnStatus_t cudnn_finalize(cudnn_descriptor *descriptor);
int64_t cudnn_groups(const cudnn_operation *operation);
size_t cudnn_type_size(cudnnDataType_t type); /* 0: not one of the double's types */
size_t cudnn_tensor_bytes(const cudnn_tensor *tensor);
/* The one that is written, and the two that are read. */
const cudnn_tensor *cudnn_output(const cudnn_operation *operation);
const cudnn_tensor *cudnn_input(const cudnn_operation *operation, int which);

/* ---- cudnn_engines.c ---- */

typedef struct cudnn_arithmetic {
    bool tf32;     /* inputs rounded to 10 bits of mantissa */
    bool changing; /* another order of summation at every run */
    int64_t order; /* else: where the sums begin, in 1/4 of their length */
} cudnn_arithmetic;

cudnnStatus_t cudnn_finalize_engine(const cudnn_engine *engine);
cudnnStatus_t cudnn_finalize_config(const cudnn_config *config);
cudnnStatus_t cudnn_finalize_plan(const cudnn_plan *plan);
cudnnStatus_t cudnn_finalize_heuristics(const cudnn_heuristics *heuristics);
int64_t cudnn_workspace(const cudnn_config *config);
cudnn_arithmetic cudnn_arithmetic_of(const cudnn_config *config);
int64_t cudnn_engine_count(void);

/* Attributes that are computed, not set. *total: how many there are; the first `capacity` go to `out`. Result: how many were written. */
typedef struct cudnn_answer {
    int64_t total, given;
    cudnnStatus_t status;
} cudnn_answer;
cudnn_answer cudnn_numerical_notes(const cudnn_engine *engine, int64_t capacity, cudnnBackendNumericalNote_t *out);
cudnn_answer cudnn_behavior_notes(const cudnn_engine *engine, int64_t capacity, cudnnBackendBehaviorNote_t *out);
cudnn_answer cudnn_knob_info(const cudnn_engine *engine, int64_t capacity, cudnnBackendDescriptor_t *out);
cudnn_answer cudnn_heuristic_results(const cudnn_heuristics *heuristics, int64_t capacity, cudnnBackendDescriptor_t *out);
/* The descriptor, live, of that type and not finalized, that a caller gave to be filled; NULL after a misuse. */
cudnn_descriptor *cudnn_to_fill(cudnnBackendDescriptor_t address, cudnnBackendDescriptorType_t type);

/* ---- cudnn_execute.c ---- */

struct cudnnContext {
    int device;
    cudaStream_t stream;
    struct cudnnContext *next;
};
bool cudnn_is_handle(cudnnHandle_t handle);
int cudnn_double_leaks(void); /* for tests: handles and descriptors alive */
int cudnn_live_handles(void);
int cudnn_live_descriptors(const char **first_type);

/* ---- cudnn_convolution.c ---- */

/* Runs on the stream; x, w, y are real addresses, the output's old value is only read if beta is not 0. */
void cudnn_convolve(const cudnn_operation *operation, const cudnn_arithmetic *arithmetic, void *x, void *w, void *y);

#endif
