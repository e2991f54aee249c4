/* What the files of the double's runtime share. One mutex guards all of it; a stream's worker holds it only between operations.
 *
 *     host thread ──enqueue──▶ stream.queue ──worker──▶ operation runs         order.cpp: who touched which bytes, and was it ordered?
 *          │                      │    ▲                                       memory.cpp: blocks, addresses, guards
 *          │ record/wait          │    └── WAIT: until the point has passed    graph.cpp: the same operations, recorded and run again
 *          ▼                      ▼                                            kernel.cpp: blocks and threads of a kernel, fibers
 *        point  ◀──── RECORD ─────┘                                            shared.cpp: a block's shared memory */
#ifndef GPU_DOUBLE_IMPL_H
#define GPU_DOUBLE_IMPL_H

#include "gpu_double.h"

#include <array>
#include <condition_variable>
#include <csetjmp>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace gpu_double
{

constexpr int max_streams = 64;

/* How much of each stream's work is known to be done: a vector clock. */
using knowledge = std::array<uint64_t, max_streams>;
void learn(knowledge &into, const knowledge &from);

/* One operation's place: the seq-th of the stream in this slot. */
struct place {
    int slot;
    uint64_t seq;
};

/* A byte range of a block, and who touched it last. */
struct touched {
    uintptr_t end;
    place writer; /* slot -1: nobody yet */
    const char *writer_name;
    struct reader {
        place at;
        const char *name;
    };
    std::vector<reader> readers; /* since the last write, one a stream */
};

struct block {
    uintptr_t base; /* the address handed out */
    size_t bytes;
    int device;            /* -1: pinned host memory */
    unsigned char *real;   /* where the bytes are */
    unsigned char *mapped; /* pages around them; what they have more than the block is full of 0xFF */
    size_t mapped_bytes;
    std::map<uintptr_t, touched> history; /* by first byte */
};

/* A recorded event's occasion. Host and streams wait for it. */
struct point {
    bool passed = false;
    double seconds = 0;
    knowledge known{};
};

/* Work that can be run any number of times. */
struct action {
    const char *name = "";
    gpu_double_fn fn = nullptr;
    void *arg = nullptr;
    gpu_double_fn free_arg = nullptr;
    std::vector<gpu_double_range> ranges;
    bool kernel = false;
    bool copy = false; /* ranges may be pinned memory and of several devices; fn is not used: */
    void *dst = nullptr;
    const void *src = nullptr;
    size_t bytes = 0;
    bool to_host = false, from_host = false;
    action() = default;
    action(const action &) = delete;
    action &operator=(const action &) = delete;
    ~action()
    {
        if (free_arg) free_arg(arg);
    }
};

/* A download whose bytes the host has not waited for. */
struct delivery {
    place at;
    unsigned char *dst;
    size_t bytes;
    std::vector<unsigned char> data;
    bool arrived = false;
};

/* An upload from pinned memory that the host has not waited for. */
struct source {
    place at;
    const unsigned char *src;
    size_t bytes;
    bool checked; /* false: a download before it still changes the bytes */
    uint64_t hash;
};

struct operation {
    enum kind { RUN, RECORD, WAIT } kind;
    std::shared_ptr<action> run;
    std::shared_ptr<delivery> to_host;
    std::shared_ptr<point> at;
};

/* One node of a capture: an operation of a branch, or a dependency between branches (points are numbered within the capture). */
struct node {
    enum kind { RUN, RECORD, WAIT, RECORD_EXTERNAL, WAIT_EXTERNAL } kind;
    int branch;
    std::shared_ptr<action> run;
    int point = -1;
    cudaEvent_t event = nullptr;
};

struct capture {
    cudaStream_t origin = nullptr;
    cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
    unsigned long thread = 0;
    bool invalid = false;
    std::vector<cudaStream_t> branches;  /* 0 is the origin */
    std::vector<std::vector<int>> known; /* of each branch: how many nodes of every branch are before its next */
    std::vector<node> nodes;
    std::vector<std::vector<int>> points; /* known of each recorded point */
};

struct settings {
    int devices;
    int driver;
    size_t memory;
    std::vector<std::string> names;
    std::vector<int> visible; /* physical index of each device */
    uint64_t seed;
    int delay_us;
    bool strict;
    int leaks;
};

} // namespace gpu_double

struct CUstream_st {
    int device = 0, slot = 0, number = 0;
    gpu_double::knowledge known{};
    std::deque<gpu_double::operation> queue;
    std::condition_variable_any work;
    uint64_t enqueued = 0, finished = 0;
    bool ends = false, hidden = false;
    gpu_double::capture *capturing = nullptr;
    int branch = 0;
    uint64_t random = 0;
};

