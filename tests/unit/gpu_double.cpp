/* The GPU double's runtime: what it does like CUDA, and that it finds what is wrong with a program. */
#include "gpu_double_child.h"

#include <atomic>
#include <cmath>
#include <csignal>
#include <ctime>

namespace
{

/* ---- memory ---- */

void scene_fresh_memory()
{
    stage g;
    for (int i = 0; i < g.n; i++)
        NEED(std::isnan(g.h[i]));
    OK(g.upload(g.s));
    OK(cudaMemcpyAsync(g.h, g.e, g.bytes, cudaMemcpyDeviceToHost, g.s));
    OK(cudaStreamSynchronize(g.s));
    NEED(std::isnan(g.h[0]) && std::isnan(g.h[g.n - 1]));
    NEED(reinterpret_cast<uintptr_t>(g.d) % 256 == 0);
}

void scene_memory_is_limited()
{
    void *a = nullptr, *b = nullptr;
    size_t free_bytes = 0, total = 0;
    OK(cudaMalloc(&a, 600000));
    OK(cudaMemGetInfo(&free_bytes, &total));
    NEED(total == 1000000 && free_bytes == 1000000 - 600064);
    NEED(cudaMalloc(&b, 500000) == cudaErrorMemoryAllocation && b == nullptr);
    NEED(cudaGetLastError() == cudaErrorMemoryAllocation && cudaGetLastError() == cudaSuccess);
    OK(cudaSetDevice(1));
    OK(cudaMalloc(&b, 500000));
    NEED(gpu_double_bytes_used() == 600064 + 500224);
    OK(cudaFree(a));
    OK(cudaFree(b));
    NEED(gpu_double_bytes_used() == 0 && gpu_double_leaks() == 0);
    OK(cudaFree(nullptr));
}

void scene_host_reads_device()
{
    stage g;
    fprintf(stderr, "%g", static_cast<double>(g.d[3]));
}

void scene_host_writes_freed_device()
{
    stage g;
    float *d = g.d;
    OK(cudaFree(g.d));
    *const_cast<volatile float *>(d) = 1;
}

void scene_host_pointer_as_device()
{
    stage g;
    float local[4] = {};
    (void)cudaMemcpyAsync(local, g.h, sizeof local, cudaMemcpyHostToDevice, g.s);
}

void scene_device_pointer_as_host()
{
    stage g;
    (void)cudaMemcpyAsync(g.e, g.d, g.bytes, cudaMemcpyDeviceToHost, g.s);
}

void scene_copy_too_long()
{
    stage g;
    (void)cudaMemcpyAsync(g.d + 1, g.h, g.bytes, cudaMemcpyHostToDevice, g.s);
}

void scene_copy_beyond_pinned()
{
    stage g;
    (void)cudaMemcpyAsync(g.d, g.h + g.n / 2, g.bytes, cudaMemcpyHostToDevice, g.s);
}

void scene_memset_of_pinned()
{
    stage g;
    (void)cudaMemsetAsync(g.h, 0, g.bytes, g.s);
}

void scene_copy_from_freed()
{
    stage g;
    float *d = g.d;
    OK(cudaFree(g.d));
    g.d = nullptr;
    (void)cudaMemcpyAsync(g.h, d, g.bytes, cudaMemcpyDeviceToHost, g.s);
}

void scene_free_twice()
{
    stage g;
    OK(cudaFree(g.d));
    (void)cudaFree(g.d);
}

void scene_free_inside()
{
    stage g;
    (void)cudaFree(g.d + 64);
}

void scene_free_wrong_kind()
{
    stage g;
    (void)cudaFreeHost(g.d);
}

void scene_overrun_of_pinned()
{
    stage g;
    for (int i = 0; i < 1100; i++)
        g.h[i] = 1;
}

void scene_errors_are_cudas_when_lenient()
{
    stage g;
    float local[4] = {};
    NEED(cudaMemcpyAsync(local, g.h, sizeof local, cudaMemcpyHostToDevice, g.s) == cudaErrorInvalidValue);
    NEED(gpu_double_reports() == 1 && strstr(gpu_double_last_report(), "pageable host memory"));
    NEED(cudaFree(g.d + 64) == cudaErrorInvalidValue && gpu_double_reports() == 2);
    NEED(cudaStreamSynchronize(nullptr) == cudaErrorInvalidResourceHandle && gpu_double_reports() == 3);
    OK(cudaStreamSynchronize(g.s));
}

void memory(void **state)
{
    (void)state;
    WELL(scene_fresh_memory, {"GPU_DOUBLE_LEAKS=2"});
    WELL(scene_memory_is_limited, {"GPU_DOUBLE_MEMORY=1000000"});
    STOPPED("host code touched device memory", scene_host_reads_device);
    STOPPED("host code touched device memory", scene_host_writes_freed_device);
    STOPPED("is pageable host memory and the source", scene_host_pointer_as_device);
    STOPPED("the destination", scene_device_pointer_as_host);
    STOPPED("into a block of 4000 only 3996 are left", scene_copy_too_long);
    STOPPED("source has 4000 bytes", scene_copy_beyond_pinned);
    STOPPED("is pinned host memory, not device memory", scene_memset_of_pinned);
    STOPPED("freed device memory", scene_copy_from_freed);
    STOPPED("no live block of device memory begins there", scene_free_twice);
    STOPPED("no live block of device memory begins there", scene_free_inside);
    STOPPED("no live block of pinned memory begins there", scene_free_wrong_kind);
    WELL(scene_errors_are_cudas_when_lenient, {"GPU_DOUBLE_STRICT=0"});
    const ending e = play(scene_overrun_of_pinned);
    assert_true(WIFSIGNALED(e.status) || !e.exited(0)); /* the page after it, or AddressSanitizer */
}

/* ---- streams ---- */

std::atomic<bool> released;
std::atomic<int> ran;

void wait_for_release(void *arg)
{
    (void)arg;
    while (!released)
        usleep(100);
    ran++;
}

void count_run(void *arg)
{
    (void)arg;
    ran++;
}

void pause_then_count(void *arg)
{
    usleep(20000);
    *static_cast<int *>(arg) = ++ran;
}

void scene_streams_are_asynchronous()
{
    stage g;
    OK(gpu_double_enqueue(g.s, "wait", wait_for_release, nullptr, nullptr, nullptr, 0));
    OK(gpu_double_enqueue(g.t, "other", count_run, nullptr, nullptr, nullptr, 0));
    OK(cudaStreamSynchronize(g.t)); /* the other stream does not wait */
    NEED(ran == 1);
    NEED(cudaStreamQuery(g.s) == cudaErrorNotReady && cudaGetLastError() == cudaErrorNotReady);
    OK(cudaEventRecord(g.event, g.s));
    NEED(cudaEventQuery(g.event) == cudaErrorNotReady && cudaGetLastError() == cudaErrorNotReady);
    released = true;
    OK(cudaEventSynchronize(g.event));
    NEED(ran == 2);
    OK(cudaStreamQuery(g.s));
}

void scene_events_order_streams()
{
    stage g;
    int first = 0, second = 0;
    OK(gpu_double_enqueue(g.s, "slow", pause_then_count, &first, nullptr, nullptr, 0));
    OK(cudaEventRecord(g.event, g.s));
    OK(cudaStreamWaitEvent(g.t, g.event, 0));
    OK(gpu_double_enqueue(g.t, "after", pause_then_count, &second, nullptr, nullptr, 0));
    OK(cudaStreamSynchronize(g.t));
    NEED(first == 1 && second == 2);
}

void scene_time_is_measured()
{
    stage g;
    cudaEvent_t end, untimed;
    int unused;
    float ms = 0;
    OK(cudaEventCreateWithFlags(&end, cudaEventDefault));
    OK(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming));
    OK(cudaEventRecord(g.event, g.s));
    OK(gpu_double_enqueue(g.s, "slow", pause_then_count, &unused, nullptr, nullptr, 0));
    OK(cudaEventRecord(end, g.s));
    OK(cudaEventRecord(untimed, g.s));
    OK(cudaStreamSynchronize(g.s));
    OK(cudaEventElapsedTime(&ms, g.event, end));
    NEED(ms >= 19 && ms < 10000);
    NEED(cudaEventElapsedTime(&ms, g.event, untimed) == cudaErrorInvalidResourceHandle);
    OK(cudaEventDestroy(end));
    OK(cudaEventDestroy(untimed));
}

