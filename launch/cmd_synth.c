#include "core/base/clock.h"
#include "core/base/log.h"
#include "data/synth.h"
#include "launch/args.h"
#include "launch/command.h"

#include <inttypes.h>
#include <stdio.h>

static const fut_arg args_table[] = {
    FUT_ARG_VALUE('o', "output", "DIR", NULL, "folder to fill; created where missing"),
    FUT_ARG_VALUE('\0', "ids", "N", "200", "people"),
    FUT_ARG_VALUE('\0', "images", "N", "12", "photos of each"),
    FUT_ARG_VALUE('\0', "size", "N", "128", "side of a photo in pixels"),
    FUT_ARG_VALUE('\0', "seed", "N", "0", "other people for another number"),
    FUT_ARG_VALUE('\0', "format", "jpeg|png", "jpeg", "file format"),
    FUT_ARG_FLAG('f', "force", "write into a folder that is not empty; files of the same names are replaced, others stay"),
    FUT_ARG_END,
};

static const char intro[] =
    "Draw faces of people who do not exist: DIR/person_0001/0001.jpg and so on, ready for `futago pack`.\n"
    "Who someone is (features, skin, hair, beard) can be learned; pose, light, expression, clothes, glasses, background, blur and noise\n"
    "change from photo to photo. The same seed draws the same people, whatever their number.";

typedef struct job {
    fut_synth_config config;
    double start;
} job;

static void show_progress(void *context, int64_t people_done)
{
    const job *j = context;
    double elapsed = fut_clock_now() - j->start;
    double rate = elapsed > 0 ? (double)(people_done * j->config.images) / elapsed : 0;
    double left = elapsed / (double)people_done * (double)(j->config.people - people_done);
    char left_text[32];
    fut_clock_format(left, left_text, sizeof left_text);
    fut_log_progress("%" PRId64 " of %" PRId64 " people, %.0f photos/s, %s left", people_done, j->config.people, rate, left_text);
}

static fut_status read_arguments(const fut_args *args, fut_synth_config *config)
{
    config->dir = fut_args_get(args, "output");
    FUT_CHECK(config->dir != NULL && config->dir[0] != '\0', FUT_ERR_USAGE, "synth needs a folder to fill: futago synth -o DIR");
    int64_t seed = 0;
    int format = 0;
    FUT_TRY(fut_args_get_i64(args, "ids", 1, FUT_SYNTH_PEOPLE_MAX, &config->people));
    FUT_TRY(fut_args_get_i64(args, "images", 1, FUT_SYNTH_IMAGES_MAX, &config->images));
    FUT_TRY(fut_args_get_i64(args, "size", FUT_SYNTH_SIZE_MIN, FUT_SYNTH_SIZE_MAX, &config->size));
    FUT_TRY(fut_args_get_i64(args, "seed", 0, INT64_MAX, &seed));
    FUT_TRY(fut_args_get_word(args, "format", &format));
    config->seed = (uint64_t)seed;
    config->format = format == 0 ? FUT_SYNTH_JPEG : FUT_SYNTH_PNG;
    config->force = fut_args_is_given(args, "force");
    return FUT_OK;
}

fut_status fut_cmd_synth(int argc, char **argv)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    job j = {.start = fut_clock_now()};
    fut_command_catch_signals();
    FUT_TRY_GOTO(fut_args_parse(args_table, intro, argc, argv, &args), out);
    if (args == NULL) goto out;
    FUT_TRY_GOTO(read_arguments(args, &j.config), out);
    FUT_TRY_GOTO(fut_synth_write(&j.config, show_progress, &j), out);
    char took[32];
    fut_clock_format(fut_clock_now() - j.start, took, sizeof took);
    printf("%s: %" PRId64 " people, %" PRId64 " photos of each, %" PRId64 " x %" PRId64 ", in %s\n", j.config.dir, j.config.people,
           j.config.images, j.config.size, j.config.size, took);
    printf("next: futago pack %s -o faces.h5 --split identity\n", j.config.dir);
out:
    fut_log_progress("%s", "");
    fut_args_destroy(&args);
    return st;
}