struct CUevent_st {
    unsigned int flags = 0;
    int device = 0;
    std::shared_ptr<gpu_double::point> last; /* NULL: never recorded */
    gpu_double::capture *captured = nullptr; /* last recorded there */
    int captured_point = -1;
};

struct CUgraph_st {
    std::vector<gpu_double::node> nodes;
    int branches = 0, points = 0;
    int device = 0;
};

struct CUgraphExec_st {
    std::shared_ptr<CUgraph_st> graph;
    std::vector<cudaStream_t> streams; /* of branches 1.. */
};

namespace gpu_double
{

struct world {
    std::mutex lock;
    std::condition_variable_any progress; /* an operation ended or a point passed */
    std::map<uintptr_t, std::unique_ptr<block>> blocks;
    std::vector<size_t> used; /* bytes of each device */
    std::list<cudaStream_t> streams;
    std::list<cudaEvent_t> events;
    std::map<cudaGraph_t, std::shared_ptr<CUgraph_st>> graphs;
    std::list<cudaGraphExec_t> execs;
    std::list<std::unique_ptr<capture>> captures;
    std::array<bool, max_streams> slots{};
    std::array<uint64_t, max_streams> slot_seq{}; /* goes on when a slot is used again */
    knowledge host{};                             /* what the host has waited for */
    std::list<std::shared_ptr<delivery>> deliveries;
    std::list<source> sources;
    cudaError_t sticky = cudaSuccess;
    int stream_count = 0;
    uint64_t launches = 0;
};

using guard = std::unique_lock<std::mutex>;

/* enter.cpp */
world &the_world();
const settings &the_settings();
uint64_t next_random(uint64_t &state);
/* An injected failure was met: what was begun then cannot all be ended in order. */
bool some_call_failed();
[[gnu::format(printf, 1, 2)]] void report(const char *format, ...); /* with or without the lock */
bool is_sticky(cudaError_t error);
cudaError_t fail(cudaError_t error); /* notes it as this thread's last error; returns it */
cudaError_t take_last_error(bool clear);
void fail_device_locked(cudaError_t error);
extern thread_local int current_device;

/* memory.cpp */
block *find_block(const void *ptr); /* the live block with ptr in it or at its end */
bool in_device_space(const void *ptr);
unsigned char *real_address(const block &b, const void *ptr);
void check_guards(const block &b, const char *after);
void install_fault_handler();
void use_fault_stack(); /* by each worker */
struct recovery {
    sigjmp_buf env;
    const char *running; /* the operation's name */
};
extern thread_local recovery *on_stream; /* of a worker: where a failed operation goes on */

/* order.cpp */
bool check_range(const gpu_double_range &range, int device, bool kernel, bool copy, const char *name);
void note_access(const gpu_double_range &range, place at, const knowledge &known, const char *name);
void host_learns(const knowledge &known); /* the host has waited for this: downloads show up, uploads are looked at */
void submit_copy(const action &a, place at, operation &op);
void run_copy(const action &a, delivery *to_host, guard &held);
void forget_host_block(const block &b);

/* stream.cpp */
bool is_stream(cudaStream_t stream, const char *who);
cudaStream_t make_stream(int device, bool hidden);
void end_stream(cudaStream_t stream);
void submit(cudaStream_t stream, const std::shared_ptr<action> &a);
void submit_record(cudaStream_t stream, const std::shared_ptr<point> &at);
void submit_wait(cudaStream_t stream, const std::shared_ptr<point> &at);
void wait_all_streams(guard &held);
cudaError_t enqueue_action(cudaStream_t stream, const std::shared_ptr<action> &a);

/* graph.cpp: NULL or the capture this call would break */
capture *breaks_capture(cudaStream_t stream);
cudaError_t refuse_in_capture(const char *entry, cudaStream_t stream); /* cudaSuccess where allowed */
cudaError_t capture_action(cudaStream_t stream, const std::shared_ptr<action> &a);
cudaError_t capture_record(cudaStream_t stream, cudaEvent_t event, bool external);
cudaError_t capture_wait(cudaStream_t stream, cudaEvent_t event, bool external);

/* kernel.cpp */
void run_kernel(const gpu_double_kernel &kernel);
void reset_kernel(); /* after a kernel was left in the middle */

} // namespace gpu_double

/* First line of an entry point. */
#define GPU_DOUBLE_ENTER(entry)                                                                                                            \
    int entered;                                                                                                                           \
    if (gpu_double_enter(#entry, &entered)) return gpu_double::fail(static_cast<cudaError_t>(entered))

#endif
