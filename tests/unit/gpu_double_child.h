/* Tests of the GPU double run each scene in a process of its own: a misuse aborts, settings are read once, and a fork with streams running
 * would be no fork. The parent looks at how the child ended and at what it said. */
#ifndef FUT_TESTS_GPU_DOUBLE_CHILD_H
#define FUT_TESTS_GPU_DOUBLE_CHILD_H

#include "gpu_double.h"

#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <cmocka.h>
}

/* In a scene: cmocka's asserts would jump into the parent's loop. */
#define NEED(condition)                                                                                                                    \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                                \
            _exit(3);                                                                                                                      \
        }                                                                                                                                  \
    } while (0)
#define OK(call) NEED((call) == cudaSuccess)

struct ending {
    int status = 0;
    std::string said;
    bool aborted() const
    {
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    }
    bool exited(int code) const
    {
        return WIFEXITED(status) && WEXITSTATUS(status) == code;
    }
    bool tells(const char *text) const
    {
        return said.find(text) != std::string::npos;
    }
};

/* settings: "GPU_DOUBLE_SEED=7", ... A scene that hangs is killed after half a minute. */
inline ending play(void (*scene)(), std::initializer_list<const char *> settings = {})
{
    int ends[2];
    fflush(nullptr);
    if (pipe(ends) != 0) abort();
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE}) /* cmocka's own are the parent's */
            std::signal(signal, SIG_DFL);
        alarm(30);
        for (const char *setting : settings)
            putenv(const_cast<char *>(setting));
        scene();
        exit(0);
    }
    close(ends[1]);
    ending e;
    char bytes[4096];
    for (ssize_t n; (n = read(ends[0], bytes, sizeof bytes)) > 0;)
        e.said.append(bytes, static_cast<size_t>(n));
    close(ends[0]);
    waitpid(child, &e.status, 0);
    return e;
}

inline void explain(const ending &e, const char *wanted, const char *file, int line)
{
    print_error("%s:%d: wanted %s; status %d, said:\n%s\n", file, line, wanted, e.status, e.said.c_str());
}

/* The scene ends well and leaves nothing behind. */
#define WELL(...)                                                                                                                          \
    do {                                                                                                                                   \
        const ending e_ = play(__VA_ARGS__);                                                                                               \
        if (!e_.exited(0)) explain(e_, "a good end", __FILE__, __LINE__);                                                                  \
        assert_true(e_.exited(0));                                                                                                         \
    } while (0)

/* The scene is stopped with these words. */
#define STOPPED(words, ...)                                                                                                                \
    do {                                                                                                                                   \
        const ending e_ = play(__VA_ARGS__);                                                                                               \
        if (!e_.aborted() || !e_.tells(words)) explain(e_, words, __FILE__, __LINE__);                                                     \
        assert_true(e_.aborted());                                                                                                         \
        assert_true(e_.tells(words));                                                                                                      \
    } while (0)

/* What every scene stands on. */
struct stage {
    cudaStream_t s = nullptr, t = nullptr;
    float *d = nullptr, *e = nullptr, *h = nullptr; /* device, device, pinned: `n` elements */
    cudaEvent_t event = nullptr;
    static constexpr int n = 1000;
    static constexpr size_t bytes = n * sizeof(float);
    stage()
    {
        OK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
        OK(cudaStreamCreateWithFlags(&t, cudaStreamNonBlocking));
        OK(cudaEventCreateWithFlags(&event, cudaEventDefault));
        OK(cudaMalloc(reinterpret_cast<void **>(&d), bytes));
        OK(cudaMalloc(reinterpret_cast<void **>(&e), bytes));
        OK(cudaMallocHost(reinterpret_cast<void **>(&h), bytes));
    }
    ~stage()
    {
        (void)cudaFree(d);
        (void)cudaFree(e);
        (void)cudaFreeHost(h);
        (void)cudaEventDestroy(event);
        (void)cudaStreamDestroy(s);
        (void)cudaStreamDestroy(t);
    }
    void fill(float value) const
    {
        for (int i = 0; i < n; i++)
            h[i] = value + static_cast<float>(i);
    }
    cudaError_t upload(cudaStream_t stream) const
    {
        return cudaMemcpyAsync(d, h, bytes, cudaMemcpyHostToDevice, stream);
    }
    cudaError_t download(cudaStream_t stream) const
    {
        return cudaMemcpyAsync(h, d, bytes, cudaMemcpyDeviceToHost, stream);
    }
};

#endif
