/* Capture and graphs. A capture is the list of what was enqueued, in order, each with its branch (a stream of the capture; 0 began it);
 * a launch enqueues the list again: branch 0 on the launch's stream, the others on hidden streams, dependencies as fresh points. */
#include "double_impl.h"

#include <algorithm>
#include <atomic>
#include <set>

namespace gpu_double
{

namespace
{

unsigned long this_thread()
{
    static std::atomic<unsigned long> count{0};
    static thread_local const unsigned long number = ++count;
    return number;
}

int branch_of(const capture &c, cudaStream_t stream)
{
    return static_cast<int>(std::find(c.branches.begin(), c.branches.end(), stream) - c.branches.begin());
}

void learn_nodes(std::vector<int> &into, const std::vector<int> &from)
{
    if (into.size() < from.size()) into.resize(from.size(), 0);
    for (size_t i = 0; i < from.size(); i++)
        into[i] = std::max(into[i], from[i]);
}

void join(capture &c, cudaStream_t stream)
{
    if (stream->capturing == &c) return;
    stream->capturing = &c;
    c.branches.push_back(stream);
    c.known.emplace_back(c.branches.size(), 0);
}

/* The first branch whose last work the origin does not wait for; 0: none. */
int unjoined_branch(const capture &c)
{
    for (size_t b = 1; b < c.branches.size(); b++) {
        const int done = c.known[b].size() > b ? c.known[b][b] : 0;
        if (done > (c.known[0].size() > b ? c.known[0][b] : 0)) return static_cast<int>(b);
    }
    return 0;
}

bool is_live(const capture *c)
{
    for (const auto &each : the_world().captures)
        if (each.get() == c) return true;
    return false;
}

void end(capture *c)
{
    world &w = the_world();
    for (const cudaStream_t s : c->branches)
        s->capturing = nullptr;
    w.captures.remove_if([c](const std::unique_ptr<capture> &each) { return each.get() == c; });
}

} // namespace

cudaError_t refuse_in_capture(const char *entry, cudaStream_t stream)
{
    for (const auto &c : the_world().captures) {
        const bool here =
            c->mode == cudaStreamCaptureModeGlobal || (c->mode == cudaStreamCaptureModeThreadLocal && c->thread == this_thread());
        if (!here && (stream == nullptr || stream->capturing != c.get())) continue;
        c->invalid = true;
        report("%s during a capture", entry);
        return cudaErrorStreamCaptureUnsupported;
    }
    return cudaSuccess;
}

cudaError_t capture_action(cudaStream_t stream, const std::shared_ptr<action> &a)
{
    capture &c = *stream->capturing;
    if (c.invalid) return cudaErrorStreamCaptureInvalidated;
    const size_t branch = static_cast<size_t>(stream->branch = branch_of(c, stream));
    if (c.known[branch].size() <= branch) c.known[branch].resize(branch + 1, 0);
    c.known[branch][branch]++;
    c.nodes.push_back({node::RUN, stream->branch, a, -1, nullptr});
    return cudaSuccess;
}

cudaError_t capture_record(cudaStream_t stream, cudaEvent_t event, bool external)
{
    capture &c = *stream->capturing;
    if (c.invalid) return cudaErrorStreamCaptureInvalidated;
    const int branch = branch_of(c, stream);
    if (external) {
        c.nodes.push_back({node::RECORD_EXTERNAL, branch, nullptr, -1, event});
        return cudaSuccess;
    }
    event->captured = &c;
    event->captured_point = static_cast<int>(c.points.size());
    c.points.push_back(c.known[static_cast<size_t>(branch)]);
    c.nodes.push_back({node::RECORD, branch, nullptr, event->captured_point, nullptr});
    return cudaSuccess;
}

cudaError_t capture_wait(cudaStream_t stream, cudaEvent_t event, bool external)
{
    capture *c = stream->capturing;
    if (c != nullptr && c->invalid) return cudaErrorStreamCaptureInvalidated;
    if (external && c != nullptr) {
        c->nodes.push_back({node::WAIT_EXTERNAL, branch_of(*c, stream), nullptr, -1, event});
        return cudaSuccess;
    }
    if (event->captured == nullptr) {
        c->invalid = true;
        report("cudaStreamWaitEvent: a capturing stream waits for an event recorded outside the capture");
        return cudaErrorStreamCaptureIsolation;
    }
    if (!is_live(event->captured)) {
        report("cudaStreamWaitEvent: the event was last recorded in a capture that has ended");
        return cudaErrorCapturedEvent;
    }
    if (c != nullptr && c != event->captured) {
        c->invalid = event->captured->invalid = true;
        report("cudaStreamWaitEvent: two captures would merge");
        return cudaErrorStreamCaptureMerge;
    }
    capture &joined = *event->captured;
    join(joined, stream);
    const int branch = branch_of(joined, stream);
    learn_nodes(joined.known[static_cast<size_t>(branch)], joined.points[static_cast<size_t>(event->captured_point)]);
    joined.nodes.push_back({node::WAIT, branch, nullptr, event->captured_point, nullptr});
    return cudaSuccess;
}

namespace
{

bool is_exec(cudaGraphExec_t exec)
{
    const std::list<cudaGraphExec_t> &all = the_world().execs;
    if (std::find(all.begin(), all.end(), exec) != all.end()) return true;
    report("%p is no live executable graph", static_cast<void *>(exec));
    return false;
}

bool external_event_lives(const node &n)
{
    const std::list<cudaEvent_t> &all = the_world().events;
    if (std::find(all.begin(), all.end(), n.event) != all.end()) return true;
    report("cudaGraphLaunch: an event the graph names has been destroyed");
    return false;
}

cudaError_t launch(const CUgraphExec_st &exec, cudaStream_t stream)
{
    const CUgraph_st &g = *exec.graph;
    for (const node &n : g.nodes) {
        if ((n.kind == node::RECORD_EXTERNAL || n.kind == node::WAIT_EXTERNAL) && !external_event_lives(n)) return cudaErrorInvalidValue;
        if (n.kind != node::RUN) continue;
        for (const gpu_double_range &range : n.run->ranges)
            if (!check_range(range, g.device, n.run->kernel, n.run->copy, n.run->name)) {
                fail_device_locked(cudaErrorIllegalAddress);
                return cudaErrorIllegalAddress;
            }
    }
    std::vector<std::shared_ptr<point>> points(static_cast<size_t>(g.points));
    for (auto &p : points)
        p = std::make_shared<point>();
    for (const node &n : g.nodes) {
        const cudaStream_t s = n.branch == 0 ? stream : exec.streams[static_cast<size_t>(n.branch - 1)];
        switch (n.kind) {
        case node::RUN:
            submit(s, n.run);
            break;
        case node::RECORD:
            submit_record(s, points[static_cast<size_t>(n.point)]);
            break;
        case node::WAIT:
            submit_wait(s, points[static_cast<size_t>(n.point)]);
            break;
        case node::RECORD_EXTERNAL:
            n.event->captured = nullptr;
            n.event->last = std::make_shared<point>();
            submit_record(s, n.event->last);
            break;
        case node::WAIT_EXTERNAL:
            if (n.event->last) submit_wait(s, n.event->last);
            break;
        }
    }
    return cudaSuccess;
}

} // namespace

} // namespace gpu_double

