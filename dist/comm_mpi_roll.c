/* The roll call. A rank that waited past its deadline does not know whose fault it is: the rank it waits for may itself be waiting. So it
 * asks everybody, over a communicator of its own; ranks that wait see that between two looks and answer, a rank that is stopped or hung
 * does not. The first LISTENERS ranks hear the answers, the lowest of those that live speaks for all. Messages: O(LISTENERS * ranks). */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "dist/comm_mpi_impl.h"

#include <string.h>
#include <unistd.h>

enum { LISTENERS = 4, NAMED_MAX = 8, NAP_US = 1000 };

static const double first_word_s = 0.5; /* when rank 0 speaks; each listener after it a little later, if nobody has ended the job */
static const double next_word_s = 0.15;

/* Who was stopped, and so missed, answers late; that is no answer, but says where it was. */
static roll_answer my_answer(const comm_mpi *c, bool is_there)
{
    fut_whereabouts where;
    roll_answer mine = {.is_there = is_there};
    fut_watchdog_whereabouts(c->base.watchdog, &where);
    mine.phase = (int32_t)where.phase;
    mine.step = where.step;
    mine.seconds = where.seconds;
    memcpy(mine.what, where.what, sizeof mine.what);
    return mine;
}

/* A listener tells everyone, which is also the call; the others tell the listeners. */
static void send_answer(comm_mpi *c, bool is_there)
{
    int rank = c->base.rank;
    int to = rank < LISTENERS ? c->base.size : LISTENERS;
    c->answers[rank] = my_answer(c, is_there);
    for (int r = 0; r < to && r < c->base.size; r++)
        if (r != rank) (void)MPI_Isend(&c->answers[rank], (int)sizeof(roll_answer), MPI_BYTE, r, 0, c->roll, &c->roll_requests[r]);
}

/* Take in one answer; false: there is none. It has arrived, so that the receive is done at once. */
static bool hear(comm_mpi *c)
{
    int arrived = 0;
    int done = 0;
    MPI_Status status;
    MPI_Request request;
    if (MPI_Iprobe(MPI_ANY_SOURCE, 0, c->roll, &arrived, &status) != MPI_SUCCESS || !arrived) return false;
    int from = status.MPI_SOURCE;
    if (MPI_Irecv(&c->answers[from], (int)sizeof(roll_answer), MPI_BYTE, from, 0, c->roll, &request) != MPI_SUCCESS) return false;
    for (int i = 0; i < 1000 && !done; i++)
        if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) return false;
    return done != 0;
}

static int first_there(const comm_mpi *c)
{
    int r = 0;
    while (r < c->base.rank && !c->answers[r].is_there)
        r++;
    return r;
}

static int first_missing(const comm_mpi *c)
{
    int r = 0;
    while (r < c->base.size && c->answers[r].is_there)
        r++;
    return r < c->base.size ? r : FUT_FLIGHT_NOBODY;
}

static int count_there(const comm_mpi *c)
{
    int n = 0;
    for (int r = 0; r < c->base.size; r++)
        n += c->answers[r].is_there != 0;
    return n;
}

/* "rank 2 on host b, last in 'read' of step 41", for each that is missing. Out of memory only shortens it. */
static void name_missing(const comm_mpi *c, fut_str *text)
{
    int named = 0;
    for (int r = 0; r < c->base.size; r++) {
        char last[128];
        if (c->answers[r].is_there) continue;
        if (++named > NAMED_MAX) continue;
        fut_watchdog_last_seen(c->base.watchdog, r, last, sizeof last);
        if (fut_str_printf(text, "%srank %d on host %s%s%s", named > 1 ? "; " : "", r, c->places[r].host, last[0] != '\0' ? ", last " : "",
                           last) != FUT_OK)
            return;
    }
    if (named > NAMED_MAX && fut_str_printf(text, "; and %d more", named - NAMED_MAX) != FUT_OK) return;
}

/* Everybody answers and nobody goes on: what each waits for shows where they parted. */
static void name_waits(const comm_mpi *c, fut_str *text)
{
    for (int r = 0; r < c->base.size && r < NAMED_MAX; r++) {
        const roll_answer *a = &c->answers[r];
        const char *phase = (unsigned)a->phase < FUT_PHASES ? fut_phase_names[a->phase] : "?";
        if (fut_str_printf(text, "%srank %d for '%.*s' in '%s' of step %lld", r > 0 ? "; " : "", r, FUT_WHAT_MAX - 1, a->what, phase,
                           (long long)a->step) != FUT_OK)
            return;
    }
}

static void speak(const comm_mpi *c)
{
    fut_str text = {0};
    const roll_answer *mine = &c->answers[c->base.rank];
    int missing = c->base.size - count_there(c);
    if (missing > 0) {
        name_missing(c, &text);
        FUT_ERROR("no answer from %s: stopped, hung or gone, while %d rank%s waited for '%s' in '%s' of step %lld", fut_str_text(&text),
                  c->base.size - missing, c->base.size - missing == 1 ? "" : "s", mine->what, fut_phase_names[mine->phase],
                  (long long)mine->step);
    } else {
        name_waits(c, &text);
        FUT_ERROR("all ranks answer, but wait for each other: %s", fut_str_text(&text));
    }
    fut_str_fini(&text);
}

void fut_mpi_call_roll(comm_mpi *c, bool speaks)
{
    int rank = c->base.rank;
    double began = fut_clock_now();
    double my_turn = began + first_word_s + next_word_s * (rank < LISTENERS ? rank : 2 * LISTENERS);
    if (c->roll == MPI_COMM_NULL || c->holding) return;
    c->holding = true;
    send_answer(c, speaks);
    while (fut_clock_now() < my_turn) {
        while (hear(c)) {
        }
        if (rank < LISTENERS && count_there(c) == c->base.size && first_there(c) == rank) break;
        fut_watchdog_look(c->base.watchdog, FUT_FLIGHT_NOBODY);
        (void)usleep(NAP_US);
    }
    if (rank >= LISTENERS || !speaks) return;
    fut_watchdog_give_up(c->base.watchdog, first_missing(c), count_there(c));
    speak(c);
}

fut_status fut_mpi_answer_roll(comm_mpi *c)
{
    int called = 0;
    fut_whereabouts where;
    MPI_Status status;
    if (c->roll == MPI_COMM_NULL || c->holding) return FUT_OK;
    FUT_MPI(MPI_Iprobe(MPI_ANY_SOURCE, 0, c->roll, &called, &status), "roll call");
    if (!called) return FUT_OK;
    fut_watchdog_whereabouts(c->base.watchdog, &where);
    double stopped = fut_watchdog_stood_still(c->base.watchdog);
    fut_watchdog_give_up(c->base.watchdog, FUT_FLIGHT_NOBODY, 0);
    if (stopped > 0)
        FUT_ERROR("rank %d of %d was stopped for %.1f s and goes on, but rank %d has waited longer than it may", c->base.rank, c->base.size,
                  stopped, status.MPI_SOURCE);
    else
        FUT_ERROR("rank %d of %d has waited %.1f s for '%s' in '%s' of step %lld, and rank %d longer than it may", c->base.rank,
                  c->base.size, where.seconds, where.what, fut_phase_names[where.phase], (long long)where.step, status.MPI_SOURCE);
    /* Who was missed has nothing to say about the others. */
    fut_mpi_call_roll(c, stopped == 0);
    fut_comm_abort(&c->base, fut_status_exit_code(FUT_ERR_HANG));
    return FUT_FAIL(FUT_ERR_HANG, "rank %d waited longer than it may", status.MPI_SOURCE);
}
