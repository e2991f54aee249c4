/* How a kernel runs: blocks one after another in an order the seed chooses; the threads of a block in a loop, or, with barriers, as fibers:
 *
 *     warp by warp: every lane runs until it stops ──all at a shuffle──▶ exchange, go on
 *     all warps stopped ──all at one FUT_SYNC──▶ next epoch       ──all ended──▶ next block       ──anything else──▶ an error */
#include "kernel_impl.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

__thread gpu_double_place gpu_double_here = {dim3(0, 0, 0), dim3(0, 0, 0), dim3(1, 1, 1), dim3(1, 1, 1), 0, 0, 0, 0};

namespace gpu_double
{

namespace
{

struct running {
    const gpu_double_kernel *kernel = nullptr;
    shared_memory *shared = nullptr;
    int order = 0; /* of threads: 0 forward, 1 backward, else begins in the middle */
};

__thread running now __attribute__((tls_model("initial-exec")));

size_t volume(dim3 d)
{
    return size_t(d.x) * d.y * d.z;
}

dim3 unflatten(size_t i, dim3 size)
{
    const size_t x = i % size.x, y = i / size.x % size.y, z = i / size.x / size.y;
    return dim3(static_cast<unsigned int>(x), static_cast<unsigned int>(y), static_cast<unsigned int>(z));
}

/* The i-th of n to run. */
size_t pick(size_t i, size_t n, int order)
{
    return order == 0 ? i : order == 1 ? n - 1 - i : (i + n / 2) % n;
}

void describe(const fiber &f, size_t thread, char text[64])
{
    switch (f.state) {
    case stop::BARRIER:
        snprintf(text, 64, "thread %zu waits at FUT_SYNC, line %d", thread, f.line);
        break;
    case stop::SHUFFLE:
        snprintf(text, 64, "thread %zu waits at a shuffle, line %d", thread, f.line);
        break;
    default:
        snprintf(text, 64, "thread %zu has ended", thread);
        break;
    }
}

[[noreturn]] void divergence(const fiber &a, size_t a_thread, const fiber &b, size_t b_thread)
{
    char here[64], there[64];
    describe(a, a_thread, here);
    describe(b, b_thread, there);
    gpu_double_kernel_error(cudaErrorLaunchFailure, "divergence: %s, but %s", here, there);
}

/* All stand where the first stands, or it is an error. */
void demand_agreement(const fiber *all, size_t first, size_t n)
{
    const fiber &a = all[first];
    for (size_t i = first + 1; i < first + n; i++) {
        const fiber &b = all[i];
        if (b.state != a.state || (a.state != stop::DONE && (b.line != a.line || b.combine != a.combine))) divergence(a, first, b, i);
    }
}

/* What n threads brought, worked on together. */
void combine(fiber *threads, size_t n)
{
    unsigned char slots[1024 * 8];
    for (size_t i = 0; i < n; i++)
        memcpy(slots + 8 * i, threads[i].value, 8);
    if (threads[0].combine != nullptr) threads[0].combine(slots, n);
    for (size_t i = 0; i < n; i++) {
        const size_t from = threads[0].combine != nullptr ? i : static_cast<size_t>(threads[i].source);
        if (from < n)
            memcpy(threads[i].value, slots + 8 * from, 8);
        else
            memset(threads[i].value, 0xff, 8);
    }
}

/* Until all lanes stand at a barrier or have ended. */
void run_warp(fiber *all, size_t first, size_t n)
{
    for (;;) {
        fiber *lanes[32] = {};
        for (size_t i = 0; i < n; i++)
            lanes[i] = &all[first + pick(i, n, now.order)];
        run_fibers(lanes, n, now.kernel->body, now.kernel->args);
        bool shuffles = false;
        for (size_t i = first; i < first + n; i++)
            shuffles = shuffles || all[i].state == stop::SHUFFLE;
        if (!shuffles) return;
        demand_agreement(all, first, n);
        combine(all + first, n);
    }
}

void run_block_of_fibers()
{
    const size_t n = volume(now.kernel->block), warps = (n + 31) / 32;
    fiber *all = fibers(n).data();
    for (size_t i = 0; i < n; i++) {
        all[i].thread = unflatten(i, now.kernel->block);
        all[i].number = static_cast<int>(i);
    }
    begin_block(*now.shared);
    for (;;) {
        for (size_t w = 0; w < warps; w++) {
            const size_t first = 32 * pick(w, warps, now.order);
            run_warp(all, first, std::min<size_t>(32, n - first));
        }
        demand_agreement(all, 0, n);
        if (all[0].state == stop::DONE) break;
        if (all[0].combine != nullptr) combine(all, n);
        gpu_double_here.epoch++;
    }
    end_block(*now.shared);
}

struct job {
    gpu_double_kernel kernel;
};

void run_job(void *arg)
{
    run_kernel(static_cast<job *>(arg)->kernel);
}

void free_job(void *arg)
{
    const job *j = static_cast<job *>(arg);
    if (j->kernel.free_args != nullptr) j->kernel.free_args(j->kernel.args);
    delete j;
}

const char *wrong_shape(const gpu_double_kernel &k)
{
    if (k.grid.x == 0 || k.grid.y == 0 || k.grid.z == 0 || k.block.x == 0 || k.block.y == 0 || k.block.z == 0) return "a size of 0";
    if (k.grid.x > 0x7fffffffu || k.grid.y > 65535 || k.grid.z > 65535) return "a grid beyond 2^31-1, 65535, 65535";
    if (k.block.x > 1024 || k.block.y > 1024 || k.block.z > 64 || volume(k.block) > 1024)
        return "a block beyond 1024, 1024, 64, 1024 threads in all";
    if (k.shared_bytes > shared_limit) return "more than 48 KiB of shared memory";
    if (!k.sync && k.shared_bytes > 0) return "dynamic shared memory under FUT_LAUNCH";
    return nullptr;
}

} // namespace

void run_kernel(const gpu_double_kernel &kernel)
{
    uint64_t random = the_settings().seed;
    {
        guard held(the_world().lock);
        random += the_world().launches++ * 0x632be59bd9b4e019u;
    }
    shared_memory *const shared = kernel.sync ? worker_shared() : nullptr;
    const bool natural = the_settings().seed == 0;
    now.kernel = &kernel;
    now.order = natural ? 0 : static_cast<int>(next_random(random) % 3);
    now.shared = shared;
    if (kernel.sync) begin_shared(*shared, kernel.shared_bytes);
    const int block_order = natural ? 0 : static_cast<int>(next_random(random) % 3);
    const size_t blocks = volume(kernel.grid);
    gpu_double_here = {dim3(0, 0, 0), dim3(0, 0, 0), kernel.block, kernel.grid, now.order, 0, gpu_double_here.epoch, 0};
    for (size_t i = 0; i < blocks; i++) {
        gpu_double_here.block = unflatten(pick(i, blocks, block_order), kernel.grid);
        if (kernel.sync)
            run_block_of_fibers();
        else
            kernel.body(kernel.args);
    }
    now = running{};
}

void reset_kernel()
{
    if (now.shared != nullptr) abandon_fibers();
    now = running{};
}

shared_memory *running_shared()
{
    return now.shared;
}

} // namespace gpu_double

