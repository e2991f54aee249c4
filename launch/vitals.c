#include "launch/vitals.h"

#include "core/base/mem.h"

#include <math.h>
#include <string.h>

/* The kernels that look at a gradient serve for any vector, each with a control block of its own. */
typedef enum look { LOOK_NEGATE, LOOK_CHANGE, LOOK_WEIGHT, LOOKS } look;

/* Pinned: what one step brings to the host. */
typedef struct sample {
    int64_t rows;
    float *e;               /* [rows_max, dim] */
    int64_t *label, *image; /* [rows_max] */
    fut_step_control *seen; /* [LOOKS] */
} sample;

struct fut_vitals {
    fut_backend *bk;
    int64_t dim, params;
    int places;
    float *before;             /* device [params]; then the change */
    fut_step_control *control; /* device [LOOKS] */
    sample *sample;            /* [places] */
    double *work;
};

static fut_status create_sample(fut_backend *bk, int64_t rows, int64_t dim, sample *s)
{
    FUT_TRY(bk->alloc_host(bk, (size_t)(rows * dim) * sizeof *s->e, (void **)&s->e));
    FUT_TRY(bk->alloc_host(bk, (size_t)rows * sizeof *s->label, (void **)&s->label));
    FUT_TRY(bk->alloc_host(bk, (size_t)rows * sizeof *s->image, (void **)&s->image));
    return bk->alloc_host(bk, LOOKS * sizeof *s->seen, (void **)&s->seen);
}

static fut_status begin_controls(fut_vitals *v)
{
    fut_backend *bk = v->bk;
    fut_step_control first[LOOKS];
    for (int i = 0; i < LOOKS; i++)
        first[i] = (fut_step_control){.scale = i == LOOK_NEGATE ? -1 : 1, .unscale = 1, .finite = 1};
    FUT_TRY(bk->alloc(bk, sizeof first, (void **)&v->control));
    FUT_TRY(bk->upload(bk, v->control, first, sizeof first, NULL));
    return bk->sync(bk, NULL);
}

fut_status fut_vitals_create(fut_backend *bk, int places, int64_t batch, int64_t dim, int64_t params, fut_vitals **vitals_out)
{
    fut_status st = FUT_OK;
    fut_vitals *v = NULL;
    int64_t rows = batch < FUT_HEALTH_ROWS ? batch : FUT_HEALTH_ROWS;
    FUT_TRY_GOTO(FUT_NEW(&v), out);
    *v = (fut_vitals){.bk = bk, .dim = dim, .params = params, .places = places};
    FUT_TRY_GOTO(FUT_NEW_ARRAY(places, &v->sample), out);
    for (int i = 0; i < places; i++)
        FUT_TRY_GOTO(create_sample(bk, rows, dim, &v->sample[i]), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(fut_health_work(rows, dim), &v->work), out);
    FUT_TRY_GOTO(bk->alloc(bk, (size_t)params * sizeof *v->before, (void **)&v->before), out);
    FUT_TRY_GOTO(begin_controls(v), out);
    *vitals_out = v;
    v = NULL;
out:
    fut_vitals_destroy(&v);
    return st;
}

void fut_vitals_destroy(fut_vitals **vitals)
{
    fut_vitals *v = *vitals;
    if (v == NULL) return;
    for (int i = 0; i < v->places && v->sample != NULL; i++) {
        void *pinned[] = {v->sample[i].e, v->sample[i].label, v->sample[i].image, v->sample[i].seen};
        for (size_t k = 0; k < sizeof pinned / sizeof *pinned; k++)
            if (pinned[k] != NULL) v->bk->free_host(v->bk, pinned[k]);
    }
    if (v->before != NULL) v->bk->free(v->bk, v->before);
    if (v->control != NULL) v->bk->free(v->bk, v->control);
    fut_mem_free(v->sample);
    fut_mem_free(v->work);
    fut_mem_free(v);
    *vitals = NULL;
}

fut_status fut_vitals_before(fut_vitals *v, const void *params)
{
    return v->bk->copy(v->bk, v->before, params, (size_t)v->params * sizeof *v->before, NULL);
}

/* Sums of squares of w - before and of w, in f64 and a fixed order. */
static fut_status compare(fut_vitals *v, const void *params)
{
    fut_backend *bk = v->bk;
    FUT_TRY(bk->scale_gradient(bk, v->params, FUT_F32, &v->control[LOOK_NEGATE], v->before, NULL));
    FUT_TRY(bk->add(bk, v->params, FUT_F32, params, v->before, NULL));
    FUT_TRY(bk->step_check(bk, v->params, FUT_F32, v->before, NULL, 0, &v->control[LOOK_CHANGE], NULL));
    return bk->step_check(bk, v->params, FUT_F32, params, NULL, 0, &v->control[LOOK_WEIGHT], NULL);
}

fut_status fut_vitals_after(fut_vitals *v, int place, const fut_inputs *in, const float *e, const void *params)
{
    fut_backend *bk = v->bk;
    sample *to = &v->sample[place];
    fut_health_run runs[FUT_HEALTH_RUNS];
    int n_runs = fut_health_choose(in->n, runs);
    to->rows = 0;
    for (int i = 0; i < n_runs; i++) {
        int64_t first = runs[i].first;
        size_t count = (size_t)runs[i].count;
        FUT_TRY(bk->download(bk, to->e + to->rows * v->dim, e + first * v->dim, count * (size_t)v->dim * sizeof *e, NULL));
        FUT_TRY(bk->download(bk, to->label + to->rows, in->label + first, count * sizeof *in->label, NULL));
        FUT_TRY(bk->download(bk, to->image + to->rows, in->image + first, count * sizeof *in->image, NULL));
        to->rows += runs[i].count;
    }
    FUT_TRY(compare(v, params));
    return bk->download(bk, to->seen, v->control, LOOKS * sizeof *v->control, NULL);
}

void fut_vitals_read(fut_vitals *v, int place, fut_vitals_report *report_out)
{
    const sample *s = &v->sample[place];
    double weight = s->seen[LOOK_WEIGHT].squares;
    fut_health_measure(s->e, s->label, s->image, s->rows, v->dim, v->work, &report_out->health);
    report_out->update_ratio = weight > 0 ? sqrt(s->seen[LOOK_CHANGE].squares / weight) : NAN;
}
