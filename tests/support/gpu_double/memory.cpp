/* Device and pinned memory.
 *
 *     device space, span bytes, never accessible │ the same again, where the bytes really are
 *     ── gap ──[ block ]── gap ──[ block ]──      │ ── gap ──[slack block]── gap ──[slack block]──
 *          handed out = real - span                              ▲ ends on the page's end, up to rounding to 256
 * Addresses are never used twice, so a freed block's stay dead. Slack around a block is full of 0xFF and looked at after each operation
 * that had the block as an argument. */
#include "kernel_impl.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <csignal>
#include <sys/mman.h>
#include <unistd.h>

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

constexpr size_t page = 4096, alignment = 256, gap = size_t(256) << 10;

struct space {
    uintptr_t base = 0; /* of the addresses handed out */
    size_t span = size_t(256) << 30;
    size_t next = gap;

    space()
    {
        for (; span >= size_t(4) << 30; span /= 2) {
            void *p = mmap(nullptr, 2 * span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (p == MAP_FAILED) continue;
            base = reinterpret_cast<uintptr_t>(p);
            return;
        }
        fprintf(stderr, "gpu double: no address space: %s\n", strerror(errno));
        abort();
    }
};

space &the_space()
{
    static space &s = *new space;
    return s;
}

size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* What lies between the mapping's ends and the block. */
void guard_spans(const block &b, unsigned char *spans[2], size_t sizes[2])
{
    spans[0] = b.mapped;
    sizes[0] = static_cast<size_t>(b.real - b.mapped);
    spans[1] = b.real + b.bytes;
    sizes[1] = b.mapped_bytes - sizes[0] - b.bytes;
}

block *add_block(void *mapped, size_t mapped_bytes, size_t bytes, int device, uintptr_t distance)
{
    world &w = the_world();
    auto b = std::make_unique<block>();
    b->mapped = static_cast<unsigned char *>(mapped);
    b->mapped_bytes = mapped_bytes;
    b->real = b->mapped + (mapped_bytes - round_up(bytes, alignment));
    b->bytes = bytes;
    b->device = device;
    b->base = reinterpret_cast<uintptr_t>(b->real) - distance;
    memset(mapped, 0xff, mapped_bytes);
    unsigned char *spans[2];
    size_t sizes[2];
    guard_spans(*b, spans, sizes);
    for (int i = 0; i < 2; i++)
        ASAN_POISON_MEMORY_REGION(spans[i], sizes[i]);
    block *made = b.get();
    w.blocks.emplace(made->base, std::move(b));
    return made;
}

cudaError_t allocate_device(size_t bytes, void **out)
{
    world &w = the_world();
    space &s = the_space();
    const size_t device = static_cast<size_t>(current_device), pages = round_up(bytes, page);
    if (device >= the_settings().visible.size()) return cudaErrorInvalidDevice;
    if (bytes > the_settings().memory || w.used[device] + round_up(bytes, alignment) > the_settings().memory)
        return cudaErrorMemoryAllocation;
    if (s.next + pages + gap > s.span) {
        report("this process has allocated %zu bytes of addresses in all; they are never used twice", s.next);
        return cudaErrorMemoryAllocation;
    }
    unsigned char *real = reinterpret_cast<unsigned char *>(s.base + s.span + s.next);
    if (mprotect(real, pages, PROT_READ | PROT_WRITE) != 0) return cudaErrorMemoryAllocation;
    s.next += pages + gap;
    w.used[device] += round_up(bytes, alignment);
    *out = reinterpret_cast<void *>(add_block(real, pages, bytes, current_device, s.span)->base);
    return cudaSuccess;
}

cudaError_t allocate_pinned(size_t bytes, void **out)
{
    const size_t pages = round_up(bytes, page);
    unsigned char *p =
        static_cast<unsigned char *>(mmap(nullptr, pages + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (p == MAP_FAILED) return cudaErrorMemoryAllocation;
    if (mprotect(p + page, pages, PROT_READ | PROT_WRITE) != 0) {
        munmap(p, pages + 2 * page);
        return cudaErrorMemoryAllocation;
    }
    *out = reinterpret_cast<void *>(add_block(p + page, pages, bytes, -1, 0)->base);
    return cudaSuccess;
}

void release(block *b)
{
    world &w = the_world();
    check_guards(*b, "free");
    ASAN_UNPOISON_MEMORY_REGION(b->mapped, b->mapped_bytes);
    if (b->device < 0) {
        forget_host_block(*b);
        munmap(b->mapped - page, b->mapped_bytes + 2 * page);
    } else {
        w.used[static_cast<size_t>(b->device)] -= round_up(b->bytes, alignment);
        mmap(b->mapped, b->mapped_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    }
    w.blocks.erase(b->base);
}

cudaError_t free_block(const char *entry, void *ptr, bool device)
{
    if (ptr == nullptr) return cudaSuccess;
    world &w = the_world();
    guard held(w.lock);
    const cudaError_t refused = refuse_in_capture(entry, nullptr);
    if (refused != cudaSuccess) return fail(refused);
    wait_all_streams(held);
    const auto found = w.blocks.find(reinterpret_cast<uintptr_t>(ptr));
    if (found == w.blocks.end() || (found->second->device >= 0) != device) {
        report("%s(%p): no live block of %s memory begins there", entry, ptr, device ? "device" : "pinned");
        return fail(cudaErrorInvalidValue);
    }
    release(found->second.get());
    return fail(w.sticky);
}

cudaError_t allocate(const char *entry, void **out, size_t bytes, cudaError_t (*how)(size_t, void **))
{
    world &w = the_world();
    guard held(w.lock);
    if (out == nullptr) return fail(cudaErrorInvalidValue);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    const cudaError_t refused = refuse_in_capture(entry, nullptr);
    if (refused != cudaSuccess) return fail(refused);
    *out = nullptr;
    return bytes == 0 ? cudaSuccess : fail(how(bytes, out));
}

/* ---- faults ---- */

struct sigaction previous[2];

const block *nearest_block(uintptr_t address)
{
    const world &w = the_world();
    auto after = w.blocks.upper_bound(address);
    return after == w.blocks.begin() ? nullptr : std::prev(after)->second.get();
}

/* Runs in a fault: the process is about to die, or the operation to be left; what it prints may be torn, never wrong. */
void on_fault(int signal, siginfo_t *info, void *context)
{
    const space &s = the_space();
    const uintptr_t at = reinterpret_cast<uintptr_t>(info->si_addr);
    const bool handed_out = at >= s.base && at < s.base + s.span, real = at >= s.base + s.span && at < s.base + 2 * s.span;
    if (!handed_out && !real && on_stream == nullptr) {
        const struct sigaction &old = previous[signal == SIGBUS];
        if (old.sa_flags & SA_SIGINFO)
            old.sa_sigaction(signal, info, context);
        else
            sigaction(signal, &old, nullptr); /* the default: the fault repeats */
        return;
    }
    const block *near = handed_out || real ? nearest_block(handed_out ? at : at - s.span) : nullptr;
    char where[160] = "";
    if (near != nullptr)
        snprintf(where, sizeof where, ", %lld bytes from the start of a block of %zu",
                 static_cast<long long>((handed_out ? at : at - s.span) - near->base), near->bytes);
    if (on_stream == nullptr) {
        fprintf(stderr, "gpu double: host code touched device memory at %p%s\n", info->si_addr, where);
        abort();
    }
    const gpu_double_place &h = gpu_double_here;
    fprintf(stderr, "gpu double: '%s' touched %p, which is %s%s (block %u,%u,%u thread %u,%u,%u, if a kernel)\n", on_stream->running,
            info->si_addr,
            handed_out                      ? "a device address nobody turned into a real one"
            : real                          ? "outside every live block of device memory"
            : is_stack_guard(info->si_addr) ? "beyond the 60 KiB of stack a thread has"
                                            : "not device memory",
            where, h.block.x, h.block.y, h.block.z, h.thread.x, h.thread.y, h.thread.z);
    if (the_settings().strict) abort();
    sigset_t unblock;
    sigemptyset(&unblock);
    sigaddset(&unblock, signal);
    pthread_sigmask(SIG_UNBLOCK, &unblock, nullptr);
    siglongjmp(on_stream->env, cudaErrorIllegalAddress);
}

} // namespace

thread_local recovery *on_stream = nullptr;

void install_fault_handler()
{
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &previous[0]);
    sigaction(SIGBUS, &action, &previous[1]);
}

/* So that a fault on a full stack can be told. AddressSanitizer brings its own. */
void use_fault_stack()
{
#if !defined(__SANITIZE_ADDRESS__)
    static thread_local std::vector<unsigned char> memory(64 << 10);
    stack_t stack = {};
    stack.ss_sp = memory.data();
    stack.ss_size = memory.size();
    sigaltstack(&stack, nullptr);
#endif
}

bool in_device_space(const void *ptr)
{
    const uintptr_t at = reinterpret_cast<uintptr_t>(ptr);
    return at >= the_space().base && at < the_space().base + the_space().span;
}

block *find_block(const void *ptr)
{
    world &w = the_world();
    const uintptr_t at = reinterpret_cast<uintptr_t>(ptr);
    auto after = w.blocks.upper_bound(at);
    if (after == w.blocks.begin()) return nullptr;
    block *b = std::prev(after)->second.get();
    return at <= b->base + b->bytes ? b : nullptr;
}

unsigned char *real_address(const block &b, const void *ptr)
{
    return b.real + (reinterpret_cast<uintptr_t>(ptr) - b.base);
}

/* Under AddressSanitizer the slack is poisoned instead, and the access itself is caught. */
void check_guards([[maybe_unused]] const block &b, [[maybe_unused]] const char *after)
{
#if !defined(__SANITIZE_ADDRESS__)
    unsigned char *spans[2];
    size_t sizes[2];
    guard_spans(b, spans, sizes);
    for (int i = 0; i < 2; i++) {
        if (sizes[i] == 0 || (spans[i][0] == 0xff && memcmp(spans[i], spans[i] + 1, sizes[i] - 1) == 0)) continue;
        for (size_t k = 0; k < sizes[i]; k++)
            if (spans[i][k] != 0xff) {
                report("'%s': somebody wrote %lld bytes from the start of a block of %zu bytes of %s memory", after,
                       static_cast<long long>(spans[i] + k - b.real), b.bytes, b.device < 0 ? "pinned" : "device");
                break;
            }
        memset(spans[i], 0xff, sizes[i]);
    }
#endif
}

} // namespace gpu_double

using namespace gpu_double;

cudaError_t cudaMalloc(void **devPtr, size_t size)
{
    GPU_DOUBLE_ENTER(cudaMalloc);
    return allocate("cudaMalloc", devPtr, size, allocate_device);
}

cudaError_t cudaMallocHost(void **ptr, size_t size)
{
    GPU_DOUBLE_ENTER(cudaMallocHost);
    return allocate("cudaMallocHost", ptr, size, allocate_pinned);
}

/* A free that fails has freed: CUDA reports errors of earlier work there. */
cudaError_t cudaFree(void *devPtr)
{
    int injected;
    const bool fails = gpu_double_enter("cudaFree", &injected);
    const cudaError_t error = free_block("cudaFree", devPtr, true);
    return fails ? fail(static_cast<cudaError_t>(injected)) : error;
}

cudaError_t cudaFreeHost(void *ptr)
{
    int injected;
    const bool fails = gpu_double_enter("cudaFreeHost", &injected);
    const cudaError_t error = free_block("cudaFreeHost", ptr, false);
    return fails ? fail(static_cast<cudaError_t>(injected)) : error;
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total)
{
    GPU_DOUBLE_ENTER(cudaMemGetInfo);
    world &w = the_world();
    guard held(w.lock);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    if (static_cast<size_t>(current_device) >= the_settings().visible.size()) return fail(cudaErrorNoDevice);
    *total = the_settings().memory;
    *free = *total - w.used[static_cast<size_t>(current_device)];
    return cudaSuccess;
}

const void *gpu_double_translate(const void *ptr)
{
    return in_device_space(ptr) ? reinterpret_cast<const void *>(reinterpret_cast<uintptr_t>(ptr) + the_space().span) : ptr;
}

void gpu_double_translate_words(void *bytes, size_t size, gpu_double_range *ranges, int *count, int capacity)
{
    unsigned char *p = static_cast<unsigned char *>(bytes);
    for (size_t at = 0; at + sizeof(void *) <= size; at += sizeof(void *)) {
        void *word;
        memcpy(&word, p + at, sizeof word);
        if (!in_device_space(word)) continue;
        {
            guard held(the_world().lock);
            if (find_block(word) == nullptr) continue;
        }
        if (*count < capacity) ranges[(*count)++] = {word, 1, "pointer in a struct", true};
        const void *real = gpu_double_translate(word);
        memcpy(p + at, &real, sizeof real);
    }
}

void *gpu_double_access(const void *ptr)
{
    if (ptr == nullptr) return nullptr;
    if (on_stream == nullptr) report("gpu_double_access(%p) from a thread that is no stream's", ptr);
    guard held(the_world().lock);
    const block *b = find_block(ptr);
    if (b == nullptr || b->device < 0) {
        held.unlock();
        report("%p is no live device memory", ptr);
        return nullptr;
    }
    return real_address(*b, ptr);
}

bool gpu_double_check_device(const void *ptr, size_t bytes, const char *what, bool write)
{
    guard held(the_world().lock);
    const gpu_double_range range = {ptr, bytes, what, write};
    return check_range(range, current_device, false, false, "argument");
}
