/* Fibers: a stack each, switched by saving the registers a call must keep. swapcontext would do, but for two system calls a switch. */
#include "kernel_impl.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/mman.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#if defined(__x86_64__)
extern "C" void gpu_double_switch(void **save, void *load);
asm(R"(
    .text
    .globl gpu_double_switch
    .hidden gpu_double_switch
    .type gpu_double_switch, @function
gpu_double_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size gpu_double_switch, .-gpu_double_switch
)");
#else
/* Other machines: the slow way. A "stack pointer" is then a context. */
static void gpu_double_switch(void **save, void *load)
{
    ucontext_t here;
    *save = &here;
    swapcontext(&here, static_cast<ucontext_t *>(load));
}
#endif

namespace gpu_double
{

namespace
{

constexpr size_t stack_bytes = 64 << 10, page = 4096;

struct fiber_pool {
    std::vector<fiber> all;
    void *scheduler = nullptr; /* its stack pointer while fibers run */
    fiber *running = nullptr;
    /* the fibers whose turn it is, and the place of the running one */
    fiber *const *list = nullptr;
    size_t count = 0, at = 0;
    void (*body)(void *) = nullptr;
    void *args = nullptr;
    int failure = 0; /* why a fiber left the kernel */
#if defined(__SANITIZE_ADDRESS__)
    const void *scheduler_stack = nullptr;
    size_t scheduler_bytes = 0;
    bool from_scheduler = false;
#endif
#if defined(__SANITIZE_THREAD__)
    void *scheduler_fiber = nullptr;
    std::vector<void *> tsan = std::vector<void *>(1024, nullptr);
#endif
#if !defined(__x86_64__)
    std::vector<ucontext_t> contexts = std::vector<ucontext_t>(1024);
#endif
};

/* Made at a worker's first kernel with barriers; a plain pointer, since it is looked at in every switch. */
__thread fiber_pool *the_pool __attribute__((tls_model("initial-exec"))) = nullptr;
#define pool (*the_pool)

struct pool_owner {
    ~pool_owner()
    {
        if (the_pool == nullptr) return;
        for (const fiber &f : pool.all)
            munmap(f.stack, stack_bytes);
        delete the_pool;
    }
};

/* What AddressSanitizer must know about whose stack we are on. */
void arrive([[maybe_unused]] void *fake)
{
#if defined(__SANITIZE_ADDRESS__)
    const void *from;
    size_t bytes;
    __sanitizer_finish_switch_fiber(fake, &from, &bytes);
    if (pool.from_scheduler) {
        pool.scheduler_stack = from;
        pool.scheduler_bytes = bytes;
        pool.from_scheduler = false;
    }
#endif
}

/* Save this place in *save and go on there; NULL: the scheduler. */
void go(void **save, fiber *to)
{
    pool.running = to;
    if (to != nullptr) {
        gpu_double_here.thread = to->thread;
        gpu_double_here.number = to->number;
    }
    void *fake = nullptr;
#if defined(__SANITIZE_THREAD__)
    if (to != nullptr) {
        void *&known = pool.tsan[static_cast<size_t>(to - pool.all.data())];
        if (known == nullptr) known = __tsan_create_fiber(0);
        __tsan_switch_to_fiber(known, 0);
    } else {
        __tsan_switch_to_fiber(pool.scheduler_fiber, 0);
    }
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fake, to != nullptr ? to->stack : pool.scheduler_stack,
                                   to != nullptr ? stack_bytes : pool.scheduler_bytes);
#endif
    gpu_double_switch(save, to != nullptr ? to->stack_pointer : pool.scheduler);
    arrive(fake);
}

void next()
{
    fiber &from = *pool.running;
    pool.at++;
    go(&from.stack_pointer, pool.at < pool.count ? pool.list[pool.at] : nullptr);
}

/* A fiber's whole life: thread after thread. */
void live()
{
    arrive(nullptr);
    for (;;) {
        pool.body(pool.args);
        pool.running->state = stop::DONE;
        next();
    }
}

/* As if it had been switched away from just before its first instruction. */
void begin(fiber &f)
{
#if defined(__x86_64__)
    /* Stacks begin at different places of the cache. */
    const size_t shift = static_cast<size_t>(&f - pool.all.data()) * 448 % (16 << 10);
    void **top = reinterpret_cast<void **>(f.stack + stack_bytes - shift);
    *--top = nullptr; /* live's return address: never used; it also makes the stack as after a call */
    *--top = reinterpret_cast<void *>(live);
    for (int i = 0; i < 6; i++)
        *--top = nullptr;
    f.stack_pointer = top;
#else
    ucontext_t &c = pool.contexts[static_cast<size_t>(&f - pool.all.data())];
    getcontext(&c);
    c.uc_stack.ss_sp = f.stack + page;
    c.uc_stack.ss_size = stack_bytes - page;
    c.uc_link = nullptr;
    makecontext(&c, live, 0);
    f.stack_pointer = &c;
#endif
    f.state = stop::DONE;
}

void add(fiber_pool &p)
{
    void *stack = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        perror("gpu double: no memory for a fiber's stack");
        abort();
    }
    mprotect(stack, page, PROT_NONE); /* a stack that grows too long faults */
    fiber f;
    f.stack = static_cast<unsigned char *>(stack);
    p.all.push_back(f);
    begin(p.all.back());
}

} // namespace

std::vector<fiber> &fibers(size_t n)
{
    if (the_pool == nullptr) {
        static thread_local pool_owner owner;
        (void)owner;
        the_pool = new fiber_pool;
        pool.all.reserve(1024);
    }
    while (pool.all.size() < n)
        add(pool);
    return pool.all;
}

void run_fibers(fiber *const *list, size_t n, void (*body)(void *), void *args)
{
    if (n == 0) return;
    pool.list = list;
    pool.count = n;
    pool.at = 0;
    pool.body = body;
    pool.args = args;
#if defined(__SANITIZE_THREAD__)
    pool.scheduler_fiber = __tsan_get_current_fiber();
#endif
#if defined(__SANITIZE_ADDRESS__)
    pool.from_scheduler = true;
#endif
    go(&pool.scheduler, list[0]);
    if (const int failure = pool.failure) {
        pool.failure = 0;
        siglongjmp(on_stream->env, failure);
    }
}

/* Sanitizers want a jump to begin on the stack that it ends on. */
void leave_kernel(int error)
{
    if (fiber *f = this_fiber()) {
        pool.failure = error;
        go(&f->stack_pointer, nullptr);
    }
    siglongjmp(on_stream->env, error);
}

void stop_here(stop why, int line)
{
    pool.running->state = why;
    pool.running->line = line;
    next();
}

fiber *this_fiber()
{
    return the_pool != nullptr ? pool.running : nullptr;
}

bool is_stack_guard(const void *ptr)
{
    if (the_pool == nullptr) return false;
    for (const fiber &f : pool.all)
        if (ptr >= f.stack && ptr < f.stack + page) return true;
    return false;
}

void abandon_fibers()
{
    for (fiber &f : pool.all)
        begin(f);
    pool.running = nullptr;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(nullptr, pool.scheduler_stack, pool.scheduler_bytes);
    __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

} // namespace gpu_double
