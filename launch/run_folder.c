#include "launch/run_folder.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "dist/flight.h"
#include "launch/lease.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fut_run_folder {
    fut_lease *lease;
    fut_str path;
    bool is_ours; /* made here, and nothing has begun in it */
};

enum { LINK_TEXT_MAX = 256 };

fut_status fut_run_path(const char *run, const char *name, fut_str *text_out)
{
    text_out->length = 0;
    return fut_str_printf(text_out, "%s/%s", run, name);
}

fut_status fut_run_checkpoint_path(const char *run, int64_t step, fut_str *text_out)
{
    text_out->length = 0;
    return fut_str_printf(text_out, "%s/checkpoints/step-%09" PRId64 ".h5", run, step);
}

/* Remove what writers left that were killed; under the lock nobody else writes here. */
static fut_status sweep_temporaries(const char *folder)
{
    fut_status st = FUT_OK;
    fut_str path = {0};
    DIR *dir = opendir(folder);
    if (dir == NULL) return fut_file_errno("open", folder, errno);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strstr(entry->d_name, ".tmp-") == NULL) continue;
        FUT_TRY_GOTO(fut_run_path(folder, entry->d_name, &path), out);
        if (unlink(fut_str_text(&path)) != 0) FUT_WARN("%s: cannot remove an unfinished file: %s", fut_str_text(&path), strerror(errno));
    }
out:
    (void)closedir(dir);
    fut_str_fini(&path);
    return st;
}

fut_status fut_run_folder_open(const char *path, fut_run_folder **folder_out)
{
    fut_status st = FUT_OK;
    fut_run_folder *folder = NULL;
    fut_str checkpoints = {0};
    fut_str lock = {0};
    FUT_TRY_GOTO(FUT_NEW(&folder), out);
    FUT_TRY_GOTO(fut_str_printf(&folder->path, "%s", path), out);
    FUT_TRY_GOTO(fut_run_path(path, "checkpoints", &checkpoints), out);
    bool is_new = !fut_file_exists(path);
    FUT_TRY_GOTO(fut_file_make_dirs(fut_str_text(&checkpoints)), out);
    FUT_TRY_GOTO(fut_run_path(path, "lock", &lock), out);
    FUT_TRY_GOTO(fut_lease_take(fut_str_text(&lock), &folder->lease), out);
    folder->is_ours = is_new;
    FUT_TRY_GOTO(sweep_temporaries(path), out);
    FUT_TRY_GOTO(sweep_temporaries(fut_str_text(&checkpoints)), out);
    *folder_out = folder;
    folder = NULL;
out:
    fut_str_fini(&checkpoints);
    fut_str_fini(&lock);
    fut_run_folder_close(&folder);
    return st;
}

void fut_run_folder_keep(fut_run_folder *folder)
{
    folder->is_ours = false;
}

/* What a start leaves that failed before its run began. The lock goes while it is held. A folder with anything else in it is not removed.
 */
static void remove_traces(const char *run)
{
    fut_str path = {0};
    if (fut_run_path(run, "flight", &path) == FUT_OK) {
        fut_flight_remove(fut_str_text(&path), 0);
        (void)rmdir(fut_str_text(&path));
    }
    if (fut_run_path(run, "checkpoints", &path) == FUT_OK) (void)rmdir(fut_str_text(&path));
    if (fut_run_path(run, "log.txt", &path) == FUT_OK) (void)unlink(fut_str_text(&path));
    if (fut_run_path(run, "lock", &path) == FUT_OK) (void)unlink(fut_str_text(&path));
    (void)rmdir(run);
    fut_str_fini(&path);
}

void fut_run_folder_close(fut_run_folder **folder)
{
    if (*folder == NULL) return;
    if ((*folder)->is_ours) remove_traces(fut_str_text(&(*folder)->path));
    fut_lease_release(&(*folder)->lease);
    fut_str_fini(&(*folder)->path);
    fut_mem_free(*folder);
    *folder = NULL;
}

fut_status fut_run_folder_check(fut_run_folder *folder)
{
    return fut_lease_check(folder->lease);
}

/* "step-000000123.h5" -> 123; -1 for any other name. */
static int64_t step_of_name(const char *name)
{
    static const char prefix[] = "step-";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) return -1;
    char *end = NULL;
    long long step = strtoll(name + sizeof prefix - 1, &end, 10);
    return strcmp(end, ".h5") == 0 && step >= 0 ? step : -1;
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

