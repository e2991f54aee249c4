/* cuBLASLt of the GPU double: D = alpha op(A) op(B) + beta C, with a bias, in f32 sums.
 *
 * cublaslt_objects.c  handles and descriptors      cublaslt_matmul.c  what fits together, the heuristics, the product
 *
 * As cuBLASLt 13.1, whose descriptors work without a GPU: an attribute's size is checked when it is set, its value when the descriptor is
 * used; descriptors may be destroyed as NULL, a handle may not. Column-major order is the default, and the bias runs along the rows of D.
 * Types are those of NVIDIA's table: A and B both f32, f16 or bf16; C and D the same type, that of A or f32; alpha, beta f32; bias of D's
 * type. CUBLAS_COMPUTE_32F_FAST_TF32 rounds f32 inputs to 10 bits of mantissa and takes no others. Stricter than cuBLASLt (each is a
 * misuse, see gpu_double.h, and gives the status in brackets if that does not abort):
 *   - Bases of A, B, C, D are as aligned as the preference promised when the algorithm was chosen, 256 bytes if it said nothing
 * [INVALID_VALUE].
 *   - The bias is as aligned as the one that was set when the algorithm was chosen, to 16 bytes if there was none then [INVALID_VALUE].
 *   - An algorithm is used for the problem it was chosen for, with all the workspace it asked for, at a multiple of 16 bytes
 * [INVALID_VALUE]. The whole workspace that was passed is overwritten.
 *   - D overlaps no input, except C of the same layout at the same place; C is never NULL [INVALID_VALUE].
 *   - A row-major D takes no bias [NOT_SUPPORTED]. alpha and beta of host mode are not device memory.
 *   - Never the legacy default stream, never a stream of another device than the handle's [INVALID_VALUE].
 * The heuristics give, quickest first: sums split in two with an odd workspace, if the preference allows it; a result whose state says that
 * it is none; plain sums without workspace. The first and the last differ in the last bits. */
#ifndef GPU_DOUBLE_CUBLASLT_DOUBLE_H
#define GPU_DOUBLE_CUBLASLT_DOUBLE_H

#include "gpu_double.h"

#include "include/cublasLt.h"

typedef enum cublaslt_kind { CUBLASLT_HANDLE, CUBLASLT_LAYOUT, CUBLASLT_DESC, CUBLASLT_PREFERENCE, CUBLASLT_KINDS } cublaslt_kind;

/* Layouts and descriptors are compared and hashed as bytes: no padding. */
typedef struct cublaslt_layout {
    int32_t type, order, batch, unused;
    uint64_t rows, cols;
    int64_t ld, batch_offset;
} cublaslt_layout;

typedef struct cublaslt_desc {
    int32_t compute, scale, pointer_mode, trans_a, trans_b, trans_c, bias_type;
    uint32_t epilogue;
    const void *bias;
    int64_t bias_batch_stride;
} cublaslt_desc;

typedef struct cublaslt_preference {
    uint32_t search_mode, reduction_mask;
    uint64_t workspace;
    uint32_t alignment[4]; /* A, B, C, D */
} cublaslt_preference;

typedef struct cublaslt_object {
    cublaslt_kind kind;
    struct cublaslt_object *next;
    union {
        int device; /* of a handle */
        cublaslt_layout layout;
        cublaslt_desc desc;
        cublaslt_preference preference;
    } is;
} cublaslt_object;

/* NULL: no live object of that kind there. */
cublaslt_object *cublaslt_find(const void *address, cublaslt_kind kind);

cublasStatus_t cublaslt_misuse(cublasStatus_t status, const char *format, ...) __attribute__((format(printf, 2, 3)));

int cublaslt_double_leaks(void); /* for tests: objects alive */

#endif
