/* A small all-reduce: do the ranks, and their GPUs, reach each other, and how fast. */
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "launch/doctor.h"

#include <stdio.h>

enum { ROUNDS = 3, DEADLINE_SECONDS = 60 };
static const int64_t sizes[] = {1 << 14, 1 << 18, 1 << 22, 1 << 24}; /* f32 elements: 64 KiB to 64 MiB */

/* What one series runs on: the host's memory, or a GPU's. */
typedef struct series {
    fut_comm *comm;
    fut_backend *bk; /* NULL: the host */
    fut_event *event;
    float *data;
} series;

static fut_status reduce_once(const series *s, int64_t count)
{
    FUT_TRY(fut_comm_all_reduce_sum(s->comm, s->data, count, FUT_F32, "all-reduce of futago doctor"));
    if (s->bk == NULL) return FUT_OK;
    FUT_TRY(s->bk->event_record(s->bk, s->event, s->comm->stream));
    return fut_comm_wait(s->comm, s->bk, s->event, "all-reduce of futago doctor");
}

/* Bytes a second that each rank sends and receives in a ring, 2 (size - 1) / size of the data: what nccl-tests call bus bandwidth. */
static fut_status add_rate(fut_doctor *doctor, const char *name, int ranks, int64_t count, double seconds)
{
    double bytes = (double)count * sizeof(float);
    double rate = 2.0 * (ranks - 1) / ranks * bytes / seconds;
    char label[64];
    (void)snprintf(label, sizeof label, "%s %g %s", name, bytes < 0x1p20 ? bytes / 1024 : bytes / 0x1p20, bytes < 0x1p20 ? "KiB" : "MiB");
    return fut_doctor_add(doctor, FUT_MARK_OK, "all-reduce", label, "%d ranks, %.3f ms, %.3g GB/s a rank", ranks, seconds * 1e3,
                          rate / 1e9);
}

/* The best of ROUNDS for every size. All ranks come here together. */
static fut_status measure(fut_doctor *doctor, const char *name, const series *s)
{
    int ranks = fut_comm_size(s->comm);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        double best = 1e30;
        for (int round = 0; round <= ROUNDS; round++) {
            double begun = fut_clock_now();
            FUT_TRY(reduce_once(s, sizes[k]));
            double seconds = fut_clock_now() - begun;
            /* The first one opens connections. */
            if (round > 0 && seconds < best) best = seconds;
        }
        FUT_TRY(add_rate(doctor, name, ranks, sizes[k], best));
    }
    return FUT_OK;
}

static int64_t largest(void)
{
    return sizes[sizeof sizes / sizeof *sizes - 1];
}

static fut_status reduce_on_host(fut_doctor *doctor, fut_comm *comm)
{
    series s = {.comm = comm};
    FUT_TRY(fut_comm_agree(comm, FUT_NEW_ARRAY(largest(), &s.data)));
    fut_status st = measure(doctor, "host", &s);
    fut_mem_free(s.data);
    return st;
}

static fut_status prepare_gpu(fut_comm *host, series *s)
{
    const fut_backend_options options = {.threads = 1, .device = host->local_rank, .ranks_on_node = host->local_size};
    FUT_TRY(fut_backend_create("cuda", &options, &s->bk));
    FUT_TRY(s->bk->event_create(s->bk, &s->event));
    FUT_TRY(s->bk->alloc(s->bk, (size_t)largest() * sizeof *s->data, (void **)&s->data));
    return s->bk->fill_zero(s->bk, s->data, (size_t)largest() * sizeof *s->data, NULL);
}

static fut_status reduce_on_gpus(fut_doctor *doctor, fut_comm *host)
{
    fut_status st = FUT_OK;
    series s = {0};
    FUT_TRY_GOTO(fut_comm_agree(host, prepare_gpu(host, &s)), out);
    FUT_TRY_GOTO(fut_comm_create_nccl(host, s.bk, &s.comm), out);
    fut_comm_set_deadline(s.comm, DEADLINE_SECONDS);
    st = measure(doctor, "NCCL", &s);
out:
    fut_comm_destroy(&s.comm);
    if (s.bk != NULL) {
        s.bk->free(s.bk, s.data);
        if (s.event != NULL) s.bk->event_destroy(s.bk, s.event);
    }
    fut_backend_destroy(&s.bk);
    return st;
}

/* Every rank has a GPU of its own: the node's first rank has counted them. */
static fut_status count_ranks_without_gpu(const fut_doctor *doctor, fut_comm *comm, int64_t *without_out)
{
    *without_out = 0;
    if (comm->local_rank == 0 && (doctor->gpus < comm->local_size || !doctor->has_nccl)) *without_out = comm->local_size;
    return fut_comm_all_reduce_sum(comm, without_out, 1, FUT_I64, "ranks without a GPU");
}

fut_status fut_doctor_reduce(fut_doctor *doctor, fut_comm *comm)
{
    int64_t without = 0;
    fut_comm_set_deadline(comm, DEADLINE_SECONDS);
    FUT_TRY(reduce_on_host(doctor, comm));
    FUT_TRY(count_ranks_without_gpu(doctor, comm, &without));
    if (without > 0) {
        FUT_TRY(fut_doctor_add(doctor, FUT_MARK_ABSENT, "all-reduce", "NCCL",
                               "not tried: %lld ranks are on nodes with fewer usable GPUs than ranks", (long long)without));
        return fut_doctor_advise(doctor, "to measure it, start one rank a GPU");
    }
    if (reduce_on_gpus(doctor, comm) == FUT_OK) return FUT_OK;
    FUT_TRY(fut_doctor_add_error(doctor, FUT_MARK_BAD, "all-reduce", "NCCL"));
    return fut_doctor_advise(doctor, "run again with NCCL_DEBUG=INFO; NCCL_SOCKET_IFNAME names the network that the nodes share");
}
