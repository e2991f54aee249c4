/* Streams: a queue and a worker thread each. Events: places in them. */
#include "double_impl.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <thread>

#include <sys/prctl.h>

namespace gpu_double
{

namespace
{

double now_seconds()
{
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/* Sometimes a stream is slow. */
void dawdle(cudaStream_t s)
{
    const int longest = the_settings().delay_us;
    if (longest <= 0 || the_settings().seed == 0 || next_random(s->random) % 8 != 0) return;
    const timespec t = {0, static_cast<long>(next_random(s->random) % static_cast<uint64_t>(longest)) * 1000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, nullptr);
}

/* An injected failure of the n-th operation. */
bool fails_by_plan(const action &a)
{
    int code;
    return (a.kernel && gpu_double_enter("kernel", &code)) | gpu_double_enter("stream", &code)
               ? (gpu_double_fail_device(static_cast<cudaError_t>(code)), true)
               : false;
}

/* Not in run(): a function that is jumped back into keeps no locals. */
int guarded_call(const action &a)
{
    recovery r;
    r.running = a.name;
    const int jumped = sigsetjmp(r.env, 0);
    if (jumped == 0) {
        on_stream = &r;
        a.fn(a.arg);
    } else {
        reset_kernel();
    }
    on_stream = nullptr;
    return jumped;
}

void run(cudaStream_t s, const operation &op, guard &held)
{
    world &w = the_world();
    const action &a = *op.run;
    if (w.sticky != cudaSuccess) return;
    held.unlock();
    dawdle(s);
    const bool failed = fails_by_plan(a);
    held.lock();
    if (failed || w.sticky != cudaSuccess) return;
    if (a.copy) {
        run_copy(a, op.to_host.get(), held);
        return;
    }
    held.unlock();
    const int error = guarded_call(a);
    held.lock();
    if (error != 0) fail_device_locked(static_cast<cudaError_t>(error));
    for (const gpu_double_range &range : a.ranges)
        if (const block *b = range.bytes > 0 ? find_block(range.ptr) : nullptr) check_guards(*b, a.name);
}

void work(cudaStream_t s)
{
    world &w = the_world();
    current_device = s->device;
    use_fault_stack();
    prctl(PR_SET_TIMERSLACK, 1000UL); /* short pauses are short */
    guard held(w.lock);
    for (;;) {
        s->work.wait(held, [s] { return !s->queue.empty() || s->ends; });
        if (s->queue.empty()) break;
        operation op = std::move(s->queue.front());
        s->queue.pop_front();
        switch (op.kind) {
        case operation::WAIT:
            w.progress.wait(held, [&] { return op.at->passed; });
            break;
        case operation::RECORD:
            op.at->passed = true;
            op.at->seconds = now_seconds();
            break;
        case operation::RUN:
            run(s, op, held);
            if (op.to_host && !op.to_host->arrived) w.deliveries.remove(op.to_host); /* the device failed */
            held.unlock();
            op.run.reset(); /* its owner's code may come back to us */
            held.lock();
            break;
        }
        s->finished++;
        w.progress.notify_all();
    }
    w.slots[static_cast<size_t>(s->slot)] = false;
    w.streams.remove(s);
    w.progress.notify_all();
    held.unlock();
    delete s;
}

void push(cudaStream_t s, operation op)
{
    s->queue.push_back(std::move(op));
    s->enqueued++;
    s->work.notify_one();
}

bool is_event(cudaEvent_t event, const char *who)
{
    const std::list<cudaEvent_t> &all = the_world().events;
    if (std::find(all.begin(), all.end(), event) != all.end()) return true;
    report("%s: %p is no live event", who, static_cast<void *>(event));
    return false;
}

cudaError_t wait_stream(cudaStream_t s, guard &held)
{
    world &w = the_world();
    const uint64_t target = s->enqueued;
    const knowledge known = s->known;
    w.progress.wait(held, [&] { return s->finished >= target; });
    if (w.sticky != cudaSuccess) return w.sticky;
    host_learns(known);
    return cudaSuccess;
}

} // namespace

bool is_stream(cudaStream_t stream, const char *who)
{
    if (reinterpret_cast<uintptr_t>(stream) <= 2) {
        report("%s on the default stream: futago's work belongs on streams it made (cudaStreamNonBlocking)", who);
        return false;
    }
    const std::list<cudaStream_t> &all = the_world().streams;
    if (std::find(all.begin(), all.end(), stream) != all.end() && !stream->ends) return true;
    report("%s: %p is no live stream", who, static_cast<void *>(stream));
    return false;
}

cudaStream_t make_stream(int device, bool hidden)
{
    world &w = the_world();
    const auto slot = std::find(w.slots.begin(), w.slots.end(), false);
    if (slot == w.slots.end()) {
        report("more than %d streams live", max_streams);
        return nullptr;
    }
    *slot = true;
    cudaStream_t s = new CUstream_st;
    s->device = device;
    s->slot = static_cast<int>(slot - w.slots.begin());
    s->number = w.stream_count++;
    s->hidden = hidden;
    s->known[static_cast<size_t>(s->slot)] = w.slot_seq[static_cast<size_t>(s->slot)];
    s->random = the_settings().seed * 1000003u + static_cast<uint64_t>(s->number);
    w.streams.push_back(s);
    std::thread(work, s).detach();
    return s;
}

/* The worker finishes what is queued, then takes the stream away. */
void end_stream(cudaStream_t stream)
{
    stream->ends = true;
    stream->work.notify_one();
}

void submit(cudaStream_t s, const std::shared_ptr<action> &a)
{
    world &w = the_world();
    const size_t slot = static_cast<size_t>(s->slot);
    learn(s->known, w.host);
    const place at = {s->slot, w.slot_seq[slot] = ++s->known[slot]};
    for (const gpu_double_range &range : a->ranges)
        note_access(range, at, s->known, a->name);
    operation op = {operation::RUN, a, nullptr, nullptr};
    if (a->copy) submit_copy(*a, at, op);
    push(s, std::move(op));
}

void submit_record(cudaStream_t s, const std::shared_ptr<point> &at)
{
    learn(s->known, the_world().host);
    at->known = s->known;
    push(s, {operation::RECORD, nullptr, nullptr, at});
}

void submit_wait(cudaStream_t s, const std::shared_ptr<point> &at)
{
    learn(s->known, at->known);
    push(s, {operation::WAIT, nullptr, nullptr, at});
}

void wait_all_streams(guard &held)
{
    world &w = the_world();
    w.progress.wait(
        held, [&] { return std::all_of(w.streams.begin(), w.streams.end(), [](cudaStream_t s) { return s->finished == s->enqueued; }); });
    for (const cudaStream_t s : w.streams)
        host_learns(s->known);
}

cudaError_t enqueue_action(cudaStream_t stream, const std::shared_ptr<action> &a)
{
    world &w = the_world();
    if (w.sticky != cudaSuccess) return w.sticky;
    if (!is_stream(stream, a->name)) return cudaErrorInvalidResourceHandle;
    if (a->kernel && stream->device != current_device) {
        report("%s: launched on a stream of device %d while device %d is current", a->name, stream->device, current_device);
        return cudaErrorInvalidResourceHandle;
    }
    for (const gpu_double_range &range : a->ranges)
        if (!check_range(range, stream->device, a->kernel, a->copy, a->name)) {
            if (!a->kernel) return cudaErrorInvalidValue;
            fail_device_locked(cudaErrorIllegalAddress);
            return cudaErrorIllegalAddress;
        }
    if (stream->capturing != nullptr) return capture_action(stream, a);
    submit(stream, a);
    return cudaSuccess;
}

} // namespace gpu_double

using namespace gpu_double;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *pStream, unsigned int flags)
{
    GPU_DOUBLE_ENTER(cudaStreamCreateWithFlags);
    world &w = the_world();
    guard held(w.lock);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    if (static_cast<size_t>(current_device) >= the_settings().visible.size()) return fail(cudaErrorNoDevice);
    if (flags != cudaStreamNonBlocking) {
        report("a stream that synchronises with the default stream: use cudaStreamNonBlocking");
        return fail(cudaErrorInvalidValue);
    }
    *pStream = make_stream(current_device, false);
    return *pStream != nullptr ? cudaSuccess : fail(cudaErrorMemoryAllocation);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *pStream, unsigned int flags, int priority)
{
    (void)priority; /* any is allowed: CUDA clamps it */
    GPU_DOUBLE_ENTER(cudaStreamCreateWithPriority);
    return cudaStreamCreateWithFlags(pStream, flags);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *leastPriority, int *greatestPriority)
{
    GPU_DOUBLE_ENTER(cudaDeviceGetStreamPriorityRange);
    *leastPriority = 0;
    *greatestPriority = -5;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    int injected;
    const bool fails = gpu_double_enter("cudaStreamDestroy", &injected);
    world &w = the_world();
    guard held(w.lock);
    if (!is_stream(stream, "cudaStreamDestroy")) return fail(cudaErrorInvalidResourceHandle);
    if (stream->capturing != nullptr) {
        report("cudaStreamDestroy of a capturing stream");
        stream->capturing->invalid = true;
        return fail(cudaErrorStreamCaptureUnsupported);
    }
    end_stream(stream);
    return fail(fails ? static_cast<cudaError_t>(injected) : w.sticky);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    GPU_DOUBLE_ENTER(cudaStreamSynchronize);
    world &w = the_world();
    guard held(w.lock);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    if (!is_stream(stream, "cudaStreamSynchronize")) return fail(cudaErrorInvalidResourceHandle);
    const cudaError_t refused = refuse_in_capture("cudaStreamSynchronize", stream);
    return fail(refused != cudaSuccess ? refused : wait_stream(stream, held));
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    GPU_DOUBLE_ENTER(cudaStreamQuery);
    world &w = the_world();
    guard held(w.lock);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    if (!is_stream(stream, "cudaStreamQuery")) return fail(cudaErrorInvalidResourceHandle);
    const cudaError_t refused = refuse_in_capture("cudaStreamQuery", stream);
    if (refused != cudaSuccess) return fail(refused);
    if (stream->finished < stream->enqueued) return fail(cudaErrorNotReady);
    host_learns(stream->known);
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags)
{
    GPU_DOUBLE_ENTER(cudaStreamWaitEvent);
    world &w = the_world();
    guard held(w.lock);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    if (!is_stream(stream, "cudaStreamWaitEvent") || !is_event(event, "cudaStreamWaitEvent")) return fail(cudaErrorInvalidResourceHandle);
    if (stream->capturing != nullptr || event->captured != nullptr)
        return fail(capture_wait(stream, event, (flags & cudaEventWaitExternal) != 0));
    if (event->last) submit_wait(stream, event->last); /* CUDA: an event never recorded is no obstacle */
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags)
{
    GPU_DOUBLE_ENTER(cudaEventCreateWithFlags);
    world &w = the_world();
    guard held(w.lock);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    if ((flags & ~3u) != 0) return fail(cudaErrorInvalidValue);
    *event = new CUevent_st;
    (*event)->flags = flags;
    (*event)->device = current_device;
    w.events.push_back(*event);
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    int injected;
    const bool fails = gpu_double_enter("cudaEventDestroy", &injected);
    world &w = the_world();
    guard held(w.lock);
    if (!is_event(event, "cudaEventDestroy")) return fail(cudaErrorInvalidResourceHandle);
    w.events.remove(event);
    delete event;
    return fail(fails ? static_cast<cudaError_t>(injected) : w.sticky);
}

