/* A communicator around another one that lets something go wrong, once: on one rank, in one operation, from one step on. A test program
 * puts it between the product and its communicator; the product has no part of it. */
#ifndef FUT_TESTS_SUPPORT_COMM_CHAOS_H
#define FUT_TESTS_SUPPORT_COMM_CHAOS_H

#include "dist/comm.h"

typedef enum fut_chaos_kind {
    FUT_CHAOS_NONE,
    FUT_CHAOS_DELAY,    /* sleeps for `seconds` before it */
    FUT_CHAOS_DROP,     /* leaves it out, and goes on as if it had been done */
    FUT_CHAOS_DIE,      /* SIGKILL */
    FUT_CHAOS_STOP,     /* SIGSTOP */
    FUT_CHAOS_CORRUPT,  /* inverts a bit of the first f32 that this rank received: an eighth more or less */
    FUT_CHAOS_DISAGREE, /* calls a barrier instead */
    FUT_CHAOS_KINDS
} fut_chaos_kind;
extern const char *const fut_chaos_names[]; /* ends with NULL */

typedef struct fut_chaos {
    fut_chaos_kind kind;
    int rank;
    int64_t step; /* as fut_comm_phase tells it */
    const char *operation;
    int skip; /* so many operations of this name pass before, in that step */
    double seconds;
} fut_chaos;

/* Takes the inner communicator over: destroy destroys both. */
fut_status fut_comm_create_chaos(fut_comm *inner, const fut_chaos *chaos, fut_comm **comm_out) FUT_MUST_CHECK;

#endif