void scene_destroyed_stream_finishes()
{
    cudaStream_t s;
    int first = 0;
    OK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    OK(gpu_double_enqueue(s, "slow", pause_then_count, &first, nullptr, nullptr, 0));
    OK(cudaStreamDestroy(s)); /* returns at once */
    void *p = nullptr;
    OK(cudaMalloc(&p, 4));
    OK(cudaFree(p)); /* waits for the device */
    NEED(first == 1 && gpu_double_leaks() == 0);
}

void scene_default_stream()
{
    stage g;
    (void)g.upload(nullptr);
}

void scene_blocking_stream()
{
    cudaStream_t s;
    (void)cudaStreamCreateWithFlags(&s, 0);
}

void scene_dead_stream()
{
    stage g;
    cudaStream_t s;
    OK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    OK(cudaStreamDestroy(s));
    (void)g.upload(s);
}

void scene_dead_event()
{
    stage g;
    cudaEvent_t e;
    OK(cudaEventCreateWithFlags(&e, cudaEventDefault));
    OK(cudaEventDestroy(e));
    (void)cudaEventRecord(e, g.s);
}

void scene_memory_of_another_device()
{
    stage g;
    OK(cudaSetDevice(1));
    void *other = nullptr;
    OK(cudaMalloc(&other, 64));
    (void)cudaMemsetAsync(other, 0, 64, g.s);
}

