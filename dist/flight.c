#include "dist/flight.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

const char *const fut_phase_names[] = {
#define FUT_PHASE_NAME(name, text) text,
    FUT_PHASE_ROWS(FUT_PHASE_NAME)
#undef FUT_PHASE_NAME
        NULL};

enum { HEAD_BYTES = 4096, VERSION = 2, DEPTH_MAX = 4 };

static const char magic[8] = {'F', 'U', 'T', 'F', 'L', 'T', '1', '\n'};

/* The state of a rank as it lies in the file: what is set once, what the training thread changes, what the other thread changes. */
typedef struct head {
    char magic[8];
    uint32_t version, records;
    fut_flight_state state; /* but what follows */
    _Atomic double alive, stopped, stopped_until;
    _Atomic uint64_t written; /* records ever */
    int64_t operations;
} head;

_Static_assert(sizeof(head) <= HEAD_BYTES, "the head of a ring is a page");
_Static_assert(sizeof(fut_flight_record) == 64, "a record is a cache line");

typedef struct operation {
    char what[FUT_WHAT_MAX];
    int peer;
    double since;
} operation;

struct fut_flight {
    head *head; /* the mapping */
    fut_flight_record *records;
    operation outer[DEPTH_MAX]; /* those that the operation now is inside of */
};

static const size_t ring_bytes = HEAD_BYTES + FUT_FLIGHT_RECORDS * sizeof(fut_flight_record);

void fut_flight_path(const char *folder, int rank, char *path_out, size_t max)
{
    (void)snprintf(path_out, max, "%s/rank-%03d.ring", folder, rank);
}

/* ---- writing -------------------------------------------------------------------------------------------------------------------- */

/* Field 22 of /proc/self/stat; the second may hold blanks. 0: unknown. */
static uint64_t start_of_process(void)
{
    char text[1024] = "";
    FILE *file = fopen("/proc/self/stat", "r");
    if (file == NULL) return 0;
    size_t length = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at == NULL ? 0 : strtoull(at, NULL, 10);
}

/* Blocks are reserved before they are mapped: a store into a hole on a full disk would kill the process. */
static fut_status map_ring(const char *path, head **head_out)
{
    fut_status st = FUT_OK;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) return fut_file_errno("create", path, errno);
    int failed = posix_fallocate(fd, 0, (off_t)ring_bytes);
    void *mapped = failed == 0 ? mmap(NULL, ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (mapped == MAP_FAILED)
        st = fut_file_errno("reserve the ring of the flight recorder", path, failed != 0 ? failed : errno);
    else
        *head_out = mapped;
    (void)close(fd);
    return st;
}

void fut_flight_remove(const char *folder, int first)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int rank = 0;
        if (sscanf(entry->d_name, "rank-%d.ring", &rank) == 1 && rank >= first) (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    (void)closedir(dir);
}

static void introduce(head *h, int rank, int size)
{
    struct timespec utc;
    (void)clock_gettime(CLOCK_REALTIME, &utc);
    double now = fut_clock_now();
    memcpy(h->magic, magic, sizeof magic);
    h->version = VERSION;
    h->records = FUT_FLIGHT_RECORDS;
    h->state = (fut_flight_state){.rank = rank,
                                  .size = size,
                                  .pid = getpid(),
                                  .process_start = start_of_process(),
                                  .opened = now,
                                  .opened_utc = (double)utc.tv_sec + 1e-9 * (double)utc.tv_nsec,
                                  .phase_since = now,
                                  .peer = FUT_FLIGHT_NOBODY,
                                  .missed = FUT_FLIGHT_NOBODY,
                                  .moved = now};
    (void)gethostname(h->state.host, sizeof h->state.host - 1);
    atomic_store(&h->alive, now);
}

