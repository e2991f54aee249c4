/* A block's shared memory: one arena, arrays with guards of 0xFF between them, and for every element who touched it last.
 *
 *     [guard][dynamic][guard][static a][guard][static b][guard] ...      all 0xFF at the start of each block */
#include "kernel_impl.h"

#include <cstdio>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#endif

namespace gpu_double
{

namespace
{

constexpr size_t guard_bytes = 64, most_arrays = 16, arena_bytes = shared_limit + (most_arrays + 2) * 2 * guard_bytes;

size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

struct array : gpu_double_shared {
    const void *site = nullptr;
};

} // namespace

struct shared_memory {
    alignas(64) unsigned char bytes[arena_bytes];
    gpu_double_touch words[arena_bytes / 4]; /* elements of 4 bytes and more, by their first */
    gpu_double_touch small[arena_bytes];     /* smaller ones */
    array arrays[most_arrays];               /* those of the running kernel; 0 is the dynamic one */
    array views[most_arrays];                /* the dynamic one as arrays of other element sizes */
    size_t count = 0, view_count = 0, dynamic_bytes = 0, used = 0, payload = 0;
};

namespace
{

/* Takes bytes from the arena; before them is a guard already, after them comes one. */
unsigned char *take(shared_memory &m, size_t bytes)
{
    unsigned char *data = m.bytes + m.used;
    ASAN_UNPOISON_MEMORY_REGION(data, bytes);
    memset(data, 0xff, bytes);
    m.used = round_up(m.used + bytes, guard_bytes) + guard_bytes;
    m.payload += bytes;
    return data;
}

void set_touches(shared_memory &m, array &a)
{
    const size_t at = static_cast<size_t>(a.data - m.bytes);
    a.touch = a.size >= 4 ? m.words + at / 4 : m.small + at;
    a.stride = static_cast<int64_t>(a.size >= 4 ? a.size / 4 : a.size);
}

shared_memory &demand(const char *what)
{
    shared_memory *m = running_shared();
    if (m == nullptr) gpu_double_kernel_error(cudaErrorLaunchFailure, "shared array %s in a kernel launched with FUT_LAUNCH", what);
    return *m;
}

void check_guard(const shared_memory &m, size_t from, size_t to, const char *after)
{
#if defined(__SANITIZE_ADDRESS__)
    (void)m, (void)from, (void)to, (void)after; /* the access itself is caught */
#else
    for (size_t i = from; i < to; i++)
        if (m.bytes[i] != 0xff)
            gpu_double_kernel_error(cudaErrorIllegalAddress, "somebody wrote past the end of shared array %s, or before its start", after);
#endif
}

} // namespace

namespace
{

struct owner {
    shared_memory *m = new shared_memory();
    owner()
    {
        memset(m->bytes, 0xff, sizeof m->bytes);
    }
    ~owner()
    {
        ASAN_UNPOISON_MEMORY_REGION(m->bytes, sizeof m->bytes);
        delete m;
    }
};

} // namespace

shared_memory *worker_shared()
{
    static thread_local owner mine;
    return mine.m;
}

void begin_shared(shared_memory &m, size_t dynamic_bytes)
{
    ASAN_UNPOISON_MEMORY_REGION(m.bytes, sizeof m.bytes);
    memset(m.bytes, 0xff, m.used);
    ASAN_POISON_MEMORY_REGION(m.bytes, sizeof m.bytes);
    m.used = guard_bytes;
    m.payload = m.view_count = 0;
    m.count = 1;
    m.dynamic_bytes = dynamic_bytes;
    m.arrays[0] = array{};
    m.arrays[0].name = "dynamic";
    m.arrays[0].data = dynamic_bytes > 0 ? take(m, dynamic_bytes) : m.bytes + m.used;
    m.arrays[0].size = 1;
    m.arrays[0].count = static_cast<int64_t>(dynamic_bytes);
    if (gpu_double_here.epoch > 0xf0000000u) { /* once in a long time */
        memset(m.words, 0, sizeof m.words);
        memset(m.small, 0, sizeof m.small);
        gpu_double_here.epoch = 0;
    }
}

void begin_block(shared_memory &m)
{
    gpu_double_here.block_epoch = ++gpu_double_here.epoch;
    for (size_t i = 0; i < m.count; i++)
        memset(m.arrays[i].data, 0xff, m.arrays[i].size * static_cast<size_t>(m.arrays[i].count));
}

void end_block(shared_memory &m)
{
    size_t from = 0;
    const char *after = "the first";
    for (size_t i = m.dynamic_bytes > 0 ? 0 : 1; i < m.count; i++) {
        const array &a = m.arrays[i];
        const size_t begin = static_cast<size_t>(a.data - m.bytes);
        check_guard(m, from, begin, after);
        from = begin + a.size * static_cast<size_t>(a.count);
        after = a.name;
    }
    check_guard(m, from, m.used, after);
}

} // namespace gpu_double