fut_status fut_run_list_checkpoints(const char *run, int64_t **steps_out, int64_t *count_out)
{
    fut_status st = FUT_OK;
    fut_str path = {0};
    DIR *dir = NULL;
    int64_t *steps = NULL;
    size_t count = 0;
    size_t capacity = 0;
    FUT_TRY_GOTO(fut_run_path(run, "checkpoints", &path), out);
    dir = opendir(fut_str_text(&path));
    if (dir == NULL && errno != ENOENT) {
        st = fut_file_errno("open", fut_str_text(&path), errno);
        goto out;
    }
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        int64_t step = step_of_name(entry->d_name);
        if (step < 0) continue;
        if (count == capacity) {
            size_t grown = capacity * 2 + 8;
            FUT_TRY_GOTO(fut_mem_grow((void **)&steps, capacity, grown, sizeof *steps), out);
            capacity = grown;
        }
        steps[count++] = step;
    }
    if (count > 1) qsort(steps, count, sizeof *steps, newest_first);
    *steps_out = steps;
    *count_out = (int64_t)count;
    steps = NULL;
out:
    if (dir != NULL) (void)closedir(dir);
    fut_mem_free(steps);
    fut_str_fini(&path);
    return st;
}

fut_status fut_run_link(const char *run, const char *link_name, int64_t step)
{
    fut_status st = FUT_OK;
    fut_str link = {0};
    fut_str temporary = {0};
    fut_str target = {0};
    FUT_TRY_GOTO(fut_run_path(run, link_name, &link), out);
    FUT_TRY_GOTO(fut_str_printf(&temporary, "%s.tmp-%ld", fut_str_text(&link), (long)getpid()), out);
    FUT_TRY_GOTO(fut_run_checkpoint_path(".", step, &target), out);
    (void)unlink(fut_str_text(&temporary));
    if (symlink(fut_str_text(&target) + 2, fut_str_text(&temporary)) != 0 || rename(fut_str_text(&temporary), fut_str_text(&link)) != 0)
        st = fut_file_errno("link", fut_str_text(&link), errno);
out:
    fut_str_fini(&link);
    fut_str_fini(&temporary);
    fut_str_fini(&target);
    return st;
}

fut_status fut_run_set_aside(const char *run, int64_t step)
{
    fut_status st = FUT_OK;
    fut_str path = {0};
    fut_str aside = {0};
    FUT_TRY_GOTO(fut_run_checkpoint_path(run, step, &path), out);
    FUT_TRY_GOTO(fut_str_printf(&aside, "%s.damaged", fut_str_text(&path)), out);
    if (rename(fut_str_text(&path), fut_str_text(&aside)) != 0) st = fut_file_errno("rename", fut_str_text(&path), errno);
out:
    fut_str_fini(&path);
    fut_str_fini(&aside);
    return st;
}

/* The step that a link of the run folder leads to; -1: no such link. */
static fut_status read_link(const char *run, const char *link_name, int64_t *step_out)
{
    fut_status st = FUT_OK;
    fut_str link = {0};
    char target[LINK_TEXT_MAX];
    *step_out = -1;
    FUT_TRY_GOTO(fut_run_path(run, link_name, &link), out);
    ssize_t length = readlink(fut_str_text(&link), target, sizeof target - 1);
    if (length > 0) {
        target[length] = '\0';
        const char *name = strrchr(target, '/');
        *step_out = step_of_name(name != NULL ? name + 1 : target);
    }
out:
    fut_str_fini(&link);
    return st;
}

fut_status fut_run_was_saved(const char *run, bool *was_saved_out)
{
    int64_t step = -1;
    FUT_TRY(read_link(run, "last.h5", &step));
    *was_saved_out = step >= 0;
    return FUT_OK;
}

fut_status fut_run_prune(const char *run, int64_t keep)
{
    fut_status st = FUT_OK;
    int64_t *steps = NULL;
    int64_t count = 0;
    int64_t best_step = -1;
    fut_str path = {0};
    FUT_TRY_GOTO(read_link(run, "best.h5", &best_step), out);
    FUT_TRY_GOTO(fut_run_list_checkpoints(run, &steps, &count), out);
    for (int64_t i = keep; i < count; i++) {
        if (steps[i] == best_step) continue;
        FUT_TRY_GOTO(fut_run_checkpoint_path(run, steps[i], &path), out);
        if (unlink(fut_str_text(&path)) != 0) FUT_WARN("%s: cannot remove an old checkpoint: %s", fut_str_text(&path), strerror(errno));
    }
out:
    fut_mem_free(steps);
    fut_str_fini(&path);
    return st;
}
