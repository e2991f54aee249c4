/* What `futago doctor` finds on this machine: a list of findings, each with a mark and, where something is to be done, what.
 * Nothing here fails because a thing is missing: that is a finding. */
#ifndef FUT_LAUNCH_DOCTOR_H
#define FUT_LAUNCH_DOCTOR_H

#include "core/base/status.h"
#include "core/base/str.h"
#include "dist/comm.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fut_mark {
    FUT_MARK_OK,
    FUT_MARK_ABSENT, /* not here, and nothing is wrong with that */
    FUT_MARK_WARN,   /* works, but slower or less than it could */
    FUT_MARK_BAD     /* will not work */
} fut_mark;

typedef struct fut_finding {
    fut_mark mark;
    const char *section; /* static text */
    fut_str name, text, advice;
} fut_finding;

typedef struct fut_doctor {
    fut_finding *findings;
    int count, room;
    int gpus;      /* that CUDA can use; set by fut_doctor_gpu */
    bool has_nccl; /* the NCCL module works; set by fut_doctor_gpu */
} fut_doctor;

fut_status fut_doctor_add(fut_doctor *doctor, fut_mark mark, const char *section, const char *name, const char *fmt, ...) FUT_MUST_CHECK
    FUT_PRINTF(5, 6);
/* What to do about the finding added last. */
fut_status fut_doctor_advise(fut_doctor *doctor, const char *fmt, ...) FUT_MUST_CHECK FUT_PRINTF(2, 3);
/* Forget the error held by the trail and put its message into a finding. */
fut_status fut_doctor_add_error(fut_doctor *doctor, fut_mark mark, const char *section, const char *name) FUT_MUST_CHECK;
void fut_doctor_fini(fut_doctor *doctor);

/* Findings from `from` on, as lines for people, section by section; or as JSON objects separated by commas. */
fut_status fut_doctor_print_text(const fut_doctor *doctor, int from, fut_str *out) FUT_MUST_CHECK;
fut_status fut_doctor_print_json(const fut_doctor *doctor, int from, fut_str *out) FUT_MUST_CHECK;

/* What to look at; each adds findings. */
fut_status fut_doctor_program(fut_doctor *doctor) FUT_MUST_CHECK; /* futago, its libraries, the CPU */
fut_status fut_doctor_gpu(fut_doctor *doctor) FUT_MUST_CHECK;     /* driver, CUDA, cuDNN, NCCL, GPUs and their links */
fut_status fut_doctor_system(fut_doctor *doctor) FUT_MUST_CHECK;  /* network, shared memory, limits, leftovers of dead runs */
/* All-reduces of a few sizes between the ranks of comm, and between their GPUs where every rank has one. Collective. */
fut_status fut_doctor_reduce(fut_doctor *doctor, fut_comm *comm) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
