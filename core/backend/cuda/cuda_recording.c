/* Device half: recordings, which are CUDA graphs. A fut_recording is a cudaGraphExec_t. */
#include "core/backend/cuda/cuda_impl.h"

/* Thread-local: what a library does in a thread of its own does not spoil the recording, what this thread must not do is refused. */
fut_status fut_cuda_record_begin(fut_backend *bk, fut_stream *s)
{
    return FUT_CUDA(cudaStreamBeginCapture(fut_cuda_stream(bk, s), cudaStreamCaptureModeThreadLocal));
}

fut_status fut_cuda_record_end(fut_backend *bk, fut_stream *s, fut_recording **recording_out)
{
    fut_status st = FUT_OK;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec = NULL;
    FUT_CUDA_TRY_GOTO(cudaStreamEndCapture(fut_cuda_stream(bk, s), &graph), out);
    FUT_CUDA_TRY_GOTO(cudaGraphInstantiate(&exec, graph, 0), out);
    *recording_out = (fut_recording *)exec;
    exec = NULL;
out:
    if (exec) (void)cudaGraphExecDestroy(exec);
    if (graph) (void)cudaGraphDestroy(graph);
    return st;
}

fut_status fut_cuda_replay(fut_backend *bk, fut_recording *recording, fut_stream *s)
{
    return FUT_CUDA(cudaGraphLaunch((cudaGraphExec_t)recording, fut_cuda_stream(bk, s)));
}

void fut_cuda_recording_destroy(fut_backend *bk, fut_recording *recording)
{
    (void)bk;
    if (recording) (void)cudaGraphExecDestroy((cudaGraphExec_t)recording);
}
