/* Does a run come to the same bits however it is computed? The first steps of a user's own configuration, trained by processes of futago
 * in a scratch folder: undisturbed, stopped and resumed, and on other numbers of ranks. */
#ifndef FUT_LAUNCH_CHECK_H
#define FUT_LAUNCH_CHECK_H

#include "core/base/str.h"
#include "launch/config.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_CHECK_RANKS_MAX = 16, FUT_CHECK_CASES_MAX = FUT_CHECK_RANKS_MAX + 2 };

/* What is asked. All text is borrowed. */
typedef struct fut_check_plan {
    const char *path;              /* of the configuration */
    const fut_config *config;      /* the same, resolved */
    const char *const *train_args; /* --set and --allow as `futago train` takes them; NULL-terminated */
    const char *launcher;          /* starts ranks: "mpirun --oversubscribe", followed by -n RANKS and the command */
    int64_t steps;                 /* from 2 */
    int ranks[FUT_CHECK_RANKS_MAX];
    int n_ranks;
    bool ranks_are_asked;    /* by --ranks: then a case that cannot be tried is an error */
    int64_t shards, threads; /* that every case is computed with */
} fut_check_plan;

typedef struct fut_check_step {
    double loss, gradient_norm;
} fut_check_step;

typedef enum fut_check_verdict {
    FUT_CHECK_REFERENCE, /* the case that the others are compared with */
    FUT_CHECK_SAME,      /* bit-identical model, same loss and gradient norm of every step */
    FUT_CHECK_DIFFERS,
    FUT_CHECK_NOT_TRIED, /* this machine or configuration cannot */
    FUT_CHECK_FAILED
} fut_check_verdict;

typedef struct fut_check_case {
    char name[80];
    int ranks;
    int ranks_after; /* on which it was resumed after stop_at; 0: it ran in one piece */
    int64_t stop_at;
    fut_check_verdict verdict;
    int64_t parts_at; /* DIFFERS: the first step that is another; steps + 1: the steps agree to what is recorded, the models do not */
    int exit_code;    /* FAILED, NOT_TRIED: of futago train */
    fut_str why;      /* FAILED, NOT_TRIED */
    double seconds;
    int64_t n_steps;      /* that were computed */
    fut_check_step *step; /* [plan.steps] */
    char sha256[65];      /* of the model after the last */
} fut_check_case;

typedef struct fut_check {
    const fut_check_plan *plan;
    int n_cases;
    fut_check_case cases[FUT_CHECK_CASES_MAX];
} fut_check;

/* Run all cases. asked_out: a signal asked to stop, and everything is cleaned up; 0: none. Owns: *check_out, release with fut_check_fini.
 * Errors: the reference cannot be trained, with futago train's own status. */
fut_status fut_check_run(const fut_check_plan *plan, fut_check *check_out, int *asked_out) FUT_MUST_CHECK;
void fut_check_fini(fut_check *check);

/* metrics.jsonl of a case: its steps and the model's digest. Errors: FUT_ERR_DATA where steps are missing or there is no digest. */
fut_status fut_check_read(const char *path, int64_t max_steps, fut_check_case *c) FUT_MUST_CHECK;
/* Set a case's verdict: SAME or DIFFERS. */
void fut_check_compare(const fut_check_case *reference, fut_check_case *c);

void fut_check_print_text(const fut_check *check, FILE *out);
fut_status fut_check_print_json(const fut_check *check, FILE *out) FUT_MUST_CHECK;
/* The verdict on all: FUT_OK, or an error that says what differs or failed, or could not be tried though it was asked for. */
fut_status fut_check_conclude(const fut_check *check) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
