#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "data/image_impl.h"
#include "data/pack_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 256, MOVE_CHUNK = 1 << 20 };

/* Shared by the threads; each takes the next item by `next`. */
typedef struct crew {
    const fut_pack_options *options;
    const fut_dataset_info *info;
    int fd;
    int64_t data_offset;
    fut_pack_item *items;
    int64_t n;
    atomic_llong next, done;
    atomic_int stop; /* a thread failed */
} crew;

typedef struct worker {
    crew *crew;
    pthread_t thread;
    fut_status st;
    char *message; /* of the failure: the error trail is this thread's own */
    uint8_t *file; /* bytes of the photo being worked on */
    size_t file_capacity;
    uint8_t *rgb;
} worker;

/* ---- one photo ---- */

/* The message of the thread's error trail, without the path in front of it; the trail is cleared. */
static fut_status take_reason(const char *path, char **reason_out)
{
    const char *message = fut_trail_message();
    size_t path_length = strlen(path);
    char *reason = NULL;
    if (strncmp(message, path, path_length) == 0 && strncmp(message + path_length, ": ", 2) == 0) message += path_length + 2;
    size_t bytes = strlen(message) + 1;
    FUT_TRY(FUT_NEW_ARRAY(bytes, &reason));
    memcpy(reason, message, bytes);
    fut_trail_clear();
    *reason_out = reason;
    return FUT_OK;
}

