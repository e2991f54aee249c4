#include "launch/hang_report.h"

#include "core/base/clock.h"
#include "core/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The watchdog's thread gives ten signs of life a second. */
static const double died_earlier_s = 0.35;
static const double stopped_s = 1;
static const double at_the_end_s = 10;

/* ---- reading -------------------------------------------------------------------------------------------------------------------- */

/* State letter and start of a process of this host; false: there is none. */
static bool look_up(int64_t pid, char *letter_out, uint64_t *start_out)
{
    char text[1024] = "";
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    char *at = strrchr(text, ')');
    if (at == NULL || at[1] == '\0') return false;
    *letter_out = at[2];
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    *start_out = at == NULL ? 0 : strtoull(at, NULL, 10);
    return true;
}

static fut_hang_process process_of(const fut_flight_state *s, const char *host)
{
    char letter = '?';
    uint64_t start = 0;
    if (s->ended) return FUT_HANG_ENDED;
    if (strcmp(s->host, host) != 0) return FUT_HANG_ELSEWHERE;
    if (!look_up(s->pid, &letter, &start) || start != s->process_start || letter == 'Z' || letter == 'X') return FUT_HANG_GONE;
    return letter == 'T' || letter == 't' ? FUT_HANG_STOPPED : FUT_HANG_RUNS;
}

/* Let go and ended at once: the training thread moved once more, the other one had no time to say that it had been stopped. */
static void notice_stop(fut_flight_state *s)
{
    double gap = s->moved - s->alive;
    if (s->ended || gap <= FUT_STOPPED_S || gap <= s->stopped) return;
    s->stopped = gap;
    s->stopped_until = s->moved;
}

/* A ring whose host stood still or that another start left is as good as none. */
static fut_status read_ring(const char *folder, int rank, int size, const char *host, fut_hang_rank *out)
{
    char path[4352];
    fut_flight_path(folder, rank, path, sizeof path);
    fut_status st = fut_flight_read(path, &out->state);
    if (st == FUT_OK && size > 0 && out->state.size != size) st = FUT_FAIL(FUT_ERR_NO_INPUT, "%s: of another start", path);
    if (st == FUT_OK) notice_stop(&out->state);
    out->process = st == FUT_OK ? process_of(&out->state, host) : FUT_HANG_NO_RING;
    return st;
}

/* The number of ranks is in every ring; rank 0's may be missing where folders are not shared. */
static fut_status find_size(const char *folder, const char *host, int *size_out)
{
    enum { RANKS_TRIED = 1024 };
    fut_hang_rank some;
    for (int r = 0; r < RANKS_TRIED; r++) {
        if (read_ring(folder, r, 0, host, &some) == FUT_OK && some.state.size > 0) {
            *size_out = some.state.size;
            return FUT_OK;
        }
        fut_trail_clear();
    }
    return FUT_FAIL(FUT_ERR_NO_INPUT, "%s: there are no flight recorders: not a run's folder, or a run that never began", folder);
}

/* Where the rank that is named was. One that was stopped and let go has moved on since: its records tell. */
static void find_place(const char *folder, fut_hang_report *report)
{
    char path[4352];
    fut_flight_record record;
    if (report->rank < 0) return;
    const fut_flight_state *s = &report->ranks[report->rank].state;
    report->phase = s->phase;
    report->step = s->step;
    (void)snprintf(report->what, sizeof report->what, "%s", s->depth > 0 ? s->what : "");
    if (report->reason != FUT_HANG_WAS_STOPPED) return;
    fut_flight_path(folder, report->rank, path, sizeof path);
    if (fut_flight_read_at(path, s->stopped_until - s->stopped / 2, &record) == FUT_OK) {
        bool inside = record.kind == FUT_FLIGHT_ENTER || record.kind == FUT_FLIGHT_WAIT;
        report->phase = (fut_phase)record.phase;
        report->step = record.step;
        (void)snprintf(report->what, sizeof report->what, "%s", inside ? record.what : "");
    }
    fut_trail_clear();
}