void streams(void **state)
{
    (void)state;
    WELL(scene_streams_are_asynchronous, {"GPU_DOUBLE_LEAKS=2"});
    for (const char *seed : {"GPU_DOUBLE_SEED=1", "GPU_DOUBLE_SEED=2", "GPU_DOUBLE_SEED=3"})
        WELL(scene_events_order_streams, {seed, "GPU_DOUBLE_DELAY_US=3000"});
    WELL(scene_time_is_measured, {"GPU_DOUBLE_STRICT=0"});
    WELL(scene_destroyed_stream_finishes);
    STOPPED("default stream", scene_default_stream);
    STOPPED("cudaStreamNonBlocking", scene_blocking_stream);
    STOPPED("is no live stream", scene_dead_stream);
    STOPPED("is no live event", scene_dead_event);
    STOPPED("is memory of device 1, used on device 0", scene_memory_of_another_device);
}

/* ---- missing dependencies: each scene is right with its event and wrong without ---- */

bool planted(const char *what)
{
    const char *chosen = getenv("PLANT");
    return chosen != nullptr && strcmp(chosen, what) == 0;
}

/* The next batch is uploaded on its own stream while the step runs: the step waits for the upload, and the next upload into the same
 * buffer for the step. */
void scene_upload()
{
    stage g;
    cudaEvent_t read;
    OK(cudaEventCreateWithFlags(&read, cudaEventDisableTiming));
    for (int step = 0; step < 3; step++) {
        const gpu_double_range batch = {g.d, g.bytes, "batch", false};
        if (step > 0 && !planted("upload over a batch in use")) OK(cudaStreamWaitEvent(g.t, read, 0));
        OK(g.upload(g.t));
        OK(cudaEventRecord(g.event, g.t));
        if (!planted("step before its upload")) OK(cudaStreamWaitEvent(g.s, g.event, 0));
        OK(gpu_double_enqueue(g.s, "step", count_run, nullptr, nullptr, &batch, 1));
        OK(cudaEventRecord(read, g.s));
    }
    OK(cudaStreamSynchronize(g.s));
    OK(cudaEventDestroy(read));
}

/* Gradients are reduced on their own stream; the optimizer waits for that. */
void scene_reduce()
{
    stage g;
    cudaEvent_t reduced;
    OK(cudaEventCreateWithFlags(&reduced, cudaEventDisableTiming));
    const gpu_double_range first = {g.d, g.bytes / 2, "gradient", true}, second = {g.d + g.n / 2, g.bytes / 2, "gradient", true};
    const gpu_double_range all = {g.d, g.bytes, "gradients", false};
    OK(gpu_double_enqueue(g.s, "backward", count_run, nullptr, nullptr, &first, 1));
    OK(cudaEventRecord(g.event, g.s));
    if (!planted("reduce before the backward")) OK(cudaStreamWaitEvent(g.t, g.event, 0));
    OK(gpu_double_enqueue(g.t, "reduce", count_run, nullptr, nullptr, &first, 1));
    OK(cudaEventRecord(reduced, g.t));
    OK(gpu_double_enqueue(g.s, "backward", count_run, nullptr, nullptr, &second, 1)); /* another bucket: not in the way */
    if (!planted("optimizer before the reduce")) OK(cudaStreamWaitEvent(g.s, reduced, 0));
    OK(gpu_double_enqueue(g.s, "optimizer", count_run, nullptr, nullptr, &all, 1));
    OK(cudaStreamSynchronize(g.s));
    OK(cudaEventDestroy(reduced));
}

