/* The GPU double: a strict CPU stand-in for the CUDA runtime. This header is what its other halves (cuDNN, cuBLASLt, NCCL), the host
 * version of gpu_kernel.h and the tests use; the product never sees it.
 *
 *     device address   ──────── + one fixed distance ────────▶   real memory
 *     PROT_NONE: host code that touches it dies                  only what runs on a stream may touch it: gpu_double_access
 *
 * Surprises:
 *   - cudaMalloc's addresses are numbers nobody can dereference. Code on a stream turns them into real ones with gpu_double_access
 * (kernels' pointer arguments, also inside structs passed by value, are turned for them). A pointer *stored in device memory* is not
 * turned: a kernel that loads one faults. Pass pointers as arguments.
 *   - Fresh device, pinned and shared memory is full of 0xFF bytes: NaN in f16, bf16, f32 and f64, -1 in integers.
 *   - Order is checked, not only exercised: every operation says what it reads and writes, and one that touches what another stream's
 *     operation wrote (or writes what it read), with no event or host wait between the two, is reported although it ran well this time.
 *     A kernel's extents are unknown: of each pointer argument only the first element counts (`const T *` is a read, `T *` a write, also
 *     when the kernel only reads: write const where you mean it). Copies, memsets and gpu_double_range are exact.
 *   - A download into pinned memory shows up there when the host has waited for it (event or stream synchronised, or a query that said
 *     success); until then the destination is 0xFF. A pinned source that changes before the host has waited for its upload is reported.
 *   - Pageable uploads copy at once; pageable downloads wait, as on the device. Both are refused during capture.
 *   - The legacy and the per-thread default stream (0, 1, 2) are refused: make a stream with cudaStreamNonBlocking.
 *   - A new thread's current device is 0, as in CUDA; a launch on a stream of another device than the current one is refused.
 *   - A misuse prints "gpu double: ..." and aborts. With GPU_DOUBLE_STRICT=0 the call returns the error CUDA would (races: success), and
 *     gpu_double_reports() counts it. An injected failure (GPU_DOUBLE_FAIL) is no misuse. Use after a sticky error is none either.
 *
 * Environment, read at the first call:
 *   GPU_DOUBLE_DEVICES=4         pretended GPUs (0: none)          GPU_DOUBLE_MEMORY=2147483648   bytes of each
 *   GPU_DOUBLE_DRIVER=13000      driver version; 0: no driver      GPU_DOUBLE_NAMES=A,B           names of the devices, the last repeats
 *   GPU_DOUBLE_SEED=1            order of blocks, threads, delays  GPU_DOUBLE_DELAY_US=100        longest pause before an operation; 0:
 * none GPU_DOUBLE_FAIL=entry:n=code[@rank],...   the n-th call (from 1) of entry returns code; n may be 7+ (from the 7th on). entry
 * "kernel": the n-th kernel run fails asynchronously, "stream": the n-th operation of any kind. code may be "die" (SIGKILL) or "hang"
 * (never returns; for kernel and stream: the stream never goes on). @rank: only there, by OMPI_COMM_WORLD_RANK GPU_DOUBLE_COUNT=file "entry
 * calls" lines, appended at exit (a %r in the name becomes the rank) GPU_DOUBLE_LEAKS=1           at exit, name what was never freed; 2:
 * and make the exit status 99 CUDA_VISIBLE_DEVICES         as in CUDA: indices; empty: no device */
#ifndef GPU_DOUBLE_H
#define GPU_DOUBLE_H

#include "cuda_runtime_api.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every entry point begins with this. Counts the call; true: an injected failure, *status is what the caller returns.
 *     int status;
 *     if (gpu_double_enter("cudnnBackendExecute", &status)) return (cudnnStatus_t)status; */
bool gpu_double_enter(const char *entry, int *status);

/* A misuse: prints "gpu double: ..." and aborts, or counts (GPU_DOUBLE_STRICT=0). */
void gpu_double_misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
int gpu_double_reports(void);             /* misuses so far */
const char *gpu_double_last_report(void); /* the text of the latest, "" if none; valid until the next one on this thread */

/* What an operation touches. */
typedef struct gpu_double_range {
    const void *ptr;  /* device memory; pinned memory is allowed for copies only */
    size_t bytes;     /* 0: nothing is touched, ptr may be anything */
    const char *what; /* argument's name in reports, static text */
    bool write;       /* a write may also read */
} gpu_double_range;

/* True when [ptr, ptr + bytes) lies in one live block of device memory of the current device; else a misuse naming `what`. */
bool gpu_double_check_device(const void *ptr, size_t bytes, const char *what, bool write);

/* The real address of a live device address; only for code that runs on a stream (fn below). NULL stays NULL; other memory is a misuse. */
void *gpu_double_access(const void *ptr);