fut_status fut_hang_report_read(const char *run, fut_hang_report *report_out)
{
    fut_status st = FUT_OK;
    fut_str folder = {0};
    char host[FUT_FLIGHT_HOST_MAX] = "";
    fut_hang_report report = {.rank = -1};
    (void)gethostname(host, sizeof host - 1);
    FUT_TRY_GOTO(fut_str_printf(&folder, "%s/flight", run), out);
    FUT_TRY_GOTO(find_size(fut_str_text(&folder), host, &report.size), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(report.size, &report.ranks), out);
    for (int r = 0; r < report.size; r++)
        if (read_ring(fut_str_text(&folder), r, report.size, host, &report.ranks[r]) != FUT_OK) fut_trail_clear();
    fut_hang_judge(&report);
    find_place(fut_str_text(&folder), &report);
    *report_out = report;
    report.ranks = NULL;
out:
    fut_mem_free(report.ranks);
    fut_str_fini(&folder);
    return st;
}

void fut_hang_report_fini(fut_hang_report *report)
{
    fut_mem_free(report->ranks);
    report->ranks = NULL;
}

/* ---- judging -------------------------------------------------------------------------------------------------------------------- */

/* Seconds since the rings were begun, which ranks do right after they have agreed: hosts can be compared, though their clocks differ. */
static double age_of(const fut_flight_state *s, double time)
{
    return time - s->opened;
}

int64_t fut_hang_finished(const fut_flight_state *s)
{
    bool after = s->phase == FUT_PHASE_EVALUATE || s->phase == FUT_PHASE_SAVE || s->phase == FUT_PHASE_FINALIZE;
    return s->step == 0 || after ? s->step : s->step - 1;
}

static void name(fut_hang_report *report, int rank, fut_hang_reason reason, double seconds)
{
    report->rank = rank;
    report->reason = reason;
    report->seconds = seconds;
}

static bool has_ring(const fut_hang_report *report, int rank)
{
    return report->ranks[rank].process != FUT_HANG_NO_RING;
}

static bool waits(const fut_hang_report *report, int rank)
{
    return has_ring(report, rank) && report->ranks[rank].state.depth > 0 && !report->ranks[rank].state.ended;
}

/* Last sign of life of any rank. */
static double newest_sign(const fut_hang_report *report)
{
    double newest = 0;
    for (int r = 0; r < report->size; r++) {
        const fut_flight_state *s = &report->ranks[r].state;
        if (has_ring(report, r) && age_of(s, s->alive) > newest) newest = age_of(s, s->alive);
    }
    return newest;
}

static bool judge_stopped(fut_hang_report *report)
{
    double longest = stopped_s;
    double newest = newest_sign(report);
    for (int r = 0; r < report->size; r++)
        if (report->ranks[r].process == FUT_HANG_STOPPED) {
            name(report, r, FUT_HANG_IS_STOPPED, 0);
            return true;
        }
    for (int r = 0; r < report->size; r++) {
        const fut_flight_state *s = &report->ranks[r].state;
        if (!has_ring(report, r) || s->stopped <= longest || newest - age_of(s, s->stopped_until) > at_the_end_s) continue;
        longest = s->stopped;
        name(report, r, FUT_HANG_WAS_STOPPED, s->stopped);
    }
    return report->rank >= 0;
}

static bool judge_failed(fut_hang_report *report)
{
    for (int r = 0; r < report->size; r++)
        if (report->ranks[r].process == FUT_HANG_ENDED && report->ranks[r].state.exit_code != 0) {
            name(report, r, FUT_HANG_FAILED, 0);
            return true;
        }
    return false;
}

/* A rank whose host is cut off gives up too, and has heard of nobody: most ears are right. */
static bool judge_missed(fut_hang_report *report)
{
    for (int r = 0; r < report->size; r++) {
        const fut_flight_state *s = &report->ranks[r].state;
        if (!has_ring(report, r) || !s->gave_up || s->missed < 0 || s->missed >= report->size || s->heard <= report->heard) continue;
        report->heard = s->heard;
        name(report, s->missed, FUT_HANG_NO_ANSWER, 0);
    }
    return report->rank >= 0;
}