/* The host reads what was downloaded, and gives the pinned buffer new contents. */
void scene_read_back()
{
    stage g;
    g.fill(5);
    OK(g.upload(g.s));
    OK(cudaStreamSynchronize(g.s));
    OK(g.download(g.s));
    OK(cudaEventRecord(g.event, g.s));
    usleep(20000); /* by now it is there, on any machine: only who waited may see it */
    if (!planted("host reads before it waits")) OK(cudaEventSynchronize(g.event));
    NEED(g.h[0] == 5 && g.h[g.n - 1] == 5 + g.n - 1);
    OK(g.upload(g.s));
    OK(cudaEventRecord(g.event, g.s));
    if (!planted("host writes before it waits")) OK(cudaEventSynchronize(g.event));
    g.h[7] = 0;
    OK(cudaStreamSynchronize(g.s));
}

void scene_races_are_counted_when_lenient()
{
    stage g;
    OK(g.upload(g.t));
    OK(cudaMemsetAsync(g.d + 10, 0, 4, g.s));
    NEED(gpu_double_reports() == 1 && strstr(gpu_double_last_report(), "race: 'memset'") != nullptr);
    OK(cudaStreamSynchronize(g.s));
    OK(cudaStreamSynchronize(g.t));
}

void scene_readers_do_not_race()
{
    stage g;
    OK(g.upload(g.s));
    OK(cudaEventRecord(g.event, g.s));
    OK(cudaStreamWaitEvent(g.t, g.event, 0));
    const gpu_double_range a = {g.d, g.bytes, "x", false}, b = {g.d + 100, 40, "x", false}, c = {g.d + 104, 4, "x", true};
    OK(gpu_double_enqueue(g.s, "reader", count_run, nullptr, nullptr, &a, 1));
    OK(gpu_double_enqueue(g.t, "reader", count_run, nullptr, nullptr, &b, 1));
    OK(cudaStreamSynchronize(g.t)); /* the host's wait orders too */
    OK(cudaStreamSynchronize(g.s));
    OK(gpu_double_enqueue(g.t, "writer", count_run, nullptr, nullptr, &c, 1));
    OK(cudaStreamSynchronize(g.t));
}

void dependencies(void **state)
{
    (void)state;
    WELL(scene_upload, {"GPU_DOUBLE_LEAKS=2"});
    STOPPED("race: 'upload' (stream 1) writes 'destination'", scene_upload, {"PLANT=upload over a batch in use"});
    STOPPED("race: 'step' (stream 0) reads 'batch'", scene_upload, {"PLANT=step before its upload"});
    WELL(scene_reduce, {"GPU_DOUBLE_LEAKS=2"});
    STOPPED("race: 'reduce' (stream 1) writes 'gradient'", scene_reduce, {"PLANT=reduce before the backward"});
    STOPPED("race: 'optimizer' (stream 0) reads 'gradients'", scene_reduce, {"PLANT=optimizer before the reduce"});
    WELL(scene_read_back, {"GPU_DOUBLE_LEAKS=2"});
    const ending early = play(scene_read_back, {"PLANT=host reads before it waits"});
    assert_true(early.exited(3) && early.tells("g.h[0] == 5"));
    STOPPED("the host changed pinned memory", scene_read_back, {"PLANT=host writes before it waits"});
    WELL(scene_races_are_counted_when_lenient, {"GPU_DOUBLE_STRICT=0"});
    WELL(scene_readers_do_not_race);
}

void scene_pageable_copies()
{
    stage g;
    float values[4] = {1, 2, 3, 4}, back[4] = {};
    OK(gpu_double_enqueue(g.s, "wait", wait_for_release, nullptr, nullptr, nullptr, 0));
    OK(cudaMemcpyAsync(g.d, values, sizeof values, cudaMemcpyHostToDevice, g.s));
    values[0] = 9; /* staged already */
    released = true;
    OK(cudaMemcpyAsync(back, g.d, sizeof back, cudaMemcpyDeviceToHost, g.s));
    NEED(back[0] == 1 && back[3] == 4);
    OK(cudaMemcpyAsync(g.e, g.d, sizeof back, cudaMemcpyDeviceToDevice, g.s));
    OK(cudaMemsetAsync(g.e, 0, 4, g.s));
    OK(cudaMemcpyAsync(back, g.e, sizeof back, cudaMemcpyDefault, g.s));
    NEED(back[0] == 0 && back[1] == 2);
}