using namespace gpu_double;

const gpu_double_shared *gpu_double_shared_static(const void *site, const char *name, size_t size, int64_t count)
{
    shared_memory &m = demand(name);
    for (size_t i = 1; i < m.count; i++)
        if (m.arrays[i].site == site) return &m.arrays[i];
    const size_t bytes = size * static_cast<size_t>(count);
    if (m.count == most_arrays || m.payload + bytes > shared_limit)
        gpu_double_kernel_error(cudaErrorInvalidConfiguration, "shared array %s: more than 48 KiB, or more than %zu arrays", name,
                                most_arrays - 1);
    array &a = m.arrays[m.count++];
    a = array{};
    a.site = site;
    a.name = name;
    a.size = size;
    a.count = count;
    a.data = take(m, bytes);
    set_touches(m, a);
    return &a;
}

const gpu_double_shared *gpu_double_shared_dynamic(const char *name, size_t size)
{
    shared_memory &m = demand(name);
    for (size_t i = 0; i < m.view_count; i++)
        if (m.views[i].size == size && strcmp(m.views[i].name, name) == 0) return &m.views[i];
    if (m.view_count == most_arrays) gpu_double_kernel_error(cudaErrorInvalidConfiguration, "too many views of the dynamic shared memory");
    array &v = m.views[m.view_count++];
    v = array{};
    v.name = name;
    v.size = size;
    v.count = static_cast<int64_t>(m.dynamic_bytes / size);
    v.data = m.arrays[0].data;
    set_touches(m, v);
    return &v;
}

void gpu_double_shared_raw(const gpu_double_shared *a)
{
    shared_memory &m = demand(a->name);
    for (array &each : m.arrays)
        each.raw = each.raw || each.data == a->data;
    for (array &each : m.views)
        each.raw = each.raw || each.data == a->data;
}

/* What was wrong with the access, in the order in which the header looks. */
void gpu_double_shared_refuse(const gpu_double_shared *a, int64_t index, bool write)
{
    const long long i = index;
    if (index < 0 || index >= a->count)
        gpu_double_kernel_error(cudaErrorIllegalAddress, "shared array %s has %lld elements, element %lld is touched", a->name,
                                static_cast<long long>(a->count), i);
    const gpu_double_touch &t = a->touch[index * a->stride];
    if (!write && t.written < gpu_double_here.block_epoch)
        gpu_double_kernel_error(cudaErrorLaunchFailure, "shared array %s: element %lld is read, and nobody has written it", a->name, i);
    const bool wrote = t.written == gpu_double_here.epoch && t.writer != gpu_double_here.number;
    const int other = wrote ? t.writer : t.reader;
    char who[32] = "other threads";
    if (other >= 0) snprintf(who, sizeof who, "thread %d", other);
    gpu_double_kernel_error(cudaErrorLaunchFailure, "race: thread %d %s %s[%lld], which %s %s since the last FUT_SYNC",
                            gpu_double_here.number, write ? "writes" : "reads", a->name, i, who, wrote ? "wrote" : "read");
}
