/* Time of a checkpoint: bench_checkpoint BACKBONE FOLDER. What training stands still for (the copy), what a thread does beside it (the
 * write, to the disk), and what a resumed run waits for (the read). Milliseconds, the least of some rounds; `first` also touches memory. */
#include "launch/checkpoint.h"
#include "core/base/clock.h"
#include "launch/config.h"
#include "launch/model.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { ROUNDS = 5, PEOPLE = 1000 };

static double since(double started)
{
    return 1e3 * (fut_clock_now() - started);
}

static fut_status measure(fut_net *net, fut_optim *optim, const char *path)
{
    fut_status st = FUT_OK;
    int64_t people[PEOPLE] = {0};
    fut_sampler_state sampler = {.people = people, .n_people = PEOPLE};
    fut_sampler_state read_sampler = {0};
    fut_checkpoint_state state = {0};
    fut_checkpoint_meta meta = {.shards = 1, .threads = 1};
    fut_progress progress = {.best_step = -1, .eer = -1};
    double first = 0;
    double copy = INFINITY;
    double write = INFINITY;
    double read = INFINITY;
    FUT_TRY_GOTO(fut_str_printf(&meta.config, "-\n"), out);
    for (int i = 0; i < ROUNDS; i++) {
        double started = fut_clock_now();
        FUT_TRY_GOTO(fut_checkpoint_take(&state, &progress, net, NULL, optim, NULL, &sampler), out);
        if (i == 0) first = since(started);
        copy = fmin(copy, since(started));
        started = fut_clock_now();
        FUT_TRY_GOTO(fut_checkpoint_write(path, &meta, &state), out);
        write = fmin(write, since(started));
        started = fut_clock_now();
        FUT_TRY_GOTO(fut_checkpoint_read(path, net, optim, &read_sampler), out);
        read = fmin(read, since(started));
        fut_sampler_state_fini(&read_sampler);
    }
    (void)printf("copy %.1f (first %.1f), write %.1f, read %.1f ms\n", copy, first, write, read);
out:
    fut_sampler_state_fini(&read_sampler);
    fut_checkpoint_state_fini(&state);
    fut_checkpoint_meta_fini(&meta);
    (void)unlink(path);
    return st;
}

static fut_status run(const char *backbone, const char *folder)
{
    static const double mean[3] = {.5, .5, .5};
    static const double std[3] = {.25, .25, .25};
    fut_status st = FUT_OK;
    fut_config *config = NULL;
    fut_backend *bk = NULL;
    fut_net *net = NULL;
    fut_optim *optim = NULL;
    fut_str set = {0};
    fut_str path = {0};
    FUT_TRY_GOTO(fut_str_printf(&set, "model.backbone=%s", backbone), out);
    FUT_TRY_GOTO(fut_str_printf(&path, "%s/bench-checkpoint.h5", folder), out);
    const char *const sets[] = {"data.file=x.h5", fut_str_text(&set)};
    FUT_TRY_GOTO(fut_config_load(NULL, sets, 2, &config), out);
    FUT_TRY_GOTO(fut_model_create(config, &(fut_model_place){.threads = 1}, mean, std, NULL, &bk, &net), out);
    FUT_TRY_GOTO(fut_net_init(net, 0), out);
    FUT_TRY_GOTO(fut_optim_create(bk, &config->optimizer, FUT_F32, fut_net_param_count(net), &optim), out);
    FUT_TRY_GOTO(measure(net, optim, fut_str_text(&path)), out);
out:
    fut_optim_destroy(&optim);
    fut_net_destroy(&net);
    fut_backend_destroy(&bk);
    fut_config_destroy(&config);
    fut_str_fini(&set);
    fut_str_fini(&path);
    return st;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: bench_checkpoint BACKBONE FOLDER\n");
        return 64;
    }
    fut_status st = run(argv[1], argv[2]);
    if (st != FUT_OK) (void)fprintf(stderr, "%s\n", fut_trail_message());
    return st == FUT_OK ? 0 : 1;
}
