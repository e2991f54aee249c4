#include "dist/watchdog.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BEAT_MS = 100,
    SEEN_MAX = 64,  /* operations whose times are remembered */
    SEEN_OFTEN = 3, /* times before they count */
    SLOWER = 10,
    DEPTH_MAX = 4
};

/* A training thread that still looks ends the job itself, with more to say: it gets longer. */
static const double caught_s = 0.5;
static const double silent_s = 1; /* since its last look; on a busy machine a nap may take long */
static const double late_s = 5;
static const double a_moment_s = 5; /* after a stop: ranks that missed it end the job within a second or two */

typedef struct seen {
    char what[FUT_WHAT_MAX];
    fut_phase phase;
    int64_t times;
    double slowest;
} seen;

typedef struct operation {
    char what[FUT_WHAT_MAX];
    double since, allowed;
    int peer;
    bool waits; /* for others */
} operation;

struct fut_watchdog {
    pthread_t thread;
    pthread_mutex_t lock; /* of all below but `looked` */
    pthread_cond_t wake;
    bool leaving;
    fut_flight *flight;
    fut_str folder; /* of the recorder */
    int rank, size; /* size 0: not known yet */
    fut_phase phase;
    int64_t step;
    operation at[DEPTH_MAX];
    int depth;
    seen seen[SEEN_MAX];
    int n_seen;
    double beat; /* the thread's last */
    double stopped, stopped_until;
    _Atomic double looked; /* the training thread's last look */
};

double fut_watchdog_start_deadline(void)
{
    double seconds = 0;
    const char *text = getenv("FUTAGO_DEADLINE");
    return text != NULL && fut_str_to_seconds(text, &seconds) && seconds > 0 ? seconds : FUT_DEADLINE_START_S;
}

/* ---- the thread ----------------------------------------------------------------------------------------------------------------- */