/* Made beside and renamed: a process of the start before may still write into the old file. */
fut_status fut_flight_open(const char *folder, int rank, int size, fut_flight **flight_out)
{
    fut_status st = FUT_OK;
    fut_flight *f = NULL;
    fut_str path = {0};
    fut_str temporary = {0};
    char name[FUT_WHAT_MAX];
    (void)snprintf(name, sizeof name, "rank-%03d.ring", rank);
    FUT_TRY_GOTO(fut_file_make_dirs(folder), out);
    if (rank == 0) fut_flight_remove(folder, size);
    FUT_TRY_GOTO(fut_str_printf(&path, "%s/%s", folder, name), out);
    FUT_TRY_GOTO(fut_str_printf(&temporary, "%s.tmp-%ld", fut_str_text(&path), (long)getpid()), out);
    FUT_TRY_GOTO(FUT_NEW(&f), out);
    st = map_ring(fut_str_text(&temporary), &f->head);
    if (st == FUT_OK) {
        f->records = (fut_flight_record *)((char *)f->head + HEAD_BYTES);
        introduce(f->head, rank, size);
        if (rename(fut_str_text(&temporary), fut_str_text(&path)) != 0) st = fut_file_errno("rename", fut_str_text(&temporary), errno);
    }
    if (st != FUT_OK) {
        (void)unlink(fut_str_text(&temporary));
        goto out;
    }
    *flight_out = f;
    f = NULL;
out:
    if (f != NULL && f->head != NULL) (void)munmap(f->head, ring_bytes);
    fut_mem_free(f);
    fut_str_fini(&path);
    fut_str_fini(&temporary);
    return st;
}

void fut_flight_close(fut_flight **flight, int exit_code)
{
    fut_flight *f = *flight;
    if (f == NULL) return;
    f->head->state.exit_code = exit_code;
    f->head->state.ended = true;
    f->head->state.moved = fut_clock_now();
    (void)munmap(f->head, ring_bytes);
    fut_mem_free(f);
    *flight = NULL;
}

/* The number is the record's seal: it is taken away first and set last. */
static void record(fut_flight *f, fut_flight_kind kind, int64_t bytes, double now)
{
    const fut_flight_state *s = &f->head->state;
    uint64_t number = atomic_load_explicit(&f->head->written, memory_order_relaxed) + 1;
    fut_flight_record *r = &f->records[(number - 1) % FUT_FLIGHT_RECORDS];
    r->number = 0;
    atomic_signal_fence(memory_order_seq_cst);
    r->time = now;
    r->step = s->step;
    r->bytes = bytes;
    r->peer = s->peer;
    r->kind = (uint16_t)kind;
    r->phase = (uint16_t)s->phase;
    memcpy(r->what, s->what, sizeof r->what - 1);
    atomic_signal_fence(memory_order_seq_cst);
    r->number = number;
    atomic_store_explicit(&f->head->written, number, memory_order_release);
}

void fut_flight_phase(fut_flight *f, fut_phase phase, int64_t step)
{
    if (f == NULL) return;
    fut_flight_state *s = &f->head->state;
    s->moved = fut_clock_now();
    s->phase_since = s->moved;
    s->phase = phase;
    if (step >= 0) s->step = step;
    record(f, FUT_FLIGHT_PHASE, 0, s->moved);
}

void fut_flight_enter(fut_flight *f, const char *what, int peer, int64_t bytes)
{
    if (f == NULL) return;
    fut_flight_state *s = &f->head->state;
    s->moved = fut_clock_now();
    if (s->depth < DEPTH_MAX) {
        operation *outer = &f->outer[s->depth];
        memcpy(outer->what, s->what, sizeof outer->what);
        outer->peer = s->peer;
        outer->since = s->since;
    }
    (void)snprintf(s->what, sizeof s->what, "%s", what);
    s->peer = peer;
    s->since = s->moved;
    f->head->operations++;
    s->depth++;
    record(f, FUT_FLIGHT_ENTER, bytes, s->moved);
}

void fut_flight_leave(fut_flight *f)
{
    if (f == NULL) return;
    fut_flight_state *s = &f->head->state;
    s->moved = fut_clock_now();
    record(f, FUT_FLIGHT_LEAVE, 0, s->moved);
    s->depth--;
    if (s->depth < DEPTH_MAX) {
        const operation *outer = &f->outer[s->depth];
        memcpy(s->what, outer->what, sizeof s->what);
        s->peer = outer->peer;
        s->since = outer->since;
    }
}

