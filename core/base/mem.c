#include "core/base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Each block is preceded by one aligned header that remembers its size, so that held bytes can be counted. */
typedef struct block_header {
    size_t bytes;
} block_header;

_Static_assert(sizeof(block_header) <= FUT_MEM_ALIGN, "header must fit in front of an aligned block");

static atomic_llong alloc_count;
static atomic_llong bytes_now;
static atomic_llong bytes_peak;
static atomic_llong fail_countdown;

static int should_fail(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0) return 0;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

static void count_bytes(long long delta)
{
    long long now = atomic_fetch_add(&bytes_now, delta) + delta;
    long long peak = atomic_load(&bytes_peak);
    while (now > peak && !atomic_compare_exchange_weak(&bytes_peak, &peak, now)) {
    }
}

/* From this size on a block is asked for in pages of 2 MiB, where the system has them: an activation is walked once, and a miss of the
 * address cache every 4 kB costs a third of the bandwidth, more in a virtual machine. */
enum { HUGE_PAGE = 2 << 20 };

static void *alloc_aligned(size_t bytes)
{
    if (bytes < 2 * (size_t)HUGE_PAGE) return aligned_alloc(FUT_MEM_ALIGN, bytes);
    void *base = aligned_alloc(HUGE_PAGE, bytes);
    if (base != NULL) (void)madvise(base, bytes & ~((size_t)HUGE_PAGE - 1), MADV_HUGEPAGE); /* advice: without it all works, slower */
    return base;
}

fut_status fut_mem_alloc(size_t count, size_t size, void **block_out)
{
    size_t bytes = 0;
    size_t padded = 0;
    int overflow = __builtin_mul_overflow(count, size, &bytes) || __builtin_add_overflow(bytes, (size_t)2 * FUT_MEM_ALIGN, &padded);
    padded &= ~(size_t)(FUT_MEM_ALIGN - 1);
    char *base = overflow || should_fail() ? NULL : alloc_aligned(padded);
    FUT_CHECK(base != NULL, FUT_ERR_NO_MEMORY, "cannot allocate %zu x %zu bytes", count, size);
    ((block_header *)base)->bytes = bytes;
    memset(base + FUT_MEM_ALIGN, 0, padded - FUT_MEM_ALIGN);
    atomic_fetch_add(&alloc_count, 1);
    count_bytes((long long)bytes);
    *block_out = base + FUT_MEM_ALIGN;
    return FUT_OK;
}

fut_status fut_mem_grow(void **block, size_t old_count, size_t count, size_t size)
{
    void *grown = NULL;
    FUT_TRY(fut_mem_alloc(count, size, &grown));
    if (*block != NULL) memcpy(grown, *block, (old_count < count ? old_count : count) * size);
    fut_mem_free(*block);
    *block = grown;
    return FUT_OK;
}

void fut_mem_free(void *block)
{
    if (block == NULL) return;
    char *base = (char *)block - FUT_MEM_ALIGN;
    count_bytes(-(long long)((block_header *)base)->bytes);
    free(base);
}

int64_t fut_mem_count(void)
{
    return atomic_load(&alloc_count);
}

int64_t fut_mem_bytes(void)
{
    return atomic_load(&bytes_now);
}

int64_t fut_mem_peak(void)
{
    return atomic_load(&bytes_peak);
}

void fut_mem_fail_after(int64_t n)
{
    atomic_store(&fail_countdown, n);
}
