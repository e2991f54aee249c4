/* A kernel while it runs: what kernel.cpp (blocks, threads), fiber.cpp (their stacks) and shared.cpp (shared memory) share. One a worker.
 */
#ifndef GPU_DOUBLE_KERNEL_IMPL_H
#define GPU_DOUBLE_KERNEL_IMPL_H

#include "double_impl.h"

/* Who touched a shared element last, and when. Epochs count barriers; a block begins a new one. */
struct gpu_double_touch {
    uint32_t written, read; /* epochs; 0: never */
    int16_t writer, reader; /* threads; reader -1: several */
};

namespace gpu_double
{

constexpr size_t shared_limit = 48 << 10;

/* ---- fiber.cpp ---- */

enum class stop { READY, BARRIER, SHUFFLE, DONE };

struct fiber {
    void *stack_pointer = nullptr;
    unsigned char *stack = nullptr;
    stop state = stop::DONE;
    dim3 thread;
    int line = 0;
    /* SHUFFLE */
    unsigned char value[8];
    size_t size = 0;
    int source = 0;
};

/* Makes sure that n fibers exist, each at its beginning or after its last thread's end. body(args) is what one resume of a DONE fiber runs.
 */
std::vector<fiber> &fibers(size_t n);
void resume(fiber &f, void (*body)(void *), void *args); /* until it stops */
void stop_here(stop why, int line);                      /* called on a fiber: back to who resumed it */
fiber *this_fiber();                                     /* NULL outside */
void abandon_fibers();                                   /* they stand somewhere in a kernel that is over */

/* ---- shared.cpp ---- */

struct shared_memory;
shared_memory *make_shared_memory();
void begin_shared(shared_memory &m, size_t dynamic_bytes);
void begin_block(shared_memory &m);
void pass_barrier(shared_memory &m);
void end_block(shared_memory &m); /* looks at the guards */
shared_memory *running_shared();  /* of the kernel running on this worker; NULL: none, or one without barriers */
int thread_number();              /* in its block */

} // namespace gpu_double

#endif
