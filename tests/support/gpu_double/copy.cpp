/* cudaMemcpyAsync and cudaMemsetAsync. */
#include "double_impl.h"

#include <cstring>

namespace gpu_double
{

namespace
{

enum class side { DEVICE, PINNED, PAGEABLE };

const char *name_of(side s)
{
    return s == side::DEVICE ? "device memory" : s == side::PINNED ? "pinned host memory" : "pageable host memory";
}

/* Freed device addresses count as device memory: the range check says what is wrong with them. */
side side_of(const void *ptr)
{
    if (in_device_space(ptr)) return side::DEVICE;
    return find_block(ptr) != nullptr ? side::PINNED : side::PAGEABLE;
}

bool agrees(cudaMemcpyKind kind, bool to_device, bool from_device)
{
    switch (kind) {
    case cudaMemcpyHostToDevice:
        return to_device && !from_device;
    case cudaMemcpyDeviceToHost:
        return !to_device && from_device;
    case cudaMemcpyDeviceToDevice:
        return to_device && from_device;
    case cudaMemcpyDefault:
        return to_device || from_device;
    default:
        return false;
    }
}

void free_bytes(void *bytes)
{
    delete[] static_cast<unsigned char *>(bytes);
}

/* Pageable memory is read now, as CUDA stages it before the call returns. */
void stage(action &a)
{
    unsigned char *bytes = new unsigned char[a.bytes];
    memcpy(bytes, a.src, a.bytes);
    a.src = a.arg = bytes;
    a.free_arg = free_bytes;
}

bool overlap(const void *a, const void *b, size_t bytes)
{
    const uintptr_t x = reinterpret_cast<uintptr_t>(a), y = reinterpret_cast<uintptr_t>(b);
    return x < y + bytes && y < x + bytes;
}

cudaError_t copy(action &a, cudaMemcpyKind kind, cudaStream_t stream, side *dst_side_out)
{
    const side dst = side_of(a.dst), src = side_of(a.src);
    *dst_side_out = dst;
    if (!agrees(kind, dst == side::DEVICE, src == side::DEVICE)) {
        report("cudaMemcpyAsync of kind %d: the destination %p is %s and the source %p is %s", kind, a.dst, name_of(dst), a.src,
               name_of(src));
        return cudaErrorInvalidValue;
    }
    if (dst == side::DEVICE && src == side::DEVICE && overlap(a.dst, a.src, a.bytes)) {
        report("cudaMemcpyAsync: source and destination overlap");
        return cudaErrorInvalidValue;
    }
    if ((dst == side::PAGEABLE || src == side::PAGEABLE) && stream->capturing != nullptr) {
        stream->capturing->invalid = true;
        report("cudaMemcpyAsync from or to pageable memory during a capture");
        return cudaErrorStreamCaptureUnsupported;
    }
    a.to_host = dst != side::DEVICE;
    a.from_host = src != side::DEVICE;
    if (dst != side::PAGEABLE) a.ranges.push_back({a.dst, a.bytes, "destination", true});
    if (src != side::PAGEABLE) a.ranges.push_back({a.src, a.bytes, "source", false});
    if (src == side::PAGEABLE) stage(a);
    return cudaSuccess;
}

struct fill {
    void *at;
    int value;
    size_t bytes;
};

void run_fill(void *arg)
{
    const fill &f = *static_cast<const fill *>(arg);
    memset(const_cast<void *>(gpu_double_translate(f.at)), f.value, f.bytes);
}

void free_fill(void *arg)
{
    delete static_cast<fill *>(arg);
}

} // namespace

} // namespace gpu_double

using namespace gpu_double;

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t count, cudaMemcpyKind kind, cudaStream_t stream)
{
    GPU_DOUBLE_ENTER(cudaMemcpyAsync);
    world &w = the_world();
    const auto a = std::make_shared<action>();
    a->name = kind == cudaMemcpyHostToDevice ? "upload" : kind == cudaMemcpyDeviceToHost ? "download" : "copy";
    a->copy = true;
    a->dst = dst;
    a->src = src;
    a->bytes = count;
    guard held(w.lock);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    if (!is_stream(stream, "cudaMemcpyAsync")) return fail(cudaErrorInvalidResourceHandle);
    if (count == 0) return cudaSuccess;
    side dst_side;
    cudaError_t error = copy(*a, kind, stream, &dst_side);
    if (error == cudaSuccess) error = enqueue_action(stream, a);
    if (error != cudaSuccess || dst_side != side::PAGEABLE) return fail(error);
    const uint64_t target = stream->enqueued;
    const knowledge known = stream->known;
    w.progress.wait(held, [&] { return stream->finished >= target; });
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    host_learns(known);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *devPtr, int value, size_t count, cudaStream_t stream)
{
    GPU_DOUBLE_ENTER(cudaMemsetAsync);
    if (count == 0) return cudaSuccess;
    const auto a = std::make_shared<action>();
    a->name = "memset";
    a->fn = run_fill;
    a->arg = new fill{devPtr, value, count};
    a->free_arg = free_fill;
    a->ranges.push_back({devPtr, count, "destination", true});
    guard held(the_world().lock);
    return fail(enqueue_action(stream, a));
}