/* Of those that are gone, or that another host does not hear of any more. A rank that gave up ended by itself. */
static bool judge_first_dead(fut_hang_report *report)
{
    double newest = newest_sign(report);
    double oldest = newest - died_earlier_s;
    for (int r = 0; r < report->size; r++) {
        const fut_hang_rank *rank = &report->ranks[r];
        if ((rank->process != FUT_HANG_GONE && rank->process != FUT_HANG_ELSEWHERE) || rank->state.gave_up) continue;
        if (age_of(&rank->state, rank->state.alive) >= oldest) continue;
        oldest = age_of(&rank->state, rank->state.alive);
        name(report, r, FUT_HANG_DIED_FIRST, newest - oldest);
    }
    return report->rank >= 0;
}

/* Follow who waits for whom to one that waits for nobody. */
static bool judge_chain(fut_hang_report *report)
{
    for (int r = 0; r < report->size; r++) {
        int at = r;
        int hops = 0;
        while (waits(report, at) && report->ranks[at].state.peer >= 0 && report->ranks[at].state.peer < report->size &&
               hops++ < report->size)
            at = report->ranks[at].state.peer;
        const fut_flight_state *s = &report->ranks[at].state;
        if (hops == 0 || waits(report, at) || report->ranks[at].process == FUT_HANG_ENDED) continue;
        if (report->ranks[at].process == FUT_HANG_RUNS)
            name(report, at, FUT_HANG_IS_BUSY, fut_clock_now() - s->phase_since);
        else
            name(report, at, FUT_HANG_WAITED_FOR, 0);
        return true;
    }
    return false;
}

static bool has_long_wait(const fut_hang_report *report)
{
    for (int r = 0; r < report->size; r++) {
        const fut_flight_state *s = &report->ranks[r].state;
        if (waits(report, r) && s->moved - s->since > stopped_s) return true;
    }
    return false;
}

/* A run that goes well has a rank in some wait at any moment: only long ones count there. */
void fut_hang_judge(fut_hang_report *report)
{
    report->heard = 0;
    name(report, -1, FUT_HANG_NOBODY, 0);
    if (judge_stopped(report) || judge_failed(report) || judge_missed(report) || judge_first_dead(report)) return;
    if (has_long_wait(report)) (void)judge_chain(report);
}

/* ---- telling -------------------------------------------------------------------------------------------------------------------- */

static const char *const process_texts[] = {"no ring", "ended", "gone", "stopped", "runs", "elsewhere"};

static fut_status append_verdict(const fut_hang_report *report, fut_str *out)
{
    char seconds[32];
    if (report->rank < 0) return fut_str_printf(out, "no rank is at fault, as far as the recorders tell");
    const fut_flight_state *s = &report->ranks[report->rank].state;
    fut_clock_format(report->seconds, seconds, sizeof seconds);
    FUT_TRY(fut_str_printf(out, "rank %d ", report->rank));
    if (has_ring(report, report->rank)) FUT_TRY(fut_str_printf(out, "on host %s ", s->host));
    switch (report->reason) {
    case FUT_HANG_IS_STOPPED:
        FUT_TRY(fut_str_printf(out, "is stopped (a signal or a debugger)"));
        break;
    case FUT_HANG_WAS_STOPPED:
        FUT_TRY(fut_str_printf(out, "was stopped for %s", seconds));
        break;
    case FUT_HANG_NO_ANSWER:
        FUT_TRY(fut_str_printf(out, "did not answer in time, while %d of %d ranks did: killed, hung, or cut off from them", report->heard,
                               report->size));
        break;
    case FUT_HANG_FAILED:
        FUT_TRY(fut_str_printf(out, "ended with exit status %d", s->exit_code));
        break;
    case FUT_HANG_DIED_FIRST:
        FUT_TRY(fut_str_printf(out, "was killed or crashed, %s before the last of the others", seconds));
        break;
    case FUT_HANG_IS_BUSY:
        FUT_TRY(fut_str_printf(out, "waits for nobody, and has been busy for %s", seconds));
        break;
    case FUT_HANG_WAITED_FOR:
    case FUT_HANG_NOBODY:
        FUT_TRY(fut_str_printf(out, "is whom the others waited for"));
        break;
    }
    if (!has_ring(report, report->rank)) return FUT_OK;
    FUT_TRY(fut_str_printf(out, ", in '%s' of step %" PRId64, fut_phase_names[report->phase], report->step));
    return report->what[0] != '\0' ? fut_str_printf(out, ", in '%s'", report->what) : FUT_OK;
}

