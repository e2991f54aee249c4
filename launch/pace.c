#include "launch/pace.h"

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "dist/gather.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOST_MAX = 64, KEPT = FUT_PACE_WINDOW * 3 / 4, NUMBER_MAX = 16, LINE_BASE = 256 };

static const double slower = 1.5; /* times the median */
static const double least = 5e-3; /* seconds a step */
static const double of_a_step = 0.2;

struct fut_pace {
    fut_comm *comm;
    int shards;
    int steps; /* in this window */
    fut_pace_row step[FUT_PACE_WINDOW];
    fut_pace_row *row;      /* [ranks] */
    double *scratch;        /* [ranks] */
    char (*host)[HOST_MAX]; /* [ranks] */
    char *line;             /* [line_max] */
    size_t line_max;

    int suspect, windows, quiet; /* the slow rank, for how many windows in a row, and since it was named without one */
    bool named;
};

/* ---- one window ---------------------------------------------------------------------------------------------------------------- */

static int by_value(const void *a_, const void *b_)
{
    const double *a = a_;
    const double *b = b_;
    return (*a > *b) - (*a < *b);
}

/* The lower one of an even number. */
static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return values[(n - 1) / 2];
}

static double work_of(const fut_pace_row *row)
{
    double sum = 0;
    for (int s = 0; s < FUT_SECTIONS; s++)
        sum += row->work[s];
    return sum;
}

static double median_of_section(const fut_pace_row *row, int ranks, int section, double *scratch)
{
    for (int r = 0; r < ranks; r++)
        scratch[r] = row[r].work[section];
    return median(scratch, ranks);
}

fut_pace_verdict fut_pace_judge(const fut_pace_row *row, int ranks, double *scratch)
{
    fut_pace_verdict v = {.rank = -1};
    for (int r = 0; r < ranks; r++) {
        scratch[r] = work_of(&row[r]);
        if (scratch[r] <= v.work) continue;
        v.rank = r;
        v.work = scratch[r];
    }
    v.median = median(scratch, ranks);
    double excess = v.work - v.median;
    if (v.rank < 0 || v.work <= slower * v.median || excess < least || excess < of_a_step * row[v.rank].wall)
        return (fut_pace_verdict){.rank = -1};
    for (int s = 0; s < FUT_SECTIONS; s++) {
        double work = row[v.rank].work[s];
        double usual = median_of_section(row, ranks, s, scratch);
        if (work - usual <= v.section_work - v.section_median) continue;
        v.section = (fut_section)s;
        v.section_work = work;
        v.section_median = usual;
    }
    return v;
}

/* ---- every rank ---------------------------------------------------------------------------------------------------------------- */

static fut_status gather_hosts(fut_pace *p)
{
    char *mine = p->host[fut_comm_rank(p->comm)];
    if (gethostname(mine, HOST_MAX - 1) != 0) mine[0] = '\0';
    for (char *c = mine; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '.') *c = '_';
    return fut_gather_rows(p->comm, fut_comm_size(p->comm), NULL, HOST_MAX, FUT_U8, p->host, "names of the hosts");
}

static fut_status allocate(fut_pace *p, int ranks)
{
    p->line_max = LINE_BASE + (size_t)ranks * NUMBER_MAX;
    FUT_TRY(FUT_NEW_ARRAY(ranks, &p->row));
    FUT_TRY(FUT_NEW_ARRAY(ranks, &p->scratch));
    FUT_TRY(FUT_NEW_ARRAY(ranks, &p->host));
    return FUT_NEW_ARRAY(p->line_max, &p->line);
}

fut_status fut_pace_create(fut_comm *comm, int shards, fut_pace **pace_out)
{
    fut_status st = FUT_OK;
    fut_pace *p = NULL;
    *pace_out = NULL;
    if (fut_comm_size(comm) == 1) return FUT_OK;
    st = FUT_NEW(&p);
    if (st == FUT_OK) {
        *p = (fut_pace){.comm = comm, .shards = shards, .suspect = -1};
        st = allocate(p, fut_comm_size(comm));
    }
    FUT_TRY_GOTO(fut_comm_agree(comm, st), out);
    FUT_TRY_GOTO(gather_hosts(p), out);
    *pace_out = p;
    p = NULL;
out:
    fut_pace_destroy(&p);
    return st;
}

void fut_pace_destroy(fut_pace **pace)
{
    fut_pace *p = *pace;
    if (p == NULL) return;
    fut_mem_free(p->row);
    fut_mem_free(p->scratch);
    fut_mem_free(p->host);
    fut_mem_free(p->line);
    fut_mem_free(p);
    *pace = NULL;
}

static bool is_per_shard(int section)
{
    return section == FUT_SECTION_DATA || section == FUT_SECTION_FORWARD || section == FUT_SECTION_LOSS || section == FUT_SECTION_BACKWARD;
}