/* The rank that a launcher gave this process, for the time before MPI tells. */
static const char *rank_text(const fut_watchdog *w, char *text, size_t max)
{
    static const char *const variables[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", NULL};
    (void)snprintf(text, max, "%d", w->rank);
    for (int i = 0; w->size == 0 && variables[i] != NULL; i++)
        if (getenv(variables[i]) != NULL) {
            (void)snprintf(text, max, "%s", getenv(variables[i]));
            break;
        }
    return text;
}

/* Under the lock. Nothing of a library can be asked any more, not even to end the job: leaving without a word to MPI makes its launcher do
 * that. */
static void end_if_overdue(fut_watchdog *w)
{
    if (w->depth == 0) return;
    const operation *now_in = &w->at[(w->depth < DEPTH_MAX ? w->depth : DEPTH_MAX) - 1];
    double now = fut_clock_now();
    double over = now - now_in->since - now_in->allowed;
    if (over < caught_s || (over < late_s && now - atomic_load(&w->looked) < silent_s)) return;
    char host[FUT_FLIGHT_HOST_MAX] = "";
    char rank[16];
    fut_flight_give_up(w->flight, FUT_FLIGHT_NOBODY, 0);
    (void)gethostname(host, sizeof host - 1);
    FUT_ERROR("rank %s on host %s waited %.3g s for '%s' (%s, step %lld), inside a library: another rank is stopped, hung or gone; ending "
              "the job",
              rank_text(w, rank, sizeof rank), host, now_in->allowed, now_in->what, fut_phase_names[w->phase], (long long)w->step);
    _exit(fut_status_exit_code(FUT_ERR_HANG));
}

/* Under the lock. A process that was stopped and goes on has not waited meanwhile. */
static void forgive_gap(fut_watchdog *w, double gap)
{
    w->stopped = gap;
    w->stopped_until = w->beat + gap;
    for (int i = 0; i < w->depth && i < DEPTH_MAX; i++)
        w->at[i].since += gap;
}

static void *watch(void *arg)
{
    fut_watchdog *w = arg;
    pthread_mutex_lock(&w->lock);
    w->beat = fut_clock_now();
    while (!w->leaving) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += BEAT_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        (void)pthread_cond_timedwait(&w->wake, &w->lock, &until);
        fut_flight_beat(w->flight);
        double now = fut_clock_now();
        if (now - w->beat > FUT_STOPPED_S) forgive_gap(w, now - w->beat);
        w->beat = now;
        end_if_overdue(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* Signals are for the training thread. */
static int start_thread(fut_watchdog *w)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&w->thread, NULL, watch, w);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

fut_status fut_watchdog_create(fut_watchdog **watchdog_out)
{
    fut_watchdog *w = NULL;
    pthread_condattr_t attributes;
    FUT_TRY(FUT_NEW(&w));
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int failed = start_thread(w);
    if (failed != 0) {
        fut_mem_free(w);
        return FUT_FAIL(FUT_ERR_NO_MEMORY, "cannot start the watchdog's thread: %s", strerror(failed));
    }
    *watchdog_out = w;
    return FUT_OK;
}

void fut_watchdog_destroy(fut_watchdog **watchdog, int exit_code)
{
    fut_watchdog *w = *watchdog;
    if (w == NULL) return;
    pthread_mutex_lock(&w->lock);
    w->leaving = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    fut_flight_close(&w->flight, exit_code);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    fut_str_fini(&w->folder);
    fut_mem_free(w);
    *watchdog = NULL;
}

/* ---- the training thread -------------------------------------------------------------------------------------------------------- */

void fut_watchdog_record(fut_watchdog *w, const char *folder, int rank, int size)
{
    fut_flight *flight = NULL;
    if (w == NULL) return;
    fut_status st = fut_flight_open(folder, rank, size, &flight);
    if (st == FUT_OK) st = fut_str_printf(&w->folder, "%s", folder);
    if (st != FUT_OK) {
        FUT_WARN("no flight recorder: %s; the run goes on without", fut_trail_message());
        fut_trail_clear();
    }
    fut_flight_phase(flight, w->phase, w->step);
    pthread_mutex_lock(&w->lock);
    w->flight = flight;
    w->rank = rank;
    w->size = size;
    pthread_mutex_unlock(&w->lock);
}

void fut_watchdog_phase(fut_watchdog *w, fut_phase phase, int64_t step)
{
    if (w == NULL) return;
    pthread_mutex_lock(&w->lock);
    w->phase = phase;
    if (step >= 0) w->step = step;
    fut_flight_phase(w->flight, phase, step);
    pthread_mutex_unlock(&w->lock);
}

static void set_name(char name_out[FUT_WHAT_MAX], const char *what)
{
    size_t length = strnlen(what, FUT_WHAT_MAX - 1);
    memmove(name_out, what, length);
    name_out[length] = '\0';
}

/* What was seen of an operation in this phase, in a place of the table that may be new; NULL: the table is full. */
static seen *find_seen(fut_watchdog *w, const char *what)
{
    for (int i = 0; i < w->n_seen; i++)
        if (w->seen[i].phase == w->phase && strncmp(w->seen[i].what, what, FUT_WHAT_MAX - 1) == 0) return &w->seen[i];
    if (w->n_seen == SEEN_MAX) return NULL;
    seen *s = &w->seen[w->n_seen++];
    s->phase = w->phase;
    set_name(s->what, what);
    return s;
}

static double deadline_of(fut_watchdog *w, const char *what)
{
    const seen *s = find_seen(w, what);
    if (s == NULL || s->times < SEEN_OFTEN) return FUT_DEADLINE_FIRST_S;
    double long_for_it = SLOWER * s->slowest;
    return long_for_it > FUT_DEADLINE_FLOOR_S ? long_for_it : FUT_DEADLINE_FLOOR_S;
}

static void enter(fut_watchdog *w, const char *what, int peer, int64_t bytes, double deadline, bool waits)
{
    if (w == NULL) return;
    double now = fut_clock_now();
    pthread_mutex_lock(&w->lock);
    if (w->depth < DEPTH_MAX) {
        operation *o = &w->at[w->depth];
        set_name(o->what, what);
        o->since = now;
        o->allowed = deadline > 0 ? deadline : deadline_of(w, what);
        o->peer = peer;
        o->waits = waits;
    }
    w->depth++;
    fut_flight_enter(w->flight, what, peer, bytes);
    pthread_mutex_unlock(&w->lock);
}

void fut_watchdog_enter(fut_watchdog *w, const char *what, int peer, int64_t bytes, double deadline)
{
    enter(w, what, peer, bytes, deadline, true);
}

void fut_watchdog_enter_begin(fut_watchdog *w, const char *what, int64_t bytes, double deadline)
{
    enter(w, what, FUT_FLIGHT_NOBODY, bytes, deadline, false);
}

void fut_watchdog_leave(fut_watchdog *w)
{
    if (w == NULL) return;
    double now = fut_clock_now();
    pthread_mutex_lock(&w->lock);
    w->depth--;
    if (w->depth < DEPTH_MAX) {
        const operation *o = &w->at[w->depth];
        seen *s = o->waits ? find_seen(w, o->what) : NULL;
        if (s != NULL) {
            s->times++;
            if (now - o->since > s->slowest) s->slowest = now - o->since;
        }
    }
    fut_flight_leave(w->flight);
    pthread_mutex_unlock(&w->lock);
}

void fut_watchdog_look(fut_watchdog *w, int peer)
{
    if (w == NULL) return;
    atomic_store(&w->looked, fut_clock_now());
    pthread_mutex_lock(&w->lock);
    if (w->depth > 0 && w->depth <= DEPTH_MAX) w->at[w->depth - 1].peer = peer;
    fut_flight_wait(w->flight, peer);
    pthread_mutex_unlock(&w->lock);
}

double fut_watchdog_allowed(fut_watchdog *w)
{
    if (w == NULL) return FUT_DEADLINE_FIRST_S;
    pthread_mutex_lock(&w->lock);
    double allowed = w->depth > 0 && w->depth <= DEPTH_MAX ? w->at[w->depth - 1].allowed : FUT_DEADLINE_FIRST_S;
    pthread_mutex_unlock(&w->lock);
    return allowed;
}

void fut_watchdog_whereabouts(fut_watchdog *w, fut_whereabouts *where_out)
{
    *where_out = (fut_whereabouts){.peer = FUT_FLIGHT_NOBODY};
    if (w == NULL) return;
    pthread_mutex_lock(&w->lock);
    where_out->phase = w->phase;
    where_out->step = w->step;
    if (w->depth > 0 && w->depth <= DEPTH_MAX) {
        const operation *o = &w->at[w->depth - 1];
        memcpy(where_out->what, o->what, sizeof where_out->what);
        where_out->seconds = fut_clock_now() - o->since;
        where_out->peer = o->peer;
    }
    pthread_mutex_unlock(&w->lock);
}

void fut_watchdog_give_up(fut_watchdog *w, int missed, int heard)
{
    if (w == NULL) return;
    pthread_mutex_lock(&w->lock);
    fut_flight_give_up(w->flight, missed, heard);
    pthread_mutex_unlock(&w->lock);
}

/* The thread may not have come to look since. */
double fut_watchdog_stood_still(fut_watchdog *w)
{
    if (w == NULL) return 0;
    pthread_mutex_lock(&w->lock);
    double now = fut_clock_now();
    double gap = now - w->beat;
    double still = gap > FUT_STOPPED_S ? gap : w->stopped > 0 && now - w->stopped_until < a_moment_s ? w->stopped : 0;
    pthread_mutex_unlock(&w->lock);
    return still;
}

void fut_watchdog_last_seen(fut_watchdog *w, int rank, char *text_out, size_t max)
{
    fut_flight_state s;
    fut_str path = {0};
    text_out[0] = '\0';
    if (w == NULL || w->flight == NULL) return;
    if (fut_str_printf(&path, "%s/rank-%03d.ring", fut_str_text(&w->folder), rank) == FUT_OK &&
        fut_flight_read(fut_str_text(&path), &s) == FUT_OK && s.size == w->size)
        (void)snprintf(text_out, max, "in '%s' of step %lld%s%s%s", fut_phase_names[s.phase], (long long)s.step, s.depth > 0 ? ", '" : "",
                       s.depth > 0 ? s.what : "", s.depth > 0 ? "'" : "");
    fut_trail_clear();
    fut_str_fini(&path);
}