static fut_status append_rank(const fut_hang_rank *rank, int number, fut_str *out)
{
    const fut_flight_state *s = &rank->state;
    char since[32] = "";
    char whom[16] = "";
    if (rank->process == FUT_HANG_NO_RING) return fut_str_printf(out, "  %4d  no ring is seen from here\n", number);
    if (s->depth > 0) fut_clock_format(s->moved - s->since, since, sizeof since);
    if (s->depth > 0 && s->peer >= 0) (void)snprintf(whom, sizeof whom, "%d", s->peer);
    return fut_str_printf(out, "  %4d  %-16s %8" PRId64 "  %-8s  %-28s %8s  %9s  %s\n", number, s->host, fut_hang_finished(s),
                          fut_phase_names[s->phase], s->depth > 0 ? s->what : "", whom, since, process_texts[rank->process]);
}

fut_status fut_hang_report_text(const char *run, const fut_hang_report *report, fut_str *out)
{
    FUT_TRY(fut_str_printf(out, "%s: %d rank%s\n", run, report->size, report->size == 1 ? "" : "s"));
    FUT_TRY(append_verdict(report, out));
    FUT_TRY(fut_str_printf(out,
                           "\n\n  rank  host             finished  phase     operation                    for rank        for  process\n"));
    for (int r = 0; r < report->size; r++)
        FUT_TRY(append_rank(&report->ranks[r], r, out));
    return FUT_OK;
}

static fut_status append_json_text(fut_str *out, const char *key, const char *text)
{
    FUT_TRY(fut_str_printf(out, ", \"%s\": ", key));
    return fut_str_append_json(out, text, strlen(text));
}

static fut_status append_rank_json(const fut_hang_rank *rank, int number, fut_str *out)
{
    const fut_flight_state *s = &rank->state;
    FUT_TRY(fut_str_printf(out, "%s{\"rank\": %d", number > 0 ? ", " : "", number));
    FUT_TRY(append_json_text(out, "process", process_texts[rank->process]));
    if (rank->process == FUT_HANG_NO_RING) return fut_str_printf(out, "}");
    FUT_TRY(append_json_text(out, "host", s->host));
    FUT_TRY(fut_str_printf(out, ", \"pid\": %" PRId64 ", \"finished\": %" PRId64 ", \"step\": %" PRId64 ", \"operations\": %" PRId64,
                           s->pid, fut_hang_finished(s), s->step, s->operations));
    FUT_TRY(append_json_text(out, "phase", fut_phase_names[s->phase]));
    if (s->depth > 0) {
        FUT_TRY(append_json_text(out, "operation", s->what));
        FUT_TRY(fut_str_printf(out, ", \"seconds\": %.3f", s->moved - s->since));
        if (s->peer >= 0) FUT_TRY(fut_str_printf(out, ", \"for\": %d", s->peer));
    }
    if (s->ended) FUT_TRY(fut_str_printf(out, ", \"exit_status\": %d", s->exit_code));
    return fut_str_printf(out, "}");
}

fut_status fut_hang_report_json(const char *run, const fut_hang_report *report, fut_str *out)
{
    static const char *const reasons[] = {"none",   "is stopped", "was stopped", "no answer",
                                          "failed", "died first", "is busy",     "waited for"};
    fut_str verdict = {0};
    fut_status st = FUT_OK;
    FUT_TRY_GOTO(append_verdict(report, &verdict), out);
    FUT_TRY_GOTO(fut_str_printf(out, "{\"run\": "), out);
    FUT_TRY_GOTO(fut_str_append_json(out, run, strlen(run)), out);
    FUT_TRY_GOTO(append_json_text(out, "reason", reasons[report->reason]), out);
    FUT_TRY_GOTO(append_json_text(out, "verdict", fut_str_text(&verdict)), out);
    if (report->rank >= 0) FUT_TRY_GOTO(fut_str_printf(out, ", \"rank\": %d, \"seconds\": %.3f", report->rank, report->seconds), out);
    FUT_TRY_GOTO(fut_str_printf(out, ", \"ranks\": ["), out);
    for (int r = 0; r < report->size; r++)
        FUT_TRY_GOTO(append_rank_json(&report->ranks[r], r, out), out);
    FUT_TRY_GOTO(fut_str_printf(out, "]}\n"), out);
out:
    fut_str_fini(&verdict);
    return st;
}
