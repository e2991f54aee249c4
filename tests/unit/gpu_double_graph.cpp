/* The GPU double's captures and graphs. */
#include "gpu_double_child.h"

#include <atomic>

namespace
{

std::atomic<int> ran, freed;

void count_run(void *arg)
{
    (void)arg;
    ran++;
}

void add_slowly(void *arg)
{
    usleep(3000);
    float *x = static_cast<float *>(gpu_double_access(arg));
    x[0] += 1;
}

void double_it(void *arg)
{
    float *x = static_cast<float *>(gpu_double_access(arg));
    x[0] *= 2;
}

void count_free(void *arg)
{
    (void)arg;
    freed++;
}

cudaError_t enqueue(cudaStream_t s, const char *name, gpu_double_fn fn, float *x)
{
    const gpu_double_range range = {x, sizeof *x, "x", true};
    return gpu_double_enqueue(s, name, fn, x, count_free, &range, 1);
}

/* x = 2 (x + 1) a launch: the addition on a second stream, forked and joined. */
cudaGraph_t record(const stage &g, bool join)
{
    cudaGraph_t graph = nullptr;
    cudaEvent_t fork, joined;
    OK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
    OK(cudaEventCreateWithFlags(&joined, cudaEventDisableTiming));
    OK(cudaStreamBeginCapture(g.s, cudaStreamCaptureModeThreadLocal));
    OK(gpu_double_enqueue(g.s, "count", count_run, nullptr, nullptr, nullptr, 0));
    OK(cudaEventRecord(fork, g.s));
    OK(cudaStreamWaitEvent(g.t, fork, 0));
    OK(enqueue(g.t, "add", add_slowly, g.d));
    OK(cudaEventRecord(joined, g.t));
    if (join) {
        OK(cudaStreamWaitEvent(g.s, joined, 0));
        OK(enqueue(g.s, "double", double_it, g.d));
    }
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    OK(cudaStreamIsCapturing(g.t, &status));
    NEED(status == cudaStreamCaptureStatusActive && gpu_double_is_capturing(g.t));
    const cudaError_t end = cudaStreamEndCapture(g.s, &graph);
    NEED(join ? end == cudaSuccess && graph != nullptr : end == cudaErrorStreamCaptureUnjoined && graph == nullptr);
    NEED(!gpu_double_is_capturing(g.s) && !gpu_double_is_capturing(g.t));
    OK(cudaEventDestroy(fork));
    OK(cudaEventDestroy(joined));
    return graph;
}

void scene_replay()
{
    stage g;
    cudaGraphExec_t exec;
    OK(cudaMemsetAsync(g.d, 0, g.bytes, g.s));
    OK(cudaStreamSynchronize(g.s));
    cudaGraph_t graph = record(g, true);
    OK(cudaStreamSynchronize(g.s));
    NEED(ran == 0); /* a capture runs nothing */
    OK(cudaGraphInstantiate(&exec, graph, 0));
    OK(cudaGraphDestroy(graph));
    NEED(freed == 0);
    for (int i = 0; i < 3; i++)
        OK(cudaGraphLaunch(exec, g.s));
    OK(cudaMemcpyAsync(g.h, g.d, sizeof(float), cudaMemcpyDeviceToHost, g.s));
    OK(cudaStreamSynchronize(g.s));
    NEED(ran == 3 && g.h[0] == 14);
    OK(cudaGraphExecDestroy(exec));
    NEED(freed == 2);
}

/* Downloads and uploads in a graph: poisoned, delivered and watched at each launch. */
void scene_copies_in_a_graph()
{
    stage g;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    float *out = nullptr;
    OK(cudaMallocHost(reinterpret_cast<void **>(&out), g.bytes));
    OK(cudaStreamBeginCapture(g.s, cudaStreamCaptureModeGlobal));
    OK(g.upload(g.s));
    OK(enqueue(g.s, "double", double_it, g.d));
    OK(cudaMemcpyAsync(out, g.d, g.bytes, cudaMemcpyDeviceToHost, g.s));
    OK(cudaStreamEndCapture(g.s, &graph));
    OK(cudaGraphInstantiate(&exec, graph, 0));
    for (int step = 1; step < 4; step++) {
        g.fill(static_cast<float>(step));
        OK(cudaGraphLaunch(exec, g.s));
        OK(cudaEventRecord(g.event, g.s));
        NEED(out[0] != out[0]);
        OK(cudaEventSynchronize(g.event));
        NEED(out[0] == 2.0f * static_cast<float>(step) && out[1] == static_cast<float>(step) + 1);
    }
    OK(cudaGraphExecDestroy(exec));
    OK(cudaGraphDestroy(graph));
    OK(cudaFreeHost(out));
}

/* An event recorded in a graph for the outside, and one outside that it waits for. */
void scene_external_events()
{
    stage g;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    cudaEvent_t done;
    OK(cudaEventCreateWithFlags(&done, cudaEventDefault));
    OK(cudaStreamBeginCapture(g.s, cudaStreamCaptureModeRelaxed));
    OK(cudaStreamWaitEvent(g.s, g.event, cudaEventWaitExternal));
    OK(enqueue(g.s, "add", add_slowly, g.d));
    OK(cudaEventRecordWithFlags(done, g.s, cudaEventRecordExternal));
    OK(cudaStreamEndCapture(g.s, &graph));
    OK(cudaGraphInstantiate(&exec, graph, 0));
    OK(cudaMemsetAsync(g.d, 0, g.bytes, g.t));
    OK(cudaEventRecord(g.event, g.t));
    OK(cudaGraphLaunch(exec, g.s));
    OK(cudaStreamWaitEvent(g.t, done, 0));
    OK(enqueue(g.t, "double", double_it, g.d));
    OK(cudaStreamSynchronize(g.t));
    OK(cudaGraphExecDestroy(exec));
    OK(cudaGraphDestroy(graph));
    OK(cudaEventDestroy(done));
}

void scene_unjoined()
{
    stage g;
    NEED(record(g, false) == nullptr);
    NEED(gpu_double_reports() == 1);
}

void scene_launch_not_waited_for()
{
    stage g;
    cudaGraphExec_t exec;
    cudaGraph_t graph = record(g, true);
    OK(cudaGraphInstantiate(&exec, graph, 0));
    OK(cudaGraphLaunch(exec, g.s));
    (void)cudaMemsetAsync(g.d, 0, 4, g.t);
}

void scene_freed_under_a_graph()
{
    stage g;
    cudaGraphExec_t exec;
    cudaGraph_t graph = record(g, true);
    OK(cudaGraphInstantiate(&exec, graph, 0));
    OK(cudaFree(g.d));
    (void)cudaGraphLaunch(exec, g.s);
}

/* Each call that a capture does not allow: refused, named, and the capture is lost. */
void scene_illegal_calls()
{
    void *p = nullptr;
    stage g;
    float local[4] = {};
    int calls = 0;
    for (const auto mode : {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal})
        for (int call = 0; call < 9; call++) {
            cudaGraph_t graph;
            OK(cudaStreamBeginCapture(g.s, mode));
            const cudaError_t error = call == 0   ? cudaMalloc(&p, 4)
                                      : call == 1 ? cudaFree(g.e)
                                      : call == 2 ? cudaMallocHost(&p, 4)
                                      : call == 3 ? cudaStreamSynchronize(g.s)
                                      : call == 4 ? cudaStreamQuery(g.s)
                                      : call == 5 ? cudaEventQuery(g.event)
                                      : call == 6 ? cudaEventSynchronize(g.event)
                                      : call == 7 ? cudaStreamSynchronize(g.t)
                                                  : cudaMemcpyAsync(g.d, local, sizeof local, cudaMemcpyHostToDevice, g.s);
            NEED(error == cudaErrorStreamCaptureUnsupported);
            NEED(gpu_double_reports() == ++calls);
            NEED(cudaMemsetAsync(g.d, 0, 4, g.s) == cudaErrorStreamCaptureInvalidated);
            NEED(cudaStreamEndCapture(g.s, &graph) == cudaErrorStreamCaptureInvalidated && graph == nullptr);
        }
    OK(g.upload(g.s)); /* the stream is as before */
    OK(cudaStreamSynchronize(g.s));
}

void scene_wait_from_outside()
{
    stage g;
    cudaGraph_t graph;
    OK(cudaEventRecord(g.event, g.t));
    OK(cudaStreamBeginCapture(g.s, cudaStreamCaptureModeThreadLocal));
    NEED(cudaStreamWaitEvent(g.s, g.event, 0) == cudaErrorStreamCaptureIsolation);
    NEED(cudaStreamEndCapture(g.s, &graph) == cudaErrorStreamCaptureInvalidated);
    OK(cudaStreamBeginCapture(g.s, cudaStreamCaptureModeThreadLocal));
    OK(cudaEventRecord(g.event, g.s));
    NEED(cudaEventQuery(g.event) == cudaErrorCapturedEvent);
    NEED(cudaStreamEndCapture(g.t, &graph) == cudaErrorIllegalState);
    OK(cudaStreamEndCapture(g.s, &graph));
    OK(cudaGraphDestroy(graph));
    NEED(cudaStreamWaitEvent(g.t, g.event, 0) == cudaErrorCapturedEvent);
    OK(cudaEventRecord(g.event, g.t)); /* and it is an event again */
    OK(cudaEventSynchronize(g.event));
}

void replay(void **state)
{
    (void)state;
    for (const char *seed : {"GPU_DOUBLE_SEED=0", "GPU_DOUBLE_SEED=1", "GPU_DOUBLE_SEED=2"})
        WELL(scene_replay, {seed, "GPU_DOUBLE_LEAKS=2"});
    WELL(scene_copies_in_a_graph, {"GPU_DOUBLE_LEAKS=2"});
    WELL(scene_external_events, {"GPU_DOUBLE_LEAKS=2"});
    STOPPED("race: 'memset' (stream 1) writes 'destination'", scene_launch_not_waited_for);
    STOPPED("freed device memory", scene_freed_under_a_graph);
}

void refusals(void **state)
{
    (void)state;
    WELL(scene_unjoined, {"GPU_DOUBLE_STRICT=0"});
    WELL(scene_illegal_calls, {"GPU_DOUBLE_STRICT=0", "GPU_DOUBLE_LEAKS=2"});
    WELL(scene_wait_from_outside, {"GPU_DOUBLE_STRICT=0"});
    STOPPED("cudaMalloc during a capture", scene_illegal_calls);
    STOPPED("the origin does not wait for the last work of branch 1", scene_unjoined);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {cmocka_unit_test(replay), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
