#include "launch/supervise.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "launch/hang_report.h"
#include "launch/hosts.h"
#include "launch/mpi_command.h"
#include "launch/run_folder.h"
#include "launch/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ADDED_WORDS = 6, SIGNAL_CODE = 128, GRACE_S = 6 };

typedef struct supervisor {
    const fut_job *job;
    fut_children children;
    fut_mpi_command mpi;
    fut_str scratch, hostfile, hostlist, ranks, shards, job_id;
    const char **words; /* of this start */
    int64_t newest;     /* step of the newest checkpoint; -1: none */
    int64_t futile;     /* starts in a row that brought no new one */
    int starts;

    fut_hang_report before; /* the rings that stood there before this start */
    double signs;           /* of life, of all ranks of this start; another number when there is another */
    double silent;          /* seconds, by looks, in which there was none */
} supervisor;

fut_ending fut_ending_of(int exit_code)
{
    static const int killed[] = {SIGKILL, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
    for (size_t i = 0; i < sizeof killed / sizeof *killed; i++)
        if (exit_code == SIGNAL_CODE + killed[i]) return FUT_ENDING_TRANSIENT;
    if (exit_code == 0) return FUT_ENDING_DONE;
    if (exit_code == fut_status_exit_code(FUT_ERR_PREEMPTED)) return FUT_ENDING_STOPPED;
    if (exit_code == fut_status_exit_code(FUT_ERR_HANG)) return FUT_ENDING_TRANSIENT;
    if (exit_code == fut_status_exit_code(FUT_ERR_LOCKED)) return FUT_ENDING_LOCKED;
    for (int st = FUT_OK + 1; st < FUT_STATUS_COUNT; st++)
        if (exit_code == fut_status_exit_code((fut_status)st)) return FUT_ENDING_FINAL;
    return exit_code > SIGNAL_CODE && exit_code <= SIGNAL_CODE + SIGSYS ? FUT_ENDING_FINAL : FUT_ENDING_LAUNCHER;
}

static fut_status find_newest(const char *run, int64_t *step_out)
{
    int64_t *steps = NULL;
    int64_t count = 0;
    fut_status st = fut_run_list_checkpoints(run, &steps, &count);
    *step_out = count > 0 ? steps[0] : -1;
    fut_mem_free(steps);
    return st;
}

/* ---- the command of a start ------------------------------------------------------------------------------------------------------ */

/* The hosts that answer, in the form in which the command named them. */
static fut_status write_hosts(supervisor *s)
{
    const fut_mpi_command *mpi = &s->mpi;
    s->hostlist.length = 0;
    if (!mpi->hosts_are_in_file) return fut_mpi_command_hostlist(mpi, &s->hostlist);
    FUT_TRY(fut_mpi_command_hostfile(mpi, &s->hostlist));
    return fut_file_write(fut_str_text(&s->hostfile), s->hostlist.data, s->hostlist.length);
}

/* As the user wrote it, but for hosts that do not answer and ranks that have no place. The shards are named where the first start would
 * have decided on them, so that a start on fewer ranks before the first checkpoint computes the same; FUTAGO_JOB tells rank 0 that a lock
 * of an earlier start is its own job's. */
static fut_status make_words(supervisor *s, bool all_answer)
{
    const fut_mpi_command *mpi = &s->mpi;
    int n = 0;
    s->ranks.length = 0;
    FUT_TRY(fut_str_printf(&s->ranks, "%lld", (long long)fut_mpi_command_ranks(mpi)));
    if (!all_answer) FUT_TRY(write_hosts(s));
    for (int i = 0; i < mpi->argc; i++) {
        s->words[n++] = mpi->argv[i];
        if (i == 0 && mpi->is_mpirun) {
            s->words[n++] = "-x";
            s->words[n++] = "FUTAGO_JOB";
        } else if (!all_answer && i > 0 && i == mpi->at_ranks) {
            s->words[n - 1] = fut_str_text(&s->ranks);
        } else if (!all_answer && i > 0 && i == mpi->at_hosts) {
            s->words[n - 1] = fut_str_text(mpi->hosts_are_in_file ? &s->hostfile : &s->hostlist);
        }
    }
    if (s->shards.length > 0) {
        s->words[n++] = "--set";
        s->words[n++] = fut_str_text(&s->shards);
    }
    s->words[n] = NULL;
    return FUT_OK;
}

static fut_status prepare(supervisor *s)
{
    const fut_job *job = s->job;
    char host[256] = "";
    FUT_TRY(fut_mpi_command_read(job->argv, job->argc, &s->mpi));
    FUT_TRY(FUT_NEW_ARRAY(job->argc + ADDED_WORDS + 1, &s->words));
    FUT_TRY(fut_scratch_create(job->run, &s->scratch));
    FUT_TRY(fut_str_printf(&s->hostfile, "%s/hosts", fut_str_text(&s->scratch)));
    FUT_TRY(find_newest(job->run, &s->newest));
    if (s->newest < 0 && job->shards_are_auto && s->mpi.at_ranks > 0)
        FUT_TRY(fut_str_printf(&s->shards, "train.shards=%lld", (long long)s->mpi.ranks));
    (void)gethostname(host, sizeof host - 1);
    FUT_TRY(fut_str_printf(&s->job_id, "%s-%ld-%.0f", host, (long)getpid(), fut_clock_now()));
    if (setenv("FUTAGO_JOB", fut_str_text(&s->job_id), 0) != 0) return FUT_FAIL(FUT_ERR_NO_MEMORY, "no memory for an environment variable");
    return FUT_OK;
}

/* ---- a launcher that does not end -------------------------------------------------------------------------------------------------- */

static bool is_of_this_start(const supervisor *s, int rank, const fut_hang_rank *now)
{
    return rank >= s->before.size || s->before.ranks[rank].process == FUT_HANG_NO_RING ||
           s->before.ranks[rank].state.opened_utc != now->state.opened_utc;
}

/* Once a host is cut off, the others' deadline ends their ranks, but mpirun waits for the daemon on that host, for a quarter of an hour. So
 * a launcher whose ranks show no sign of life is ended: their recorders are looked at, and looks are counted rather than time, since we may
 * have been suspended with the ranks. Its exit code then, or 0. */
static int look(void *context)
{
    supervisor *s = context;
    fut_hang_report now = {0};
    int code = 0;
    int rings = 0;
    double signs = 0;
    if (fut_hang_report_read(s->job->run, &now) != FUT_OK) fut_trail_clear(); /* no rank has come so far */
    for (int r = 0; r < now.size; r++) {
        const fut_hang_rank *rank = &now.ranks[r];
        if (rank->process == FUT_HANG_NO_RING || !is_of_this_start(s, r, rank)) continue;
        rings++;
        signs += rank->state.alive;
        if (rank->process == FUT_HANG_ENDED && code == 0) code = rank->state.exit_code;
        if (rank->state.gave_up && code == 0) code = fut_status_exit_code(FUT_ERR_HANG);
    }
    fut_hang_report_fini(&now);
    s->silent = rings > 0 && signs == s->signs ? s->silent + FUT_CHILD_LOOK_S : 0;
    s->signs = signs;
    if (s->silent < (code != 0 ? GRACE_S : s->job->patience)) return 0;
    FUT_WARN("no sign of life from any rank for %g s, but %s does not end: killed", s->silent, s->job->argv[0]);
    return code != 0 ? code : fut_status_exit_code(FUT_ERR_HANG);
}

static fut_status start_guarded(supervisor *s, int *code_out)
{
    const fut_child_guard guard = {look, s};
    s->silent = 0;
    fut_hang_report_fini(&s->before);
    if (fut_hang_report_read(s->job->run, &s->before) != FUT_OK) fut_trail_clear();
    return fut_child_run(&s->children, (char *const *)s->words, NULL, &guard, code_out);
}

/* ---- starting, and what then ------------------------------------------------------------------------------------------------------ */

static void say_start(const supervisor *s, bool all_answer)
{
    if (all_answer && s->starts == 0) return;
    if (s->mpi.at_ranks > 0)
        FUT_INFO("start %d: %s ranks, from %s%lld", s->starts + 1, fut_str_text(&s->ranks),
                 s->newest < 0 ? "the beginning: step " : "step ", (long long)(s->newest < 0 ? 0 : s->newest));
    else
        FUT_INFO("start %d, from step %lld", s->starts + 1, (long long)(s->newest < 0 ? 0 : s->newest));
}

static fut_status start(supervisor *s, int *code_out)
{
    int answering = 0;
    FUT_TRY(fut_hosts_probe(&s->children, &s->mpi, s->starts == 0, &answering));
    if (s->children.asked != 0) {
        *code_out = fut_status_exit_code(FUT_ERR_PREEMPTED);
        return FUT_OK;
    }
    bool all_answer = answering == s->mpi.n_hosts;
    FUT_TRY(make_words(s, all_answer));
    say_start(s, all_answer);
    s->starts++;
    return start_guarded(s, code_out);
}

/* After a start that ended with `code`: is there to be another one? Says why, or why not. */
static fut_status decide(supervisor *s, int code, bool *again_out)
{
    const fut_job *job = s->job;
    fut_ending ending = fut_ending_of(code);
    int64_t before = s->newest;
    *again_out = false;
    FUT_TRY(find_newest(job->run, &s->newest));
    s->futile = s->newest > before ? 0 : s->futile + 1;
    if (ending == FUT_ENDING_DONE || ending == FUT_ENDING_FINAL || s->children.asked != 0) return FUT_OK;
    if (ending == FUT_ENDING_STOPPED && !job->goes_on) return FUT_OK;
    if (ending == FUT_ENDING_LOCKED && s->starts == 1) return FUT_OK;
    if (ending == FUT_ENDING_LAUNCHER && s->futile > 0) {
        int answered = 0;
        int answering = 0;
        for (int i = 0; i < s->mpi.n_hosts; i++)
            answered += s->mpi.hosts[i].answers;
        FUT_TRY(fut_hosts_probe(&s->children, &s->mpi, false, &answering));
        if (answering == answered) {
            FUT_WARN("%s ended with exit status %d, which is none of futago's: its own message above says why", job->argv[0], code);
            return FUT_OK;
        }
    }
    if (s->futile > job->restarts) {
        FUT_ERROR("exit status %d; giving up after %lld restarts with no new checkpoint (the newest is of step %lld)", code,
                  (long long)job->restarts, (long long)(s->newest < 0 ? 0 : s->newest));
        return FUT_OK;
    }
    FUT_WARN("exit status %d: starting again in %g s", code, job->pause);
    fut_child_sleep(&s->children, job->pause);
    *again_out = s->children.asked == 0;
    return FUT_OK;
}

fut_status fut_supervise(const fut_job *job, int *exit_code_out)
{
    fut_status st = FUT_OK;
    supervisor s = {.job = job};
    bool again = true;
    fut_child_begin(&s.children, FUT_CHILD_STOP_USR1);
    FUT_TRY_GOTO(prepare(&s), out);
    while (again) {
        FUT_TRY_GOTO(start(&s, exit_code_out), out);
        FUT_TRY_GOTO(decide(&s, *exit_code_out, &again), out);
    }
out:
    fut_child_end(&s.children);
    fut_scratch_remove(&s.scratch);
    fut_str *texts[] = {&s.hostfile, &s.hostlist, &s.ranks, &s.shards, &s.job_id};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        fut_str_fini(texts[i]);
    fut_hang_report_fini(&s.before);
    fut_mem_free(s.words);
    fut_mpi_command_fini(&s.mpi);
    return st;
}