/* A download and an upload from the same pinned bytes, with no host between. */
void scene_through_pinned()
{
    stage g;
    g.fill(3);
    OK(g.upload(g.s));
    OK(g.download(g.s));
    OK(cudaMemcpyAsync(g.e, g.h, g.bytes, cudaMemcpyHostToDevice, g.s));
    OK(cudaMemcpyAsync(g.h, g.e, g.bytes, cudaMemcpyDeviceToHost, g.s));
    OK(cudaStreamSynchronize(g.s));
    NEED(g.h[0] == 3 && g.h[g.n - 1] == 3 + g.n - 1);
}

void copies(void **state)
{
    (void)state;
    WELL(scene_pageable_copies, {"GPU_DOUBLE_LEAKS=2"});
    WELL(scene_through_pinned, {"GPU_DOUBLE_LEAKS=2"});
}

/* ---- devices ---- */

void scene_no_device()
{
    int count = 7;
    void *p = nullptr;
    NEED(cudaGetDeviceCount(&count) == cudaErrorNoDevice && count == 0);
    NEED(cudaMalloc(&p, 4) != cudaSuccess && cudaSetDevice(0) == cudaErrorNoDevice);
}

void scene_no_driver()
{
    int count = 7, version = 7;
    OK(cudaDriverGetVersion(&version));
    OK(cudaRuntimeGetVersion(&count));
    NEED(version < 13000 && count == 13000);
    NEED(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver && count == 0);
}

void scene_visible_devices()
{
    int count = 0;
    OK(cudaGetDeviceCount(&count));
    NEED(count == 2);
    cudaDeviceProp a, b;
    char bus[16];
    OK(cudaGetDeviceProperties(&a, 0));
    OK(cudaGetDeviceProperties(&b, 1));
    NEED(strcmp(a.name, "C") == 0 && strcmp(b.name, "B") == 0 && memcmp(&a.uuid, &b.uuid, 16) != 0);
    OK(cudaDeviceGetPCIBusId(bus, sizeof bus, 0));
    NEED(strcmp(bus, "0000:04:00.0") == 0);
    NEED(gpu_double_physical_device(0) == 3 && gpu_double_physical_device(1) == 1 && gpu_double_physical_device(2) == -1);
    NEED(cudaGetDeviceProperties(&a, 2) == cudaErrorInvalidDevice);
    for (size_t i = 0; i < 16; i++)
        fprintf(stderr, "%02x", static_cast<unsigned char>(b.uuid.bytes[i]));
}

void scene_uuid_of_1()
{
    cudaDeviceProp a;
    OK(cudaGetDeviceProperties(&a, 1));
    for (size_t i = 0; i < 16; i++)
        fprintf(stderr, "%02x", static_cast<unsigned char>(a.uuid.bytes[i]));
}

