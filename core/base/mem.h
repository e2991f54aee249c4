/* Heap memory, counted.
 *
 * Every heap block of futago goes through here, so that a test can assert that a training step allocates nothing
 * (fut_mem_count) and that a test can make the n-th allocation fail (fut_mem_fail_after). */
#ifndef FUT_CORE_BASE_MEM_H
#define FUT_CORE_BASE_MEM_H

#include "core/base/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_MEM_ALIGN = 64 };

/* Zeroed block of count * size bytes, aligned to FUT_MEM_ALIGN.
 * Owns: the caller; release with fut_mem_free. count * size == 0 gives a valid one-byte block.
 * Errors: FUT_ERR_NO_MEMORY (with the size), also when count * size overflows; *block_out untouched. */
fut_status fut_mem_alloc(size_t count, size_t size, void **block_out) FUT_MUST_CHECK;
/* Grow a block from fut_mem_alloc to hold `count` elements; new bytes are zeroed. On error *block is untouched. */
fut_status fut_mem_grow(void **block, size_t old_count, size_t count, size_t size) FUT_MUST_CHECK;
/* NULL is allowed. */
void fut_mem_free(void *block);

/* FUT_NEW(&p): one zeroed *p; FUT_NEW_ARRAY(n, &p): n of them. */
#define FUT_NEW(ptr_out) fut_mem_alloc(1, sizeof **(ptr_out), (void **)(ptr_out))
#define FUT_NEW_ARRAY(count, ptr_out) fut_mem_alloc((size_t)(count), sizeof **(ptr_out), (void **)(ptr_out))

/* Allocations since the process started, over all threads; and bytes held now and at most. */
int64_t fut_mem_count(void);
int64_t fut_mem_bytes(void);
int64_t fut_mem_peak(void);
/* Bytes that this process may still take, and that it may take in all: of the machine's memory, or of what a control group or `ulimit -v`
 * leaves of it. Memory that a machine gives back when asked (its page cache) is free. 0 where the system does not say. */
void fut_mem_machine(size_t *free_out, size_t *total_out);
/* The most memory that this process has had, with what is not counted above: programs, libraries and what those take. 0: unknown. */
size_t fut_mem_resident_peak(void);
/* For tests: the n-th allocation from now (1 = the next) fails once; 0 switches this off. */
void fut_mem_fail_after(int64_t n);

#ifdef __cplusplus
}
#endif

#endif