using namespace gpu_double;

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode)
{
    GPU_DOUBLE_ENTER(cudaStreamBeginCapture);
    world &w = the_world();
    guard held(w.lock);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    if (!is_stream(stream, "cudaStreamBeginCapture")) return fail(cudaErrorInvalidResourceHandle);
    if (stream->capturing != nullptr) {
        report("cudaStreamBeginCapture on a stream that is capturing");
        return fail(cudaErrorIllegalState);
    }
    auto c = std::make_unique<capture>();
    c->origin = stream;
    c->mode = mode;
    c->thread = this_thread();
    join(*c, stream);
    w.captures.push_back(std::move(c));
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *pGraph)
{
    int injected;
    const bool fails = gpu_double_enter("cudaStreamEndCapture", &injected); /* which ends the capture nevertheless */
    world &w = the_world();
    std::vector<node> nodes; /* of a capture that failed: their owners' code runs when the lock is free again */
    guard held(w.lock);
    if (!is_stream(stream, "cudaStreamEndCapture")) return fail(cudaErrorInvalidResourceHandle);
    *pGraph = nullptr;
    capture *c = stream->capturing;
    if (c == nullptr || c->origin != stream) {
        report("cudaStreamEndCapture on a stream whose capture did not begin there");
        if (c != nullptr) c->invalid = true;
        return fail(c == nullptr ? cudaErrorIllegalState : cudaErrorStreamCaptureUnmatched);
    }
    if (c->mode != cudaStreamCaptureModeRelaxed && c->thread != this_thread()) {
        report("cudaStreamEndCapture by another thread than began it");
        return fail(cudaErrorStreamCaptureWrongThread);
    }
    cudaError_t error = fails ? static_cast<cudaError_t>(injected) : w.sticky;
    if (c->invalid) error = cudaErrorStreamCaptureInvalidated;
    if (const int branch = error == cudaSuccess ? unjoined_branch(*c) : 0) {
        if (!some_call_failed()) report("cudaStreamEndCapture: the origin does not wait for the last work of branch %d", branch);
        error = cudaErrorStreamCaptureUnjoined;
    }
    nodes.swap(c->nodes);
    if (error == cudaSuccess) {
        auto graph = std::make_shared<CUgraph_st>();
        graph->nodes.swap(nodes);
        graph->branches = static_cast<int>(c->branches.size());
        graph->points = static_cast<int>(c->points.size());
        graph->device = stream->device;
        *pGraph = graph.get();
        w.graphs.emplace(graph.get(), graph);
    }
    end(c);
    return fail(error);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *pCaptureStatus)
{
    GPU_DOUBLE_ENTER(cudaStreamIsCapturing);
    guard held(the_world().lock);
    if (!is_stream(stream, "cudaStreamIsCapturing")) return fail(cudaErrorInvalidResourceHandle);
    *pCaptureStatus = stream->capturing == nullptr ? cudaStreamCaptureStatusNone
                      : stream->capturing->invalid ? cudaStreamCaptureStatusInvalidated
                                                   : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *pGraphExec, cudaGraph_t graph, unsigned long long flags)
{
    GPU_DOUBLE_ENTER(cudaGraphInstantiate);
    world &w = the_world();
    guard held(w.lock);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    const auto found = w.graphs.find(graph);
    if (found == w.graphs.end() || flags != 0) {
        report("cudaGraphInstantiate of no live graph, or with flags");
        return fail(cudaErrorInvalidValue);
    }
    auto exec = std::make_unique<CUgraphExec_st>();
    exec->graph = found->second;
    for (int b = 1; b < exec->graph->branches; b++)
        exec->streams.push_back(make_stream(exec->graph->device, true));
    *pGraphExec = exec.release();
    w.execs.push_back(*pGraphExec);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graphExec, cudaStream_t stream)
{
    GPU_DOUBLE_ENTER(cudaGraphLaunch);
    world &w = the_world();
    guard held(w.lock);
    if (w.sticky != cudaSuccess) return fail(w.sticky);
    if (!is_stream(stream, "cudaGraphLaunch")) return fail(cudaErrorInvalidResourceHandle);
    if (!is_exec(graphExec)) return fail(cudaErrorInvalidValue);
    if (stream->capturing != nullptr || stream->device != graphExec->graph->device) {
        report("cudaGraphLaunch on a capturing stream, or of another device than the graph's");
        return fail(cudaErrorInvalidValue);
    }
    return fail(launch(*graphExec, stream));
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graphExec)
{
    int injected;
    const bool fails = gpu_double_enter("cudaGraphExecDestroy", &injected);
    world &w = the_world();
    std::shared_ptr<CUgraph_st> graph; /* let go of without the lock */
    guard held(w.lock);
    if (!is_exec(graphExec)) return fail(cudaErrorInvalidValue);
    w.execs.remove(graphExec);
    for (const cudaStream_t s : graphExec->streams)
        end_stream(s);
    graph = std::move(graphExec->graph);
    delete graphExec;
    return fail(fails ? static_cast<cudaError_t>(injected) : w.sticky);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    int injected;
    const bool fails = gpu_double_enter("cudaGraphDestroy", &injected);
    world &w = the_world();
    std::shared_ptr<CUgraph_st> last;
    guard held(w.lock);
    const auto found = w.graphs.find(graph);
    if (found == w.graphs.end()) {
        report("cudaGraphDestroy: %p is no live graph", static_cast<void *>(graph));
        return fail(cudaErrorInvalidValue);
    }
    last = std::move(found->second);
    w.graphs.erase(found);
    return fail(fails ? static_cast<cudaError_t>(injected) : w.sticky);
}
