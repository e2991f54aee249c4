#include "launch/exposure.h"

#include "core/base/mem.h"

enum { ROWS_MAX = 16 }; /* of the table */

static const double kib = 1024.0 / sizeof(float); /* elements */

fut_status fut_exposure_init(const fut_engine *g, fut_exposure *out)
{
    fut_exposure e = {0};
    const fut_tree_span *span = fut_tree_spans(g->tree, &e.buckets);
    *out = (fut_exposure){0};
    if ((g->info.asynchronous && g->marks[0] == NULL) || fut_comm_size(g->comm) == 1) return FUT_OK;
    FUT_TRY(FUT_NEW_ARRAY(e.buckets, &e.sum));
    for (int b = 0; b < e.buckets; b++)
        e.sum[b].count = span[b].count;
    *out = e;
    return FUT_OK;
}

void fut_exposure_fini(fut_exposure *e)
{
    fut_mem_free(e->sum);
    *e = (fut_exposure){0};
}

void fut_exposure_add(fut_exposure *e, const fut_engine *g, double *summed_out, double *exposed_out)
{
    int buckets = 0;
    const fut_tree_span *span = fut_tree_spans(g->tree, &buckets);
    *summed_out = *exposed_out = 0;
    if (e->buckets == 0) return;
    for (int b = 0; b < buckets; b++) {
        e->sum[b].worked += span[b].worked;
        e->sum[b].waited += span[b].waited;
        e->sum[b].whole += span[b].whole;
        *exposed_out += span[b].worked + span[b].waited;
    }
    *summed_out = span[buckets - 1].began + span[buckets - 1].whole - span[0].began;
    e->steps++;
}

static fut_status print_row(const fut_exposure *e, const char *name, const fut_tree_span *s, fut_str *out)
{
    double ms = 1e3 / (double)e->steps;
    return fut_str_printf(out, "%s%9s %9.0f %11.2f %11.2f %11.2f", out->length > 0 ? "\n" : "", name, (double)s->count / kib, s->whole * ms,
                          s->worked * ms, s->waited * ms);
}

static fut_status print_numbered(const fut_exposure *e, int b, fut_str *out)
{
    fut_str name = {0};
    fut_status st = fut_str_printf(&name, "%d", b + 1);
    if (st == FUT_OK) st = print_row(e, fut_str_text(&name), &e->sum[b], out);
    fut_str_fini(&name);
    return st;
}

fut_status fut_exposure_print(const fut_exposure *e, fut_str *out)
{
    fut_tree_span rest = {0};
    fut_tree_span all = {0};
    if (e->steps == 0) return FUT_OK;
    FUT_TRY(fut_str_printf(out, "%9s %9s %11s %11s %11s", "bucket", "KiB", "ms in all", "worked", "waited"));
    for (int b = 0; b < e->buckets; b++) {
        const fut_tree_span *s = &e->sum[b];
        fut_tree_span *into[] = {&all, b < ROWS_MAX ? NULL : &rest};
        for (int i = 0; i < 2 && into[i] != NULL; i++) {
            into[i]->count += s->count;
            into[i]->worked += s->worked;
            into[i]->waited += s->waited;
            into[i]->whole += s->whole;
        }
        if (b < ROWS_MAX) FUT_TRY(print_numbered(e, b, out));
    }
    if (rest.count > 0) FUT_TRY(print_row(e, "others", &rest, out));
    return e->buckets > 1 ? print_row(e, "sum", &all, out) : FUT_OK;
}

fut_status fut_exposure_print_json(const fut_exposure *e, fut_str *out)
{
    double ms = e->steps > 0 ? 1e3 / (double)e->steps : 0;
    FUT_TRY(fut_str_printf(out, "["));
    for (int b = 0; b < e->buckets && e->steps > 0; b++) {
        const fut_tree_span *s = &e->sum[b];
        FUT_TRY(fut_str_printf(out, "%s{\"kib\":%.6g,\"ms\":%.4g,\"worked_ms\":%.4g,\"waited_ms\":%.4g}", b > 0 ? "," : "",
                               (double)s->count / kib, s->whole * ms, s->worked * ms, s->waited * ms));
    }
    return fut_str_printf(out, "]");
}