using namespace gpu_double;

cudaError_t gpu_double_launch(const gpu_double_kernel *kernel, cudaStream_t stream, const gpu_double_range *ranges, int count)
{
    const auto a = std::make_shared<action>();
    a->name = kernel->name;
    a->kernel = true;
    a->fn = run_job;
    a->arg = new job{*kernel};
    a->free_arg = free_job;
    a->ranges.assign(ranges, ranges + count);
    int injected;
    if (gpu_double_enter("cudaLaunchKernel", &injected)) return fail(static_cast<cudaError_t>(injected));
    if (const char *wrong = wrong_shape(*kernel)) {
        report("%s: %s (grid %u,%u,%u block %u,%u,%u shared %zu)", kernel->name, wrong, kernel->grid.x, kernel->grid.y, kernel->grid.z,
               kernel->block.x, kernel->block.y, kernel->block.z, kernel->shared_bytes);
        fail(cudaErrorInvalidConfiguration);
        return cudaGetLastError();
    }
    {
        guard held(the_world().lock);
        fail(enqueue_action(stream, a));
    }
    return cudaGetLastError(); /* as nvcc's macro: an older error nobody has read comes out here */
}

namespace
{

fiber &demand_fiber(const char *what, int line)
{
    fiber *f = this_fiber();
    if (f == nullptr) gpu_double_kernel_error(cudaErrorLaunchFailure, "%s, line %d, in a kernel launched with FUT_LAUNCH", what, line);
    return *f;
}

} // namespace

void gpu_double_sync(int line)
{
    demand_fiber("FUT_SYNC", line).combine = nullptr;
    stop_here(stop::BARRIER, line);
}

void gpu_double_shuffle(void *value, size_t size, int source, int line)
{
    fiber &f = demand_fiber("a shuffle", line);
    memcpy(f.value, value, size);
    f.source = source;
    f.combine = nullptr;
    stop_here(stop::SHUFFLE, line);
    memcpy(value, f.value, size);
}

void gpu_double_collect(void *value, size_t size, bool whole_block, gpu_double_combine combine, int line)
{
    fiber &f = demand_fiber("a sum over threads", line);
    memcpy(f.value, value, size);
    f.combine = combine;
    stop_here(whole_block ? stop::BARRIER : stop::SHUFFLE, line);
    memcpy(value, f.value, size);
}

void gpu_double_kernel_error(cudaError_t error, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    const gpu_double_place &h = gpu_double_here;
    report("kernel '%s', block %u,%u,%u, thread %u,%u,%u: %s", on_stream != nullptr ? on_stream->running : "?", h.block.x, h.block.y,
           h.block.z, h.thread.x, h.thread.y, h.thread.z, text);
    if (on_stream == nullptr) abort();
    leave_kernel(error);
}
