/* Trainable tensors, as those who want some declare them: names, shapes, how they start. */
#ifndef FUT_CORE_TENSOR_PARAM_H
#define FUT_CORE_TENSOR_PARAM_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a tensor starts. */
typedef enum fut_init_kind { FUT_INIT_CONSTANT, FUT_INIT_NORMAL, FUT_INIT_UNIFORM } fut_init_kind;
typedef struct fut_tensor_init {
    fut_init_kind kind;
    double scale; /* CONSTANT: the value; NORMAL: standard deviation; UNIFORM: on [-scale, scale) */
} fut_tensor_init;

typedef struct fut_param {
    const char *name; /* a literal: "W" */
    int rank;
    int64_t dim[4];
    fut_tensor_init init;
    bool no_decay; /* an optimizer's weight decay never acts on it */
} fut_param;

enum { FUT_PARAMS_MAX = 4 };

/* A few, that lie one behind the other. */
typedef struct fut_params {
    fut_param param[FUT_PARAMS_MAX];
    int n;
} fut_params;

/* Elements of one, and of all. */
int64_t fut_param_count(const fut_param *param);
int64_t fut_params_count(const fut_params *params);

#ifdef __cplusplus
}
#endif

#endif
