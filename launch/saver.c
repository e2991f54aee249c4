#include "launch/saver.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "launch/run_folder.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

enum { ERROR_TEXT_MAX = 4096 };

struct fut_saver {
    const char *run;
    int64_t keep;
    const fut_checkpoint_meta *meta;
    fut_checkpoint_state state;
    bool begun;    /* work whose outcome was not told yet */
    bool writes;   /* it is a write; else, reserving memory for the first one */
    bool threaded; /* `thread` does it */
    bool averaged; /* parameters may be averaged when they are saved */
    const fut_net *net;
    const fut_optim *optim;
    pthread_t thread;
    double stood; /* seconds that training stood still for it */
    /* the thread's, until over */
    atomic_bool over;
    fut_status st;
    char error_text[ERROR_TEXT_MAX];
    double took;
};

fut_status fut_saver_create(const char *run, int64_t keep, const fut_checkpoint_meta *meta, fut_saver **saver_out)
{
    fut_saver *saver = NULL;
    FUT_TRY(FUT_NEW(&saver));
    saver->run = run;
    saver->keep = keep;
    saver->meta = meta;
    *saver_out = saver;
    return FUT_OK;
}

/* ---- the thread ---------------------------------------------------------------------------------------------------------------- */

/* best.h5 leads to the best step's checkpoint, if that could be written. At every save, since a run may have died between the two. */
static fut_status link_best(const char *run, int64_t best_step)
{
    fut_status st = FUT_OK;
    fut_str path = {0};
    if (best_step < 0) return FUT_OK;
    FUT_TRY_GOTO(fut_run_checkpoint_path(run, best_step, &path), out);
    if (fut_file_exists(fut_str_text(&path))) FUT_TRY_GOTO(fut_run_link(run, "best.h5", best_step), out);
out:
    fut_str_fini(&path);
    return st;
}

static fut_status write_checkpoint(const fut_saver *saver)
{
    fut_status st = FUT_OK;
    const fut_progress *p = &saver->state.progress;
    fut_str path = {0};
    FUT_TRY_GOTO(fut_run_checkpoint_path(saver->run, p->step, &path), out);
    FUT_TRY_GOTO(fut_checkpoint_write(fut_str_text(&path), saver->meta, &saver->state), out);
    FUT_TRY_GOTO(fut_run_link(saver->run, "last.h5", p->step), out);
    FUT_TRY_GOTO(link_best(saver->run, p->best_step), out);
    FUT_TRY_GOTO(fut_run_prune(saver->run, saver->keep), out);
out:
    fut_str_fini(&path);
    return st;
}

/* The error goes over to the thread that asks. */
static void *work_main(void *argument)
{
    fut_saver *saver = argument;
    double started = fut_clock_now();
    saver->st = saver->writes ? write_checkpoint(saver) : fut_checkpoint_reserve(&saver->state, saver->net, saver->averaged, saver->optim);
    if (saver->st != FUT_OK) (void)snprintf(saver->error_text, sizeof saver->error_text, "%s", fut_trail_message());
    fut_trail_clear();
    saver->took = fut_clock_now() - started;
    atomic_store(&saver->over, true);
    return NULL;
}

/* Signals are the main thread's. Where no thread can be had, the work is done here. */
static void start(fut_saver *saver, bool writes)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    saver->begun = true;
    saver->writes = writes;
    atomic_store(&saver->over, false);
    saver->threaded = pthread_create(&saver->thread, NULL, work_main, saver) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!saver->threaded) (void)work_main(saver);
}

/* ---- who trains ---------------------------------------------------------------------------------------------------------------- */

static void wait_for_work(fut_saver *saver)
{
    double started = fut_clock_now();
    if (saver->threaded) (void)pthread_join(saver->thread, NULL);
    saver->stood += fut_clock_now() - started;
    saver->begun = false;
    if (saver->st == FUT_OK && saver->writes)
        FUT_INFO("saved step %lld: training stood still for %.3f s, written in %.3f s", (long long)saver->state.progress.step, saver->stood,
                 saver->took);
}

static void warn(int64_t step, const char *why)
{
    FUT_WARN("could not save step %lld: %s; training goes on, the older checkpoint stands", (long long)step, why);
}

/* The error trail is not touched: the run may be ending by an error of its own. */
static void wait_and_tell(fut_saver *saver)
{
    if (!saver->begun) return;
    wait_for_work(saver);
    if (saver->st != FUT_OK && saver->writes) warn(saver->state.progress.step, saver->error_text);
}

static fut_status wait_and_fail(fut_saver *saver)
{
    wait_for_work(saver);
    FUT_CHECK(saver->st == FUT_OK, saver->st, "%s", saver->error_text);
    return FUT_OK;
}

void fut_saver_reserve(fut_saver *saver, const fut_net *net, bool averaged, const fut_optim *optim)
{
    saver->net = net;
    saver->averaged = averaged;
    saver->optim = optim;
    start(saver, false);
}

fut_status fut_saver_save(fut_saver *saver, bool must, const fut_progress *progress, fut_net *net, const fut_checkpoint_held *held,
                          fut_optim *optim, const fut_loss *loss, const fut_sampler_state *sampler)
{
    wait_and_tell(saver);
    double started = fut_clock_now();
    fut_status st = fut_checkpoint_take(&saver->state, progress, net, held, optim, loss, sampler);
    if (st == FUT_OK) start(saver, true);
    saver->stood = fut_clock_now() - started;
    if (must) return st == FUT_OK ? wait_and_fail(saver) : st;
    if (st != FUT_OK) {
        warn(progress->step, fut_trail_message());
        fut_trail_clear();
    }
    return FUT_OK;
}

void fut_saver_poll(fut_saver *saver)
{
    if (saver != NULL && saver->begun && atomic_load(&saver->over)) wait_and_tell(saver);
}

void fut_saver_destroy(fut_saver **saver)
{
    if (*saver == NULL) return;
    wait_and_tell(*saver);
    fut_checkpoint_state_fini(&(*saver)->state);
    fut_mem_free(*saver);
    *saver = NULL;
}