static bool is_wait(int section)
{
    return section == FUT_SECTION_REDUCE || section == FUT_SECTION_DEVICE;
}

static int by_work(const void *a, const void *b)
{
    double of_a = work_of(a);
    double of_b = work_of(b);
    return (of_a > of_b) - (of_a < of_b);
}

/* The mean of the window's steps but for those of the most work. */
static fut_pace_row row_of_window(fut_pace *p)
{
    fut_pace_row row = {0};
    qsort(p->step, FUT_PACE_WINDOW, sizeof *p->step, by_work);
    for (int i = 0; i < KEPT; i++) {
        row.wall += p->step[i].wall / KEPT;
        for (int s = 0; s < FUT_SECTIONS; s++)
            row.work[s] += p->step[i].work[s] / KEPT;
    }
    return row;
}

static fut_pace_row row_of_step(const fut_pace *p, const fut_step_timer *timer, double wall)
{
    fut_pace_row row = {.wall = wall};
    for (int s = 0; s < FUT_SECTIONS; s++)
        if (!is_wait(s)) row.work[s] = timer->seconds[s] / (is_per_shard(s) ? p->shards : 1);
    return row;
}

/* ---- rank 0 -------------------------------------------------------------------------------------------------------------------- */

/* "work_ms": each rank's, beside what was slow. */
static void write_window(fut_pace *p, int64_t step, const fut_pace_verdict *v, fut_step_report *report)
{
    int used = snprintf(p->line, p->line_max, "{\"step\":%" PRId64 ",\"event\":\"ranks\",\"work_ms\":[", step);
    for (int r = 0; r < fut_comm_size(p->comm); r++)
        used += snprintf(p->line + used, p->line_max - (size_t)used, "%s%.3g", r > 0 ? "," : "", 1e3 * work_of(&p->row[r]));
    if (v->rank < 0)
        (void)snprintf(p->line + used, p->line_max - (size_t)used, "]}");
    else
        (void)snprintf(p->line + used, p->line_max - (size_t)used, "],\"slow\":%d,\"section\":\"%s\"}", v->rank,
                       fut_section_names[v->section]);
    fut_step_report_event(report, p->line);
}

static void name_straggler(fut_pace *p, int64_t step, const fut_pace_verdict *v, fut_step_report *report)
{
    const char *host = p->host[v->rank];
    const char *remedy =
        v->section == FUT_SECTION_DATA ? "its storage, or data.threads" : "other programs, bound cores, heat or memory on that host";
    FUT_WARN("straggler at step %" PRId64
             ": rank %d on %s works %.0f ms a step, the median rank %.0f, for %d steps, most of the difference in "
             "%s (%.0f ms against %.0f); the others wait for it: look at %s",
             step, v->rank, host, 1e3 * v->work, 1e3 * v->median, FUT_PACE_WINDOW * FUT_PACE_WINDOWS, fut_section_names[v->section],
             1e3 * v->section_work, 1e3 * v->section_median, remedy);
    (void)snprintf(p->line, p->line_max,
                   "{\"step\":%" PRId64
                   ",\"event\":\"straggler\",\"rank\":%d,\"host\":\"%s\",\"section\":\"%s\",\"work_ms\":%.3g,\"median_ms\":%.3g}",
                   step, v->rank, host, fut_section_names[v->section], 1e3 * v->work, 1e3 * v->median);
    fut_step_report_event(report, p->line);
}

static void follow(fut_pace *p, int64_t step, const fut_pace_verdict *v, fut_step_report *report)
{
    if (v->rank < 0 || v->rank != p->suspect) {
        p->windows = 0;
        if (p->named && v->rank < 0 && ++p->quiet < FUT_PACE_WINDOWS) return;
        p->named = false;
        p->suspect = v->rank;
    }
    p->quiet = 0;
    if (v->rank < 0 || ++p->windows < FUT_PACE_WINDOWS || p->named) return;
    p->named = true;
    name_straggler(p, step, v, report);
}

fut_status fut_pace_step(fut_pace *p, int64_t step, const fut_step_timer *timer, double wall, fut_step_report *report)
{
    if (p == NULL) return FUT_OK;
    p->step[p->steps] = row_of_step(p, timer, wall);
    if (++p->steps < FUT_PACE_WINDOW) return FUT_OK;
    p->steps = 0;
    p->row[fut_comm_rank(p->comm)] = row_of_window(p);
    FUT_TRY(fut_gather_rows(p->comm, fut_comm_size(p->comm), NULL, sizeof *p->row / sizeof(double), FUT_F64, p->row, "pace of the ranks"));
    if (fut_comm_rank(p->comm) != 0) return FUT_OK;
    fut_pace_verdict v = fut_pace_judge(p->row, fut_comm_size(p->comm), p->scratch);
    write_window(p, step, &v, report);
    follow(p, step, &v, report);
    return FUT_OK;
}