static cudaError_t record(cudaEvent_t event, cudaStream_t stream, unsigned int flags)
{
    world &w = the_world();
    guard held(w.lock);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    if (!is_stream(stream, "cudaEventRecord") || !is_event(event, "cudaEventRecord")) return fail(cudaErrorInvalidResourceHandle);
    if (event->device != stream->device) {
        report("cudaEventRecord: an event of device %d on a stream of device %d", event->device, stream->device);
        return fail(cudaErrorInvalidResourceHandle);
    }
    if (stream->capturing != nullptr) return fail(capture_record(stream, event, (flags & cudaEventRecordExternal) != 0));
    event->captured = nullptr;
    event->last = std::make_shared<point>();
    submit_record(stream, event->last);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    GPU_DOUBLE_ENTER(cudaEventRecord);
    return record(event, stream, cudaEventRecordDefault);
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned int flags)
{
    GPU_DOUBLE_ENTER(cudaEventRecordWithFlags);
    return record(event, stream, flags);
}

/* What a query and a wait have in common before they look at the point. */
static cudaError_t event_usable(const char *entry, cudaEvent_t event)
{
    world &w = the_world();
    if (w.sticky != cudaSuccess) return w.sticky;
    if (!is_event(event, entry)) return cudaErrorInvalidResourceHandle;
    if (event->captured != nullptr) {
        report("%s of an event last recorded in a capture", entry);
        return cudaErrorCapturedEvent;
    }
    return refuse_in_capture(entry, nullptr);
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    GPU_DOUBLE_ENTER(cudaEventQuery);
    guard held(the_world().lock);
    const cudaError_t usable = event_usable("cudaEventQuery", event);
    if (usable != cudaSuccess || !event->last) return fail(usable);
    if (!event->last->passed) return fail(cudaErrorNotReady);
    host_learns(event->last->known);
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    GPU_DOUBLE_ENTER(cudaEventSynchronize);
    world &w = the_world();
    guard held(w.lock);
    const cudaError_t usable = event_usable("cudaEventSynchronize", event);
    if (usable != cudaSuccess || !event->last) return fail(usable);
    const std::shared_ptr<point> at = event->last;
    w.progress.wait(held, [&] { return at->passed; });
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    host_learns(at->known);
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end)
{
    GPU_DOUBLE_ENTER(cudaEventElapsedTime);
    world &w = the_world();
    guard held(w.lock);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    if (!is_event(start, "cudaEventElapsedTime") || !is_event(end, "cudaEventElapsedTime")) return fail(cudaErrorInvalidResourceHandle);
    if (((start->flags | end->flags) & cudaEventDisableTiming) != 0 || !start->last || !end->last) {
        report("cudaEventElapsedTime of an event without timing, or never recorded");
        return fail(cudaErrorInvalidResourceHandle);
    }
    if (!start->last->passed || !end->last->passed) return fail(cudaErrorNotReady);
    *ms = static_cast<float>(1e3 * (end->last->seconds - start->last->seconds));
    return cudaSuccess;
}

cudaError_t gpu_double_enqueue(cudaStream_t stream, const char *name, gpu_double_fn fn, void *arg, gpu_double_fn free_arg,
                               const gpu_double_range *ranges, int count)
{
    const auto a = std::make_shared<action>();
    a->name = name;
    a->fn = fn;
    a->arg = arg;
    a->free_arg = free_arg;
    a->ranges.assign(ranges, ranges + count);
    guard held(the_world().lock);
    return fail(enqueue_action(stream, a));
}

bool gpu_double_is_capturing(cudaStream_t stream)
{
    guard held(the_world().lock);
    return is_stream(stream, "gpu_double_is_capturing") && stream->capturing != nullptr;
}

int gpu_double_stream_device(cudaStream_t stream)
{
    guard held(the_world().lock);
    return is_stream(stream, "gpu_double_stream_device") ? stream->device : -1;
}
