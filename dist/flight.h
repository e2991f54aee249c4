/* The flight recorder: what a rank did last, in a small file that outlives it.
 *
 *     RUN/flight/rank-003.ring     one page: who, where, since when; the phase and step now, the operation it is in, signs of life
 *                                  then RECORDS records of 64 bytes, the newest overwriting the oldest
 *
 * The file is mapped and shared, so that a record is a few stores, no system call, and stays when the process is killed. `futago
 * hang-report` reads the rings of all ranks. A ring is replaced by the next start in its folder. */
#ifndef FUT_DIST_FLIGHT_H
#define FUT_DIST_FLIGHT_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_STOPPED_S = 1 }; /* a process that did nothing for longer, although it wanted to, was stopped */

/* What a rank is about. `device`: replaying a recorded step. */
#define FUT_PHASE_ROWS(X)                                                                                                                  \
    X(START, "start")                                                                                                                      \
    X(ORDER, "order")                                                                                                                      \
    X(READ, "read")                                                                                                                        \
    X(FORWARD, "forward")                                                                                                                  \
    X(GATHER, "gather")                                                                                                                    \
    X(LOSS, "loss")                                                                                                                        \
    X(BACKWARD, "backward")                                                                                                                \
    X(UPDATE, "update") X(DEVICE, "device") X(EVALUATE, "evaluate") X(SAVE, "save") X(FINALIZE, "finalize")
typedef enum fut_phase {
#define FUT_PHASE_ENUM(name, text) FUT_PHASE_##name,
    FUT_PHASE_ROWS(FUT_PHASE_ENUM)
#undef FUT_PHASE_ENUM
        FUT_PHASES
} fut_phase;
extern const char *const fut_phase_names[]; /* ends with NULL */

enum { FUT_WHAT_MAX = 48, FUT_FLIGHT_CUT = 24, FUT_FLIGHT_HOST_MAX = 64, FUT_FLIGHT_RECORDS = 4096, FUT_FLIGHT_NOBODY = -1 };

typedef enum fut_flight_kind {
    FUT_FLIGHT_PHASE, /* entered a phase */
    FUT_FLIGHT_ENTER, /* began an operation with others, or a wait */
    FUT_FLIGHT_LEAVE,
    FUT_FLIGHT_WAIT /* has waited long for `peer` in the operation */
} fut_flight_kind;

typedef struct fut_flight fut_flight;

/* Begin a ring in folder, which is made; rings of ranks from `size` on, of a larger start before, are removed by rank 0.
 * Errors: as core/base/file.h; a run can do without. */
fut_status fut_flight_open(const char *folder, int rank, int size, fut_flight **flight_out) FUT_MUST_CHECK;
/* Remove the rings of ranks from `first` on. Processes that write them go on unseen. */
void fut_flight_remove(const char *folder, int first);
/* The last word: this rank ended by itself, with this exit code. */
void fut_flight_close(fut_flight **flight, int exit_code);

/* One thread writes; all take NULL. step < 0: as before. what: cut to FUT_WHAT_MAX - 1 bytes, in records to
 * FUT_FLIGHT_CUT - 1. peer: FUT_FLIGHT_NOBODY where it is not
 * one rank. Operations may be nested. */
void fut_flight_phase(fut_flight *flight, fut_phase phase, int64_t step);
void fut_flight_enter(fut_flight *flight, const char *what, int peer, int64_t bytes);
void fut_flight_leave(fut_flight *flight);
/* Still in the operation; for whom it waits, as far as that is known. */
void fut_flight_wait(fut_flight *flight, int peer);
/* It ends the job, for a rank that did not answer in time. */
void fut_flight_give_up(fut_flight *flight, int missed, int heard);
/* The process lives. From another thread, so that a hung one and a stopped one can be told apart. */
void fut_flight_beat(fut_flight *flight);

/* ---- reading, while the rank lives or later ------------------------------------------------------------------------------------- */

typedef struct fut_flight_record {
    double time; /* of the rank's clock, as all times here */
    int64_t step, bytes;
    int32_t peer;
    uint16_t kind, phase; /* fut_flight_kind, fut_phase */
    char what[FUT_FLIGHT_CUT];
    uint64_t number; /* 1, 2, ...; what is not expected there was overwritten while it was read */
} fut_flight_record;

typedef struct fut_flight_state {
    int rank, size;
    int64_t pid;
    uint64_t process_start; /* as in /proc/PID/stat, to know the process again */
    char host[FUT_FLIGHT_HOST_MAX];
    double opened, opened_utc; /* the same moment on the rank's clock and, in seconds since 1970, on its host's calendar */
    fut_phase phase;
    int64_t step;       /* that the phase belongs to, from 1; 0: before the first */
    double phase_since; /* */
    int depth;          /* operations it is in; 0: in none */
    char what[FUT_WHAT_MAX];
    int peer;
    double since;                  /* began the operation */
    double stopped, stopped_until; /* the longest time that the process was stopped and went on, and when it did; 0: never */
    double moved, alive;           /* last sign of life of the thread that trains, and of the process */
    int64_t operations;            /* begun so far */
    bool gave_up;                  /* it waited past a deadline, or another rank did, and ends the job */
    int missed,
        heard; /* when it called the roll: the first rank that did not answer (FUT_FLIGHT_NOBODY: none, or no roll) and how many did */
    bool ended;
    int exit_code;
} fut_flight_state;

/* "<folder>/rank-003.ring" into path_out. */
void fut_flight_path(const char *folder, int rank, char *path_out, size_t max);
/* Errors: FUT_ERR_NO_INPUT, FUT_ERR_DATA (not a ring, or of another version). */
fut_status fut_flight_read(const char *path, fut_flight_state *state_out) FUT_MUST_CHECK;
/* The newest record up to a time, of those that are kept. Errors: FUT_ERR_NO_INPUT too where there is none. */
fut_status fut_flight_read_at(const char *path, double time, fut_flight_record *record_out) FUT_MUST_CHECK;
/* The newest `max` records, oldest first. */
fut_status fut_flight_read_records(const char *path, int max, fut_flight_record *records_out, int *count_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
