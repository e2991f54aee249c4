#include "core/tensor/dtype.h"

size_t fut_dtype_size(fut_dtype dtype)
{
    static const size_t sizes[] = {
#define FUT_DTYPE_SIZE(name, text, bytes) bytes,
        FUT_DTYPE_ROWS(FUT_DTYPE_SIZE)
#undef FUT_DTYPE_SIZE
    };
    return (unsigned)dtype < FUT_DTYPE_COUNT ? sizes[dtype] : 0;
}

const char *fut_dtype_name(fut_dtype dtype)
{
    static const char *const names[] = {
#define FUT_DTYPE_TEXT(name, text, bytes) text,
        FUT_DTYPE_ROWS(FUT_DTYPE_TEXT)
#undef FUT_DTYPE_TEXT
    };
    return (unsigned)dtype < FUT_DTYPE_COUNT ? names[dtype] : "unknown";
}
