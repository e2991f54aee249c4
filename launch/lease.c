#include "launch/lease.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 512 };

struct fut_lease {
    fut_str path;
    int fd; /* flock held: the kernel releases it however the process ends; -1: not ours */
    char mine[TEXT_MAX];
    pthread_t thread;
    bool beats; /* the thread runs */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool leaving;
};

/* ---- taking --------------------------------------------------------------------------------------------------------------------- */

static fut_status refuse(const char *path, const char *owner, double age)
{
    char seen[32];
    fut_clock_format(age, seen, sizeof seen);
    return FUT_FAIL(
        FUT_ERR_LOCKED,
        "%s: the run folder is in use by %s, which gave a sign of life %s ago; wait for it, or choose another `run:`. A run on another "
        "host that gives none for %d s is taken over",
        path, owner[0] != '\0' ? owner : "another process", seen, FUT_LEASE_STALE_S);
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

/* Seconds since the lease was last written. The clocks of hosts may differ, so the file system's is asked: by a file written now. */
static fut_status find_age(const fut_lease *lease, double *age_out)
{
    fut_status st = FUT_OK;
    fut_str probe = {0};
    struct stat then;
    struct stat now;
    int fd = -1;
    FUT_TRY_GOTO(fut_str_printf(&probe, "%s.tmp-%ld", fut_str_text(&lease->path), (long)getpid()), out);
    fd = open(fut_str_text(&probe), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 || fstat(fd, &now) != 0 || fstat(lease->fd, &then) != 0) {
        st = fut_file_errno("write", fut_str_text(&probe), errno);
        goto out;
    }
    *age_out = (double)(now.st_mtim.tv_sec - then.st_mtim.tv_sec) + 1e-9 * (double)(now.st_mtim.tv_nsec - then.st_mtim.tv_nsec);
out:
    if (fd >= 0) {
        (void)close(fd);
        (void)unlink(fut_str_text(&probe));
    }
    fut_str_fini(&probe);
    return st;
}

/* The first line of the file. */
static void read_owner(int fd, char owner_out[TEXT_MAX])
{
    ssize_t got = pread(fd, owner_out, TEXT_MAX - 1, 0);
    owner_out[got > 0 ? got : 0] = '\0';
    owner_out[strcspn(owner_out, "\n")] = '\0';
}

/* May this lease be taken, although a file names an owner? Under the flock. */
static fut_status check_owner(const fut_lease *lease, const char *owner, const char *host, const char *job)
{
    const char *path = fut_str_text(&lease->path);
    double age = 0;
    if (strstr(owner, " on ") == NULL || is_of(owner, " on ", host) || (job != NULL && is_of(owner, " of job ", job))) return FUT_OK;
    FUT_TRY(find_age(lease, &age));
    if (age < FUT_LEASE_STALE_S) return refuse(path, owner, age);
    FUT_WARN("%s: %s gave no sign of life for %.0f s: its run is taken over", path, owner, age);
    return FUT_OK;
}

static fut_status write_mine(const fut_lease *lease)
{
    size_t length = strlen(lease->mine);
    if (pwrite(lease->fd, lease->mine, length, 0) != (ssize_t)length || ftruncate(lease->fd, (off_t)length) != 0)
        return fut_file_errno("write", fut_str_text(&lease->path), errno);
    return FUT_OK;
}

static fut_status take(fut_lease *lease)
{
    const char *path = fut_str_text(&lease->path);
    const char *job = getenv("FUTAGO_JOB");
    char host[256] = "";
    char owner[TEXT_MAX];
    double age = 0;
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(lease->mine, sizeof lease->mine, "process %ld on %s%s%s\n", (long)getpid(), host, job != NULL ? " of job " : "",
                   job != NULL ? job : "");
    lease->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lease->fd < 0) return fut_file_errno("create", path, errno);
    read_owner(lease->fd, owner);
    if (flock(lease->fd, LOCK_EX | LOCK_NB) != 0) {
        FUT_TRY(find_age(lease, &age));
        return refuse(path, owner, age);
    }
    FUT_TRY(check_owner(lease, owner, host, job));
    return write_mine(lease);
}

/* ---- keeping -------------------------------------------------------------------------------------------------------------------- */

/* Read by its name: another host may have put another file there. A file that cannot be read now says nothing. */
fut_status fut_lease_check(fut_lease *lease)
{
    char owner[TEXT_MAX];
    int fd = open(fut_str_text(&lease->path), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FUT_OK;
    read_owner(fd, owner);
    (void)close(fd);
    size_t length = strcspn(lease->mine, "\n");
    FUT_CHECK(strncmp(owner, lease->mine, length) == 0 && owner[length] == '\0', FUT_ERR_LOCKED,
              "%s: the run was taken over by %s, while this process gave no sign of life; nothing more is written here",
              fut_str_text(&lease->path), owner[0] != '\0' ? owner : "somebody who emptied the file");
    return FUT_OK;
}

static void *beat(void *arg)
{
    fut_lease *lease = arg;
    pthread_mutex_lock(&lease->lock);
    while (!lease->leaving) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += FUT_LEASE_BEAT_S;
        if (pthread_cond_timedwait(&lease->wake, &lease->lock, &until) != ETIMEDOUT) continue;
        if (fut_lease_check(lease) != FUT_OK || write_mine(lease) != FUT_OK) fut_trail_clear();
    }
    pthread_mutex_unlock(&lease->lock);
    return NULL;
}

/* Signals are for the training thread. */
static fut_status start_thread(fut_lease *lease)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&lease->thread, NULL, beat, lease);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    FUT_CHECK(failed == 0, FUT_ERR_NO_MEMORY, "cannot start the thread of the run folder's lock: %s", strerror(failed));
    lease->beats = true;
    return FUT_OK;
}

fut_status fut_lease_take(const char *path, fut_lease **lease_out)
{
    fut_status st = FUT_OK;
    fut_lease *lease = NULL;
    pthread_condattr_t attributes;
    FUT_TRY_GOTO(FUT_NEW(&lease), out);
    lease->fd = -1;
    (void)pthread_mutex_init(&lease->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&lease->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    FUT_TRY_GOTO(fut_str_printf(&lease->path, "%s", path), out);
    st = take(lease);
    if (st != FUT_OK) {
        if (lease->fd >= 0) (void)close(lease->fd);
        lease->fd = -1; /* not ours: leave the file */
        goto out;
    }
    FUT_TRY_GOTO(start_thread(lease), out);
    *lease_out = lease;
    lease = NULL;
out:
    fut_lease_release(&lease);
    return st;
}

void fut_lease_release(fut_lease **lease_in)
{
    fut_lease *lease = *lease_in;
    if (lease == NULL) return;
    if (lease->beats) {
        pthread_mutex_lock(&lease->lock);
        lease->leaving = true;
        pthread_cond_signal(&lease->wake);
        pthread_mutex_unlock(&lease->lock);
        (void)pthread_join(lease->thread, NULL);
    }
    if (lease->fd >= 0) {
        /* Emptied, not unlinked: unlinking would let a second run lock a file that a third cannot see. */
        if (fut_lease_check(lease) != FUT_OK)
            fut_trail_clear();
        else if (ftruncate(lease->fd, 0) != 0)
            FUT_WARN("%s: cannot empty the lock", fut_str_text(&lease->path));
        (void)close(lease->fd);
    }
    (void)pthread_cond_destroy(&lease->wake);
    (void)pthread_mutex_destroy(&lease->lock);
    fut_str_fini(&lease->path);
    fut_mem_free(lease);
    *lease_in = NULL;
}