void fut_flight_wait(fut_flight *f, int peer)
{
    if (f == NULL) return;
    fut_flight_state *s = &f->head->state;
    s->moved = fut_clock_now();
    if (s->peer == peer || s->depth == 0) return;
    s->peer = peer;
    record(f, FUT_FLIGHT_WAIT, 0, s->moved);
}

void fut_flight_give_up(fut_flight *f, int missed, int heard)
{
    if (f == NULL) return;
    fut_flight_state *s = &f->head->state;
    s->missed = missed;
    s->heard = heard;
    s->gave_up = true;
}

void fut_flight_beat(fut_flight *f)
{
    if (f == NULL) return;
    double now = fut_clock_now();
    double gap = now - f->head->alive;
    if (gap > FUT_STOPPED_S && gap > f->head->stopped) {
        f->head->stopped = gap;
        f->head->stopped_until = now;
    }
    f->head->alive = now;
}

/* ---- reading -------------------------------------------------------------------------------------------------------------------- */

static fut_status map_to_read(const char *path, const head **head_out)
{
    fut_status st = FUT_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return fut_file_errno("open", path, errno);
    void *mapped = MAP_FAILED;
    if (lseek(fd, 0, SEEK_END) == (off_t)ring_bytes) mapped = mmap(NULL, ring_bytes, PROT_READ, MAP_SHARED, fd, 0);
    const head *h = mapped;
    if (mapped == MAP_FAILED || memcmp(h->magic, magic, sizeof magic) != 0 || h->version != VERSION || h->records != FUT_FLIGHT_RECORDS ||
        h->state.phase >= FUT_PHASES)
        st = FUT_FAIL(FUT_ERR_DATA, "%s: not a flight recorder's ring of this version", path);
    if (st == FUT_OK)
        *head_out = h;
    else if (mapped != MAP_FAILED)
        (void)munmap(mapped, ring_bytes);
    (void)close(fd);
    return st;
}

fut_status fut_flight_read(const char *path, fut_flight_state *state_out)
{
    const head *h = NULL;
    FUT_TRY(map_to_read(path, &h));
    memcpy(state_out, &h->state, sizeof *state_out);
    state_out->alive = h->alive;
    state_out->stopped = h->stopped;
    state_out->stopped_until = h->stopped_until;
    state_out->operations = h->operations;
    (void)munmap((void *)h, ring_bytes);
    state_out->host[sizeof state_out->host - 1] = '\0';
    state_out->what[sizeof state_out->what - 1] = '\0';
    return FUT_OK;
}

static const fut_flight_record *records_of(const head *h)
{
    return (const fut_flight_record *)((const char *)h + HEAD_BYTES);
}

/* Record `number`, unless it is being written or was overwritten. */
static bool copy_record(const head *h, uint64_t number, fut_flight_record *out)
{
    *out = records_of(h)[(number - 1) % FUT_FLIGHT_RECORDS];
    out->what[sizeof out->what - 1] = '\0';
    return out->number == number && out->phase < FUT_PHASES;
}

fut_status fut_flight_read_at(const char *path, double time, fut_flight_record *record_out)
{
    const head *h = NULL;
    bool found = false;
    FUT_TRY(map_to_read(path, &h));
    uint64_t last = h->written;
    for (uint64_t back = 0; back < last && back < FUT_FLIGHT_RECORDS && !found; back++)
        found = copy_record(h, last - back, record_out) && record_out->time <= time;
    (void)munmap((void *)h, ring_bytes);
    FUT_CHECK(found, FUT_ERR_NO_INPUT, "%s: no record is that old", path);
    return FUT_OK;
}

fut_status fut_flight_read_records(const char *path, int max, fut_flight_record *records_out, int *count_out)
{
    const head *h = NULL;
    FUT_TRY(map_to_read(path, &h));
    uint64_t last = h->written;
    uint64_t kept = last < FUT_FLIGHT_RECORDS ? last : FUT_FLIGHT_RECORDS;
    if (kept > (uint64_t)max) kept = (uint64_t)max;
    int count = 0;
    for (uint64_t number = last - kept + 1; number <= last; number++)
        if (copy_record(h, number, &records_out[count])) count++;
    (void)munmap((void *)h, ring_bytes);
    *count_out = count;
    return FUT_OK;
}
