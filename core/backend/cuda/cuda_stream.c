/* Device half: streams and events. A fut_event is a cudaEvent_t. */
#include "core/backend/cuda/cuda_impl.h"

#include "core/base/mem.h"

fut_status fut_cuda_stream_init(fut_stream *s)
{
    fut_status st = FUT_OK;
    fut_stream made = {0};
    /* Non-blocking: work of a library on the legacy default stream must not order ours. */
    FUT_CUDA_TRY_GOTO(cudaStreamCreateWithFlags(&made.handle, cudaStreamNonBlocking), out);
    FUT_CUDA_TRY_GOTO(cudaMalloc(&made.scratch, FUT_CUDA_SCRATCH_BYTES), out);
    *s = made;
    made = (fut_stream){0};
out:
    fut_cuda_stream_fini(&made);
    return st;
}

void fut_cuda_stream_fini(fut_stream *s)
{
    /* Its work still uses the scratch. */
    if (s->handle) (void)cudaStreamSynchronize(s->handle);
    if (s->scratch) (void)cudaFree(s->scratch);
    if (s->handle) (void)cudaStreamDestroy(s->handle);
    *s = (fut_stream){0};
}

fut_status fut_cuda_stream_create(fut_backend *bk, fut_stream **s_out)
{
    (void)bk;
    fut_stream *s = NULL;
    FUT_TRY(FUT_NEW(&s));
    fut_status st = fut_cuda_stream_init(s);
    if (st == FUT_OK)
        *s_out = s;
    else
        fut_mem_free(s);
    return st;
}

void fut_cuda_stream_destroy(fut_backend *bk, fut_stream *s)
{
    (void)bk;
    if (!s) return;
    fut_cuda_stream_fini(s);
    fut_mem_free(s);
}

void *fut_cuda_stream_native(fut_backend *bk, fut_stream *s)
{
    return fut_cuda_stream(bk, s);
}

fut_status fut_cuda_event_create(fut_backend *bk, fut_event **e_out)
{
    (void)bk;
    cudaEvent_t event = NULL;
    FUT_CUDA_TRY(cudaEventCreateWithFlags(&event, cudaEventDefault));
    *e_out = (fut_event *)event;
    return FUT_OK;
}

void fut_cuda_event_destroy(fut_backend *bk, fut_event *e)
{
    (void)bk;
    if (e) (void)cudaEventDestroy((cudaEvent_t)e);
}

fut_status fut_cuda_event_record(fut_backend *bk, fut_event *e, fut_stream *s)
{
    return FUT_CUDA(cudaEventRecord((cudaEvent_t)e, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_event_wait(fut_backend *bk, fut_stream *s, fut_event *e)
{
    return FUT_CUDA(cudaStreamWaitEvent(fut_cuda_stream(bk, s), (cudaEvent_t)e, 0));
}

fut_status fut_cuda_event_done(fut_backend *bk, fut_event *e, bool *done_out)
{
    (void)bk;
    cudaError_t error = cudaEventQuery((cudaEvent_t)e);
    if (error == cudaErrorNotReady) {
        (void)cudaGetLastError(); /* no error, but the next launch would take it for one */
        *done_out = false;
        return FUT_OK;
    }
    FUT_TRY(fut_cuda_status(error, "cudaEventQuery", __FILE__, __LINE__));
    *done_out = true;
    return FUT_OK;
}

fut_status fut_cuda_event_seconds(fut_backend *bk, fut_event *from, fut_event *to, double *seconds_out)
{
    (void)bk;
    float milliseconds = 0;
    FUT_CUDA_TRY(cudaEventElapsedTime(&milliseconds, (cudaEvent_t)from, (cudaEvent_t)to));
    *seconds_out = (double)milliseconds / 1000;
    return FUT_OK;
}

fut_status fut_cuda_sync(fut_backend *bk, fut_stream *s)
{
    return FUT_CUDA(cudaStreamSynchronize(fut_cuda_stream(bk, s)));
}
