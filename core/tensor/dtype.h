/* Element types. A dtype is a property of a tensor and of a plan, never of the build. */
#ifndef FUT_CORE_TENSOR_DTYPE_H
#define FUT_CORE_TENSOR_DTYPE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*    name  text   bytes */
#define FUT_DTYPE_ROWS(X)                                                                                                                  \
    X(U8, "u8", 1)                                                                                                                         \
    X(I32, "i32", 4)                                                                                                                       \
    X(I64, "i64", 8)                                                                                                                       \
    X(U64, "u64", 8)                                                                                                                       \
    X(F16, "f16", 2)                                                                                                                       \
    X(BF16, "bf16", 2)                                                                                                                     \
    X(F32, "f32", 4)                                                                                                                       \
    X(F64, "f64", 8)

typedef enum fut_dtype {
#define FUT_DTYPE_ENUM(name, text, bytes) FUT_##name,
    FUT_DTYPE_ROWS(FUT_DTYPE_ENUM)
#undef FUT_DTYPE_ENUM
        FUT_DTYPE_COUNT
} fut_dtype;

/* Bytes of one element; 0 for a value that is no dtype. */
size_t fut_dtype_size(fut_dtype dtype);
/* "f32"; never NULL. */
const char *fut_dtype_name(fut_dtype dtype);

#ifdef __cplusplus
}
#endif

#endif