static fut_status read_exactly(int fd, const char *path, uint8_t *bytes, int64_t length)
{
    int64_t done = 0;
    uint8_t beyond = 0;
    while (done < length) {
        ssize_t got = read(fd, bytes + done, (size_t)(length - done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fut_file_errno("read", path, errno);
        FUT_CHECK(got > 0, FUT_ERR_DATA, "the file became shorter while it was packed");
        done += got;
    }
    FUT_CHECK(read(fd, &beyond, 1) <= 0, FUT_ERR_DATA, "the file became longer while it was packed");
    return FUT_OK;
}

/* The photo's bytes into w->file. */
static fut_status read_photo(worker *w, const char *path, int64_t length)
{
    fut_status st = FUT_OK;
    struct stat info;
    FUT_CHECK(length > 0, FUT_ERR_DATA, "empty file");
    if ((size_t)length > w->file_capacity) {
        fut_mem_free(w->file);
        w->file = NULL;
        w->file_capacity = 0;
        FUT_TRY(FUT_NEW_ARRAY(length, &w->file));
        w->file_capacity = (size_t)length;
    }
    /* The scan decided what to follow; in between a file may have become a link or a pipe. */
    int links = w->crew->options->follow_links ? 0 : O_NOFOLLOW;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | links);
    if (fd < 0) return fut_file_errno("open", path, errno);
    FUT_CHECK_GOTO(fstat(fd, &info) == 0 && S_ISREG(info.st_mode), FUT_ERR_DATA, out, "not a regular file any more");
    FUT_TRY_GOTO(read_exactly(fd, path, w->file, length), out);
out:
    (void)close(fd);
    return st;
}

static fut_status write_payload(const crew *c, const void *bytes, int64_t length, int64_t place)
{
    int64_t done = 0;
    while (done < length) {
        ssize_t put = pwrite(c->fd, (const uint8_t *)bytes + done, (size_t)(length - done), c->data_offset + place + done);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return fut_file_errno("write", c->options->output, put < 0 ? errno : EIO);
        done += put;
    }
    return FUT_OK;
}

enum { SUM_LANES = 48, SUM_RUN = 16 }; /* whole pixels side by side, and one under the other */

/* Sums and sums of squares of SUM_RUN runs of SUM_LANES bytes, lane by lane. */
FUT_FOR_WIDE_VECTORS static void sum_block(const uint8_t *rgb, uint64_t sum[SUM_LANES], uint64_t sum_squares[SUM_LANES])
{
    for (int lane = 0; lane < SUM_LANES; lane++) {
        uint32_t run_sum = 0;
        uint32_t run_squares = 0;
        for (int i = 0; i < SUM_RUN; i++) {
            uint32_t value = rgb[i * SUM_LANES + lane];
            run_sum += value;
            run_squares += value * value;
        }
        sum[lane] += run_sum;
        sum_squares[lane] += run_squares;
    }
}

static void sum_pixels(const uint8_t *rgb, int64_t n_pixels, fut_pack_item *item)
{
    uint64_t sum[SUM_LANES] = {0};
    uint64_t sum_squares[SUM_LANES] = {0};
    int64_t n = 3 * n_pixels;
    int64_t at = 0;
    for (; n - at >= SUM_LANES * SUM_RUN; at += SUM_LANES * SUM_RUN)
        sum_block(rgb + at, sum, sum_squares);
    for (; at < n; at++) {
        sum[at % 3] += rgb[at];
        sum_squares[at % 3] += (uint64_t)rgb[at] * rgb[at];
    }
    for (int lane = 0; lane < SUM_LANES; lane++) {
        item->sum[lane % 3] += sum[lane];
        item->sum_squares[lane % 3] += sum_squares[lane];
    }
}

/* Errors here are about the photo; only memory is about the machine. */
static fut_status prepare(worker *w, const char *path, fut_pack_item *item)
{
    FUT_TRY(read_photo(w, path, item->bytes));
    return fut_dataset_render(w->file, (size_t)item->bytes, w->crew->info, w->rgb);
}

static fut_status pack_item(worker *w, fut_pack_item *item, int64_t file_bytes)
{
    fut_status st = FUT_OK;
    const fut_dataset_info *info = w->crew->info;
    fut_str path = {0};
    int64_t n_pixels = info->height * info->width;
    item->bytes = file_bytes;
    FUT_TRY_GOTO(fut_str_printf(&path, "%s/%s", w->crew->options->folder, item->path), out);
    st = prepare(w, path.data, item);
    if (st == FUT_ERR_NO_MEMORY) goto out;
    if (st != FUT_OK) {
        st = take_reason(path.data, &item->reason);
        goto out;
    }
    const uint8_t *stored = info->encoding == FUT_ENCODING_RAW ? w->rgb : w->file;
    if (info->encoding == FUT_ENCODING_RAW) item->bytes = n_pixels * 3;
    sum_pixels(w->rgb, n_pixels, item);
    item->checksum = fut_dataset_checksum(stored, (size_t)item->bytes);
    FUT_TRY_GOTO(write_payload(w->crew, stored, item->bytes, item->place), out);
out:
    fut_str_fini(&path);
    return st;
}

/* ---- the threads ---- */

static void *work(void *argument)
{
    worker *w = argument;
    crew *c = w->crew;
    w->st = FUT_NEW_ARRAY(c->info->height * c->info->width * 3, &w->rgb);
    while (w->st == FUT_OK && atomic_load(&c->stop) == 0) {
        int64_t i = atomic_fetch_add(&c->next, 1);
        if (i >= c->n) break;
        w->st = pack_item(w, &c->items[i], c->items[i].bytes);
        atomic_fetch_add(&c->done, 1);
    }
    if (w->st != FUT_OK) {
        atomic_store(&c->stop, 1);
        (void)take_reason("", &w->message);
    }
    fut_mem_free(w->rgb);
    fut_mem_free(w->file);
    return NULL;
}

static void show_progress(const crew *c, double started)
{
    char left[32];
    int64_t done = atomic_load(&c->done);
    double seconds = fut_clock_now() - started;
    double rate = seconds > 0 ? (double)done / seconds : 0;
    if (done == 0 || rate <= 0) return;
    fut_clock_format((double)(c->n - done) / rate, left, sizeof left);
    int filled = (int)(20 * done / c->n);
    fut_log_progress("packing [%.*s%.*s] %lld/%lld photos, %.0f/s, %s left", filled, "####################", 20 - filled,
                     "....................", (long long)done, (long long)c->n, rate, left);
}

static void join_with_progress(pthread_t thread, const crew *c, double started)
{
    struct timespec until;
    do {
        show_progress(c, started);
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += 50 * 1000 * 1000;
        if (until.tv_nsec >= 1000 * 1000 * 1000) {
            until.tv_nsec -= 1000 * 1000 * 1000;
            until.tv_sec++;
        }
    } while (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == ETIMEDOUT);
}

fut_status fut_pack_images(const fut_pack_options *options, const fut_dataset_info *info, int fd, int64_t data_offset, fut_pack_item *items,
                           int64_t n)
{
    fut_status st = FUT_OK;
    worker workers[THREADS_MAX] = {0};
    crew c = {.options = options, .info = info, .fd = fd, .data_offset = data_offset, .items = items, .n = n};
    double started = fut_clock_now();
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t wanted = options->threads > 0 ? options->threads : cores > 0 ? cores : 1;
    if (wanted > n) wanted = n;
    if (wanted > THREADS_MAX) wanted = THREADS_MAX;
    int started_threads = 0;
    for (; started_threads < wanted; started_threads++) {
        worker *w = &workers[started_threads];
        w->crew = &c;
        int error_number = pthread_create(&w->thread, NULL, work, w);
        if (error_number == 0) continue;
        if (started_threads == 0) return fut_file_errno("start a thread for", options->folder, error_number);
        break;
    }
    for (int i = 0; i < started_threads; i++) {
        join_with_progress(workers[i].thread, &c, started);
        if (workers[i].st != FUT_OK && st == FUT_OK)
            st = FUT_FAIL(workers[i].st, "%s", workers[i].message != NULL ? workers[i].message : "");
        fut_mem_free(workers[i].message);
    }
    fut_log_progress("%s", "");
    return st;
}

/* ---- closing gaps ---- */

static fut_status move_bytes(const char *path, int fd, int64_t from, int64_t to, int64_t length, uint8_t *chunk)
{
    /* Always towards the start, so that a chunk never overwrites bytes that are still to be moved. */
    for (int64_t done = 0; done < length;) {
        size_t want = length - done < MOVE_CHUNK ? (size_t)(length - done) : MOVE_CHUNK;
        ssize_t got = pread(fd, chunk, want, from + done);
        if (got <= 0) return fut_file_errno("read", path, got < 0 ? errno : EIO);
        ssize_t put = pwrite(fd, chunk, (size_t)got, to + done);
        if (put != got) return fut_file_errno("write", path, put < 0 ? errno : EIO);
        done += got;
    }
    return FUT_OK;
}

fut_status fut_pack_compact(const char *path, int fd, int64_t data_offset, fut_pack_item *items, int64_t n)
{
    fut_status st = FUT_OK;
    uint8_t *chunk = NULL;
    int64_t to = 0;
    FUT_TRY(FUT_NEW_ARRAY(MOVE_CHUNK, &chunk));
    for (int64_t i = 0; i < n; i++) {
        if (items[i].place != to)
            FUT_TRY_GOTO(move_bytes(path, fd, data_offset + items[i].place, data_offset + to, items[i].bytes, chunk), out);
        items[i].place = to;
        to += items[i].bytes;
    }
out:
    fut_mem_free(chunk);
    return st;
}
