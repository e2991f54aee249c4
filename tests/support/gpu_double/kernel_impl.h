/* A kernel while it runs: what kernel.cpp (blocks, threads), fiber.cpp (their stacks) and shared.cpp (shared memory) share. One a worker.
 */
#ifndef GPU_DOUBLE_KERNEL_IMPL_H
#define GPU_DOUBLE_KERNEL_IMPL_H

#include "double_impl.h"

namespace gpu_double
{

constexpr size_t shared_limit = 48 << 10;

/* ---- fiber.cpp ---- */

enum class stop { BARRIER, SHUFFLE, DONE };

struct fiber {
    void *stack_pointer = nullptr;
    unsigned char *stack = nullptr;
    stop state = stop::DONE;
    dim3 thread;
    int number = 0;
    int line = 0;
    /* SHUFFLE, and BARRIER with combine */
    unsigned char value[8] = {};
    int source = 0;
    gpu_double_combine combine = nullptr; /* NULL: the value of lane `source` */
};

/* Makes sure that n fibers exist, each at its beginning or after its last thread's end. */
std::vector<fiber> &fibers(size_t n);
/* Each of these goes on until it stops, one after the other; body(args) is what a fiber at its beginning runs. */
void run_fibers(fiber *const *list, size_t n, void (*body)(void *), void *args);
void stop_here(stop why, int line);        /* called on a fiber: the next one's turn */
[[noreturn]] void leave_kernel(int error); /* from a fiber or not: the operation has failed */
bool is_stack_guard(const void *ptr);      /* of a fiber of this worker */
fiber *this_fiber();                       /* NULL outside */
void abandon_fibers();                     /* they stand somewhere in a kernel that is over */

/* ---- shared.cpp ---- */

struct shared_memory;
shared_memory *worker_shared(); /* this worker's, made at the first call */
void begin_shared(shared_memory &m, size_t dynamic_bytes);
void begin_block(shared_memory &m);
void end_block(shared_memory &m); /* looks at the guards */
shared_memory *running_shared();  /* of the kernel running on this worker; NULL: none, or one without barriers */

} // namespace gpu_double

#endif