void devices(void **state)
{
    (void)state;
    WELL(scene_no_device, {"GPU_DOUBLE_DEVICES=0"});
    WELL(scene_no_device, {"CUDA_VISIBLE_DEVICES="});
    WELL(scene_no_device, {"CUDA_VISIBLE_DEVICES=-1,0"});
    WELL(scene_no_driver, {"GPU_DOUBLE_DRIVER=0"});
    WELL(scene_no_driver, {"GPU_DOUBLE_DRIVER=12040"});
    const ending seen = play(scene_visible_devices, {"CUDA_VISIBLE_DEVICES=3,1,9,0", "GPU_DOUBLE_NAMES=A,B,C"});
    const ending plain = play(scene_uuid_of_1); /* another process, the same GPU */
    assert_true(seen.exited(0));
    assert_true(plain.exited(0));
    assert_string_equal(seen.said.c_str(), plain.said.c_str());
    assert_string_equal(cudaGetErrorName(cudaErrorIllegalAddress), "cudaErrorIllegalAddress");
    assert_string_equal(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory");
    assert_string_equal(cudaGetErrorName(static_cast<cudaError_t>(998)), "unrecognized error code");
}

/* ---- injected failures, counts, leaks ---- */

void scene_third_allocation_fails()
{
    void *p[4] = {};
    OK(cudaMalloc(&p[0], 4));
    OK(cudaMalloc(&p[1], 4));
    NEED(cudaMalloc(&p[2], 4) == cudaErrorMemoryAllocation);
    OK(cudaMalloc(&p[3], 4));
    NEED(gpu_double_calls("cudaMalloc") == 4 && gpu_double_calls("cudaFree") == 0);
    NEED(cudaFree(p[0]) == cudaErrorUnknown); /* injected; frees nevertheless */
    NEED(cudaFree(p[1]) == cudaErrorUnknown && cudaFree(p[3]) == cudaErrorUnknown);
    NEED(gpu_double_leaks() == 0);
    NEED(gpu_double_reports() == 0);
}

void scene_operation_fails_later()
{
    stage g;
    OK(gpu_double_enqueue(g.s, "first", count_run, nullptr, nullptr, nullptr, 0));
    OK(cudaStreamSynchronize(g.s));
    OK(gpu_double_enqueue(g.s, "second", count_run, nullptr, nullptr, nullptr, 0)); /* fails, but later */
    (void)gpu_double_enqueue(g.s, "third", count_run, nullptr, nullptr, nullptr, 0);
    NEED(cudaStreamSynchronize(g.s) == cudaErrorECCUncorrectable);
    NEED(ran == 1);
    NEED(cudaGetLastError() == cudaErrorECCUncorrectable && cudaGetLastError() == cudaErrorECCUncorrectable); /* sticky */
    void *p = nullptr;
    NEED(cudaMalloc(&p, 4) == cudaErrorECCUncorrectable);
    NEED(cudaEventRecord(g.event, g.s) == cudaErrorECCUncorrectable);
    NEED(cudaFree(g.d) == cudaErrorECCUncorrectable);
    g.d = nullptr;
}

void scene_dies()
{
    stage g;
    OK(cudaStreamSynchronize(g.s));
}

/* The first stream stops for ever; the rest goes on, and the process can end. */
void scene_hangs()
{
    stage *g = new stage;
    OK(gpu_double_enqueue(g->s, "first", count_run, nullptr, nullptr, nullptr, 0));
    usleep(20000);
    OK(gpu_double_enqueue(g->t, "second", count_run, nullptr, nullptr, nullptr, 0));
    OK(cudaStreamSynchronize(g->t));
    NEED(ran == 1 && cudaStreamQuery(g->s) == cudaErrorNotReady);
    _exit(0);
}

void scene_leaves_things()
{
    static const stage *g = new stage;
    OK(cudaFree(g->d));
}

void failures(void **state)
{
    (void)state;
    WELL(scene_third_allocation_fails, {"GPU_DOUBLE_FAIL=cudaMalloc:3=2,cudaFree:1+=999"});
    WELL(scene_operation_fails_later, {"GPU_DOUBLE_FAIL=stream:2=214", "GPU_DOUBLE_LEAKS=2"});
    WELL(scene_dies, {"GPU_DOUBLE_FAIL=cudaStreamSynchronize:1=die@3", "OMPI_COMM_WORLD_RANK=2"});
    const ending dead = play(scene_dies, {"GPU_DOUBLE_FAIL=cudaStreamSynchronize:1=die@3", "OMPI_COMM_WORLD_RANK=3"});
    assert_true(WIFSIGNALED(dead.status) && WTERMSIG(dead.status) == SIGKILL);
    WELL(scene_hangs, {"GPU_DOUBLE_FAIL=stream:1=hang"});
    STOPPED("cannot read 'cudaMalloc'", scene_dies, {"GPU_DOUBLE_FAIL=cudaMalloc"});

    const ending left = play(scene_leaves_things, {"GPU_DOUBLE_LEAKS=2"});
    assert_true(left.exited(99) && left.tells("1 blocks of device memory, 1 of pinned memory (8000 bytes), 2 streams, 1 events"));
    assert_true(play(scene_leaves_things, {"GPU_DOUBLE_LEAKS=0"}).said.empty());

    char name[] = "/tmp/gpu_double_count_XXXXXX", setting[80], line[80];
    close(mkstemp(name));
    snprintf(setting, sizeof setting, "GPU_DOUBLE_COUNT=%s", name);
    WELL(scene_dies, {setting});
    FILE *f = fopen(name, "r");
    bool found = false;
    while (fgets(line, sizeof line, f))
        found = found || strcmp(line, "cudaMalloc 2\n") == 0;
    fclose(f);
    unlink(name);
    assert_true(found);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {cmocka_unit_test(memory), cmocka_unit_test(streams), cmocka_unit_test(dependencies),
                                cmocka_unit_test(copies), cmocka_unit_test(devices), cmocka_unit_test(failures)};
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
