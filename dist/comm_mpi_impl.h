/* comm_mpi's insides, shared by its operations (comm_mpi.c) and its roll call (comm_mpi_roll.c). */
#ifndef FUT_DIST_COMM_MPI_IMPL_H
#define FUT_DIST_COMM_MPI_IMPL_H

#include "dist/comm.h"

#include <mpi.h>

/* Where a rank is; as it crosses the network. */
typedef struct place {
    char host[FUT_FLIGHT_HOST_MAX];
    char node[40]; /* the same for ranks that share a machine */
} place;

/* What a rank says when the roll is called; as it crosses the network. */
typedef struct roll_answer {
    int32_t is_there, phase;
    int64_t step;
    double seconds;
    char what[FUT_WHAT_MAX];
} roll_answer;

struct fut_transfer {
    int channel; /* the tag */
    MPI_Request *requests;
    int *peers; /* of the requests */
    int n, room;
};

typedef struct comm_mpi {
    fut_comm base;
    MPI_Comm world;
    fut_transfer own; /* of the calls that wait */
    int *part_counts; /* [size] */
    place *places;    /* [size] */

    MPI_Comm roll;              /* of the roll call alone */
    roll_answer *answers;       /* [size] */
    MPI_Request *roll_requests; /* [size] never waited for */
    bool holding;
} comm_mpi;

fut_status fut_mpi_failed(int code, const char *what) FUT_MUST_CHECK;

#define FUT_MPI(call, what)                                                                                                                \
    do {                                                                                                                                   \
        int fut_mpi_code_ = (call);                                                                                                        \
        if (fut_mpi_code_ != MPI_SUCCESS) return fut_mpi_failed(fut_mpi_code_, what);                                                      \
    } while (0)

/* Past a deadline: ask all ranks what they wait for, name those that do not answer (`speaks`) or only answer. Returns when it is time to
 * end the job, within a second or so, and at once where a roll is being called. */
void fut_mpi_call_roll(comm_mpi *c, bool speaks);
/* Where another rank calls the roll, answer and end the job. Never waits else. */
fut_status fut_mpi_answer_roll(comm_mpi *c) FUT_MUST_CHECK;

#endif
