#include "launch/run_folder.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct fut_run_folder {
    fut_str lock_path;
    int lock_fd; /* flock held while the run lives: the kernel releases it however the process ends */
};

enum { LOCK_TEXT_MAX = 512, LINK_TEXT_MAX = 256 };

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

/* The lock file names its owner: "process 12 on host3", and the job where one is known (FUTAGO_JOB, from `futago run` and launch/slurm.sh).
 * Its flock says whether that owner lives on this host; on another host (where flock may not reach) the owner's name is all there is: an
 * earlier start of the same job has ended, or this one would not have begun; of any other a person must decide. */
static fut_status refuse_locked(const char *path, const char *owner)
{
    return FUT_FAIL(
        FUT_ERR_LOCKED,
        "%s: the run folder is in use by %s; wait for it, or choose another `run:`. If that run is surely gone, remove the file", path,
        owner[0] != '\0' ? owner : "another process");
}

/* Does `word` stand in owner behind `mark`, as a whole? */
static bool is_of(const char *owner, const char *mark, const char *word)
{
    const char *at = strstr(owner, mark);
    if (at == NULL) return false;
    at += strlen(mark);
    size_t length = strlen(word);
    return strncmp(at, word, length) == 0 && (at[length] == '\0' || at[length] == ' ');
}

static fut_status take_lock(fut_run_folder *folder)
{
    const char *path = fut_str_text(&folder->lock_path);
    char host[256] = "";
    char owner[LOCK_TEXT_MAX] = "";
    char mine[LOCK_TEXT_MAX];
    const char *job = getenv("FUTAGO_JOB");
    (void)gethostname(host, sizeof host - 1);
    folder->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (folder->lock_fd < 0) return fut_file_errno("create", path, errno);
    ssize_t got = read(folder->lock_fd, owner, sizeof owner - 1);
    if (got > 0) owner[strcspn(owner, "\n")] = '\0';
    if (flock(folder->lock_fd, LOCK_EX | LOCK_NB) != 0) return refuse_locked(path, owner);
    if (strstr(owner, " on ") != NULL && !is_of(owner, " on ", host) && !(job != NULL && is_of(owner, " of job ", job)))
        return refuse_locked(path, owner);
    (void)snprintf(mine, sizeof mine, "process %ld on %s%s%s\n", (long)getpid(), host, job != NULL ? " of job " : "",
                   job != NULL ? job : "");
    if (ftruncate(folder->lock_fd, 0) != 0 || pwrite(folder->lock_fd, mine, strlen(mine), 0) != (ssize_t)strlen(mine))
        return fut_file_errno("write", path, errno);
    return FUT_OK;
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
    FUT_TRY_GOTO(FUT_NEW(&folder), out);
    folder->lock_fd = -1;
    FUT_TRY_GOTO(fut_run_path(path, "checkpoints", &checkpoints), out);
    FUT_TRY_GOTO(fut_file_make_dirs(fut_str_text(&checkpoints)), out);
    FUT_TRY_GOTO(fut_run_path(path, "lock", &folder->lock_path), out);
    st = take_lock(folder);
    if (st != FUT_OK) {
        if (folder->lock_fd >= 0) (void)close(folder->lock_fd);
        folder->lock_fd = -1; /* not ours: leave the file */
        goto out;
    }
    FUT_TRY_GOTO(sweep_temporaries(path), out);
    FUT_TRY_GOTO(sweep_temporaries(fut_str_text(&checkpoints)), out);
    *folder_out = folder;
    folder = NULL;
out:
    fut_str_fini(&checkpoints);
    fut_run_folder_close(&folder);
    return st;
}

void fut_run_folder_close(fut_run_folder **folder)
{
    if (*folder == NULL) return;
    if ((*folder)->lock_fd >= 0) {
        /* Emptied, not unlinked: unlinking would let a second run lock a file that a third cannot see. */
        if (ftruncate((*folder)->lock_fd, 0) != 0) FUT_WARN("%s: cannot empty the lock", fut_str_text(&(*folder)->lock_path));
        (void)close((*folder)->lock_fd);
    }
    fut_str_fini(&(*folder)->lock_path);
    fut_mem_free(*folder);
    *folder = NULL;
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