/* Run fn(arg) on the stream, after what was enqueued before, then free_arg(arg) (may be NULL). During capture nothing runs: fn runs at each
 * launch of the graph and free_arg when the graph and its last executable are destroyed. Ranges are checked (validity now, order now or at
 * each launch) and copied. On error fn never runs and free_arg has been called. name: static text for reports. Errors:
 * cudaErrorInvalidValue, cudaErrorInvalidResourceHandle, a sticky error, cudaErrorStreamCaptureInvalidated. */
typedef void (*gpu_double_fn)(void *arg);
cudaError_t gpu_double_enqueue(cudaStream_t stream, const char *name, gpu_double_fn fn, void *arg, gpu_double_fn free_arg,
                               const gpu_double_range *ranges, int count);

/* From fn, on the stream: the device fails (sticky, asynchronous). */
void gpu_double_fail_device(cudaError_t error);

bool gpu_double_is_capturing(cudaStream_t stream);
int gpu_double_stream_device(cudaStream_t stream); /* -1 and a misuse for what is no stream */
int gpu_double_physical_device(int device);        /* before CUDA_VISIBLE_DEVICES: two ranks with one number share a GPU */

/* For tests. */
uint64_t gpu_double_calls(const char *entry); /* calls so far; "kernel": kernels run, "stream": operations run */
size_t gpu_double_bytes_used(void);           /* device memory of all devices now held by this process */
int gpu_double_leaks(void);                   /* blocks, streams, events, graphs alive now */

/* ---- what the host version of gpu_kernel.h stands on; nothing else calls these ---- */

typedef struct gpu_double_kernel {
    const char *name;
    dim3 grid, block;
    size_t shared_bytes; /* dynamic */
    bool sync;           /* body is one thread, each on a fiber; else body is the loop over the threads of a block */
    void (*body)(void *args);
    void *args;
    void (*free_args)(void *args);
} gpu_double_kernel;

cudaError_t gpu_double_launch(const gpu_double_kernel *kernel, cudaStream_t stream, const gpu_double_range *ranges, int count);

/* A device address, live or not, becomes the real one; all else stays. */
const void *gpu_double_translate(const void *ptr);
/* Same for the words of a struct that are live device addresses; appends to ranges, as written to. */
void gpu_double_translate_words(void *bytes, size_t size, gpu_double_range *ranges, int *count, int capacity);

/* Where the code now running on this thread is. */
typedef struct gpu_double_place {
    dim3 thread, block, block_size, grid_size;
    int order;                   /* plain kernels: 0 threads forward, else backward */
    int number;                  /* kernels with barriers: the thread's number in its block */
    uint32_t epoch, block_epoch; /* barriers passed; at the start of the block */
} gpu_double_place;
extern __thread gpu_double_place gpu_double_here __attribute__((tls_model("initial-exec")));

/* Who touched a shared element last, and in which epoch (0: never). */
typedef struct gpu_double_touch {
    uint32_t written, read;
    int16_t writer, reader; /* threads; reader -1: several */
} gpu_double_touch;

/* One shared array. The header's own code looks at bounds and touches; _refuse says what is wrong and leaves the kernel. After _raw (a
 * plain pointer was taken) only bounds and the guards between arrays are looked at. */
typedef struct gpu_double_shared {
    unsigned char *data;
    gpu_double_touch *touch;
    int64_t count;  /* elements */
    int64_t stride; /* from the touch of one element to the next */
    size_t size;    /* bytes of an element */
    const char *name;
    bool raw;
} gpu_double_shared;
const gpu_double_shared *gpu_double_shared_static(const void *site, const char *name, size_t size, int64_t count);
const gpu_double_shared *gpu_double_shared_dynamic(const char *name, size_t size);
void gpu_double_shared_raw(const gpu_double_shared *array);
void gpu_double_shared_refuse(const gpu_double_shared *array, int64_t index, bool write) __attribute__((noreturn, cold));

void gpu_double_sync(int line);
/* Exchange among the lanes of a warp: value is replaced by that of lane `source`; where that lane does not exist, by 0xFF bytes. */
void gpu_double_shuffle(void *value, size_t size, int source, int line);
/* Each thread of a warp (or block, then also a FUT_SYNC) brings a value of at most 8 bytes; when all have, combine works on their slots of
 * 8 bytes in the order of the threads, and each takes its slot's value. */
typedef void (*gpu_double_combine)(unsigned char *slots, size_t n);
void gpu_double_collect(void *value, size_t size, bool whole_block, gpu_double_combine combine, int line);
/* A kernel's own error: prints kernel, block, thread; the kernel ends (cudaErrorIllegalAddress or the given one), or abort. Does not
 * return. */
void gpu_double_kernel_error(cudaError_t error, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

#ifdef __cplusplus
}
#endif

#endif
